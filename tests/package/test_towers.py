"""Features in networks: dense products, literal double sums, the full softmax."""

import itertools

import numpy as np
import oracles
import pytest
import torch
from scipy.sparse import csr_array

from recsys_tutor.baselines import Popularity
from recsys_tutor.bayesian import BayesianFM
from recsys_tutor.data import Interactions
from recsys_tutor.datasets import make_world
from recsys_tutor.evaluate import evaluate
from recsys_tutor.splits import item_stratified
from recsys_tutor.towers import (
    DeepFM,
    DeepFMNetwork,
    FieldEmbedding,
    TwoTower,
    TwoTowerNetwork,
    in_batch_softmax,
)
from recsys_tutor.training import seeded

torch.set_num_threads(1)  # threads that wait for each other slow small networks down
N_USERS, N_ITEMS = 4, 6


def matrix(n_rows, n_columns, seed):
    """Weights of any sign; row 1 is empty, row 2 full."""
    rng = np.random.default_rng(seed)
    kept = rng.random((n_rows, n_columns)) < 0.5
    kept[1], kept[2] = False, True
    return csr_array(rng.normal(size=kept.shape) * kept)


def fields(n_rows, seed=0):
    return [csr_array(np.eye(n_rows)), matrix(n_rows, 3, seed), matrix(n_rows, 2, 9)]


def table(module):
    return module.weight.detach().numpy().astype(float)


# -- FieldEmbedding ------------------------------------------------------------------


def test_field_embedding_is_a_dense_product():
    sides = fields(5)
    with seeded(0):
        embedding = FieldEmbedding(sides, 4, init_scale=1.0)
    rows = np.array([3, 1, 1, 0, 2])
    got = embedding(torch.from_numpy(rows)).detach().numpy()
    assert got.shape == (5, 3, 4)
    for n, field in enumerate(sides):
        dense = field.toarray()[rows] @ table(embedding.tables[n])
        np.testing.assert_allclose(got[:, n], dense, rtol=1e-5, atol=1e-6)
    assert not got[1, 1].any() and got[4].any(), "no features, all features"


def test_padding_gets_no_gradient():
    """Rows with fewer features are filled with index 0, weight 0."""
    field = csr_array([[0.0, 2.0, 0.0], [0.0, 1.0, 3.0]])
    embedding = FieldEmbedding([field], 2)
    embedding(torch.tensor([0, 1, 0])).sum().backward()
    grad = embedding.tables[0].weight.grad
    expected = np.outer(field.toarray()[[0, 1, 0]].sum(axis=0), [1, 1])
    np.testing.assert_allclose(grad, expected, rtol=1e-6)
    assert not grad[0].any()


def test_an_empty_field_is_zero():
    embedding = FieldEmbedding([csr_array((3, 2))], 4, init_scale=1.0)
    assert not embedding(torch.arange(3)).any()


# -- factorization machine and DeepFM ------------------------------------------------


def machine(hidden=(), dropout=0.0):
    sides = fields(N_USERS, 1), fields(N_ITEMS, 2)
    with seeded(3):
        network = DeepFMNetwork(*sides, 3, hidden, dropout).double()
        for p in network.parameters():
            torch.nn.init.normal_(p)
    return network.eval(), sides


def all_pairs():
    user, item = np.indices((N_USERS, N_ITEMS)).reshape(2, -1)
    return torch.from_numpy(user), torch.from_numpy(item)


def field_vectors(network, sides, kind, u, i):
    """The six vectors of a pair, from dense rows and the tables."""
    out = []
    for side, fields_, row in zip(getattr(network, kind), sides, (u, i), strict=True):
        for n, field in enumerate(fields_):
            out.append(field.toarray()[row] @ table(side.tables[n]))
    return out


@pytest.mark.parametrize("hidden", [(), (5, 4)])
def test_the_machine_is_the_double_loop_over_fields(hidden):
    """Checks eq-fm-rule, eq-fm-identity, eq-deepfm."""
    network, sides = machine(hidden)
    scores = network(*all_pairs()).tolist()
    for u, i, got in zip(*all_pairs(), scores, strict=True):
        w = field_vectors(network, sides, "w", u, i)
        v = field_vectors(network, sides, "v", u, i)
        expected = network.bias.item() + sum(x[0] for x in w)
        for a, b in itertools.combinations(range(len(v)), 2):
            expected += oracles.dot(v[a], v[b])
        if hidden:
            flat = torch.from_numpy(np.concatenate(v))
            expected += network.deep(flat).item()
        assert got == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert len(network(*all_pairs()).unique()) == N_USERS * N_ITEMS


