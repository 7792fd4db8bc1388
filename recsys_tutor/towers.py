"""Features in networks: factorization machines, DeepFM and two-tower retrieval.

Chapter: 13 Features and two towers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.sparse import csr_array, eye_array

from recsys_tutor import extra
from recsys_tutor.checks import check_feature_fields
from recsys_tutor.data import Interactions
from recsys_tutor.neural import PairClassifier, mlp
from recsys_tutor.parameters import Sizes, param
from recsys_tutor.sampling import minibatches
from recsys_tutor.training import NetworkModel

with extra("deep"):
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F

__all__ = [
    "DeepFM",
    "DeepFMNetwork",
    "FieldEmbedding",
    "TwoTower",
    "TwoTowerNetwork",
    "in_batch_softmax",
]


FIELDS = "Fields beside the id, as :func:`~recsys_tutor.features.side_features` makes."


class FieldEmbedding(nn.Module):
    """A vector per field of a row: the sum of its features' embeddings.

    ``forward(rows)`` takes indices (B,) and returns (B, n_fields, width).

    Parameters
    ----------
    fields : sequence of (n_rows, n_features) csr_array
        A field has one or several features per row, with the weights stored in it.
    width : int
    """

    def __init__(
        self, fields: Sequence[csr_array], width: int, init_scale: float = 0.05
    ) -> None:
        super().__init__()
        tables = [nn.Embedding(f.shape[1], width) for f in fields]
        self.tables = nn.ModuleList(tables)
        for n, (field, table) in enumerate(zip(fields, tables, strict=True)):
            nn.init.normal_(table.weight, std=init_scale)
            index, weight = _padded(csr_array(field))
            self.register_buffer(f"index_{n}", index)  # (n_rows, most features)
            self.register_buffer(f"weight_{n}", weight)  # the same, 0 for padding

    def forward(self, rows: Tensor) -> Tensor:
        out = []
        for n, table in enumerate(self.tables):
            index = getattr(self, f"index_{n}")[rows]  # (B, most)
            weight = getattr(self, f"weight_{n}")[rows]  # (B, most)
            out.append((weight.unsqueeze(2) * table(index)).sum(dim=1))  # (B, width)
        return torch.stack(out, dim=1)  # (B, n_fields, width)


def _padded(field: csr_array) -> tuple[Tensor, Tensor]:
    """Each row's column indices and weights, right-padded with index 0, weight 0."""
    size = np.diff(field.indptr)
    real = np.arange(max(size.max(), 1)) < size[:, None]
    index = np.zeros(real.shape, dtype=np.int64)
    weight = np.zeros(real.shape, dtype=np.float32)
    index[real], weight[real] = field.indices, field.data
    return torch.from_numpy(index), torch.from_numpy(weight)


def _fields(
    name: str, features: Sequence[csr_array] | None, n_rows: int, ids: bool
) -> list[csr_array]:
    """The one-hot ids, if wanted, and the feature matrices, checked."""
    fields = [csr_array(eye_array(n_rows))] if ids else []
    if features is not None:
        fields += map(csr_array, check_feature_fields(name, features, n_rows))
    if not fields:
        raise ValueError(f"without ids, {name} must hold at least one matrix")
    return fields


# -- factorization machine and DeepFM ------------------------------------------------


