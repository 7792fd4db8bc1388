"""Columns of a table: exact numbers, ids, and the way from ids to indices.

What would be rounded, wrapped or made up on the way into an array is refused here, with
the column, the first bad row and what to do.

Chapter: 01 The recommendation problem.
"""

from __future__ import annotations

import datetime
import numbers
from collections.abc import Collection
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

__all__ = []

DATES = (
    "turn dates into seconds with pd.to_datetime(times, utc=True)"
    ".dt.tz_convert(None).astype('datetime64[s]').astype('int64')"
)


def check_rows(name: str, values: np.ndarray, bad: np.ndarray, rule: str) -> None:
    """Raise for the first row where ``bad`` is True."""
    if bad.any():
        row = int(np.argmax(bad))
        value = values[row]
        value = value.item() if isinstance(value, np.generic) else value
        shown = repr(value)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        raise ValueError(
            f"column {name!r} {rule}; row {row} holds {shown} "
            f"({int(bad.sum())} bad rows)"
        )


# -- numbers --------------------------------------------------------------------------


def as_column(name: str, values: ArrayLike, dtype: type[np.number]) -> np.ndarray:
    """A fresh 1-D array of ``dtype`` (int64 or float64), each entry exact.

    Numbers only: text is refused even where it spells a number (so that "1_000", "1,5"
    and digits of other scripts mean nothing), and so are dates, masked entries, and for
    int64 what is no whole number, does not fit or is True or False.
    """
    raw = _raw(name, values)
    if len(raw) == 0:
        return np.empty(0, dtype)
    whole = np.issubdtype(dtype, np.integer)
    if raw.dtype.kind in "mMc":  # dates in nanoseconds would lose digits
        raise ValueError(
            f"column {name!r} must hold plain numbers, got {raw.dtype}; {DATES}"
        )
    if raw.dtype.kind in "iufb" and not whole:
        return np.array(raw, dtype=dtype)
    if raw.dtype.kind in "iuf":
        return _whole(name, raw)
    raw = raw.astype(object)
    check_rows(name, raw, _missing(raw), "must not have missing entries")
    is_date = np.array([isinstance(v, _DATE_TYPES) for v in raw])
    check_rows(name, raw, is_date, f"must hold plain numbers ({DATES})")
    bad = np.array([not _is_number(v, whole) for v in raw])
    if whole:
        rule = "must hold whole numbers that are not text, nor True or False"
    else:
        rule = "must hold numbers, not text (pd.to_numeric reads text)"
    check_rows(name, raw, bad, rule)
    return _whole(name, raw) if whole else _floats(name, raw)


_DATE_TYPES: tuple[type, ...] = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    np.datetime64,
)
_DATE_TYPES += (np.timedelta64, pd.Period, pd.Interval)


def _raw(name: str, values: ArrayLike) -> np.ndarray:
    if np.ma.isMaskedArray(values) and np.ma.getmaskarray(values).any():
        raise ValueError(
            f"column {name!r} holds masked entries; drop these rows or fill them first"
        )
    try:
        raw = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must be one-dimensional, one entry per row ({error})"
        ) from error
    if raw.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {raw.shape}")
    return raw


def _missing(raw: np.ndarray) -> np.ndarray:
    return np.asarray(pd.isna(raw), dtype=bool)


def _is_number(value: Any, whole: bool) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return not whole
    return isinstance(value, (numbers.Real, Decimal))


