"""LightGCN: literal walks over the graph, dense matrices, eigenvectors, BPR."""

import numpy as np
import pytest
import torch

from recsys_tutor.baselines import Popularity
from recsys_tutor.data import Interactions
from recsys_tutor.datasets import make_world, toy
from recsys_tutor.evaluate import evaluate
from recsys_tutor.graph import (
    Graph,
    LightGCN,
    LightGCNNetwork,
    normalized_adjacency,
    propagate,
)
from recsys_tutor.splits import item_stratified
from recsys_tutor.training import seeded

torch.set_num_threads(1)  # threads that wait for each other slow small networks down


def interactions(pairs, n_users, n_items):
    user, item = np.array(pairs).T
    value = np.ones(len(user))
    ids = np.arange(n_users), np.arange(n_items)
    return Interactions(user, item, value, np.arange(len(user)), *ids)


@pytest.fixture(scope="module")
def films():
    return toy().interactions


# -- the graph -----------------------------------------------------------------------


def test_the_adjacency_edge_by_edge():
    """User 2 and item 3 have no edge; values of ratings do not count.

    Checks eq-gcn-adjacency.
    """
    pairs = [(0, 0), (0, 1), (0, 2), (1, 0)]
    data = interactions(pairs, 3, 4)
    data = Interactions(
        data.user, data.item, np.arange(1.0, 5), data.time, data.user_ids, data.item_ids
    )
    A = normalized_adjacency(data).toarray()
    expected = np.zeros((7, 7))
    degree = {0: 3, 1: 1, 3: 2, 4: 1, 5: 1}  # nodes: three users, then four items
    for u, i in pairs:
        edge = 1 / np.sqrt(degree[u] * degree[3 + i])
        expected[u, 3 + i] = expected[3 + i, u] = edge
    np.testing.assert_allclose(A, expected, rtol=1e-15)


def test_eigenvalues_lie_within_one_and_the_first_vector_is_the_root_of_degrees(films):
    A = normalized_adjacency(films).toarray()
    values, vectors = np.linalg.eigh(A)
    assert abs(values).max() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(np.sort(values), -np.sort(values)[::-1], atol=1e-12)
    degree = np.append(
        np.bincount(films.user, minlength=films.n_users),
        np.bincount(films.item, minlength=films.n_items),
    )
    np.testing.assert_allclose(A @ np.sqrt(degree), np.sqrt(degree), rtol=1e-12)


# -- propagation ---------------------------------------------------------------------


@pytest.mark.parametrize("n_layers", [0, 1, 2, 3])
def test_propagation_by_walks_from_node_to_node(films, n_layers):
    """A layer sums, over each node's neighbours, their vectors by 1 / sqrt(d d').

    Checks eq-gcn-layer.
    """
    E = np.random.default_rng(0).normal(size=(films.n_users + films.n_items, 3))
    neighbours = [[] for _ in E]
    for u, i in zip(films.user.tolist(), films.item.tolist()):
        neighbours[u].append(films.n_users + i)
        neighbours[films.n_users + i].append(u)
    layers = [E.tolist()]
    for _ in range(n_layers):
        last, layer = layers[-1], []
        for node in range(len(E)):
            total = [0.0, 0.0, 0.0]
            for other in neighbours[node]:
                scale = (len(neighbours[node]) * len(neighbours[other])) ** 0.5
                total = [t + x / scale for t, x in zip(total, last[other])]
            layer.append(total)
        layers.append(layer)
    expected = np.mean(np.array(layers), axis=0)
    A = normalized_adjacency(films)
    np.testing.assert_allclose(propagate(A, E, n_layers), expected, atol=1e-14)
    ours = propagate(Graph(A), torch.from_numpy(E).float(), n_layers)
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_propagation_filters_the_eigenvectors(films):
    """Each eigenvector is multiplied by the mean of its eigenvalue's powers."""
    A = normalized_adjacency(films).toarray()
    values, vectors = np.linalg.eigh(A)
    gain = np.mean([values**k for k in range(4)], axis=0)
    np.testing.assert_allclose(propagate(A, vectors, 3), vectors * gain, atol=1e-12)


