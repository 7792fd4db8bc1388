"""Checks of arguments: what was expected, what came, what to do.

Each raises an error that names the argument. Nothing here knows a model.

Chapter: 03 Baselines (the first arguments that are checked).
"""

from __future__ import annotations

import operator
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, issparse

__all__ = [
    "available_memory",
    "check_array",
    "check_exclude",
    "check_factors",
    "check_feature_fields",
    "check_feature_matrix",
    "check_history",
    "check_index",
    "check_memory",
    "check_number",
    "check_numbers",
    "check_path",
    "check_random_state",
    "check_same_index",
    "check_sizes",
    "check_squares",
    "square_matrix_bytes",
]


def check_number(
    name: str,
    value: Any,
    *,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    below: float | None = None,
    whole: bool = False,
) -> None:
    """Raise ``ValueError`` unless ``value`` is a finite number within the bounds.

    ``low`` and ``high`` belong to the range, ``above`` and ``below`` do not.
    """
    kind = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    given = {">=": low, ">": above, "<=": high, "<": below}
    bounds = {how: bound for how, bound in given.items() if bound is not None}
    good = isinstance(value, kind) and not isinstance(value, bool)
    good = good and np.isfinite(value)
    if not good or not all(_HOLDS[how](value, b) for how, b in bounds.items()):
        noun = "a whole number" if whole else "a number"
        limits = " and".join(f" {how} {bound}" for how, bound in bounds.items())
        raise ValueError(f"{name} must be {noun}{limits}, got {value!r}")


_HOLDS = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}


def check_sizes(name: str, sizes: Any, **bounds: float | None) -> None:
    """ValueError unless ``sizes`` is a tuple or list of whole numbers within bounds."""
    if not isinstance(sizes, (tuple, list)):
        raise ValueError(f"{name} must be a tuple of layer sizes, got {sizes!r}")
    for n, size in enumerate(sizes):
        check_number(f"{name}[{n}]", size, whole=True, **bounds)


def check_path(path: Any, name: str = "path") -> Path:
    """``path`` as a Path; ``ValueError`` unless it can name a file."""
    if not isinstance(path, (str, os.PathLike)) or "\0" in os.fspath(path):
        raise ValueError(f"{name} must name a file, got {path!r}")
    return Path(path)


