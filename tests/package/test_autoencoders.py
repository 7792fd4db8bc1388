"""Mult-VAE: torch's distributions, loops by hand, planted groups."""

import math

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch.distributions import Multinomial, Normal, kl_divergence

from recsys_tutor.autoencoders import MultVAE, MultVAENetwork, gaussian_kl
from recsys_tutor.baselines import Popularity
from recsys_tutor.data import Interactions
from recsys_tutor.datasets import make_world, toy
from recsys_tutor.evaluate import evaluate
from recsys_tutor.splits import item_stratified
from recsys_tutor.training import seeded

torch.set_num_threads(1)  # threads that wait for each other slow small networks down


def network(dropout=0.0, seed=0):
    with seeded(seed):
        made = MultVAENetwork(6, 5, 3, dropout)
        for p in made.parameters():
            p.data += 0.5 * torch.randn_like(p)
    return made.eval()


def rows(n=4, seed=0):
    """0/1 rows of six items; the last one is empty."""
    x = (np.random.default_rng(seed).random((n, 6)) < 0.5).astype(np.float32)
    x[-1] = 0
    return torch.from_numpy(x)


# -- divergence ----------------------------------------------------------------------


def test_the_divergence_is_torch_s():
    """Checks eq-vae-kl."""
    with seeded(0):
        mean, log_variance = torch.randn(2, 7, 3, dtype=torch.float64)
    q = Normal(mean, (0.5 * log_variance).exp())
    expected = kl_divergence(q, Normal(0.0, 1.0)).sum(dim=1)
    np.testing.assert_allclose(gaussian_kl(mean, log_variance), expected, rtol=1e-12)
    zero = torch.zeros(2, 3)
    assert gaussian_kl(zero, zero).tolist() == [0, 0]


def test_the_divergence_is_the_mean_of_the_log_ratio():
    """``E_q[ln q(z) - ln p(z)]`` by a million draws, within five standard errors."""
    mean, log_variance = torch.tensor([[0.8, -0.3]]), torch.tensor([[-1.0, 0.6]])
    with seeded(0):
        z = mean + (0.5 * log_variance).exp() * torch.randn(1_000_000, 2)
    q, p = Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)
    ratio = (q.log_prob(z) - p.log_prob(z)).sum(dim=1).double()
    error = ratio.std().item() / 1000
    expected = gaussian_kl(mean, log_variance).item()
    assert abs(ratio.mean().item() - expected) < 5 * error < 0.02


# -- network -------------------------------------------------------------------------


def test_the_network_by_hand():
    made, x = network(), rows()
    logits, mean, log_variance = made(x)
    assert logits.shape == (4, 6) and mean.shape == log_variance.shape == (4, 3)
    W = {name: p.detach().numpy().astype(float) for name, p in made.named_parameters()}

    def layer(name, h):
        return W[f"{name}.weight"] @ h + W[f"{name}.bias"]

    for n, row in enumerate(x.numpy().astype(float)):
        size = math.sqrt(row.sum())
        h = np.tanh(layer("encode_1", row / size if size else row))
        both = layer("encode_2", h)
        expected = layer("decode_2", np.tanh(layer("decode_1", both[:3])))
        np.testing.assert_allclose(mean[n].detach(), both[:3], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(
            log_variance[n].detach(), both[3:], rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(logits[n].detach(), expected, rtol=1e-4, atol=1e-5)


def test_noise_has_the_variance_the_encoder_says():
    """Read off before the decoder, over many passes of the same user."""
    made = network().train()
    seen = []
    made.decode_1.register_forward_pre_hook(lambda module, z: seen.append(z[0]))
    x = rows()[:1].repeat(40_000, 1)
    with seeded(0), torch.no_grad():
        _, mean, log_variance = made(x)
    z = seen[0].double()
    deviation = (0.5 * log_variance[0]).exp()
    np.testing.assert_allclose(z.mean(dim=0), mean[0], atol=5 * deviation.max() / 200)
    np.testing.assert_allclose(z.std(dim=0), deviation, rtol=0.02)


def test_scoring_draws_nothing():
    made, x = network(dropout=0.5), rows()
    assert torch.equal(made(x)[0], made(x)[0])
    made.train()
    with seeded(0):
        assert not torch.equal(made(x)[0], made(x)[0])


# -- objective -----------------------------------------------------------------------


def loss_of(model, made, x, beta):
    return model._loss(made, x, beta).item()


def test_the_likelihood_is_the_multinomial_s_up_to_a_constant():
    """``ln p(x)`` of n draws has ``ln n!`` more for 0/1 rows, whatever the logits.

    Checks eq-vae-likelihood, eq-vae-elbo.
    """
    x = rows()
    for seed in (0, 1, 2):
        made = network(seed=seed)
        logits = made(x)[0].detach()
        expected = 0.0
        for row, logit in zip(x, logits, strict=True):
            n = int(row.sum())
            law = Multinomial(total_count=n, logits=logit)
            expected += law.log_prob(row).item() - math.lgamma(n + 1)
        got = loss_of(MultVAE(), made, x, beta=0.0)
        assert got == pytest.approx(-expected / 4, rel=1e-5)


def test_beta_weighs_the_divergence():
    """Checks eq-vae-elbo."""
    made, x = network(), rows()
    _, mean, log_variance = made(x)
    kl = kl_divergence(
        Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)
    ).sum(dim=1)  # fmt: skip
    zero, one, two = (loss_of(MultVAE(), made, x, beta) for beta in (0.0, 1.0, 2.0))
    assert one - zero == pytest.approx(kl.mean().item(), rel=1e-4)
    assert two - one == pytest.approx(kl.mean().item(), rel=1e-4)


@pytest.mark.parametrize(
    "anneal, expected", [(4, [0.2, 0.4, 0.6, 0.8, 0.8]), (0, [0.8] * 5), (1, [0.8] * 5)]
)
def test_beta_rises_over_the_first_epochs(anneal, expected):
    used = []

    class Watched(MultVAE):
        def _loss(self, network, x, beta):
            used.append(beta)
            return super()._loss(network, x, beta)

    model = Watched(hidden=3, n_factors=2, beta=0.8, anneal=anneal, n_epochs=5)
    model.fit(toy().interactions)  # all users in one batch
    assert used == pytest.approx(expected)


def test_the_history_is_the_objective_at_the_start_of_the_epoch():
    """All users in one batch, nothing random: the loss of the untrained network."""
    data = toy().interactions
    model = MultVAE(hidden=4, n_factors=2, beta=0.0, dropout=0.0, n_epochs=1)
    rng = np.random.default_rng(0)
    with seeded(int(rng.integers(2**31))):
        untrained = MultVAENetwork(data.n_items, 4, 2, 0.0).train()
        x = torch.from_numpy((data.csr.toarray() > 0).astype(np.float32))
        order = rng.permutation(data.n_users)
        logits = untrained(x[order])[0]
    expected = -(x[order] * logits.log_softmax(dim=1)).sum(dim=1).mean().item()
    model.fit(data)
    assert model.history_[0]["loss"] == pytest.approx(expected, rel=1e-5)


def test_users_without_items_do_not_train():
    ids = np.arange(5), np.arange(4)
    data = Interactions([0, 0, 3], [1, 2, 2], np.ones(3), None, *ids)
    model = MultVAE(hidden=3, n_factors=2, n_epochs=1)
    model.history_ = []
    rows = model._prepare(data, None)
    ((x, _),) = model._batches(rows, np.random.default_rng(0))
    assert sorted(x.tolist()) == [[0, 0, 1, 0], [0, 1, 1, 0]]


# -- scores --------------------------------------------------------------------------


def test_scores_come_from_0_and_1_for_known_and_new_users():
    """The height of a rating changes nothing; a stored row is the user's own."""
    data = toy().interactions
    model = MultVAE(hidden=4, n_factors=2, n_epochs=5, batch_size=2).fit(data)
    scores = model.score(np.arange(data.n_users))
    for X in (data.csr, csr_array(data.csr * 3), (data.csr.toarray() > 0) * 1.0):
        np.testing.assert_allclose(model.score_history(X), scores, rtol=1e-5)
    x = torch.from_numpy((data.csr.toarray() > 0).astype(np.float32))
    expected = model.network_(x)[0].detach()
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="shape"):
        model.score_history(np.ones((2, 9)))


