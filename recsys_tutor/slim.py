"""SLIM: item-to-item weights that are learned, never negative, and mostly zero.

Chapter: 04 Collaborative filtering.
"""

from __future__ import annotations

import numpy as np
from numba import prange
from scipy.sparse import csr_array

from recsys_tutor.kernels import parallel
from recsys_tutor.neighbors import EASE
from recsys_tutor.parameters import param

__all__ = ["SLIM", "nonnegative_regression"]


@parallel
def _columns(
    G: np.ndarray,
    penalty: np.ndarray,
    l1: float,
    tolerance: float,
    n_epochs: int,
    columns: np.ndarray,
) -> np.ndarray:
    """:func:`nonnegative_regression`, each item's weights in a row of their own."""
    n = len(G)
    out = np.zeros((n, n))
    for i in prange(len(columns)):
        w, fitted = np.zeros(n), np.zeros(n)  # fitted = G @ w
        everything = True
        for _ in range(n_epochs):
            moved = 0.0
            for j in range(n):
                if j == i or not (everything or w[j] > 0.0):
                    continue
                rest = G[j, i] - (fitted[j] - G[j, j] * w[j]) - l1 / 2
                change = max(0.0, rest) / (G[j, j] + penalty[j]) - w[j]
                if change != 0.0:
                    w[j] += change
                    for k in range(n):
                        fitted[k] += change * G[j, k]
                    moved = max(moved, abs(change))
            if moved <= tolerance and everything:
                break
            everything = moved <= tolerance
        out[i] = w
    return out


def nonnegative_regression(
    G: np.ndarray,
    penalty: np.ndarray,
    l1: float,
    *,
    tolerance: float = 1e-5,
    n_epochs: int = 300,
) -> np.ndarray:
    """Each item from the others, by coordinate descent with weights of at least 0.

    Minimises ``|X - X B|² + sum_j penalty_j |B[j]|² + l1 · sum B`` subject to ``B[i, i]
    = 0`` and ``B >= 0`` (chapter 04, eq-slim-objective) from the Gram matrix ``G = X.T
    X``. With all other weights fixed, one weight has the exact answer ``B[j, i] =
    max(0, G[j, i] - sum over k != j of G[j, k] B[k, i] - l1 / 2) / (G[j, j] +
    penalty_j)``.

    Parameters
    ----------
    G : (n, n) float64
    penalty : (n,) float64, above 0
    tolerance : a column is done when no weight of it moved by more in a whole pass.
    n_epochs : passes over a column at most.

    Returns
    -------
    (n, n) float64

    Notes
    -----
    A pass over the weights that are not 0 is repeated until they rest; then all are
    looked at again. Cost O(n² · passes + n · changes), memory O(n²).
    """
    columns = np.arange(len(G))
    return _columns(G, penalty, l1, tolerance, n_epochs, columns).T


class SLIM(EASE):
    """EASE whose weights may not be negative; ``l1`` sets the small ones to 0.

    Rule: ``s(u, i) = sum_j x_uj B[j, i]``. Objective: that of
    :func:`~recsys_tutor.neighbors.ease_weights` plus ``l1 · sum B``, with ``B >= 0``
    (:func:`nonnegative_regression`). With ``l1 = 0`` it is EASE with that one more
    condition.

    Attributes
    ----------
    B_ : (n_items, n_items) float64
        Zero diagonal, nothing negative.

    Notes
    -----
    Source: Ning and Karypis (2011). Chapter 04, eq-slim-objective.
    """

    l1: float = param("Price of a weight, per unit.", default=5.0, low=0)
    tolerance: float = param(
        "A column is done when no weight of it moved by more in a whole pass.",
        default=1e-5,
        above=0,
    )

    def _weights(self, X: csr_array) -> np.ndarray:
        G = (X.T @ X).toarray()
        penalty = self.reg + self.count_weight * np.diag(G)
        return nonnegative_regression(G, penalty, self.l1, tolerance=self.tolerance)
