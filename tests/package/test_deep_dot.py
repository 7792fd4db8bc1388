"""A perceptron beside the dot product: its forward pass in numpy."""

import numpy as np
import pytest
import torch

from recsys_tutor.datasets import toy
from recsys_tutor.deep_dot import DeepDot, DeepDotNetwork
from recsys_tutor.neural import DotModel
from recsys_tutor.training import seeded

torch.set_num_threads(1)


def network_of(hidden):
    """3 users, 5 items, in float64, no bias zero."""
    with seeded(0):
        network = DeepDotNetwork(3, 5, 2, hidden, mean=3.5, init_scale=0.7).double()
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.8)
    return network


@pytest.mark.parametrize("hidden", [(4,), (4, 3), (6, 5, 2)])
def test_the_forward_pass_by_hand(hidden):
    """Checks eq-deep-dot: the dot network's score plus the perceptron's."""
    network = network_of(hidden)
    w = {k: v.detach().numpy() for k, v in network.named_parameters()}
    users, items = torch.tensor([0, 2, 1]), torch.tensor([4, 1, 4])
    for n, (u, i) in enumerate(zip(users.tolist(), items.tolist(), strict=True)):
        x = np.concatenate([w["P_mlp.weight"][u], w["Q_mlp.weight"][i]])
        for layer in range(len(hidden) - 1):
            name = f"mlp.{3 * layer}"  # relu and dropout lie between
            x = np.maximum(w[f"{name}.weight"] @ x + w[f"{name}.bias"], 0)
        deep = w["out.weight"][0] @ x + w["out.bias"][0]
        bias = w["b_u.weight"][u, 0] + w["b_i.weight"][i, 0]
        dot = w["P.weight"][u] @ w["Q.weight"][i]
        expected = 3.5 + bias + dot + deep
        assert network(users, items)[n].item() == pytest.approx(expected, rel=1e-12)


def test_without_layers_it_is_the_dot_model():
    settings = {"n_factors": 3, "n_epochs": 4, "random_state": 7}
    deep = DeepDot(hidden=(), **settings).fit(toy().interactions)
    plain = DotModel(**settings).fit(toy().interactions)
    everyone = np.arange(5)
    np.testing.assert_array_equal(deep.score(everyone), plain.score(everyone))
    np.testing.assert_array_equal(deep._item_vectors(), plain._item_vectors())


def test_first_embeddings_and_sizes():
    with seeded(0):
        network = DeepDotNetwork(400, 500, 8, (20, 6), mean=3.0, init_scale=0.03)
    for table, rows in ((network.P_mlp, 400), (network.Q_mlp, 500)):
        assert table.weight.shape == (rows, 10)
        assert table.weight.std().item() == pytest.approx(0.03, rel=0.05)
    assert [x.out_features for x in network.mlp if hasattr(x, "weight")] == [6]


def test_an_item_is_both_of_its_embeddings():
    model = DeepDot(n_factors=3, hidden=(4, 2), n_epochs=1).fit(toy().interactions)
    net = model.network_
    both = np.hstack([x.weight.detach().numpy() for x in (net.Q, net.Q_mlp)])
    np.testing.assert_array_equal(model._item_vectors(), both)


def test_an_odd_input_cannot_be_shared():
    with pytest.raises(ValueError, match=r"hidden\[0\].*even, got 5"):
        DeepDot(hidden=(5, 2)).fit(toy().interactions)