def test_with_ids_alone_the_machine_is_a_factorization_with_biases():
    with seeded(0):
        ids = [csr_array(np.eye(N_USERS))], [csr_array(np.eye(N_ITEMS))]
        network = DeepFMNetwork(*ids, 3, (), 0.0)
    P, Q = (table(side.tables[0]) for side in network.v)
    got = network(*all_pairs()).detach().numpy().reshape(N_USERS, N_ITEMS)
    np.testing.assert_allclose(got, P @ Q.T, rtol=1e-5, atol=1e-8)


def test_one_hot_fields_make_the_machine_of_chapter_10():
    """Its literal rule over the dense design, one feature per field."""
    rng = np.random.default_rng(0)
    kinds = [rng.integers(0, 3, N_USERS), rng.integers(0, 2, N_ITEMS)]
    sides = [
        [csr_array(np.eye(n)), csr_array(np.eye(kind.max() + 1)[kind])]
        for n, kind in zip((N_USERS, N_ITEMS), kinds, strict=True)
    ]
    with seeded(1):
        network = DeepFMNetwork(*sides, 2, (), 0.0)
        for p in network.parameters():
            torch.nn.init.normal_(p)
    user, item = all_pairs()
    X = np.hstack(
        [f.toarray()[rows] for fs, rows in zip(sides, (user, item)) for f in fs]
    )
    tables = [
        np.vstack([table(t) for side in getattr(network, kind) for t in side.tables])
        for kind in ("w", "v")
    ]
    theta = np.hstack(tables).T
    expected = oracles.fm_rule(X, network.bias.item(), theta)
    got = network(user, item).detach().numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_dropout_is_off_when_scoring():
    network, _ = machine((5,), dropout=0.5)
    assert torch.equal(network(*all_pairs()), network(*all_pairs()))
    network.train()
    with seeded(0):
        assert not torch.equal(network(*all_pairs()), network(*all_pairs()))


@pytest.mark.parametrize("dropout", [-0.1, 1, 1.5, "0.5", None, np.nan])
def test_dropout_must_be_a_share(dropout):
    with pytest.raises(ValueError, match="dropout"):
        DeepFM(dropout=dropout).fit(made()[0])


def test_fields_are_checked_as_in_chapter_10():
    data = made()[0]
    for model in (DeepFM(), TwoTower(), BayesianFM(n_epochs=30, burn_in=20)):
        for wrong, said in (
            (csr_array(np.eye(40)), r"write \(user_features,\) for a single one"),
            ((np.eye(40),), r"sparse matrices with 40 rows.*got \(40, 40\)"),
            ((csr_array(np.eye(30)),), r"sparse matrices with 40 rows.*got \(30, 30\)"),
            ((csr_array(np.full((40, 1), np.inf)),), "NaN or infinite"),
        ):
            with pytest.raises(ValueError, match=f"user_features.*{said}"):
                model.clone(user_features=wrong).fit(data)
    with pytest.raises(ValueError, match="without ids, item_features must hold at le"):
        TwoTower(item_ids=False).fit(data)


# -- in-batch softmax ----------------------------------------------------------------


def vectors(n, f=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, f)), rng.normal(size=(n, f))


@pytest.mark.parametrize("item", [[0, 1, 2, 3, 4], [0, 1, 0, 3, 1], [2, 2, 2, 2, 2]])
@pytest.mark.parametrize("corrected", [False, True])
def test_in_batch_softmax_by_loops(item, corrected):
    """Checks eq-log-q."""
    u, v = vectors(5)
    log_q = np.log(np.random.default_rng(1).dirichlet(np.ones(5)))[item]
    tensors = map(torch.from_numpy, (u, v, np.array(item), log_q))
    u_, v_, item_, log_q_ = tensors
    got = in_batch_softmax(u_, v_, item_, log_q_ if corrected else None)
    expected = oracles.in_batch_loss(u, v, item, log_q if corrected else np.zeros(5))
    assert got.item() == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_in_batch_softmax_of_one_pair_and_of_equal_scores():
    u, v = map(torch.from_numpy, vectors(1))
    assert in_batch_softmax(u, v, torch.tensor([3])).item() == 0
    zero, item = torch.zeros(6, 2), torch.arange(6)
    assert in_batch_softmax(zero, zero, item).item() == pytest.approx(np.log(6))