class DeepFMNetwork(nn.Module):
    """Weights, pairs of fields and a perceptron over the same embeddings: logits (B,).

    The pairs ``sum over a < b of v_a · v_b`` are ``½ (|sum v|² - sum |v|²)`` (chapter
    13, eq-fm-identity). Without ``hidden`` layers: a factorization machine
    (eq-fm-rule); with them: eq-deepfm.
    """

    def __init__(
        self,
        user_fields: Sequence[csr_array],
        item_fields: Sequence[csr_array],
        n_factors: int,
        hidden: Sizes,
        dropout: float,
    ) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1))
        sides = user_fields, item_fields
        self.w = nn.ModuleList(FieldEmbedding(f, 1, 0.0) for f in sides)
        self.v = nn.ModuleList(FieldEmbedding(f, n_factors) for f in sides)
        self.deep = None
        if hidden:
            n_in = (len(user_fields) + len(item_fields)) * n_factors
            self.deep = nn.Sequential(
                mlp((n_in, *hidden), dropout), nn.Linear(hidden[-1], 1)
            )

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        w, v = (  # (B, fields, 1), (B, fields, f)
            torch.cat([s(rows) for s, rows in zip(sides, (user, item), strict=True)], 1)
            for sides in (self.w, self.v)
        )
        pairs = 0.5 * (v.sum(dim=1) ** 2 - (v**2).sum(dim=1)).sum(dim=1)  # (B,)
        score = self.bias + w.sum(dim=(1, 2)) + pairs  # (B,)
        if self.deep is not None:
            score = score + self.deep(v.flatten(1)).squeeze(1)
        return score  # (B,)


class DeepFM(PairClassifier[DeepFMNetwork]):
    """A factorization machine over fields, with a perceptron beside it.

    Rule: the logit of :class:`DeepFMNetwork`; objective:
    :class:`~recsys_tutor.neural.PairClassifier`'s. ``hidden=()`` is the factorization
    machine alone.

    Notes
    -----
    Cost of an epoch O((1 + n_negatives) · n_ratings · (features · f + perceptron)).
    Sources: Rendle (2010); Guo et al. (2017). Chapter 13.
    """

    user_features: Sequence[csr_array] | None = param(FIELDS, default=None)
    item_features: Sequence[csr_array] | None = param(FIELDS, default=None)
    n_factors: int = 16
    hidden: Sizes = (64, 32)
    dropout: float = 0.2
    n_epochs: int = 12
    batch_size: int = 2048
    weight_decay: float = 1e-6

    def _network(self, train: Interactions) -> DeepFMNetwork:
        return DeepFMNetwork(
            _fields("user_features", self.user_features, train.n_users, True),
            _fields("item_features", self.item_features, train.n_items, True),
            n_factors=self.n_factors,
            hidden=tuple(self.hidden),
            dropout=self.dropout,
        )

    @torch.no_grad()
    def _item_vectors(self) -> np.ndarray:
        """The sum of an item's fields: what a user's fields are multiplied by."""
        items = self._tensor(np.arange(self.n_items_))
        return self.network_.v[1](items).sum(dim=1).cpu().numpy()


# -- two towers ------------------------------------------------------------------------


