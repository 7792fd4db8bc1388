"""Pauses as features: their classes by hand, which position knows which of them."""

import numpy as np
import pytest
import torch

from recsys_tutor.data import Interactions
from recsys_tutor.timed import PAUSES, TimedNetwork, TimedSASRec, pause_class
from recsys_tutor.training import seeded

torch.set_num_threads(1)  # threads that wait for each other slow small networks down

TINY = TimedSASRec(n_factors=8, max_length=4, n_blocks=1, dropout=0.0, n_epochs=2)
#: Two users, the second rates first; items 0 to 5.
DATA = Interactions(
    [0, 1, 0, 1, 0],
    [3, 4, 1, 0, 2],
    np.ones(5),
    [100, 5, 100, 68, 103],
    range(3),
    range(6),
)


def test_the_classes_by_hand():
    seconds = [0, 0.5, 1, 2, 3, 6.9, 7, 3600, -5, 2.0**31, 1e18]
    wanted = [1, 1, 2, 2, 3, 3, 4, 12, 1, 32, 32]
    assert pause_class(np.array(seconds)).tolist() == wanted
    assert PAUSES == 33


def test_which_pauses_are_read():
    """Item plus one, the pause before it, the pause after it."""
    model = TINY.fit(DATA)
    rows = [[4, 0, 0], [2, 1, 0], [3, 3, 0], [0, 0, 0]]
    np.testing.assert_array_equal(model.sequences_[0], rows, "0, 0 and 3 seconds")
    np.testing.assert_array_equal(
        model.sequences_[1, :2], [[5, 0, 0], [1, 7, 0]], "63 seconds: 1 + 6"
    )
    assert not model.sequences_[2].any() and model.lengths_.tolist() == [3, 2, 0]


def test_a_list_that_is_asked_for():
    """The pause after an item is that to the next one, at the end that to ``asked``."""
    model = TINY.clone(asked=np.array([103 + 7, 68, 10**9])).fit(DATA)
    assert model.sequences_[0, :, 2].tolist() == [1, 3, 4, 0]
    assert model.sequences_[1, :, 2].tolist() == [7, 1, 0, 0]
    assert not model.sequences_[2].any(), "a user without items has no pause"
    before = TINY.fit(DATA)
    np.testing.assert_array_equal(model.sequences_[..., :2], before.sequences_[..., :2])


def test_the_batches_hold_the_steps():
    model, rng = TINY.clone(asked=np.zeros(3)), np.random.default_rng(0)
    model.n_items_ = 6
    data = model._prepare(DATA, rng)
    steps = []
    for inputs, targets in model._batches(data, rng):
        assert inputs.shape == (*targets.shape, 3)
        real = targets > 0
        read, wanted = inputs[real].tolist(), targets[real].tolist()
        steps += [(*x, y) for x, y in zip(read, wanted, strict=True)]
    wanted = [(4, 0, 1, 2), (2, 1, 3, 3), (5, 0, 7, 1)]
    assert sorted(steps) == sorted(wanted), "the pause to the target, not beyond it"


def made():
    with seeded(0):
        network = TimedNetwork(6, 8, 4, n_blocks=2, n_heads=2, dropout=0.3)
    return network.eval()


def test_without_pauses_it_is_sasrec():
    from recsys_tutor.sequential import SASRecNetwork

    network = made()
    plain = SASRecNetwork(6, 8, 4, n_blocks=2, n_heads=2, dropout=0.3).eval()
    shared = {k: v for k, v in network.state_dict().items() if k in plain.state_dict()}
    plain.load_state_dict(shared)
    items = torch.tensor([[3, 1, 6, 0]])
    sequence = torch.stack([items, 0 * items, 0 * items], dim=2)
    assert torch.allclose(network(sequence), plain(items), atol=1e-6)


@pytest.mark.parametrize("channel", [1, 2])
def test_a_pause_moves_its_position_and_what_comes_after(channel):
    network = made()
    sequence = torch.tensor([[[3, 0, 2], [1, 2, 5], [6, 5, 9], [2, 9, 1]]])
    base = network(sequence)
    for place in range(4):
        changed = sequence.clone()
        changed[0, place, channel] = 20
        moved = (network(changed) - base).abs().amax(dim=2)[0]
        assert (moved[:place] < 1e-6).all() and (moved[place:] > 1e-6).all()


@pytest.mark.parametrize(
    "asked", ["abc", np.ones(2), np.ones((3, 1)), np.array(["a", "b", "c"])]
)
def test_one_number_per_user(asked):
    with pytest.raises(ValueError, match="asked must be 3 times, one per user"):
        TINY.clone(asked=asked).fit(DATA)
    with pytest.raises(ValueError, match="asked must be finite"):
        TINY.clone(asked=np.array([1.0, np.nan, 2.0])).fit(DATA)


def test_the_pause_tells_the_next_item():
    """Items alternate between two followers; only the pause says which one comes."""
    rng = np.random.default_rng(0)
    users, length = 150, 6
    quick = rng.integers(0, 2, (users, length))  # 1: the next comes within the second
    item = np.zeros((users, length + 1), dtype=np.int64)
    time = np.zeros((users, length + 1), dtype=np.int64)
    for n in range(length):
        item[:, n + 1] = 1 + 2 * n + quick[:, n]
        time[:, n + 1] = time[:, n] + np.where(quick[:, n] == 1, 0, 5000)
    user = np.repeat(np.arange(users), length)
    data = Interactions(
        user, item[:, :-1].ravel(), np.ones(len(user)), time[:, :-1].ravel(),
        range(users), range(13),
    )  # fmt: skip
    extra = Interactions(  # what follows the last place must have been seen
        np.r_[user, np.repeat(np.arange(users, users + 100), length + 1)],
        np.r_[data.item, item[:100].ravel()],
        np.ones(len(user) + 700),
        np.r_[data.time, time[:100].ravel()],
        range(users + 100),
        range(13),
    )
    asked = np.r_[time[:, -1], time[:100, -1]]
    options = {"max_length": 7, "n_epochs": 30, "batch_size": 16, "learning_rate": 0.01}
    right = {}
    for name, told in (("told", asked), ("not", None)):
        model = TINY.clone(**options, asked=told).fit(extra)
        best = model.score(np.arange(100, users)).argmax(axis=1)
        right[name] = (best == item[100:, -1]).mean()
    assert right["told"] > 0.9 and right["not"] < 0.8
