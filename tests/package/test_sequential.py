"""Recurrence and attention: torch's own, loops by hand, causality, made sequences."""

import numpy as np
import oracles
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from recsys_tutor.data import Interactions
from recsys_tutor.sequential import (
    GRU4Rec,
    GRUNetwork,
    SASRec,
    SASRecNetwork,
    attention,
    pad,
)
from recsys_tutor.training import seeded
from recsys_tutor.transitions import Transitions

torch.set_num_threads(1)  # threads that wait for each other slow small networks down

TINY = {
    "GRU4Rec": GRU4Rec(n_factors=16, max_length=6, dropout=0.0),
    "SASRec": SASRec(n_factors=16, max_length=6, n_blocks=1, dropout=0.0),
}


def from_lists(lists, n_items):
    rows = [(u, i, t) for u, items in enumerate(lists) for t, i in enumerate(items)]
    user, item, time = zip(*rows, strict=True)
    ids = np.arange(len(lists)), np.arange(n_items)
    return Interactions(user, item, np.ones(len(rows)), time, *ids)


def network(kind, seed=0):
    """Seven items, four factors, up to six positions; evaluation mode."""
    with seeded(seed):
        if kind == "gru":
            made = GRUNetwork(7, 4, 0.5)
        else:
            made = SASRecNetwork(7, 4, 6, n_blocks=2, n_heads=2, dropout=0.5)
        for p in made.parameters():  # norms and biases away from 1 and 0
            p.data += 0.3 * torch.randn_like(p)
        made.items.weight.data[0] = 0
    return made.eval()


KINDS = pytest.mark.parametrize("kind", ["gru", "attention"])
MODELS = pytest.mark.parametrize("name", TINY)


# -- sequences -----------------------------------------------------------------------


@given(st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=4))
def test_pad_shifts_by_one_and_fills_the_end(sequences):
    out = pad(sequences, 5)
    assert out.shape == (len(sequences), 5) and out.dtype == np.int64
    for row, items in zip(out.tolist(), sequences, strict=True):
        assert row == [i + 1 for i in items] + [0] * (5 - len(items))


@MODELS
def test_each_step_of_each_user_is_one_target_an_epoch(name):
    lists = [[3, 1, 4, 1, 5, 9, 2, 6, 8, 0], [7], [2, 3], [0, 9, 8, 7, 6, 5, 4]]
    lists = [list(dict.fromkeys(items)) for items in lists]
    data, rng = from_lists(lists, 10), np.random.default_rng(0)
    model = TINY[name].clone(max_length=3, batch_size=2)
    sequences = model._prepare(data, rng)
    expected = sorted(
        (a, b) for items in lists for a, b in zip(items[:-1], items[1:], strict=True)
    )
    for _ in range(3):
        steps = []
        for inputs, targets in model._batches(sequences, rng):
            assert inputs.shape == targets.shape and inputs.shape[1] == 3
            assert ((inputs > 0) == (targets > 0)).all()
            np.testing.assert_array_equal(  # inside a piece the target is read next
                np.where(targets[:, 1:] > 0, inputs[:, 1:], 0),
                np.where(targets[:, 1:] > 0, targets[:, :-1], 0),
            )
            real = targets > 0
            steps += zip(inputs[real] - 1, targets[real] - 1, strict=True)
        assert sorted((int(a), int(b)) for a, b in steps) == expected


def test_the_last_items_are_read_in_order_of_time():
    data = Interactions(
        [0, 1, 0, 0, 0],
        [4, 2, 1, 3, 0],
        np.ones(5),
        [9, 5, 2, 9, 1],
        range(3),
        range(5),
    )
    model = GRU4Rec(n_factors=2, max_length=3, n_epochs=1).fit(data)
    np.testing.assert_array_equal(
        model.sequences_, [[2, 5, 4], [3, 0, 0], [0, 0, 0]], "ties by file order"
    )
    assert model.lengths_.tolist() == [3, 1, 0]


# -- GRU -----------------------------------------------------------------------------


