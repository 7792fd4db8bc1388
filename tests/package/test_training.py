"""The training loop: seeds, devices, batches, losses, hooks, and networks' sizes."""

import ast
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from recsys_tutor import training
from recsys_tutor.base import FitDiverged, NotFittedError
from recsys_tutor.callbacks import EarlyStopping
from recsys_tutor.datasets import make_world, toy
from recsys_tutor.neural import DotModel
from recsys_tutor.sampling import minibatches
from recsys_tutor.training import NetworkModel, check_device, seeded, train_epoch

torch.set_num_threads(1)  # threads that wait for each other slow small networks down
PACKAGE = Path(training.__file__).parent


class Level(NetworkModel):
    """One number for everybody, moved towards the ratings: all can be done by hand."""

    def __init__(self, *, device="cpu", random_state=0, start=0.0):
        self.n_epochs, self.batch_size, self.learning_rate = 2, 4, 0.5
        self.weight_decay, self.device, self.random_state = 0.0, device, random_state
        self.start = start

    def _network(self, train):
        network = nn.Linear(1, 1, bias=False)
        nn.init.constant_(network.weight, self.start)
        return network

    def _batches(self, train, rng):
        for rows in minibatches(len(train), self.batch_size, rng):
            yield (train.value[rows],)

    def _loss(self, network, rating):
        return ((rating - network.weight.squeeze()) ** 2).mean()

    def _score_users(self, users):
        level = self.network_.weight.item()
        return np.full((len(users), self.n_items_), level)


# -- seeds and devices ---------------------------------------------------------------


def test_seeded_draws_repeat_and_leave_the_generator_alone():
    torch.randn(5)
    before = torch.get_rng_state()
    draws = []
    for seed in (3, 3, 4):
        with seeded(seed):
            draws.append(torch.randn(6))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    generator = torch.Generator().manual_seed(3)
    assert torch.equal(draws[0], torch.randn(6, generator=generator))


def test_seeded_gives_the_state_back_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(KeyError), seeded(0):
        torch.randn(3)
        raise KeyError
    assert torch.equal(torch.get_rng_state(), before)


def test_a_fit_leaves_all_three_global_generators_alone():
    def states():
        state = np.random.get_state()  # noqa: NPY002
        return random.getstate(), state[1].tolist(), state[2:], torch.get_rng_state()

    random.random(), np.random.random(), torch.rand(1)  # noqa: NPY002
    before = states()
    DotModel(n_epochs=1).fit(toy().interactions)
    after = states()
    assert after[:3] == before[:3] and torch.equal(after[3], before[3])


def test_a_global_seed_does_not_change_a_fit():
    scores = []
    for seed in (1, 2):
        with seeded(seed):
            model = DotModel(n_epochs=2).fit(toy().interactions)
        scores.append(model.score([0, 1]))
    np.testing.assert_array_equal(*scores)


def test_devices_are_checked():
    assert check_device("cpu") == torch.device("cpu")
    assert check_device(torch.device("cpu")).type == "cpu"
    for wrong in ("gpu", "cuda:99", "meta", "", None, 1.5):
        with pytest.raises(ValueError, match="device=.*cannot be used.*there is cpu"):
            check_device(wrong)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_said_before_any_work():
    model = Level(device="cuda")
    with pytest.raises(ValueError, match=r"device='cuda' cannot be used here"):
        model.fit(toy().interactions)
    assert not hasattr(model, "history_"), "no fit was started"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gives_the_same_level():
    data = toy().interactions
    here, there = Level().fit(data), Level(device="cuda").fit(data)
    assert there.network_.weight.device.type == "cuda"
    np.testing.assert_allclose(here.score([0]), there.score([0]), rtol=1e-5)


# -- batches and epochs --------------------------------------------------------------


def test_an_epoch_by_hand():
    """Loss ``(x - w)²``, step 0.1: w goes 0 -> 0.4 -> 0.92; batches of 2 and 1."""
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    modes = []

    def loss(network, x):
        modes.append(network.training)
        return ((x - network.weight.squeeze()) ** 2).mean()

    batches = [(torch.tensor([1.0, 3.0]),), (torch.tensor([3.0]),)]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    network.eval()
    mean = train_epoch(network, iter(batches), loss, optimizer)
    assert network.weight.item() == pytest.approx(0.4 + 0.2 * 2.6)
    assert mean == pytest.approx((1 + 9 + 2.6**2) / 3), "per example, before its step"
    assert modes == [True, True] and not network.training


def test_an_epoch_without_batches_is_no_division_by_zero():
    network = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    assert train_epoch(network, [], None, optimizer) == 0
    assert not network.training


# -- fit -----------------------------------------------------------------------------


def test_a_fit_is_adam_on_the_batches():
    data = toy().interactions
    model = Level(random_state=5).fit(data)
    rng = np.random.default_rng(5)
    rng.integers(2**31)  # the seed of torch
    w = m = s = 0.0
    step, losses = 0, []
    for _ in range(2):
        order, total = rng.permutation(len(data)), 0.0
        for start in range(0, len(data), 4):
            r = data.value[order[start : start + 4]]
            total += ((r - w) ** 2).sum()
            step += 1
            g = -2 * (r - w).mean()
            m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g * g
            w -= 0.5 * (m / (1 - 0.9**step)) / (np.sqrt(s / (1 - 0.999**step)) + 1e-8)
        losses.append(total / len(data))
    np.testing.assert_allclose(model.score([0, 4]), w, rtol=1e-5)
    np.testing.assert_allclose([r["loss"] for r in model.history_], losses, rtol=1e-5)
    assert w > 1


