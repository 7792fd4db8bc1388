"""Checks of arguments: what was expected, what came, what to do.

Each raises an error that names the argument. Nothing here knows a model.

Chapter: 03 Baselines (the first arguments that are checked).
"""

from __future__ import annotations

import operator
import os
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array, issparse

__all__ = [
    "check_exclude",
    "check_history",
    "check_index",
    "check_number",
    "check_path",
    "check_random_state",
    "check_sizes",
]


def check_number(
    name, value, *, low=None, above=None, high=None, below=None, whole=False
):
    """Raise ``ValueError`` unless ``value`` is a finite number within the bounds.

    ``low`` and ``high`` belong to the range, ``above`` and ``below`` do not.
    """
    kind = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    bounds = {">=": low, ">": above, "<=": high, "<": below}
    bounds = {how: bound for how, bound in bounds.items() if bound is not None}
    good = isinstance(value, kind) and not isinstance(value, bool)
    good = good and np.isfinite(value)
    if not good or not all(_HOLDS[how](value, b) for how, b in bounds.items()):
        noun = "a whole number" if whole else "a number"
        limits = " and".join(f" {how} {bound}" for how, bound in bounds.items())
        raise ValueError(f"{name} must be {noun}{limits}, got {value!r}")


_HOLDS = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}


def check_sizes(name: str, sizes, **bounds) -> None:
    """ValueError unless ``sizes`` is a tuple or list of whole numbers within bounds."""
    if not isinstance(sizes, (tuple, list)):
        raise ValueError(f"{name} must be a tuple of layer sizes, got {sizes!r}")
    for n, size in enumerate(sizes):
        check_number(f"{name}[{n}]", size, whole=True, **bounds)


def check_path(path, name: str = "path") -> Path:
    """``path`` as a Path; ``ValueError`` unless it can name a file."""
    if not isinstance(path, (str, os.PathLike)) or "\0" in os.fspath(path):
        raise ValueError(f"{name} must name a file, got {path!r}")
    return Path(path)


def check_random_state(value) -> None:
    """Raise ``ValueError`` unless it is a whole number >= 0, a Generator or None."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if value is None or isinstance(value, np.random.Generator) or whole and value >= 0:
        return
    raise ValueError(
        "random_state must be a whole number >= 0, a numpy.random.Generator or None, "
        f"got {value!r}"
    )


def check_index(name: str, index, n: int) -> np.ndarray:
    """``index`` as a 1-D int64 array within ``0 .. n - 1``.

    ``ValueError`` for anything but a 1-D array of integers, ``IndexError`` for a value
    out of the range.
    """
    array = np.asarray(index)
    if array.size == 0 and array.ndim == 1:
        return array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(
            f"{name} must be a 1-D array of integers, got shape {array.shape} and "
            f"dtype {array.dtype}; for one index write [{index!r}]"
            if array.ndim == 0
            else f"{name} must be a 1-D array of integers, got shape {array.shape} and "
            f"dtype {array.dtype}"
        )
    bad = (array < 0) | (array >= n)
    if bad.any():
        raise IndexError(
            f"{name}: index {int(array[np.argmax(bad)])} is out of range for "
            f"0..{n - 1}; turn ids into indices with train.{name[:-1]}_index(ids)"
        )
    return array.astype(np.int64)


def check_exclude(exclude, matrix, shape) -> csr_array | None:
    """``matrix``, what ``exclude`` stands for, as a csr matrix of that shape."""
    if exclude is None:
        return None
    if isinstance(exclude, str):
        if exclude == "seen":
            return matrix
        raise ValueError(f"exclude must be 'seen', None or a matrix, got {exclude!r}")
    if not issparse(exclude):
        raise TypeError(f"exclude must be sparse, got {type(exclude).__name__}")
    if exclude.shape != shape:
        raise ValueError(f"exclude has shape {exclude.shape}, expected {shape}")
    return csr_array(exclude)


def check_history(X, n_items: int) -> csr_array:
    """Rows of users as a csr matrix of finite numbers, indices sorted, no repeats.

    ``X`` is a matrix of ``n_items`` columns, dense or sparse; it is not changed.
    """
    try:
        given, X = X, csr_array(X, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "X must be a matrix of numbers with a row per user and a column per "
            f"item index, got {type(X).__name__} ({error})"
        ) from error
    if X.ndim != 2 or X.shape[1] != n_items:
        raise ValueError(f"X has shape {X.shape}, expected (B, {n_items})")
    if not np.isfinite(X.data).all():
        raise ValueError("X holds NaN or infinite values")
    if not X.has_sorted_indices:
        X = X.sorted_indices()
    row = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    again = (np.diff(row) == 0) & (np.diff(X.indices) == 0)
    merged = getattr(given, "format", "") == "coo" and given.nnz != X.nnz
    if again.any() or merged:
        where = f" (row {row[np.argmax(again)]})" if again.any() else ""
        raise ValueError(
            f"X has an item more than once in a row{where}; merge the entries "
            "first, X.sum_duplicates() adds them"
        )
    return X
