"""Crosses of features, learned: the cross layers of DCN-v2.

Chapter: 13 Features and two towers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array, eye_array

from recsys_tutor import extra
from recsys_tutor.checks import check_feature_fields
from recsys_tutor.data import Interactions
from recsys_tutor.neural import PairClassifier, mlp
from recsys_tutor.parameters import Sizes, param
from recsys_tutor.towers import FieldEmbedding
from recsys_tutor.training import Network

with extra("deep"):
    import torch
    from torch import Tensor, nn

__all__ = ["CrossLayer", "CrossNetwork", "DCN", "FieldsClassifier"]

FIELDS = "Fields beside the id, as :func:`~recsys_tutor.features.side_features` makes."


class CrossLayer(nn.Module):
    """``x_0 * (W x + b) + x`` for x_0, x (B, d): (B, d) (chapter 13, eq-cross).

    Each layer multiplies once more by ``x_0``: after ``l`` layers the result is a
    polynomial of degree ``l + 1`` in the entries of ``x_0``.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)  # W (d, d), b (d,)

    def forward(self, x_0: Tensor, x: Tensor) -> Tensor:
        return x_0 * self.linear(x) + x


class CrossNetwork(nn.Module):
    """Cross layers and a perceptron over the same concatenated fields: logits (B,).

    ``w · [x_L ; mlp(x_0)]`` with ``x_0`` the vectors of all fields, side by side, and
    ``x_L`` what :class:`CrossLayer` makes of it ``n_crosses`` times. Without ``hidden``
    layers the crosses are alone. Chapter 13, eq-cross.
    """

    def __init__(
        self,
        user_fields: Sequence[csr_array],
        item_fields: Sequence[csr_array],
        *,
        n_factors: int,
        n_crosses: int,
        hidden: Sizes,
        dropout: float,
    ) -> None:
        super().__init__()
        sides = user_fields, item_fields
        self.v = nn.ModuleList(FieldEmbedding(f, n_factors) for f in sides)
        d = (len(user_fields) + len(item_fields)) * n_factors
        self.crosses = nn.ModuleList(CrossLayer(d) for _ in range(n_crosses))
        self.deep = mlp((d, *hidden), dropout) if hidden else None
        self.out = nn.Linear(d + (hidden[-1] if hidden else 0), 1)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        fields = torch.cat([self.v[0](user), self.v[1](item)], dim=1)  # (B, fields, f)
        x = x_0 = fields.flatten(1)  # (B, d)
        for cross in self.crosses:
            x = cross(x_0, x)  # (B, d)
        if self.deep is not None:
            x = torch.cat([x, self.deep(x_0)], dim=1)  # (B, d + hidden[-1])
        return self.out(x).squeeze(1)  # (B,)


class FieldsClassifier(PairClassifier[Network]):
    """Base of the classifiers of pairs that see fields beside both ids."""

    user_features: Sequence[csr_array] | None = param(FIELDS, default=None)
    item_features: Sequence[csr_array] | None = param(FIELDS, default=None)
    n_factors: int = 16
    hidden: Sizes = (64, 32)
    dropout: float = 0.2
    n_epochs: int = 12
    batch_size: int = 2048
    weight_decay: float = 1e-6

    def _sides(self, train: Interactions) -> tuple[list[csr_array], list[csr_array]]:
        """The users' fields and the items', the one-hot ids first."""
        given = {"user_features": train.n_users, "item_features": train.n_items}
        users, items = (
            [csr_array(eye_array(n)), *check_feature_fields(name, features, n)]
            if (features := getattr(self, name)) is not None
            else [csr_array(eye_array(n))]
            for name, n in given.items()
        )
        return users, items


class DCN(FieldsClassifier[CrossNetwork]):
    """Deep & cross network, second version: crosses of fields with learned weights.

    Rule: the logit of :class:`CrossNetwork`; objective:
    :class:`~recsys_tutor.neural.PairClassifier`'s.

    Notes
    -----
    Cost of an epoch O((1 + n_negatives) · n_ratings · (n_crosses d² + perceptron)) with
    ``d`` = fields · n_factors. Source: Wang et al. (2021), the parallel structure with
    full matrices. Chapter 13.
    """

    n_crosses: int = param("Cross layers, one after the other.", default=2, low=1)

    def _network(self, train: Interactions) -> CrossNetwork:
        return CrossNetwork(
            *self._sides(train),
            n_factors=self.n_factors,
            n_crosses=self.n_crosses,
            hidden=tuple(self.hidden),
            dropout=self.dropout,
        )

    @torch.no_grad()
    def _item_vectors(self) -> np.ndarray:
        """An item's fields, side by side."""
        items = self._tensor(np.arange(self.n_items_))
        return self.network_.v[1](items).flatten(1).cpu().numpy()
