"""Graph filters without training: what passes over the graph, and how much of it.

Chapter: 15 Autoencoders and graphs.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg
from scipy.sparse import csr_array

from recsys_tutor.checks import check_memory, square_matrix_bytes
from recsys_tutor.data import Interactions
from recsys_tutor.kernels import ones_like
from recsys_tutor.neighbors import FEWER_ITEMS, ItemToItem
from recsys_tutor.parameters import param

__all__ = ["GFCF", "filter_weights"]

ROUNDING = 1e-9  # squares of singular values that differ by less are the same


def filter_weights(X: csr_array, n_factors: int, alpha: float) -> np.ndarray:
    """Weights from item to item that pass what varies slowly over the graph.

    ``W = A.T A + alpha D^-½ V V.T D^½`` (chapter 15, eq-gcn-gfcf) with ``A[u, i] = 1 /
    √(|I_u| n_i)`` where user ``u`` has item ``i``, ``D`` the items' counts ``n_i`` on a
    diagonal, and ``V`` the ``n_factors`` first right singular vectors of ``A``. The
    first part multiplies a singular direction by ``σ²``, the second passes the first
    directions as they are and nothing else.

    Parameters
    ----------
    X : (n_users, n_items) csr_array
        Values are ignored.
    n_factors : int
        From the rank of ``A`` on, all directions with ``σ > 0`` pass. Directions tied
        with the last one pass, too, so that no choice among them is made.
    alpha : float

    Returns
    -------
    (n_items, n_items) float64
        Scores are ``X @ W`` (not ``X @ W.T``); rows and columns of items without users
        are 0.

    Notes
    -----
    Cost ``O(sum of |I_u|² + min(n_users, n_items)³ + n_items² · n_factors)``, memory
    O(n_items²). Source: Shen et al. (2021).
    """
    M = ones_like(X)
    n_u = np.diff(M.indptr).astype(float)
    n_i = np.bincount(M.indices, minlength=M.shape[1]).astype(float)
    M.data /= np.sqrt(np.repeat(n_u, np.diff(M.indptr)) * n_i[M.indices])
    V = _first_directions(M, n_factors)
    root = np.sqrt(n_i)
    inverse = np.divide(alpha, root, out=np.zeros_like(root), where=root > 0)
    W = (M.T @ M).toarray()
    W += (V * inverse[:, None]) @ (V.T * root)
    return W


def _first_directions(A: csr_array, k: int) -> np.ndarray:
    """The ``k`` first right singular vectors as columns, with those that tie.

    Eigenvectors of ``A A.T`` or ``A.T A``, whichever is smaller; never those of 0.
    """
    wide = A.shape[0] < A.shape[1]
    gram = A @ A.T if wide else A.T @ A
    values, vectors = linalg.eigh(gram.toarray(), check_finite=False)  # rising
    last = values[-min(k, len(values))] * (1.0 - ROUNDING)
    passes = values > max(last, ROUNDING)
    V = vectors[:, passes]
    return (A.T @ V) / np.sqrt(values[passes]) if wide else V


class GFCF(ItemToItem):
    """LightGCN's filter without LightGCN's training: weights in closed form.

    Rule: ``s(u, i) = sum over j in I_u of W[j, i]``, with ``W`` of
    :func:`filter_weights`: two steps over the graph, plus ``alpha`` times the
    projection on its ``n_factors`` smoothest directions. Nothing is drawn and nothing
    iterated.

    Attributes
    ----------
    W_ : (n_items, n_items) float64
        Row ``j`` is what was liked, column ``i`` what is scored; not symmetric.

    Notes
    -----
    Fit as :func:`filter_weights`. Source: Shen, Wu, Zhang, Shan, Zhang, Letaief and Li
    (2021), called GF-CF there. Chapter 15, eq-gcn-gfcf.
    """

    n_factors: int = param("Directions that pass whole.", default=48, low=1)
    alpha: float = param(
        "Weight of the directions that pass whole, against the two steps.",
        default=0.2,
        low=0,
    )

    def _fit(self, train: Interactions) -> None:
        n = train.n_items
        check_memory(
            square_matrix_bytes(n, 3),
            f"GFCF keeps weights between {n:,} items: {n:,} x {n:,} numbers, three "
            "times",
            f"Take LightGCN or ImplicitALS, or {FEWER_ITEMS}",
        )
        self._keep(train)
        self.W_ = filter_weights(self.X_, self.n_factors, self.alpha)

    def _item_weights(self) -> np.ndarray:
        return self.W_
