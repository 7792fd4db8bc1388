"""Cross layers: written out in numpy, and the factorization machine inside of one."""

import itertools

import numpy as np
import oracles
import pytest
import torch
from scipy.sparse import csr_array

from recsys_tutor.baselines import Popularity
from recsys_tutor.crosses import DCN, CrossLayer, CrossNetwork
from recsys_tutor.datasets import make_world
from recsys_tutor.evaluate import evaluate
from recsys_tutor.splits import item_stratified
from recsys_tutor.towers import DeepFM
from recsys_tutor.training import seeded

torch.set_num_threads(1)
N_USERS, N_ITEMS = 4, 6


def numpy_of(linear):
    return tuple(p.detach().numpy() for p in (linear.weight, linear.bias))


def layer(width, seed=0):
    with seeded(seed):
        made = CrossLayer(width).double()
        for p in made.parameters():
            torch.nn.init.normal_(p)
    return made


def test_a_cross_layer_by_loops():
    """Checks eq-cross."""
    rng = np.random.default_rng(0)
    x_0, x = rng.normal(size=(2, 3, 5))
    made = layer(5)
    W, b = numpy_of(made.linear)
    got = made(*map(torch.from_numpy, (x_0, x))).detach().numpy()
    for n, d in np.ndindex(3, 5):
        inner = sum(W[d, e] * x[n, e] for e in range(5)) + b[d]
        assert got[n, d] == pytest.approx(x_0[n, d] * inner + x[n, d], rel=1e-12)


def test_each_layer_adds_a_degree():
    """Along a ray ``t · x_0`` the entries are polynomials in t of degree l + 1."""
    x_0 = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 4)))
    layers = [layer(4, seed) for seed in range(3)]
    t = np.arange(1.0, 9.0)
    for depth in (1, 2, 3):
        values = []
        for scale in t:
            start = x = x_0 * scale
            for cross in layers[:depth]:
                x = cross(start, x)
            values.append(x[0, 0].item())
        differences = np.diff(values, n=depth + 2)
        np.testing.assert_allclose(differences, 0, atol=1e-9 * max(map(abs, values)))
        assert abs(np.diff(values, n=depth + 1)).min() > 1e-6


def network(n_crosses=2, hidden=(5,), n_fields=2):
    rng = np.random.default_rng(2)
    sides = [
        [csr_array(np.eye(n)), *(csr_array(rng.random((n, 3))) for _ in range(extra))]
        for n, extra in ((N_USERS, n_fields - 1), (N_ITEMS, 1))
    ]
    with seeded(3):
        made = CrossNetwork(
            *sides, n_factors=2, n_crosses=n_crosses, hidden=hidden, dropout=0.0
        ).double()
        for p in made.parameters():
            torch.nn.init.normal_(p)
    return made.eval(), sides


def pairs():
    user, item = np.indices((N_USERS, N_ITEMS)).reshape(2, -1)
    return torch.from_numpy(user), torch.from_numpy(item)


def concatenated(made, sides):
    """The fields' vectors of every pair, side by side, from dense products."""
    parts = []
    for side, fields, rows in zip(made.v, sides, pairs(), strict=True):
        for table, field in zip(side.tables, fields, strict=True):
            parts.append(field.toarray()[rows] @ table.weight.detach().numpy())
    return np.hstack(parts)


@pytest.mark.parametrize("n_crosses, hidden", [(1, ()), (2, (5,)), (3, (5, 4))])
def test_the_network_in_numpy(n_crosses, hidden):
    """Checks eq-cross."""
    made, sides = network(n_crosses, hidden)
    x = x_0 = concatenated(made, sides)
    for cross in made.crosses:
        W, b = numpy_of(cross.linear)
        x = x_0 * (x @ W.T + b) + x
    if hidden:
        deep = x_0
        for linear in [m for m in made.deep if isinstance(m, torch.nn.Linear)]:
            W, b = numpy_of(linear)
            deep = np.maximum(deep @ W.T + b, 0)
        x = np.hstack([x, deep])
    W, b = numpy_of(made.out)
    got = made(*pairs()).detach()
    np.testing.assert_allclose(got, (x @ W.T + b)[:, 0], rtol=1e-5, atol=1e-5)


def test_one_cross_layer_holds_the_pairs_of_a_factorization_machine():
    """W = identities above the block diagonal, b = -1, output weights 1.

    Checks eq-cross-fm.
    """
    made, sides = network(n_crosses=1, hidden=(), n_fields=3)
    f, n_fields = 2, 5
    above = np.triu(np.ones((n_fields, n_fields)), 1)
    with torch.no_grad():
        cross = made.crosses[0].linear
        cross.weight.copy_(torch.from_numpy(np.kron(above, np.eye(f))))
        cross.bias.fill_(-1)
        made.out.weight.fill_(1)
        made.out.bias.fill_(0)
    fields = concatenated(made, sides).reshape(-1, n_fields, f)
    expected = [
        sum(oracles.dot(v[a], v[c]) for a, c in itertools.combinations(range(5), 2))
        for v in fields
    ]
    np.testing.assert_allclose(made(*pairs()).detach(), expected, rtol=1e-5, atol=1e-5)


def test_the_fields_are_those_of_deepfm():
    """Ids first, then the features; refused alike."""
    data = make_world(n_users=12, n_items=9, n_ratings=60).interactions
    features = (csr_array(np.eye(12)[:, :3]),)
    model = DCN(user_features=features, n_epochs=1).fit(data)
    users, items = model._sides(data)
    assert [f.shape for f in users] == [(12, 12), (12, 3)]
    assert [f.shape for f in items] == [(9, 9)]
    theirs = DeepFM(user_features=features, n_epochs=1).fit(data).network_
    for ours, other in zip(model.network_.v, theirs.v, strict=True):
        shapes = [[t.weight.shape for t in side.tables] for side in (ours, other)]
        assert shapes[0] == shapes[1]
    with pytest.raises(ValueError, match="item_features.*9 rows"):
        DCN(item_features=features).fit(data)


def test_crosses_learn_more_than_popularity():
    world = make_world(n_users=150, n_items=60, n_ratings=3000, skew=0.3)
    split = item_stratified(world.interactions)
    model = DCN(
        item_features=(csr_array(world.features),),
        n_factors=8,
        hidden=(16,),
        n_epochs=15,
        batch_size=128,
        learning_rate=0.01,
    )
    ours = evaluate(model.fit(split.train), split.test).ndcg.mean()
    base = evaluate(Popularity().fit(split.train), split.test).ndcg.mean()
    assert ours > 1.15 * base
