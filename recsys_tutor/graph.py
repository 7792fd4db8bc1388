"""Graph convolution: factors averaged over neighbours of the user-item graph.

Chapter: 15 Autoencoders and graphs.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from scipy.sparse import block_array, csr_array

from recsys_tutor import extra
from recsys_tutor.data import Interactions
from recsys_tutor.parameters import param
from recsys_tutor.sampling import minibatches, sample_negatives
from recsys_tutor.training import NetworkModel

with extra("deep"):
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F

__all__ = ["LightGCN", "LightGCNNetwork", "normalized_adjacency", "propagate"]

Table = TypeVar("Table", np.ndarray, Tensor)


def normalized_adjacency(train: Interactions) -> csr_array:
    """The graph of users and items, each edge ``1 / √(d_u d_i)``.

    ``d`` counts a node's edges. Users come first, then items.

    Returns
    -------
    (n_users + n_items, n_users + n_items) csr_array of float64
        Symmetric, eigenvalues in [-1, 1]; a node without edges has a row of zeros
        (chapter 15, eq-gcn-adjacency).
    """
    R = train.binarize().csr.astype(np.float64)
    d_u, d_i = (np.asarray(R.sum(axis=axis)) for axis in (1, 0))
    R.data /= np.sqrt(np.repeat(d_u, np.diff(R.indptr)) * d_i[R.indices])
    return csr_array(block_array([[None, R], [R.T, None]]))


def propagate(A: Any, E: Table, n_layers: int) -> Table:
    """Mean of ``E, A E, .., A^n_layers E``.

    Parameters
    ----------
    A : (n, n)
        Anything with ``@``.
    E : (n, f)
    n_layers : int

    Returns
    -------
    (n, f), of the type of ``E``

    Notes
    -----
    Chapter 15, eq-gcn-layer. Cost O(n_layers · nnz · f).
    """
    total = E
    for _ in range(n_layers):
        E = A @ E
        total = total + E
    return total / (n_layers + 1)


class Walk(torch.autograd.Function):
    """``A @ E`` for a symmetric sparse ``A``: the gradient is ``A @ gradient``.

    Torch would transpose the matrix in every step, which takes most of the time.
    """

    @staticmethod
    def forward(ctx: Any, A: Tensor, E: Tensor) -> Tensor:
        ctx.A = A
        return A @ E

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        return None, ctx.A @ gradient


class Graph:
    """A symmetric scipy matrix in torch, with ``@``."""

    def __init__(self, A: csr_array, device: str = "cpu") -> None:
        rows, columns = (
            torch.from_numpy(x.astype(np.int64)) for x in (A.indptr, A.indices)
        )
        values = torch.from_numpy(A.data.astype(np.float32))
        with warnings.catch_warnings():  # torch calls its own format a beta
            warnings.filterwarnings("ignore", "Sparse CSR", UserWarning)
            self.A = torch.sparse_csr_tensor(
                rows, columns, values, A.shape, check_invariants=True
            ).to(device)

    def __matmul__(self, E: Tensor) -> Tensor:
        return Walk.apply(self.A, E)


class LightGCNNetwork(nn.Module):
    """A table of users' and items' factors, (n_users + n_items, f).

    ``forward(graph)`` returns it propagated: (n_users, f) and (n_items, f).
    """

    def __init__(
        self,
        n_users: int,
        n_items: int,
        n_factors: int,
        n_layers: int,
        init_scale: float = 0.1,
    ) -> None:
        super().__init__()
        self.n_users, self.n_layers = n_users, n_layers
        self.E = nn.Embedding(n_users + n_items, n_factors)
        nn.init.normal_(self.E.weight, std=init_scale)

    def forward(self, graph: Graph) -> tuple[Tensor, Tensor]:
        E = propagate(graph, self.E.weight, self.n_layers)  # (n_users + n_items, f)
        return E[: self.n_users], E[self.n_users :]  # (n_users, f), (n_items, f)


class Edges(NamedTuple):
    """What the triples of an epoch are made of.

    Attributes
    ----------
    user, item : (n,) int64
        The pairs of the users who lack some item.
    X : (n_users, n_items) csr_array
        What users have, and what is therefore no negative.
    graph : Graph
    """

    user: np.ndarray
    item: np.ndarray
    X: csr_array
    graph: Graph


class LightGCN(NetworkModel[LightGCNNetwork]):
    """BPR on factors that were averaged over the user-item graph.

    Rule: ``s(u, i) = p_u · q_i`` with the rows that :func:`propagate` gives. Objective,
    the mean over triples of a user, an item of theirs and a drawn one: ``-log σ(s(u, i)
    - s(u, j)) + ½ reg (|e_u|² + |e_i|² + |e_j|²)`` with the table's rows ``e``, before
    they are propagated (chapter 15, eq-gcn-objective). Without layers it is BPR
    without item biases.

    Attributes
    ----------
    P_ : (n_users, n_factors) float32
    Q_ : (n_items, n_factors) float32
        After propagation.

    Notes
    -----
    Cost of an epoch O(n_ratings² / batch_size · n_layers · n_factors): each batch walks
    over the whole graph. Source: He, Deng, Wang, Li, Zhang and Wang (2020). Chapter 15.
    """

    n_factors: int = param("Length of the vectors.", default=64, low=1)
    n_layers: int = param(
        "Steps over the graph; 0 leaves the factors alone.", default=2, low=0
    )
    reg: float = param(
        "Penalty of the squares of the factors in a batch.", default=0.003, low=0
    )
    init_scale: float = param(
        "Standard deviation of the first factors.", default=0.1, above=0
    )
    n_epochs: int = 100
    batch_size: int = 4096
    learning_rate: float = 0.01

    def _prepare(self, train: Interactions, rng: np.random.Generator) -> Edges:
        X = train.binarize().csr
        lacks = np.diff(X.indptr)[train.user] < train.n_items
        graph = Graph(normalized_adjacency(train), self.device)
        return Edges(train.user[lacks], train.item[lacks], X, graph)

    def _network(self, train: Interactions) -> LightGCNNetwork:
        return LightGCNNetwork(
            train.n_users,
            train.n_items,
            n_factors=self.n_factors,
            n_layers=self.n_layers,
            init_scale=self.init_scale,
        )

    def _batches(self, data: Edges, rng: np.random.Generator) -> Iterator[tuple]:
        negative = sample_negatives(rng, data.user, data.X)
        for part in minibatches(len(negative), self.batch_size, rng):
            yield data.user[part], data.item[part], negative[part], data.graph

    def _loss(
        self, network: LightGCNNetwork, u: Tensor, i: Tensor, j: Tensor, graph: Graph
    ) -> Tensor:
        P, Q = network(graph)
        margin = (P[u] * (Q[i] - Q[j])).sum(dim=1)  # (B,)
        own = network.E(torch.cat([u, network.n_users + i, network.n_users + j]))
        size = 0.5 * self.reg * (own**2).sum() / len(u)
        return size - F.logsigmoid(margin).mean()

    def _after_epoch(self, network: LightGCNNetwork, data: Edges) -> None:
        self.P_, self.Q_ = (x.cpu().numpy() for x in network(data.graph))

    def _kept(
        self,
    ) -> Sequence[np.ndarray]:  # after the walk; the table before it is for training
        return self.P_, self.Q_

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        return self.P_[users] @ self.Q_.T

    def _item_vectors(self) -> np.ndarray:
        return self.Q_
