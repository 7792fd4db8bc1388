"""Attention over the history: written out in numpy, and no item in its own history."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from recsys_tutor.baselines import Popularity
from recsys_tutor.data import Interactions
from recsys_tutor.datasets import make_world
from recsys_tutor.evaluate import evaluate
from recsys_tutor.interest import DIN, ActivationUnit, InterestNetwork, last_items
from recsys_tutor.splits import item_stratified
from recsys_tutor.training import seeded

torch.set_num_threads(1)
N_USERS, N_ITEMS, F = 3, 6, 2
HISTORY = np.array([[4, 1, 0], [2, -1, -1], [-1, -1, -1]])


def numpy_of(linear):
    bias = linear.bias
    return linear.weight.detach().numpy(), 0 if bias is None else bias.detach().numpy()


def test_last_items_by_loops():
    user, item = [1, 0, 1, 1, 0, 1], [0, 1, 2, 3, 4, 4]
    time = [5, 1, 7, 7, 0, 2]  # items 2 and 3 at once: the later row is the later one
    data = Interactions(user, item, np.ones(6), time, np.arange(3), np.arange(6))
    for length in (1, 2, 3, 6):
        expected = np.full((3, length), -1)
        for u, items in ((0, [1, 4]), (1, [3, 2, 0, 4])):
            kept = items[:length]
            expected[u, : len(kept)] = kept
        np.testing.assert_array_equal(last_items(data, length), expected)


def test_the_activation_unit_is_one_layer_over_three_parts():
    """The three maps are the blocks of one matrix. Checks eq-din-unit."""
    rng = np.random.default_rng(0)
    e_h, e_c = rng.normal(size=(4, 3, F)), rng.normal(size=(4, F))
    with seeded(0):
        unit = ActivationUnit(F, 5).double()
    blocks = [numpy_of(m) for m in (unit.of_history, unit.of_candidate, unit.of_both)]
    W, b = np.hstack([w for w, _ in blocks]), blocks[0][1]
    w, b_out = numpy_of(unit.out)
    got = unit(*map(torch.from_numpy, (e_h, e_c))).detach().numpy()
    for n, h in np.ndindex(4, 3):
        x = np.concatenate([e_h[n, h], e_c[n], e_h[n, h] * e_c[n]])
        expected = w[0] @ np.maximum(W @ x + b, 0) + b_out[0]
        assert got[n, h] == pytest.approx(expected, rel=1e-10)


def network(attend=True, hidden=(4,)):
    rng = np.random.default_rng(1)
    users = [csr_array(np.eye(N_USERS)), csr_array(rng.random((N_USERS, 2)))]
    items = [csr_array(np.eye(N_ITEMS)), csr_array(rng.random((N_ITEMS, 3)))]
    with seeded(2):
        made = InterestNetwork(
            users,
            items,
            torch.from_numpy(HISTORY),
            n_factors=F,
            unit=5,
            hidden=hidden,
            dropout=0.0,
            attend=attend,
        ).double()
        for p in made.parameters():
            torch.nn.init.normal_(p)
    return made.eval(), (users, items)


def pairs():
    user, item = np.indices((N_USERS, N_ITEMS)).reshape(2, -1)
    return torch.from_numpy(user), torch.from_numpy(item)


def expected_interest(made, u, c, without):
    E = made.v[1].tables[0].weight.detach()
    total = np.zeros(F)
    for h in HISTORY[u]:
        if h >= 0 and h != without:
            weight = 1 / HISTORY.shape[1]
            if made.unit is not None:
                weight = made.unit(E[h].reshape(1, 1, F), E[[c]]).item()
            total += weight * E[h].numpy()
    return total


@pytest.mark.parametrize("attend", [True, False])
@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)])
def test_the_network_in_numpy(attend, hidden):
    """Checks eq-din."""
    made, sides = network(attend, hidden)
    scores = made(*pairs()).tolist()
    for u, c, got in zip(*(x.tolist() for x in pairs()), scores, strict=True):
        w = v = ()
        for n, (fields, row) in enumerate(zip(sides, (u, c), strict=True)):
            dense = [f.toarray()[row] for f in fields]
            for kind, tables in (("w", made.w[n].tables), ("v", made.v[n].tables)):
                found = [
                    x @ t.weight.detach().numpy()
                    for x, t in zip(dense, tables, strict=True)
                ]
                w, v = (w + tuple(found), v) if kind == "w" else (w, v + tuple(found))
        x = np.concatenate([*v, expected_interest(made, u, c, c)])
        linears = [m for m in made.deep.modules() if isinstance(m, torch.nn.Linear)]
        for linear in linears:
            W, b = numpy_of(linear)
            x = W @ x + b
            x = np.maximum(x, 0) if linear is not linears[-1] else x
        expected = made.bias.item() + sum(part[0] for part in w) + x[0]
        assert got == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_an_item_is_not_in_its_own_history():
    """Score of a pair: the same whether the candidate is in the history or not."""
    made, _ = network()
    user, item = torch.tensor([0, 0]), torch.tensor([1, 5])
    before = made(user, item)
    with torch.no_grad():
        made.history[0, 1] = -1  # item 1 taken out
        after = made(user, item)
    assert after[0] == before[0] and after[1] != before[1]


def test_what_is_left_out_is_left_out():
    made, _ = network()
    user, item, out = torch.tensor([0]), torch.tensor([5]), torch.tensor([4])
    got = made.interest(user, item, out).detach().numpy()[0]
    np.testing.assert_allclose(got, expected_interest(made, 0, 5, 4))
    assert not np.allclose(got, expected_interest(made, 0, 5, -1))


def test_a_user_without_history_has_no_interest():
    made, _ = network()
    assert not made.interest(*(torch.tensor([x]) for x in (2, 5, 5))).any()


def test_positives_and_their_negatives_see_one_history():
    """So that nothing about the history tells the label."""
    data = make_world(n_users=15, n_items=12, n_ratings=80).interactions
    model = DIN(n_negatives=3, batch_size=7)
    rng = np.random.default_rng(0)
    rows = [np.stack(b, 1) for b in model._batches(model._prepare(data, rng), rng)]
    user, item, label, left_out = np.concatenate(rows).T.astype(int)
    assert (left_out[label == 1] == item[label == 1]).all()
    assert (left_out[label == 0] != item[label == 0]).all()
    for kind, times in ((1, 1), (0, 3)):
        got = np.stack([user, left_out], 1)[label == kind]
        expected = np.repeat(np.stack([data.user, data.item], 1), times, axis=0)
        assert sorted(map(tuple, got)) == sorted(map(tuple, expected))


def test_scores_by_parts_are_the_network_s():
    data = make_world(n_users=30, n_items=12, n_ratings=150).interactions
    model = DIN(n_factors=3, n_epochs=1, n_history=4).fit(data)
    users = np.arange(30)[::-1]
    with torch.no_grad():
        u, i = np.indices((30, 12)).reshape(2, -1)
        whole = model.network_(torch.from_numpy(users[u]), torch.from_numpy(i))
    np.testing.assert_allclose(
        model.score(users), whole.reshape(30, 12), rtol=1e-4, atol=1e-6
    )


def test_without_a_time_there_is_no_last_item():
    data = Interactions([0, 1], [1, 0], np.ones(2), None, np.arange(2), np.arange(2))
    with pytest.raises(ValueError, match="no time"):
        DIN().fit(data)


def test_interest_learns_more_than_popularity():
    world = make_world(n_users=150, n_items=60, n_ratings=3000, skew=0.3)
    split = item_stratified(world.interactions)
    model = DIN(
        item_features=(csr_array(world.features),),
        n_factors=8,
        hidden=(16,),
        n_epochs=10,
        batch_size=512,
        learning_rate=0.01,
    )
    ours = evaluate(model.fit(split.train), split.test).ndcg.mean()
    base = evaluate(Popularity().fit(split.train), split.test).ndcg.mean()
    assert ours > 1.1 * base
