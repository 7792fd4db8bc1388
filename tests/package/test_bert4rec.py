"""The cloze: torch's own encoder, what is hidden, what moves what, made sequences."""

import numpy as np
import oracles
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from recsys_tutor.bert4rec import HIDDEN, BERT4Rec, BERT4RecNetwork, hide
from recsys_tutor.data import Interactions
from recsys_tutor.training import seeded

torch.set_num_threads(1)  # threads that wait for each other slow small networks down

TINY = BERT4Rec(n_factors=16, max_length=7, n_blocks=1, dropout=0.0)


def from_lists(lists, n_items):
    rows = [(u, i, t) for u, items in enumerate(lists) for t, i in enumerate(items)]
    user, item, time = zip(*rows, strict=True)
    ids = np.arange(len(lists)), np.arange(n_items)
    return Interactions(user, item, np.ones(len(rows)), time, *ids)


def network():
    """Seven items, four factors, up to six positions; evaluation mode."""
    with seeded(0):
        made = BERT4RecNetwork(7, 4, 6, n_blocks=2, n_heads=2, dropout=0.5)
        for p in made.parameters():  # norms and biases away from 1 and 0
            p.data += 0.3 * torch.randn_like(p)
        made.items.weight.data[0] = 0
    return made.eval()


def test_the_network_by_torch_s_layers():
    """Checks eq-attention, with the positions on both sides in the sums."""
    made = network()
    for row in ([3, 1, HIDDEN, 2, HIDDEN], [5, HIDDEN]):
        vectors = [made.hidden if i == HIDDEN else made.items.weight[i] for i in row]
        x = torch.stack(vectors) + made.positions.weight[: len(row)]
        for block in made.blocks:
            h = F.layer_norm(x, (4,), block.norm_1.weight, block.norm_1.bias)
            W, b = block.qkv.weight, block.qkv.bias
            q, k, v = (h @ W[n : n + 4].T + b[n : n + 4] for n in (0, 4, 8))
            flat = [t.detach().numpy() for t in (q, k, v)]
            parts = [[t[:, n : n + 2] for t in flat] for n in (0, 2)]
            everything = np.ones((len(row), len(row)), dtype=bool).tolist()
            heads = [oracles.attention(*part, everything) for part in parts]
            a = torch.tensor(np.hstack(heads), dtype=torch.float32)
            x = x + F.linear(a, block.out.weight, block.out.bias)
            h = F.layer_norm(x, (4,), block.norm_2.weight, block.norm_2.bias)
            inner = F.relu(F.linear(h, block.mlp[0].weight, block.mlp[0].bias))
            x = x + F.linear(inner, block.mlp[2].weight, block.mlp[2].bias)
        wanted = F.layer_norm(x, (4,), made.norm.weight, made.norm.bias).detach()
        padded = torch.tensor([[*row, *[0] * (6 - len(row))]])
        got = made(padded)[0, : len(row)].detach()
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_every_position_sees_every_other_one():
    made = network()
    sequence = torch.tensor([[1, 2, 3, 4, HIDDEN, 0]])
    base = made(sequence)[0]
    for place in range(4):
        changed = sequence.clone()
        changed[0, place] = 7
        moved = (made(changed)[0] - base).abs().amax(dim=1)
        assert (moved[:5] > 1e-4).all(), "before and after"


def test_a_hidden_item_is_not_seen():
    """Whichever item it was: only the rest of the list and its place count."""
    rng = np.random.default_rng(0)
    lists = np.array([[3, 1, 7, 2, 0], [3, 1, 4, 2, 0]])
    inputs, targets = hide(lists, 1.0, rng)
    assert (inputs[:, :4] == HIDDEN).all() and (inputs[:, 4] == 0).all()
    np.testing.assert_array_equal(targets, lists)
    one, other = network()(torch.tensor(inputs))
    assert torch.equal(one, other)


@given(
    st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=6), min_size=1),
    st.floats(0.01, 1.0),
    st.integers(0, 99),
)
def test_what_is_hidden_is_asked_for(lists, share, seed):
    items = np.zeros((len(lists), 6), dtype=np.int64)
    for row, found in zip(items, lists, strict=True):
        row[: len(found)] = found
    before = items.copy()
    inputs, targets = hide(items, share, np.random.default_rng(seed))
    np.testing.assert_array_equal(items, before)
    hidden = inputs == HIDDEN
    np.testing.assert_array_equal(targets, np.where(hidden, items, 0))
    np.testing.assert_array_equal(inputs[~hidden], items[~hidden])
    assert hidden.any(axis=1).all() and not hidden[items == 0].any()


