"""Autoencoders: a user's row of the matrix through a narrow layer and back.

Chapter: 15 Autoencoders and graphs.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import numpy as np
from scipy.sparse import csr_array

from recsys_tutor import extra
from recsys_tutor.data import Interactions
from recsys_tutor.kernels import ones_like
from recsys_tutor.parameters import param
from recsys_tutor.sampling import minibatches
from recsys_tutor.training import NetworkModel

with extra("deep"):
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F

__all__ = ["MultVAE", "MultVAENetwork", "gaussian_kl"]


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """``KL(N(mean, diag(exp(log_variance))) || N(0, I))`` of each row: (B,).

    ``½ sum of (mean² + variance - log variance - 1)`` (chapter 15, eq-vae-kl).
    """
    return 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum(dim=1)


class MultVAENetwork(nn.Module):
    """Rows of counts (B, n_items) to logits over the items, by way of ``z``.

    ``forward`` returns logits (B, n_items), and mean and log-variance of ``z`` (B, d).
    In training ``z = mean + exp(½ log_variance) · noise``, else ``z = mean``.
    """

    def __init__(
        self, n_items: int, hidden: int, n_factors: int, dropout: float
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.encode_1 = nn.Linear(n_items, hidden)
        self.encode_2 = nn.Linear(hidden, 2 * n_factors)
        self.decode_1 = nn.Linear(n_factors, hidden)
        self.decode_2 = nn.Linear(hidden, n_items)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.dropout(F.normalize(x, dim=1))  # (B, n_items), rows of length 1
        h = torch.tanh(self.encode_1(x))  # (B, hidden)
        mean, log_variance = self.encode_2(h).chunk(2, dim=1)  # (B, d), (B, d)
        z = mean
        if self.training:
            z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        h = torch.tanh(self.decode_1(z))  # (B, hidden)
        return self.decode_2(h), mean, log_variance  # (B, n_items), (B, d), (B, d)


class MultVAE(NetworkModel[MultVAENetwork]):
    """A variational autoencoder of users with a multinomial likelihood.

    Rule: ``s(u, .) =`` the decoder's logits at the encoder's mean for the user's items.
    Objective: ``-sum_i x_ui log softmax_i(logits) + beta · KL(q(z | x_u) || N(0, I))``
    averaged over users (chapter 15, eq-vae-likelihood and eq-vae-elbo); ``beta`` rises
    linearly to ``beta`` over the first ``anneal`` epochs.

    Notes
    -----
    Cost of an epoch O(n_users · n_items · hidden). Source: Liang, Krishnan, Hoffman and
    Jebara (2018). Chapter 15.
    """

    hidden: int = param("Size of the hidden layers.", default=300, low=1)
    n_factors: int = param("Size of ``z``.", default=32, low=1)
    beta: float = param(
        "Weight of the divergence; 1 makes the objective minus the evidence lower "
        "bound.",
        default=1.0,
        low=0,
    )
    anneal: int = param(
        "Epochs over which the weight rises from 0 to ``beta``.", default=20, low=0
    )
    dropout: float = param(
        "Of the input: items left out at random.", default=0.5, low=0, below=1
    )
    averaging: float = param(
        "``network_`` has a running mean of the parameters after each epoch, in which "
        "the mean so far weighs ``averaging``: a steadier network than the last one. 0 "
        "keeps the last.",
        default=0.9,
        low=0,
        below=1,
    )
    n_epochs: int = 60
    batch_size: int = 64

    def _prepare(self, train: Interactions, rng: np.random.Generator) -> csr_array:
        """The 0/1 rows of the users who have any."""
        return ones_like(train.csr)[np.flatnonzero(np.diff(train.csr.indptr))]

    def _network(self, train: Interactions) -> MultVAENetwork:
        return MultVAENetwork(train.n_items, self.hidden, self.n_factors, self.dropout)

    def _batches(self, data: csr_array, rng: np.random.Generator) -> Iterator[tuple]:
        share = (len(self.history_) + 1) / self.anneal if self.anneal else 1.0
        beta = self.beta * min(share, 1.0)
        for rows in minibatches(data.shape[0], self.batch_size, rng):
            yield data[rows].toarray(), beta

    def _loss(self, network: MultVAENetwork, x: Tensor, beta: float) -> Tensor:
        logits, mean, log_variance = network(x)
        reconstruction = -(x * F.log_softmax(logits, dim=1)).sum(dim=1)  # (B,)
        return (reconstruction + beta * gaussian_kl(mean, log_variance)).mean()

    def _after_epoch(self, network: MultVAENetwork, data: csr_array) -> None:
        if not self.history_:  # the first epoch
            self.network_ = deepcopy(network)
        pairs = zip(self.network_.parameters(), network.parameters(), strict=True)
        for mean, now in pairs:
            mean.lerp_(now, 1 - self.averaging)

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        return self._score_history(self.train_.csr[users])

    @torch.no_grad()
    def _score_history(self, X: csr_array) -> np.ndarray:
        logits, _, _ = self.network_(self._tensor(ones_like(X).toarray()))
        return logits.cpu().numpy()

    def _item_vectors(self) -> np.ndarray:
        """Each item's row of the last layer."""
        return self.network_.decode_2.weight.detach().cpu().numpy()