@pytest.mark.parametrize("size", [2, 4])
def test_the_correction_has_the_optimum_of_the_full_softmax(size):
    """Expected gradient over all batches of five items, at ``s_i = ln p(i | u)``.

    Row 0 belongs to ``u`` and draws from ``p``, the other rows from ``q``. Copies count
    here (each row has an index of its own): then the optimum is exact for every size.

    Checks eq-log-q-exact.
    """
    p, q = np.array([[0.4, 0.3, 0.15, 0.1, 0.05], [0.1, 0.5, 0.05, 0.15, 0.2]])
    gradient = {True: 0.0, False: 0.0}
    for items in itertools.product(range(5), repeat=size):
        chance = p[items[0]] * np.prod(q[list(items[1:])])
        for corrected in (True, False):
            s = torch.tensor(np.log(p) + 3, requires_grad=True)
            v = s[list(items)].unsqueeze(1)  # user vectors of length one: u · v = s
            log_q = torch.from_numpy(np.log(q))[list(items)]
            loss = in_batch_softmax(
                torch.ones_like(v), v, torch.arange(size), log_q if corrected else None
            )
            row = loss * size - sum_of_other_rows(v, log_q if corrected else None)
            (g,) = torch.autograd.grad(row, s)
            gradient[corrected] += chance * g.numpy()
    full = np.exp(np.log(p) + 3)
    full = full / full.sum() - p  # expected gradient of the full softmax: zero as well
    np.testing.assert_allclose(gradient[True], full, atol=1e-12)
    assert np.abs(gradient[False]).max() > 0.01, "it would show"


def sum_of_other_rows(v, log_q):
    """Losses of rows 1, 2, ...: every row has the same logits here."""
    logits = v.squeeze(1) if log_q is None else v.squeeze(1) - log_q
    return sum(torch.logsumexp(logits, 0) - logits[n] for n in range(1, len(v)))


def test_a_constant_in_log_q_changes_nothing():
    """So probabilities and expected counts in a batch are the same correction."""
    u, v = map(torch.from_numpy, vectors(6))
    item = torch.tensor([0, 1, 2, 0, 3, 1])
    log_q = torch.log(torch.tensor([0.5, 0.2, 0.1, 0.5, 0.2, 0.2], dtype=torch.float64))
    first, second = (in_batch_softmax(u, v, item, log_q + c).item() for c in (0, 7))
    assert first == pytest.approx(second, rel=1e-12)


# -- two towers ----------------------------------------------------------------------


def test_a_tower_is_a_linear_map_of_its_fields():
    sides = fields(N_USERS, 1), fields(N_ITEMS, 2)
    with seeded(0):
        network = TwoTowerNetwork(*sides, 4, (), 3, 0.0)
    user, item = all_pairs()
    vectors_ = network(user, item)
    for tower, fields_, rows, got in zip(
        (network.user, network.item), sides, (user, item), vectors_, strict=True
    ):
        W, b = table(tower[-1]), tower[-1].bias.detach().numpy()
        x = np.hstack(
            [f.toarray()[rows] @ table(t) for f, t in zip(fields_, tower[0].tables)]
        )
        expected = x @ W.T + b
        np.testing.assert_allclose(got.detach(), expected, rtol=1e-4, atol=1e-6)
    with seeded(0):
        deep = TwoTowerNetwork(*sides, 4, (7, 5), 3, 0.0)
    assert deep(user, item)[0].shape == (N_USERS * N_ITEMS, 3)
    sizes = [tuple(p.shape) for p in deep.item.parameters() if p.dim() == 2]
    assert sizes[-3:] == [(7, 12), (5, 7), (3, 5)]


def made(seed=0, **settings):
    """A world whose items' features say their topic; one item in five is kept out."""
    settings = {"n_users": 40, "n_items": 30, "n_ratings": 400, **settings}
    world = make_world(skew=0.2, random_state=seed, **settings)
    data = world.interactions
    cold = np.arange(data.n_items) % 5 == 0
    return data.subset(~cold[data.item]), data, cold, csr_array(world.features)