def test_the_share_is_kept_and_the_last_one_stands_in():
    items = np.ones((4000, 8), dtype=np.int64)
    _, targets = hide(items, 0.3, np.random.default_rng(0))
    assert targets[:, :7].mean() == pytest.approx(0.3, abs=0.02)
    nothing = 0.7**8  # no other is drawn: the last is taken
    assert targets[:, 7].mean() == pytest.approx(0.3 + nothing, abs=0.03)
    _, targets = hide(items, 1e-9, np.random.default_rng(0))
    assert targets[:, 7].all() and not targets[:, :7].any()


def test_each_item_stands_in_one_piece_of_an_epoch():
    lists = [[3, 1, 4, 5, 9, 2, 6, 8, 0], [7], [2, 3], [0, 9, 8, 7, 6, 5, 4]]
    data, rng = from_lists(lists, 10), np.random.default_rng(0)
    model = TINY.clone(max_length=3, batch_size=2)
    model.n_items_ = 10
    sequences = model._prepare(data, rng)
    for _ in range(5):
        found = []
        for inputs, targets in model._batches(sequences, rng):
            whole = np.where(targets > 0, targets, inputs)
            found += (whole[whole > 0] - 1).tolist()
            assert ((inputs == HIDDEN) == (targets > 0)).all()
        assert sorted(found) == sorted(i for items in lists for i in items)


def test_what_is_read_at_serving():
    """The last items but one place, then the hidden one; it alone without any."""
    data = from_lists([[0, 1, 2, 3], [4, 2]], 5)
    data = Interactions(data.user, data.item, data.value, data.time, range(3), range(5))
    model = TINY.clone(n_factors=2, max_length=3, n_epochs=1).fit(data)
    wanted = [[3, 4, HIDDEN], [5, 3, HIDDEN], [HIDDEN, 0, 0]]
    np.testing.assert_array_equal(model.sequences_, wanted)
    for u, row in enumerate(([3, 4, HIDDEN], [5, 3, HIDDEN], [HIDDEN])):
        h = model.network_(torch.tensor([row]))[0, -1].tolist()
        E = model.network_.items.weight.tolist()[1:]
        expected = [oracles.dot(h, e) for e in E]
        np.testing.assert_allclose(model.score([u])[0], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("n_negatives", [0, 3])
def test_the_loss_counts_hidden_positions_only(n_negatives):
    """Checks eq-sequence-loss."""
    data = from_lists([[3, 1, 4, 2], [0, 2], [4, 0, 1]], 5)
    model = TINY.clone(n_negatives=n_negatives, n_epochs=1).fit(data)
    rng = np.random.default_rng(1)
    (batch,) = map(model._tensors, model._batches(model._prepare(data, rng), rng))
    states = model.network_(batch[0]).detach().numpy().astype(float)
    E = model.network_.items.weight.detach().numpy().astype(float)
    losses = []
    for place in np.argwhere(batch[1].numpy() > 0):
        h, target = states[tuple(place)], int(batch[1][tuple(place)])
        rivals = batch[2][tuple(place)].tolist() if n_negatives else range(1, 6)
        logits = [oracles.dot(h, E[j]) for j in rivals]
        if n_negatives:
            logits.append(oracles.dot(h, E[target]))
        losses.append(oracles.log_sum_exp(logits) - oracles.dot(h, E[target]))
    assert 3 <= len(losses) < 9, "one of each list at least, not all"
    got = model._loss(model.network_, *batch).item()
    assert got == pytest.approx(np.mean(losses), rel=1e-4)


def test_a_cycle_is_learned():
    """Some lists are longer: the place after the fifth item must have been trained."""
    starts, n_items = np.random.default_rng(0).integers(0, 10, 160), 10
    lengths = np.repeat([5, 6], 80)
    lists = [((s + np.arange(k)) % n_items).tolist() for s, k in zip(starts, lengths)]
    data, starts = from_lists(lists, n_items), starts[:80]
    model = TINY.clone(n_epochs=60, batch_size=16, learning_rate=0.01)
    best = model.fit(data).recommend(np.arange(80), 1).items[:, 0]
    assert (best == (starts + 5) % n_items).mean() > 0.9