def test_the_gru_by_hand_is_torch_s():
    """Checks eq-gru."""
    with seeded(0):
        cell = nn.GRU(3, 4, batch_first=True).double()
        x = torch.randn(2, 5, 3, dtype=torch.float64)
    weights = [p.detach().numpy() for p in cell.parameters()]
    states, _ = cell(x)
    for row, expected in zip(x.numpy(), states.detach().numpy(), strict=True):
        got = oracles.gru(row, *weights)
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
    assert np.abs(expected[1:] - expected[:-1]).max() > 0.05


def test_the_gru_network_is_its_recurrence_over_the_embeddings():
    """Checks eq-gru."""
    made = network("gru")
    sequence = torch.tensor([[3, 1, 7, 2], [5, 5, 0, 0]])
    E = made.items.weight.detach().numpy().astype(float)
    weights = [p.detach().numpy().astype(float) for p in made.gru.parameters()]
    for row, got in zip(sequence.numpy(), made(sequence), strict=True):
        expected = oracles.gru(E[row], *weights)
        np.testing.assert_allclose(got.detach(), expected, rtol=1e-4, atol=1e-5)


# -- attention -----------------------------------------------------------------------


def causal(length):
    return torch.ones(length, length, dtype=torch.bool).tril()


def qkv(*shape, seed=0):
    with seeded(seed):
        return [torch.randn(*shape, dtype=torch.float64) for _ in range(3)]


@pytest.mark.parametrize("shape", [(5, 3), (2, 5, 3), (2, 4, 5, 3), (2, 1, 1, 1)])
def test_attention_is_torch_s(shape):
    """Checks eq-attention."""
    q, k, v = qkv(*shape)
    got = attention(q, k, v, causal(shape[-2]))
    expected = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_attention_by_loops_with_any_mask():
    """Checks eq-attention."""
    q, k, v = qkv(6, 3)
    mask = torch.rand(6, 6, generator=torch.Generator().manual_seed(0)) < 0.5
    mask |= torch.eye(6, dtype=torch.bool)
    got = attention(q, k, v, mask)
    expected = oracles.attention(q.numpy(), k.numpy(), v.numpy(), mask.tolist())
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_attention_s_gradient():
    tensors = [t.requires_grad_() for t in qkv(2, 4, 3)]
    assert torch.autograd.gradcheck(lambda *t: attention(*t, causal(4)), tensors)


def test_the_attention_network_by_torch_s_layers():
    """The same weights in functional form, one head at a time."""
    made = network("attention")
    sequence = torch.tensor([[3, 1, 7, 2, 5], [5, 6, 0, 0, 0]])
    x = made.items.weight[sequence] + made.positions.weight[:5]
    for block in made.blocks:
        h = F.layer_norm(x, (4,), block.norm_1.weight, block.norm_1.bias)
        W, b = block.qkv.weight, block.qkv.bias
        q, k, v = (h @ W[n : n + 4].T + b[n : n + 4] for n in (0, 4, 8))
        heads = [
            F.scaled_dot_product_attention(*(t[..., n : n + 2] for t in (q, k, v)),
                                           is_causal=True)
            for n in (0, 2)
        ]  # fmt: skip
        x = x + F.linear(torch.cat(heads, dim=2), block.out.weight, block.out.bias)
        h = F.layer_norm(x, (4,), block.norm_2.weight, block.norm_2.bias)
        inner = F.relu(F.linear(h, block.mlp[0].weight, block.mlp[0].bias))
        x = x + F.linear(inner, block.mlp[2].weight, block.mlp[2].bias)
    expected = F.layer_norm(x, (4,), made.norm.weight, made.norm.bias)
    got = made(sequence).detach()
    np.testing.assert_allclose(got, expected.detach(), rtol=1e-4, atol=1e-5)


# -- what both must keep -------------------------------------------------------------


@KINDS
def test_no_position_sees_what_comes_after_it(kind):
    made = network(kind)
    sequence = torch.tensor([[1, 2, 3, 4, 5, 6]])
    base = made(sequence)
    for place in range(6):
        changed = sequence.clone()
        changed[0, place] = 7
        apart = (made(changed) - base).abs().amax(dim=2)[0].tolist()
        assert max([0.0, *apart[:place]]) < 1e-6, "nothing before moves"
        assert min(apart[place:]) > 1e-4, "everything from there on does"