def test_the_gradient_of_a_walk_is_that_of_a_dense_product(films):
    A = normalized_adjacency(films)
    dense = torch.from_numpy(A.toarray()).float()
    with seeded(0):
        E, weights = torch.randn(2, A.shape[0], 3)
    gradients = []
    for matrix in (Graph(A), dense):
        leaf = E.clone().requires_grad_()
        (weights * propagate(matrix, leaf, 3) ** 2).sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients)
    assert gradients[0].abs().min() > 0


# -- objective -----------------------------------------------------------------------


def test_the_objective_by_hand(films):
    """Triple by triple, with scores from the dense matrix power (eq-gcn-objective)."""
    model = LightGCN(reg=0.3, n_layers=2)
    with seeded(0):
        network = LightGCNNetwork(films.n_users, films.n_items, 3, 2, init_scale=0.7)
    A = normalized_adjacency(films)
    triples = [(0, 1, 2), (4, 5, 0), (4, 3, 3)]
    got = model._loss(network, *map(torch.tensor, zip(*triples)), Graph(A))
    E = network.E.weight.detach().numpy().astype(float)
    A, m = A.toarray(), films.n_users
    final = (E + A @ E + A @ A @ E) / 3
    losses = []
    for u, i, j in triples:
        margin = final[u] @ final[m + i] - final[u] @ final[m + j]
        size = sum(E[node] @ E[node] for node in (u, m + i, m + j))
        losses.append(np.log(1 + np.exp(-margin)) + 0.15 * size)
    assert got.item() == pytest.approx(np.mean(losses), rel=1e-5)


def test_scores_are_those_of_the_last_network(films):
    model = LightGCN(n_factors=4, n_layers=3, n_epochs=4, batch_size=8).fit(films)
    E = model.network_.E.weight.detach().numpy().astype(float)
    final = propagate(normalized_adjacency(films), E, 3)
    expected = final[: films.n_users] @ final[films.n_users :].T
    np.testing.assert_allclose(model.score(np.arange(5)), expected, atol=1e-5)


def test_without_layers_it_is_plain_factors(films):
    model = LightGCN(n_factors=4, n_layers=0, n_epochs=3, batch_size=8).fit(films)
    E = model.network_.E.weight.detach().numpy()
    np.testing.assert_array_equal(model.P_, E[: films.n_users])
    np.testing.assert_array_equal(model.Q_, E[films.n_users :])


def test_a_user_with_all_items_and_one_with_none():
    """The first has nothing to learn from, the second no edge: both get scores."""
    pairs = [(0, i) for i in range(4)] + [(1, 0), (1, 1), (3, 0)]
    data = interactions(pairs, 4, 4)
    learners = []

    class Watched(LightGCN):
        def _loss(self, network, user, *rest):
            learners.append(sorted(user.tolist()))
            return super()._loss(network, user, *rest)

    model = Watched(n_factors=3, n_epochs=2, batch_size=4).fit(data)
    assert learners == [[1, 1, 3]] * 2
    assert np.isfinite(model.score([0, 1, 2, 3])).all()


# -- learning ------------------------------------------------------------------------


def test_many_layers_rank_by_popularity(films):
    """An even number of steps leaves the roots of the degrees (eq-gcn-limit)."""
    A = normalized_adjacency(films).toarray()
    E = np.random.default_rng(0).normal(size=(len(A), 3))
    far = np.linalg.matrix_power(A, 400) @ E
    P, Q = far[: films.n_users], far[films.n_users :]
    roots = np.sqrt(np.bincount(films.item, minlength=films.n_items))
    for row in P @ Q.T:
        assert abs(np.corrcoef(row, roots)[0, 1]) == pytest.approx(1, abs=1e-9)


def test_the_loss_falls_and_lists_beat_popularity():
    world = make_world(n_users=200, n_items=80, n_ratings=4000, skew=0.3)
    split = item_stratified(world.interactions)
    model = LightGCN(n_factors=16, n_epochs=25, batch_size=512).fit(split.train)
    losses = [row["loss"] for row in model.history_]
    assert losses[0] == pytest.approx(np.log(2), abs=0.02) and losses[-1] < 0.5
    floor = evaluate(Popularity().fit(split.train), split.test).ndcg.mean()
    assert evaluate(model, split.test).ndcg.mean() > 1.1 * floor
