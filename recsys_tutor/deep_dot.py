"""A dot product with a perceptron beside it: is depth worth anything for stars?

Chapter: 12 Embeddings and MLPs.
"""

from __future__ import annotations

import numpy as np

from recsys_tutor import extra
from recsys_tutor.checks import check_squares
from recsys_tutor.data import Interactions
from recsys_tutor.neural import DotModel, DotNetwork, mlp
from recsys_tutor.parameters import Sizes, param

with extra("deep"):
    import torch
    from torch import Tensor, nn

__all__ = ["DeepDot", "DeepDotNetwork"]


class DeepDotNetwork(DotNetwork):
    """:class:`DotNetwork` plus a perceptron over two tables of its own.

    ``mu + b_u + b_i + p_u · q_i + h · mlp([p'_u ; q'_i]) + c`` for index tensors (B,),
    (B,): scores (B,). ``hidden[0]`` is the length of ``[p'_u ; q'_i]``; without
    ``hidden`` only the dot network is left. Chapter 12, eq-deep-dot.
    """

    def __init__(
        self,
        n_users: int,
        n_items: int,
        n_factors: int,
        hidden: Sizes,
        *,
        mean: float = 0.0,
        init_scale: float = 0.05,
    ) -> None:
        super().__init__(n_users, n_items, n_factors, mean=mean, init_scale=init_scale)
        self.hidden = tuple(hidden)
        if self.hidden:
            width = self.hidden[0] // 2
            self.P_mlp, self.Q_mlp = (
                nn.Embedding(n, width) for n in (n_users, n_items)
            )
            for table in (self.P_mlp, self.Q_mlp):
                nn.init.normal_(table.weight, std=init_scale)
            self.mlp = mlp(self.hidden)
            self.out = nn.Linear(self.hidden[-1], 1)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        score = super().forward(user, item)  # (B,)
        if not self.hidden:
            return score
        pair = torch.cat([self.P_mlp(user), self.Q_mlp(item)], dim=1)  # (B, hidden[0])
        return score + self.out(self.mlp(pair)).squeeze(1)  # (B,)


class DeepDot(DotModel):
    """The dot network for ratings with a perceptron that adds to its score.

    Rule: that of :class:`DeepDotNetwork`; objective: :class:`DotModel`'s.

    Notes
    -----
    Cost of an epoch O(n_ratings · parameters of the perceptron), beside
    :class:`DotModel`'s. The branches of NeuMF (He et al., 2017), with stars as targets
    in place of yes and no. Chapter 12, eq-deep-dot.
    """

    hidden: Sizes = param(
        "Sizes of the perceptron: its input (two embeddings of half of it), then each "
        "layer's output. ``()`` leaves it out.",
        default=(64, 64, 32),
        low=1,
    )
    n_epochs: int = 6

    def _check(self) -> None:
        super()._check()
        if self.hidden and self.hidden[0] % 2:
            raise ValueError(
                f"hidden[0] is shared by two embeddings and must be even, got "
                f"{self.hidden[0]}"
            )

    def _network(self, train: Interactions) -> DeepDotNetwork:
        check_squares("ratings", train.value)
        return DeepDotNetwork(
            train.n_users,
            train.n_items,
            self.n_factors,
            tuple(self.hidden),
            mean=float(train.value.mean()),
            init_scale=self.init_scale,
        )

    def _item_vectors(self) -> np.ndarray:
        """Both embeddings of an item, side by side."""
        if not self.hidden:
            return super()._item_vectors()
        weights = dict(self.network_.named_parameters())
        tables = weights["Q.weight"], weights["Q_mlp.weight"]
        return torch.cat(tables, dim=1).detach().cpu().numpy()