def check_random_state(value: Any) -> None:
    """Raise ``ValueError`` unless it is a whole number >= 0, a Generator or None."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if value is None or isinstance(value, np.random.Generator) or whole and value >= 0:
        return
    raise ValueError(
        "random_state must be a whole number >= 0, a numpy.random.Generator or None, "
        f"got {value!r}"
    )


def check_index(name: str, index: ArrayLike, n: int) -> np.ndarray:
    """``index`` as a 1-D int64 array within ``0 .. n - 1``.

    ``ValueError`` for anything but a 1-D array of integers, ``IndexError`` for a value
    out of the range.
    """
    array = np.asarray(index)
    if array.size == 0 and array.ndim == 1:
        return array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        hint = f"; for one index write [{index!r}]" if array.ndim == 0 else ""
        raise ValueError(
            f"{name} must be a 1-D array of integers, got shape {array.shape} and "
            f"dtype {array.dtype}{hint}"
        )
    bad = (array < 0) | (array >= n)
    if bad.any():
        raise IndexError(
            f"{name}: index {int(array[np.argmax(bad)])} is out of range for "
            f"0..{n - 1}; turn ids into indices with train.{name[:-1]}_index(ids)"
        )
    return array.astype(np.int64)


def check_exclude(
    exclude: Any, matrix: csr_array, shape: tuple[int, int]
) -> csr_array | None:
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


def check_history(X: Any, n_items: int) -> csr_array:
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


# -- arrays ---------------------------------------------------------------------------


def check_array(name: str, values: Any) -> np.ndarray:
    """Any array; ``ValueError`` for ragged lists, masked entries and sparse arrays."""
    if np.ma.is_masked(values) or issparse(values):
        what = "is sparse" if issparse(values) else "has masked entries"
        raise ValueError(f"{name} must be a plain array; this one {what}")
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} must be an array, not ragged ({error})") from error


def check_numbers(name: str, values: Any, *, finite: bool = True) -> np.ndarray:
    """float64 array; ``ValueError`` for text, dates and, if asked to, NaN, infinity."""
    array = check_array(name, values)
    entries = array.flat if array.dtype.kind == "O" else ()
    odd = [repr(x) for x in entries if x is None or isinstance(x, str)]
    try:
        if array.dtype.kind not in "biufO" or odd:
            raise TypeError(f"found {odd[0] if odd else array.dtype}")
        array = array.astype(float, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must be an array of numbers ({error})") from error
    bad = ~np.isfinite(array) if finite else np.zeros(0, dtype=bool)
    if bad.any():
        raise ValueError(
            f"{name} must be finite, got {array[bad][0]} and the like in "
            f"{int(bad.sum())} of {array.size} places"
        )
    return array


def check_same_index(name_a: str, a: Any, name_b: str, b: Any) -> None:
    """Of two Series, the rows must be those of the same users (or ratings)."""
    both = isinstance(a, pd.Series) and isinstance(b, pd.Series)
    if both and len(a) == len(b) and not a.index.equals(b.index):
        raise ValueError(
            f"{name_a} and {name_b} are Series with different indices, so their rows "
            "do not belong together; align them, or pass .to_numpy()"
        )


#: Sums of squares of larger values may overflow, and products of such sums.
LARGEST = 1e70


def check_squares(name: str, values: np.ndarray, *, most: float = LARGEST) -> None:
    """ValueError if a value is larger than ``most``: sums of squares may overflow."""
    largest = np.abs(values).max(initial=0.0)
    if largest > most:
        raise ValueError(
            f"{name} as large as {largest:.3g} are more than floating point can add "
            "up: divide them by a constant first"
        )


def check_factors(X: csr_array, Q: np.ndarray) -> None:
    """ValueError unless ``Q`` has a row for each column of ``X``.

    Compiled loops do not look: they would read beyond the end of ``Q``.
    """
    if len(Q) != X.shape[1]:
        raise ValueError(
            f"Q must have {X.shape[1]} rows, one per column of the matrix, got "
            f"{len(Q)}; for the item factors pass the transposed matrix and P"
        )


# -- features -------------------------------------------------------------------------


def check_feature_matrix(
    features: Any, n_items: int | None = None, name: str = "features"
) -> csr_array:
    """One (n_items, d) matrix of finite numbers, dense or sparse, as csr, float64.

    Raises
    ------
    ValueError
        Another number of rows than ``n_items`` (None: any), text, NaN or infinity.
    """
    sparse = issparse(features)
    matrix = csr_array(features) if sparse else features
    values = check_numbers(name, matrix.data if sparse else matrix)
    shape = matrix.shape if sparse else values.shape
    if len(shape) != 2 or (n_items is not None and shape[0] != n_items):
        rows = "n_items" if n_items is None else n_items
        raise ValueError(
            f"{name} must have one row per item, shape ({rows}, d), got shape {shape}"
        )
    return csr_array(matrix if sparse else values, dtype=np.float64)


def check_feature_fields(name: str, matrices: Any, n_rows: int) -> list:
    """The list of sparse matrices, one per field, or ``ValueError``.

    A field is one kind of feature (ages, genres) with ``n_rows`` rows and its own
    columns.
    """
    if not isinstance(matrices, (tuple, list)):
        raise ValueError(
            f"{name} must be a tuple or list of sparse matrices, got "
            f"{type(matrices).__name__}; write ({name},) for a single one"
        )
    for F in matrices:
        shape = getattr(F, "shape", type(F).__name__)
        if not issparse(F) or F.ndim != 2 or F.shape[0] != n_rows or not F.shape[1]:
            raise ValueError(
                f"{name} must hold sparse matrices with {n_rows} rows and some "
                f"columns, got {shape}"
            )
        if not np.isfinite(F.sum()):
            raise ValueError(f"{name} holds NaN or infinite values")
    return list(matrices)


# -- memory ---------------------------------------------------------------------------


def available_memory() -> int | None:
    """Bytes that are free or soon freed on this machine; None if it does not say.

    A container's limit counts where it is less.
    """
    found = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = dict(line.split(":", 1) for line in lines)
        found.append(int(sizes["MemAvailable"].split()[0]) * 1024)
    except (OSError, KeyError, ValueError):  # not Linux: all that there is
        try:
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        except (AttributeError, OSError, ValueError):
            pass
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")
        found.append(int(limit))
    except (OSError, ValueError):  # no limit: "max"
        pass
    return min(found, default=None)


def check_memory(n_bytes: float, what: str, advice: str) -> None:
    """MemoryError, before anything is allocated, unless ``n_bytes`` are available.

    ``what`` says what they are for, ``advice`` what to do instead: "EASE needs 40,000 x
    40,000 numbers twice, 23.8 GiB; 8.1 GiB are available. Take ImplicitALS".
    """
    available = available_memory()
    if available is not None and n_bytes > available:
        raise MemoryError(
            f"{what}, {n_bytes / 2**30:,.1f} GiB; {available / 2**30:,.1f} GiB are "
            f"available. {advice}"
        )


def square_matrix_bytes(n: int, copies: int) -> float:
    """Of ``copies`` (n, n) float64 matrices."""
    return 8.0 * n * n * copies