def test_weight_decay_is_added_to_the_gradient():
    """An embedding nobody asks for moves by the decay alone: one step of Adam."""
    data = toy().interactions.subset(np.arange(len(toy().interactions)) == 0)
    settings = {"n_factors": 3, "n_epochs": 1, "learning_rate": 0.01}
    still = DotModel(weight_decay=0.0, **settings).fit(data).network_.P.weight
    moved = DotModel(weight_decay=0.1, **settings).fit(data).network_.P.weight
    others = np.arange(data.n_users) != data.user[0]
    still, moved = (P.detach().numpy()[others] for P in (still, moved))
    np.testing.assert_allclose(still - moved, 0.01 * np.sign(still), rtol=1e-3)


def test_early_stopping_ends_a_fit():
    data = make_world(n_users=20, n_items=15, n_ratings=200).interactions
    values = iter([0.1, 0.5, 0.4, 0.3, 9.9])
    stopping = EarlyStopping(lambda model: next(values), patience=2)
    model = DotModel(n_factors=2, n_epochs=9).fit(data, callback=stopping)
    assert len(model.history_) == 4 and stopping.best_epoch == 2
    assert [row["valid"] for row in model.history_] == [0.1, 0.5, 0.4, 0.3]
    users = np.arange(data.n_users)
    same = model.clone(n_epochs=4).fit(data)
    np.testing.assert_array_equal(model.score(users), same.score(users))
    best = model.clone(n_epochs=stopping.best_epoch).fit(data)
    assert (best.score(users) != same.score(users)).any()


def test_a_callback_may_score_and_draw_without_changing_the_fit():
    """Evaluation switches dropout off and the next epoch switches it on again."""
    from recsys_tutor.autoencoders import MultVAE

    data = make_world(n_users=20, n_items=15, n_ratings=200).interactions
    modes = []

    def look(model, epoch, logs):
        modes.append(model.network_.training)
        model.score(np.arange(20))

    plain, watched = (
        MultVAE(hidden=6, n_factors=2, n_epochs=4).fit(data, callback=callback)
        for callback in (None, look)
    )
    assert modes == [False] * 4
    np.testing.assert_array_equal(plain.score([0, 1]), watched.score([0, 1]))


def test_a_loss_that_is_not_finite_ends_the_fit():
    model = Level(start=1e30)
    with pytest.raises(FitDiverged, match="Level: the loss is inf after epoch 1"):
        model.fit(toy().interactions)
    with pytest.raises(NotFittedError):
        model.score([0])


def test_numba_s_threads_do_not_become_torch_s():
    """In a process of its own: what a parallel kernel does to torch's threads."""
    code = """
import numpy as np, torch
torch.set_num_threads(1)
(torch.ones(500, 500, requires_grad=True) ** 2).sum().backward()
{first}
from recsys_tutor.kernels import is_stored
from scipy.sparse import csr_array
X = csr_array(np.eye(200))
user = np.tile(np.arange(200), 200)
is_stored(X.indptr, X.indices, user, user[::-1].copy())
print(torch.get_num_threads())
"""
    found = [
        subprocess.run(
            [sys.executable, "-c", code.format(first=first)],
            capture_output=True,
            text=True,
            env={**os.environ, "NUMBA_NUM_THREADS": "2"},
            check=True,
        ).stdout.strip()
        for first in (
            "import recsys_tutor.training",
            "",
            "import numba; numba.get_num_threads()",  # what the package avoids
        )
    ]
    assert found[:2] == ["1", "1"]
    if found[2] == "1":  # numba runs on other threads than OpenMP's here
        pytest.skip("numba leaves torch's threads alone on this machine")


# -- every network can be read at a glance -------------------------------------------


def networks():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                bases = {ast.unparse(base) for base in node.bases}
                if "nn.Module" in bases:
                    found.append((f"{path.stem}.{node.name}", node))
    return found


def test_networks_are_short_and_know_no_data():
    found = dict(networks())
    assert len(found) >= 8 and "sequential.SASRecNetwork" in found
    for name, node in found.items():
        assert node.end_lineno - node.lineno + 1 <= 60, name
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        assert not names & {"train", "Interactions", "np"}, name
        assert ast.get_docstring(node), name
        assert any(
            isinstance(n, ast.FunctionDef) and n.name == "forward" for n in node.body
        ), name


def test_no_global_seed_is_set_in_the_package():
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for call in ("torch.manual_seed(", "torch.seed(", "random.seed(", "set_state("):
            assert call not in text, f"{path.name}: {call}"


def test_a_fit_keeps_nothing_but_what_it_learned():
    """What the batches are made of is gone after it: no private attribute is left."""
    from recsys_tutor.autoencoders import MultVAE
    from recsys_tutor.crosses import DCN
    from recsys_tutor.graph import LightGCN
    from recsys_tutor.interest import DIN
    from recsys_tutor.neural import NeuMF
    from recsys_tutor.sequential import GRU4Rec, SASRec
    from recsys_tutor.towers import DeepFM, TwoTower

    kinds = DotModel, NeuMF, DeepFM, DCN, DIN, TwoTower
    for kind in (*kinds, GRU4Rec, SASRec, MultVAE, LightGCN):
        model = kind(n_epochs=1).fit(toy().interactions)
        assert not [name for name in vars(model) if name.startswith("_")], kind