def _whole(name: str, raw: np.ndarray) -> np.ndarray:
    """int64, exactly: each entry is a whole number of a real type."""
    if raw.dtype.kind == "f":  # beyond 2**53 a float has lost digits already
        bad = ~np.isfinite(raw) | (raw != np.floor(raw)) | (np.abs(raw) > 2.0**53)
    elif raw.dtype.kind == "O":
        bad = np.array([not (v == v // 1 and -(2**63) <= v < 2**63) for v in raw])
    else:
        bad = raw > np.iinfo(np.int64).max
    bad = np.asarray(bad, dtype=bool)
    check_rows(name, raw, bad, "must be a whole number")
    if raw.dtype.kind == "O":
        return np.array([int(v) for v in raw], dtype=np.int64)
    return raw.astype(np.int64)


def _floats(name: str, raw: np.ndarray) -> np.ndarray:
    number = np.empty(len(raw))
    bad = np.zeros(len(raw), dtype=bool)
    for row, value in enumerate(raw):
        try:
            number[row] = float(value)
        except (OverflowError, ValueError):
            bad[row] = True
    check_rows(name, raw, bad, "must hold numbers that a float can hold")
    return number


# -- ids ------------------------------------------------------------------------------


def canonical_ids(values: Any) -> tuple[np.ndarray, np.ndarray]:
    """The ids as one array, and a mask of the entries that are none.

    An id is a whole number or a text. The array is int64 when all are whole numbers
    (2.0 counts as 2), else of objects, each an int or a str. Bool, fractions, dates,
    bytes, tuples, whole numbers beyond int64 and missing entries are no ids.
    """
    raw = _raw_ids(values)
    bad = np.zeros(len(raw), dtype=bool)
    kind = raw.dtype.kind
    if kind == "i" or len(raw) == 0:
        return raw.astype(np.int64) if kind in "iufb" else raw.astype(object), bad
    if kind == "u" and raw.max() < 2**63:
        return raw.astype(np.int64), bad
    if kind == "U":
        return raw.astype(object), bad
    if kind == "O" and pd.api.types.infer_dtype(raw, skipna=False) == "string":
        return np.array(raw), bad
    ids = np.empty(len(raw), dtype=object)
    for row, value in enumerate(raw):
        ids[row] = _id(value)
        bad[row] = ids[row] is None
    if not bad.any() and not any(isinstance(i, str) for i in ids):
        return ids.astype(np.int64), bad
    ids[bad] = raw[bad]
    return ids, bad


def _raw_ids(values: Any) -> np.ndarray:
    if isinstance(values, (set, frozenset, dict)):
        raise TypeError(
            f"ids in a {type(values).__name__} have no order; pass a list of ids"
        )
    if np.ma.isMaskedArray(values) and np.ma.getmaskarray(values).any():
        raise ValueError("ids hold masked entries; drop these rows or give them an id")
    if isinstance(values, pd.Index):
        values = values.to_series()
    if isinstance(values, (np.ndarray, pd.Series, pd.api.extensions.ExtensionArray)):
        raw = np.asarray(values)
    else:  # element by element: asarray would turn the 1 of [1, "a"] into text
        values = list(values)
        raw = np.empty(len(values), dtype=object)
        for row, value in enumerate(values):
            raw[row] = value
        if pd.api.types.infer_dtype(raw, skipna=False) == "integer":
            whole = np.asarray(values)
            raw = whole if whole.dtype.kind in "iu" else raw
    if raw.ndim != 1:
        raise ValueError(f"ids must be one-dimensional, got shape {raw.shape}")
    return raw


def _id(value: Any) -> int | str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return None
    if isinstance(value, numbers.Integral):
        whole = int(value)
        return whole if -(2**63) <= whole < 2**63 else None
    if isinstance(value, (float, np.floating)) and -(2**53) < value < 2**53:
        return int(value) if value == int(value) else None
    return None


def check_names(names: dict, needed: Collection[str] = ()) -> None:
    """ValueError unless each is the name of a column; None where it is not needed."""
    for argument, name in names.items():
        good = isinstance(name, (str, int, tuple)) and not isinstance(name, bool)
        if not good and (name is not None or argument in needed):
            raise ValueError(f"{argument}= must be the name of a column, got {name!r}")


def check_duplicates(how: Any) -> None:
    """ValueError unless it says what to do when a (user, item) pair comes twice."""
    if how not in ("raise", "last", "mean", "sum"):
        raise ValueError(
            f"duplicates must be 'raise', 'last', 'mean' or 'sum', got {how!r}"
        )


def as_ids(name: str, ids: Any) -> np.ndarray:
    """A catalogue: canonical ids, each once."""
    if isinstance(ids, str) or not hasattr(ids, "__iter__"):
        raise ValueError(f"{name} must be a sequence of ids, got {ids!r}")
    try:
        array, bad = canonical_ids(ids)
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("ids", name, 1)) from error
    if bad.any() and isinstance(array[bad][0], (list, np.ndarray)):
        raise ValueError(f"{name} must be one-dimensional, got a list of lists")
    check_rows(name, array, bad, _no_id(array, bad))
    index = pd.Index(array, dtype=array.dtype)
    if not index.is_unique:
        raise ValueError(
            f"{name} must be unique; {index[index.duplicated()][0]!r} twice"
        )
    return array


def _no_id(array: np.ndarray, bad: np.ndarray) -> str:
    if not bad.any():
        return ""
    value = array[bad][0]
    if np.ndim(value) == 0 and _missing(np.array([value], dtype=object))[0]:
        return "must not have missing ids"
    advice = "make it text with .astype(str)"
    if isinstance(value, (tuple, frozenset)):
        advice = "join its parts into one text"
    elif isinstance(value, bytes):
        advice = "make it text with .decode()"
    return f"must hold whole numbers (int64) or text as ids ({advice})"


def number_ids(
    name: str, column: Any, catalogue: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Indices and ids of a column; without a catalogue, in sorted order.

    Numbers come before texts; texts are compared by code points.
    """
    array, bad = canonical_ids(column)
    check_rows(name, array, bad, _no_id(array, bad))
    if catalogue is None:
        index, ids = pd.factorize(array, sort=True)
        return index.astype(np.int64), np.asarray(ids)
    ids = as_ids(f"{name}_ids", catalogue)
    return find_ids(name, array, lookup(ids)), ids


def lookup(ids: np.ndarray) -> pd.Index:
    """For :func:`find_ids`; the dtype stays, or pandas would guess another."""
    return pd.Index(ids, dtype=ids.dtype)


def find_ids(name: str, ids: Any, index: pd.Index) -> np.ndarray:
    """Indices of ids, one or many; ``KeyError`` names the first unknown ones."""
    if isinstance(ids, np.ndarray) and ids.ndim == 0:
        ids = ids.item()
    if isinstance(ids, (str, bytes)) or not np.iterable(ids):
        ids = [ids]
    array, bad = canonical_ids(ids)
    found = np.full(len(array), -1, dtype=np.int64)
    # of one kind, or as objects, where 1 and "1" are two
    wanted = array[~bad]
    same = wanted.dtype == index.dtype
    found[~bad] = (index if same else index.astype(object)).get_indexer(
        pd.Index(wanted, dtype=wanted.dtype if same else object)
    )
    if (found < 0).any():
        unknown = list(dict.fromkeys(map(repr, array[found < 0].tolist())))
        raise KeyError(
            f"unknown {name} ids: {', '.join(unknown[:5])}"
            f"{' …' if len(unknown) > 5 else ''} ({int((found < 0).sum())} of "
            f"{len(array)}){_other_kind(array[found < 0], index)}"
        )
    return found


def _other_kind(unknown: np.ndarray, index: pd.Index) -> str:
    """Said when a question asks in text for whole numbers, or the other way round."""
    text = [isinstance(i, str) for i in unknown.tolist()]
    known = [isinstance(i, str) for i in index[:1000].tolist()]
    if index.dtype == np.int64:
        return "; ids are int64" if any(text) or unknown.dtype == object else ""
    if all(known) and not all(text):
        return "; ids are text"
    return ""