@KINDS
def test_padding_changes_nothing(kind):
    made = network(kind)
    short = torch.tensor([[4, 2, 6]])
    for extra in range(1, 4):
        longer = F.pad(short, (0, extra))
        got = made(longer)[:, :3].detach()
        np.testing.assert_allclose(got, made(short).detach(), rtol=1e-5, atol=1e-6)


@KINDS
def test_a_batch_is_its_rows(kind):
    made = network(kind)
    sequences = torch.tensor([[4, 2, 6, 0], [1, 0, 0, 0], [7, 7, 3, 2]])
    together = made(sequences).detach()
    for n in range(3):
        alone = made(sequences[[n]])[0].detach()
        np.testing.assert_allclose(together[n], alone, rtol=1e-4, atol=1e-6)


@KINDS
def test_dropout_works_in_training_only(kind):
    made, sequence = network(kind), torch.tensor([[4, 2, 6]])
    assert torch.equal(made(sequence), made(sequence))
    made.train()
    with seeded(0):
        assert not torch.equal(made(sequence), made(sequence))


def test_both_ends_of_the_gru_are_dropped():
    """Dropout before it and after it, each with draws of its own."""
    made, sequence = network("gru").train(), torch.tensor([[4, 2, 6]])
    drop = torch.nn.functional.dropout
    with seeded(0):
        found = made(sequence)
    with seeded(0):
        h, _ = made.gru(drop(made.items(sequence), 0.5))
        expected = drop(h, 0.5)
    assert torch.equal(found, expected)


@MODELS
def test_sequences_are_cut_at_another_place_each_epoch(name):
    """The first piece of a long sequence has one step up to ``max_length``."""
    model = TINY[name].clone(max_length=4, n_epochs=1)
    data = from_lists([list(range(9))], 9)
    sequences = model.fit(data)._prepare(data, None)
    rng, firsts = np.random.default_rng(0), set()
    for _ in range(60):
        inputs = np.concatenate([b[0] for b in model._batches(sequences, rng)])
        (first,) = inputs[inputs[:, 0] == 1]  # 0 is padding: item 0 is read as 1
        firsts.add(int(np.count_nonzero(first)))
    assert firsts == {1, 2, 3, 4}


@MODELS
@pytest.mark.parametrize(
    "loss, n_negatives", [("softmax", 0), ("softmax", 3), ("bce", 2), ("gbce", 2)]
)
def test_the_loss_by_loops(name, loss, n_negatives):
    """Checks eq-sequence-loss and eq-gbce."""
    data = from_lists([[3, 1, 4, 2], [0, 2], [4, 0, 1]], 5)
    options = {"max_length": 4, "n_negatives": n_negatives, "loss": loss}
    model = TINY[name].clone(**options, n_epochs=1).fit(data)
    rng = np.random.default_rng(1)
    batches = model._batches(model._prepare(data, rng), rng)
    (batch,) = map(model._tensors, batches)
    states = model.network_(batch[0]).detach().numpy().astype(float)
    E = model.network_.items.weight.detach().numpy().astype(float)
    losses = []
    for place in np.argwhere(batch[1].numpy() > 0):
        h, target = states[tuple(place)], int(batch[1][tuple(place)])
        yes = oracles.dot(h, E[target])
        rivals = batch[2][tuple(place)].tolist() if n_negatives else range(1, 6)
        logits = [oracles.dot(h, E[j]) for j in rivals]
        if loss == "softmax":
            logits += [yes] if n_negatives else []
            losses.append(oracles.log_sum_exp(logits) - yes)
        else:  # β of two of the four others, t = 0.75; a sum instead of a mean
            beta, weight = (0.25 + 0.75 * 2 / 4, 1) if loss == "gbce" else (1, 1 / 2)
            wrong = sum(np.log(oracles.sigmoid(-x)) for x in logits)
            losses.append(-beta * np.log(oracles.sigmoid(yes)) - weight * wrong)
    assert len(losses) == 6, "3 + 1 + 2 steps; padding has no loss"
    got = model._loss(model.network_, *batch).item()
    assert got == pytest.approx(np.mean(losses), rel=1e-4)