class TwoTowerNetwork(nn.Module):
    """A user's fields to a vector, an item's fields to a vector: (B, f) each.

    A tower is a linear map of its concatenated fields, after a perceptron if there are
    ``hidden`` layers.
    """

    def __init__(
        self,
        user_fields: Sequence[csr_array],
        item_fields: Sequence[csr_array],
        width: int,
        hidden: Sizes,
        n_factors: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.user = self._tower(user_fields, width, hidden, n_factors, dropout)
        self.item = self._tower(item_fields, width, hidden, n_factors, dropout)

    @staticmethod
    def _tower(
        fields: Sequence[csr_array],
        width: int,
        hidden: Sizes,
        n_factors: int,
        dropout: float,
    ) -> nn.Sequential:
        sizes = (len(fields) * width, *hidden)
        return nn.Sequential(
            FieldEmbedding(fields, width),  # (B, fields, width)
            nn.Flatten(),  # (B, fields · width)
            mlp(sizes, dropout),  # (B, hidden[-1])
            nn.Linear(sizes[-1], n_factors),  # (B, f)
        )

    def forward(self, user: Tensor, item: Tensor) -> tuple[Tensor, Tensor]:
        return self.user(user), self.item(item)


def in_batch_softmax(
    u: Tensor, v: Tensor, item: Tensor, log_q: Tensor | None = None
) -> Tensor:
    """Mean of ``-ln softmax`` of each row's own item among the batch's items.

    Logits ``u_a · v_b - log_q_b``: an item enters a batch as often as it is popular,
    and without ``log_q`` the popular ones are pushed down for it (chapter 13,
    eq-log-q). Another row's copy of the same item is no negative and is left out; that
    favours frequent items a little (eq-log-q-exact), while copies are rare.

    Parameters
    ----------
    u, v : (B, f)
        Row ``a`` of both belongs to the same pair.
    item : (B,) int64
    log_q : (B,), optional
        Log-probability of drawing each item.
    """
    logits = u @ v.T  # (B, B)
    if log_q is not None:
        logits = logits - log_q
    same = item.unsqueeze(1) == item
    same.fill_diagonal_(False)
    logits = logits.masked_fill(same, -torch.inf)
    return F.cross_entropy(logits, torch.arange(len(u), device=u.device))


class TwoTower(NetworkModel[TwoTowerNetwork]):
    """Retrieval: users and items as vectors, made from ids and features separately.

    Rule: ``s(u, i) = u_u · v_i`` with the towers' outputs; objective:
    :func:`in_batch_softmax` of the training pairs.

    Attributes
    ----------
    U_, V_ : (n_users, n_factors), (n_items, n_factors) float32
        What a server stores: ``score(users) == U_[users] @ V_.T``.

    Notes
    -----
    Cost of an epoch O(n_ratings · (batch_size f + towers)). Sources: Covington, Adams
    and Sargin (2016); Yi et al. (2019) for the correction. Chapter 13,
    eq-towers-score.
    """

    user_features: Sequence[csr_array] | None = param(FIELDS, default=None)
    item_features: Sequence[csr_array] | None = param(FIELDS, default=None)
    user_ids: bool = param("Whether the user's id is a field, too.", default=True)
    item_ids: bool = param(
        "Whether the item's id is a field, too. Without it an item never seen in "
        "training is scored as well as any other with its features.",
        default=True,
    )
    log_q: bool = param(
        "Correct for the popularity of the batch's items.", default=True
    )
    width: int = param("Of a field's embedding.", default=32, low=1)
    n_factors: int = param("Of the towers' outputs.", default=32, low=1)
    hidden: Sizes = param("Sizes of a tower's hidden layers.", default=(64,), low=1)
    dropout: float = param("After each hidden layer.", default=0.0, low=0, below=1)
    n_epochs: int = 16
    weight_decay: float = 1e-5

    def _network(self, train: Interactions) -> TwoTowerNetwork:
        n, m = train.shape
        return TwoTowerNetwork(
            _fields("user_features", self.user_features, n, self.user_ids),
            _fields("item_features", self.item_features, m, self.item_ids),
            width=self.width,
            hidden=tuple(self.hidden),
            n_factors=self.n_factors,
            dropout=self.dropout,
        )

    def _batches(self, data: Interactions, rng: np.random.Generator) -> Iterator[tuple]:
        count = np.bincount(data.item, minlength=data.n_items)
        with np.errstate(divide="ignore"):  # items without ratings are never drawn
            log_q = np.log(count / len(data))
        for rows in minibatches(len(data), self.batch_size, rng):
            yield data.user[rows], data.item[rows], log_q[data.item[rows]]

    def _loss(
        self, network: TwoTowerNetwork, user: Tensor, item: Tensor, log_q: Tensor
    ) -> Tensor:
        u, v = network(user, item)  # (B, f), (B, f)
        return in_batch_softmax(u, v, item, log_q if self.log_q else None)

    def _after_epoch(self, network: TwoTowerNetwork, data: Interactions) -> None:
        users, items = map(np.arange, data.shape)
        self.U_ = network.user(self._tensor(users)).cpu().numpy()
        self.V_ = network.item(self._tensor(items)).cpu().numpy()

    def _kept(self) -> Sequence:  # the towers have done their work
        return self.U_, self.V_

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        return self.U_[users] @ self.V_.T

    def _item_vectors(self) -> np.ndarray:
        return self.V_