def test_planted_groups_are_found():
    """Users have 7 of their group's 12 items; a new user's two items tell it."""
    rng = np.random.default_rng(0)
    group_of_user, group_of_item = np.arange(90) % 3, np.arange(36) % 3
    own = [rng.permutation(np.flatnonzero(group_of_item == g)) for g in group_of_user]
    user, item = np.repeat(np.arange(90), 7), np.concatenate([i[:7] for i in own])
    data = Interactions(
        user, item, np.ones(len(user)), None, np.arange(90), np.arange(36)
    )
    model = MultVAE(
        hidden=16, n_factors=4, beta=0.2, n_epochs=25, learning_rate=0.01, batch_size=30
    ).fit(data)
    lists = model.recommend(np.arange(90), 3).items
    assert (group_of_item[lists] == group_of_user[:, None]).mean() > 0.97
    new = np.zeros((3, 36))
    for g in range(3):
        new[g, np.flatnonzero(group_of_item == g)[:2]] = 5.0
    scores = model.score_history(new)
    inside = [scores[g, group_of_item == g].min() for g in range(3)]
    outside = [scores[g, group_of_item != g].max() for g in range(3)]
    assert np.all(np.array(inside) > outside)


def test_mult_vae_learns_more_than_popularity():
    world = make_world(n_users=200, n_items=80, n_ratings=4000, skew=0.3)
    split = item_stratified(world.interactions)
    model = MultVAE(
        hidden=32, n_factors=8, beta=0.2, n_epochs=30, learning_rate=0.005
    ).fit(split.train)
    ours = evaluate(model, split.test).ndcg.mean()
    assert ours > 1.15 * evaluate(Popularity().fit(split.train), split.test).ndcg.mean()


def test_the_served_network_is_the_running_mean_of_the_epochs():
    """Against the same training without averaging, its epochs averaged by hand."""
    data = make_world(n_users=30, n_items=20, n_ratings=200).interactions
    setting = {"hidden": 6, "n_factors": 2, "n_epochs": 5, "anneal": 2}
    epochs = []
    MultVAE(**setting, averaging=0.0).fit(
        data,
        callback=lambda model, epoch, logs: epochs.append(
            [p.detach().clone() for p in model.network_.parameters()]
        ),
    )
    served = MultVAE(**setting, averaging=0.8).fit(data).network_
    mean = epochs[0]
    for now in epochs[1:]:
        mean = [0.8 * a + 0.2 * b for a, b in zip(mean, now, strict=True)]
    assert not served.training
    for ours, expected in zip(served.parameters(), mean, strict=True):
        torch.testing.assert_close(ours, expected)
