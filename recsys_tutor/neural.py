"""Embeddings, dot products and multilayer perceptrons: two inputs, one score.

Chapter: 12 Embeddings and MLPs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from recsys_tutor import extra
from recsys_tutor.checks import check_squares
from recsys_tutor.data import Interactions
from recsys_tutor.parameters import Sizes, param
from recsys_tutor.sampling import minibatches, sample_negatives
from recsys_tutor.training import Network, NetworkModel

with extra("deep"):
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F

__all__ = [
    "DotModel",
    "DotNetwork",
    "NeuMF",
    "NeuMFNetwork",
    "PairClassifier",
    "Pairs",
    "mlp",
]


def mlp(sizes: Sizes, dropout: float = 0.0) -> nn.Sequential:
    """Linear layers ``sizes[0] -> sizes[1] -> ...``, each followed by a ReLU.

    Chapter 12, eq-mlp.
    """
    layers = []
    for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


class DotNetwork(nn.Module):
    """``mu + b_u + b_i + p_u · q_i`` for index tensors (B,), (B,): scores (B,)."""

    def __init__(
        self,
        n_users: int,
        n_items: int,
        n_factors: int,
        *,
        mean: float = 0.0,
        init_scale: float = 0.05,
    ) -> None:
        super().__init__()
        self.mean = mean
        self.P = nn.Embedding(n_users, n_factors)
        self.Q = nn.Embedding(n_items, n_factors)
        self.b_u = nn.Embedding(n_users, 1)
        self.b_i = nn.Embedding(n_items, 1)
        for table in (self.P, self.Q):
            nn.init.normal_(table.weight, std=init_scale)
        for table in (self.b_u, self.b_i):
            nn.init.zeros_(table.weight)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        p, q = self.P(user), self.Q(item)  # (B, f), (B, f)
        bias = self.b_u(user) + self.b_i(item)  # (B, 1)
        return self.mean + bias.squeeze(1) + (p * q).sum(dim=1)  # (B,)


class DotModel(NetworkModel[DotNetwork]):
    """Biased matrix factorization for ratings as a network with two inputs.

    Rule: ``r_hat[u, i] = mu + b_u + b_i + p_u · q_i``; objective: mean squared error of
    the training ratings, with Adam's weight decay as the penalty.

    Notes
    -----
    Cost O(n_epochs · (n_ratings f + n_batches · (n_users + n_items) f)): Adam moves
    every row of a table at every step. Chapter 12, eq-dot-rule.
    """

    n_factors: int = param("Length of the vectors.", default=32, low=1)
    init_scale: float = param(
        "Standard deviation of the first embeddings.", default=0.05, above=0
    )
    n_epochs: int = 25
    weight_decay: float = 3e-4

    def _network(self, train: Interactions) -> DotNetwork:
        check_squares("ratings", train.value)
        return DotNetwork(
            train.n_users,
            train.n_items,
            self.n_factors,
            mean=float(train.value.mean()),
            init_scale=self.init_scale,
        )

    def _batches(self, data: Interactions, rng: np.random.Generator) -> Iterator[tuple]:
        for rows in minibatches(len(data), self.batch_size, rng):
            yield data.user[rows], data.item[rows], data.value[rows]

    def _loss(
        self, network: DotNetwork, user: Tensor, item: Tensor, rating: Tensor
    ) -> Tensor:
        return F.mse_loss(network(user, item), rating)

    @torch.no_grad()
    def _predict(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self.network_(*self._tensors((users, items))).cpu().numpy()

    def _item_vectors(self) -> np.ndarray:
        return self.network_.Q.weight.detach().cpu().numpy()

    @torch.no_grad()
    def _score_users(self, users: np.ndarray) -> np.ndarray:
        return _score_pairs(self, users)


class Pairs(NamedTuple):
    """What the pairs of an epoch are made of.

    Attributes
    ----------
    user, item : (n,) int64
        The pairs that occurred.
    drawing : (n_drawn,) int64
        Users for whom a negative is drawn, with repetitions; all lack some item.
    X : (n_users, n_items) csr_array
        What users have, and what is therefore no negative.
    """

    user: np.ndarray
    item: np.ndarray
    drawing: np.ndarray
    X: csr_array


class PairClassifier(NetworkModel[Network]):
    """Base of networks that say yes or no to a pair (user, item): scores are logits.

    Objective: the binary cross-entropy of the training pairs (1) and of ``n_negatives``
    items for each that the user lacks (0), drawn anew each epoch (chapter 12,
    eq-neumf-bce). A subclass writes ``_network``, whose ``forward(user, item)`` takes
    index tensors.
    """

    n_factors: int = param(
        "Length of the embeddings that are multiplied.", default=32, low=1
    )
    hidden: Sizes = param(
        "Sizes of the perceptron's layers; ``()``: none.", default=(), low=1
    )
    n_negatives: int = param("Items drawn for each pair.", default=4, low=1)
    dropout: float = param("After each hidden layer.", default=0.0, low=0, below=1)

    def _prepare(self, train: Interactions, rng: np.random.Generator) -> Pairs:
        X = train.binarize().csr
        lacks = np.diff(X.indptr)[train.user] < train.n_items
        drawing = np.repeat(train.user[lacks], self.n_negatives)
        return Pairs(train.user, train.item, drawing, X)

    def _batches(self, data: Pairs, rng: np.random.Generator) -> Iterator[tuple]:
        negative = sample_negatives(rng, data.drawing, data.X)
        users = np.append(data.user, data.drawing)
        items = np.append(data.item, negative)
        labels = np.append(np.ones(len(data.user)), np.zeros(len(negative)))
        for rows in minibatches(len(users), self.batch_size, rng):
            yield users[rows], items[rows], labels[rows]

    def _loss(
        self, network: nn.Module, user: Tensor, item: Tensor, label: Tensor
    ) -> Tensor:
        return F.binary_cross_entropy_with_logits(network(user, item), label)

    @torch.no_grad()
    def _score_users(self, users: np.ndarray) -> np.ndarray:
        return _score_pairs(self, users)


class NeuMFNetwork(nn.Module):
    """Dot-product and perceptron branch side by side, joined by one linear layer.

    ``h · [p_u * q_i ; mlp([p'_u ; q'_i])]`` for index tensors (B,), (B,): logits (B,).
    The branches have embeddings of their own. Without ``hidden`` layers only the first
    branch is left. Chapter 12, eq-neumf-rule.
    """

    def __init__(
        self,
        n_users: int,
        n_items: int,
        n_factors: int,
        hidden: Sizes,
        dropout: float,
        init_scale: float = 0.01,
    ) -> None:
        super().__init__()
        width = hidden[0] // 2 if hidden else 0
        self.P, self.Q = (nn.Embedding(n, n_factors) for n in (n_users, n_items))
        self.P_mlp, self.Q_mlp = (nn.Embedding(n, width) for n in (n_users, n_items))
        self.mlp = mlp((2 * width, *hidden[1:]), dropout)
        self.out = nn.Linear(n_factors + (hidden[-1] if hidden else 0), 1)
        for table in (self.P, self.Q, self.P_mlp, self.Q_mlp):
            nn.init.normal_(table.weight, std=init_scale)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        product = self.P(user) * self.Q(item)  # (B, f)
        pair = torch.cat([self.P_mlp(user), self.Q_mlp(item)], dim=1)  # (B, hidden[0])
        both = torch.cat([product, self.mlp(pair)], dim=1)  # (B, f + hidden[-1])
        return self.out(both).squeeze(1)  # (B,)


class NeuMF(PairClassifier[NeuMFNetwork]):
    """Neural matrix factorization: is this pair one of the user's, yes or no.

    Rule: the logit of :class:`NeuMFNetwork`; objective: :class:`PairClassifier`'s.

    Notes
    -----
    Cost of an epoch O((1 + n_negatives) · n_ratings · parameters of the perceptron).
    Source: He et al. (2017), without their pre-training. Chapter 12.
    """

    hidden: Sizes = param(
        "Sizes of the perceptron: its input (two embeddings of half of it), then each "
        "layer's output. ``()`` leaves it out.",
        default=(64, 32, 16),
        low=1,
    )
    n_epochs: int = 10
    batch_size: int = 1024
    learning_rate: float = 0.001

    def _check(self) -> None:
        super()._check()
        if self.hidden and self.hidden[0] % 2:
            raise ValueError(
                f"hidden[0] is shared by two embeddings and must be even, got "
                f"{self.hidden[0]}"
            )

    def _network(self, train: Interactions) -> NeuMFNetwork:
        return NeuMFNetwork(
            train.n_users,
            train.n_items,
            n_factors=self.n_factors,
            hidden=tuple(self.hidden),
            dropout=self.dropout,
        )

    def _item_vectors(self) -> np.ndarray:
        """Both embeddings of an item, side by side."""
        tables = self.network_.Q.weight, self.network_.Q_mlp.weight
        return torch.cat(tables, dim=1).detach().cpu().numpy()


def _score_pairs(model: NetworkModel, users: np.ndarray, rows: int = 64) -> np.ndarray:
    """The score of each of ``users`` with each item, (B, n_items), by parts."""
    out = np.empty((len(users), model.n_items_), dtype=np.float32)
    items = model._tensor(np.arange(model.n_items_))
    for start in range(0, len(users), rows):
        part = model._tensor(users[start : start + rows])
        pairs = part.repeat_interleave(len(items)), items.repeat(len(part))
        scores = model.network_(*pairs).reshape(len(part), -1)
        out[start : start + rows] = scores.cpu().numpy()
    return out