@pytest.mark.parametrize("hidden", [(), (6,)])
def test_served_vectors_are_the_score(hidden):
    """Of the network itself, to the last bit of what is stored, and of any device.

    Checks eq-towers-score.
    """
    train, _, _, features = made()
    model = TwoTower(
        item_features=(features,), width=4, n_factors=5, hidden=hidden, n_epochs=2
    ).fit(train)
    users = np.array([3, 0, 39, 3])
    assert model.U_.shape == (40, 5) and model.V_.shape == (30, 5)
    np.testing.assert_array_equal(model.score(users), model.U_[users] @ model.V_.T)
    with torch.no_grad():
        u = model.network_.user(torch.from_numpy(users))
        v = model.network_.item(torch.arange(30))
        expected = [[oracles.dot(a, b) for b in v.tolist()] for a in u.tolist()]
    np.testing.assert_allclose(model.score(users), expected, rtol=1e-5, atol=1e-7)
    best = np.argsort(-(model.U_ @ model.V_.T), axis=1, kind="stable")[:, :4]
    listed = model.recommend(np.arange(40), 4, exclude=None).items
    np.testing.assert_array_equal(listed, best)


def test_log_q_is_the_share_of_the_item_in_the_training_pairs():
    data = Interactions(
        [0, 1, 2, 0], [1, 1, 1, 3], np.ones(4), None, np.arange(3), np.arange(5)
    )
    model = TwoTower(batch_size=3)
    seen = {}
    for _, item, log_q in model._batches(data, np.random.default_rng(0)):
        seen |= dict(zip(item.tolist(), np.exp(log_q).tolist(), strict=True))
    assert seen == pytest.approx({1: 0.75, 3: 0.25})


def test_items_never_seen_are_ranked_by_their_features():
    """AUC among the cold items, against ids alone and the world's own chances."""
    settings = {"n_users": 150, "n_items": 60, "n_ratings": 3000, "n_topics": 4}
    train, data, cold, features = made(**settings)
    world = make_world(skew=0.2, random_state=0, **settings)
    assert cold.sum() == 12 and not cold[train.item].any()
    settings = {"width": 8, "n_factors": 8, "hidden": (), "n_epochs": 15}
    settings |= {"batch_size": 128, "learning_rate": 0.01}
    models = {
        "features": TwoTower(item_features=(features,), item_ids=False, **settings),
        "ids": TwoTower(**settings),
    }
    truth = data.csr.toarray()[:, cold] > 0

    def auc(scores):
        pairs = [
            oracles.auc(s, np.flatnonzero(t), np.flatnonzero(~t))
            for s, t in zip(scores[:, cold], truth, strict=True)
            if t.any() and not t.all()
        ]
        return np.mean(pairs)

    users = np.arange(data.n_users)
    got = {name: auc(m.fit(train).score(users)) for name, m in models.items()}
    ceiling = auc(world.theta @ world.phi)
    assert got["ids"] < 0.55, "an id never trained says nothing"
    assert 0.8 * (ceiling - 0.5) < got["features"] - 0.5 < ceiling - 0.5


def test_without_the_correction_popular_items_are_pushed_down():
    world = make_world(
        n_users=150, n_items=60, n_ratings=2500, skew=1.0, random_state=1
    )
    data = world.interactions
    count = np.bincount(data.item, minlength=60)
    listed = {}
    for log_q in (True, False):
        model = TwoTower(
            log_q=log_q,
            width=8,
            n_factors=8,
            hidden=(),
            n_epochs=8,
            batch_size=128,
            learning_rate=0.01,
        ).fit(data)
        items = model.recommend(np.arange(150), 5, exclude=None).items
        listed[log_q] = count[items].mean()
    assert listed[True] > 1.3 * listed[False]


@pytest.mark.parametrize("name", ["FM", "DeepFM", "TwoTower"])
def test_the_models_learn_more_than_popularity(name):
    world = make_world(n_users=150, n_items=60, n_ratings=3000, skew=0.3)
    split = item_stratified(world.interactions)
    side = {"item_features": (csr_array(world.features),)}
    pairs = {"n_factors": 8, "n_epochs": 10, "batch_size": 512, "learning_rate": 0.01}
    model = {
        "FM": DeepFM(hidden=(), **pairs, **side),
        "DeepFM": DeepFM(hidden=(16,), **pairs, **side),
        "TwoTower": TwoTower(
            width=8,
            n_factors=8,
            hidden=(16,),
            n_epochs=5,
            batch_size=128,
            learning_rate=0.01,
            **side,
        ),
    }[name]
    ours = evaluate(model.fit(split.train), split.test).ndcg.mean()
    base = evaluate(Popularity().fit(split.train), split.test).ndcg.mean()
    assert ours > 1.15 * base