@MODELS
@pytest.mark.parametrize("n_negatives", [0, 1])
def test_the_padding_item_is_never_learned_nor_recommended(name, n_negatives):
    lists = [[(u + n) % 9 for n in range(4)] for u in range(20)]
    data = from_lists(lists, 9)
    model = TINY[name].clone(n_epochs=3, n_negatives=n_negatives, weight_decay=0.1)
    model.fit(data)
    weight = model.network_.items.weight.detach()
    assert weight.shape == (10, 16) and not weight[0].any() and weight[1:].any()
    lists = model.recommend(np.arange(20), 9, exclude=None).items
    assert (np.sort(lists, axis=1) == np.arange(9)).all(), "each item once, no other"
    rng = np.random.default_rng(0)
    for batch in model._batches(model._prepare(data, rng), rng):
        if n_negatives:
            assert batch[2].min() >= 1 and batch[2].max() == 9


@MODELS
def test_the_score_is_the_vector_at_the_last_item_times_the_embeddings(name):
    lists = [[(u + n) % 9 for n in range(1 + u % 8)] for u in range(20)]
    model = TINY[name].clone(n_epochs=1).fit(from_lists(lists, 9))
    for u in (0, 3, 7, 12):
        sequence = torch.tensor([[i + 1 for i in lists[u][-6:]]])
        h = model.network_(sequence)[0, -1].tolist()  # no padding at all
        E = model.network_.items.weight.tolist()[1:]
        expected = [oracles.dot(h, e) for e in E]
        np.testing.assert_allclose(model.score([u])[0], expected, rtol=1e-4, atol=1e-6)


@MODELS
@pytest.mark.parametrize("loss", ["bce", "gbce"])
def test_a_binary_loss_needs_negatives(name, loss):
    with pytest.raises(ValueError, match="n_negatives must be >= 1, got 0"):
        TINY[name].clone(loss=loss).fit(from_lists([[0, 1]], 2))


@MODELS
def test_heads_must_divide_the_factors(name):
    if name == "SASRec":
        model = TINY[name].clone(n_factors=10, n_heads=4)
        with pytest.raises(ValueError, match="multiple of n_heads, got 10 and 4"):
            model.fit(from_lists([[0, 1]], 2))
    model = TINY[name].clone(n_epochs=1)
    with pytest.raises(ValueError, match="carry no time"):
        model.fit(Interactions([0], [1], [1.0], None, [0], [0, 1]))


# -- recovery ------------------------------------------------------------------------


@MODELS
def test_a_cycle_is_learned(name):
    rng = np.random.default_rng(0)
    starts, n_items = rng.integers(0, 10, 80), 10
    data = from_lists([[(s + n) % n_items for n in range(5)] for s in starts], n_items)
    model = TINY[name].clone(n_epochs=25, batch_size=16, learning_rate=0.01)
    best = model.fit(data).recommend(np.arange(80), 1).items[:, 0]
    assert (best == (starts + 5) % n_items).mean() > 0.95
    first, last = (model.history_[n]["loss"] for n in (0, -1))
    assert first == pytest.approx(np.log(10), abs=0.7) and last < 0.3


def second_order(n_users, seed, n_items=8, length=6):
    """The next item follows from the last two; from the last alone it does not.

    Each step is +1 or -1 on a circle: a run goes on in its direction, so ``i`` is
    followed by ``i + 1`` and ``i - 1`` equally often.
    """
    rng = np.random.default_rng(seed)
    start, step = rng.integers(0, n_items, n_users), rng.choice([-1, 1], n_users)
    return (start[:, None] + step[:, None] * np.arange(length)) % n_items


@MODELS
def test_on_second_order_sequences_the_networks_beat_the_chain(name):
    """The seen part is short of the circle, so that both neighbours are unseen."""
    rows = second_order(200, 0)
    data = from_lists(rows[:, :3].tolist() + rows[:, :6].tolist(), 8)
    users, answer = np.arange(200), rows[:, 3]
    chain = Transitions(window=1, recency=0.0, backward=0.0, damping=0.0)
    model = TINY[name].clone(n_epochs=30, batch_size=32, learning_rate=0.01)
    right = {}
    for key, fitted in (("chain", chain.fit(data)), ("network", model.fit(data))):
        best = np.argmax(fitted.score(users), axis=1)
        right[key] = (best == answer).mean()
    assert right["network"] > 0.95
    assert 0.35 < right["chain"] < 0.65
