"""Containers: who rated what, how much and when.

One container carries the ratings through the whole book. Models see **indices** (row
and column numbers of the rating matrix); people see **ids** (whatever the data file
calls a user or a film). Only :class:`Interactions` knows both.

Chapter: 01 The recommendation problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

__all__ = ["Dataset", "Interactions", "Split"]


@dataclass(frozen=True, eq=False)
class Interactions:
    """Observed cells of the rating matrix, as four parallel arrays and two id maps.

    Row ``n`` says: user ``user[n]`` gave item ``item[n]`` the value ``value[n]`` at
    ``time[n]``. The order of the rows is kept (it matters to stochastic gradient
    descent and to the folds of chapter 02). The arrays are copied and read-only.

    Parameters
    ----------
    user, item : (n,) int64
        Indices, ``0 <= user < n_users`` and ``0 <= item < n_items``.
    value : (n,) float64
        Rating, count or weight; finite.
    time : (n,) int64 or None
        Seconds (or any clock that is not negative).
    user_ids, item_ids : (n_users,), (n_items,) arrays
        ``user_ids[u]`` is the id of user index ``u``; unique.

    Raises
    ------
    ValueError
        Mixed lengths, NaN or infinite values, negative times, indices out of range,
        the same (user, item) pair twice. The message names the column and the first
        bad row. To merge duplicates use :meth:`from_frame`.
    """

    user: np.ndarray
    item: np.ndarray
    value: np.ndarray
    time: np.ndarray | None
    user_ids: np.ndarray
    item_ids: np.ndarray

    def __post_init__(self):
        columns = {
            "user": _as_column("user", self.user, np.int64),
            "item": _as_column("item", self.item, np.int64),
            "value": _as_column("value", self.value, np.float64),
            "user_ids": _as_ids("user_ids", self.user_ids),
            "item_ids": _as_ids("item_ids", self.item_ids),
        }
        if self.time is not None:
            columns["time"] = _as_column("time", self.time, np.int64)
            _check_rows("time", columns["time"], columns["time"] < 0, "must be >= 0")
        lengths = {
            name: len(columns[name])
            for name in ("user", "item", "value", "time")
            if name in columns
        }
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns must have one length, got {lengths}")
        for name, n in (("user", self.n_users), ("item", self.n_items)):
            bad = (columns[name] < 0) | (columns[name] >= n)
            _check_rows(name, columns[name], bad, f"must be in 0..{n - 1}")
        value = columns["value"]
        _check_rows("value", value, ~np.isfinite(value), "must be finite")
        duplicate = pd.Series(columns["user"] * self.n_items + columns["item"])
        duplicate = duplicate.duplicated().to_numpy()
        if duplicate.any():
            row = int(np.argmax(duplicate))
            pair = (columns["user"][row], columns["item"][row])
            raise ValueError(
                f"{int(duplicate.sum())} duplicate (user, item) pairs; the first is "
                f"indices {tuple(map(int, pair))} in row {row}. Merge them with "
                "Interactions.from_frame(..., duplicates='last' | 'mean' | 'sum')"
            )
        for name, array in columns.items():
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        user: str = "user",
        item: str = "item",
        value: str | None = "value",
        time: str | None = "time",
        duplicates: str = "raise",
        user_ids: Sequence | None = None,
        item_ids: Sequence | None = None,
    ) -> Interactions:
        """Number the ids of a data frame (in sorted order) and keep its row order.

        Parameters
        ----------
        frame : DataFrame
            One row per interaction.
        user, item, value, time : str
            Column names. ``value=None`` means "an event": every value is 1. A ``time``
            column that is None or absent gives ``time=None``.
        duplicates : {"raise", "last", "mean", "sum"}
            What to do when a (user, item) pair comes twice. "last" keeps the latest by
            time (by row order where there is no time or the times tie); "mean" and
            "sum" merge the values and keep the latest time.
        user_ids, item_ids : sequences, optional
            The full catalogue of ids, in index order, when it is larger than what the
            frame mentions.

        Raises
        ------
        ValueError
            A column is missing or holds a missing value, or duplicates are refused.
        KeyError
            The frame mentions an id that the given catalogue does not hold.
        """
        if duplicates not in ("raise", "last", "mean", "sum"):
            raise ValueError(
                "duplicates must be 'raise', 'last', 'mean' or 'sum', "
                f"got {duplicates!r}"
            )
        needed = [name for name in (user, item, value) if name is not None]
        missing = [name for name in needed if name not in frame.columns]
        if missing:
            raise ValueError(
                f"column {missing[0]!r} is missing; the frame has "
                f"{list(frame.columns)}. Name yours with user=, item=, value=, time="
            )
        has_time = time is not None and time in frame.columns
        columns = {}
        columns["user"], user_ids = _number("user", frame[user], user_ids)
        columns["item"], item_ids = _number("item", frame[item], item_ids)
        columns["value"] = (
            np.ones(len(frame))
            if value is None
            else _as_column(value, frame[value].to_numpy(), np.float64)
        )
        bad = ~np.isfinite(columns["value"])
        _check_rows(value or "value", columns["value"], bad, "must be finite")
        if has_time:
            columns["time"] = _as_column(time, frame[time].to_numpy(), np.int64)
        rows = pd.DataFrame(columns)
        if duplicates != "raise":
            rows = _merge(rows, duplicates)
        return cls(
            user=rows["user"].to_numpy(),
            item=rows["item"].to_numpy(),
            value=rows["value"].to_numpy(),
            time=rows["time"].to_numpy() if has_time else None,
            user_ids=user_ids,
            item_ids=item_ids,
        )

    def __reduce__(self):  # a plain pickle would come back with writable arrays
        columns = (self.user, self.item, self.value, self.time)
        return type(self), (*columns, self.user_ids, self.item_ids)

    # -- size ---------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.user)

    @property
    def n_users(self) -> int:
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        return len(self.item_ids)

    @property
    def shape(self) -> tuple[int, int]:
        return self.n_users, self.n_items

    @property
    def density(self) -> float:
        """Share of the cells of the rating matrix that were observed."""
        return len(self) / max(1, self.n_users * self.n_items)

    def __repr__(self) -> str:
        return (
            f"Interactions({len(self):,} rows, {self.n_users:,} users, "
            f"{self.n_items:,} items, density {self.density:.2%})"
        )

    # -- views --------------------------------------------------------------------

    @cached_property
    def csr(self) -> csr_array:
        """(n_users, n_items) float64, column indices sorted, explicit zeros kept."""
        matrix = csr_array((self.value, (self.user, self.item)), shape=self.shape)
        matrix.sort_indices()
        return matrix

    def subset(self, rows: np.ndarray) -> Interactions:
        """The chosen rows (boolean mask or integer positions, order kept).

        Both id maps and the shape stay as they are, so the parts of a split always
        speak of the same users and items.
        """
        rows = np.asarray(rows)
        if rows.size == 0 and rows.dtype != bool:
            rows = rows.astype(np.int64)
        if rows.dtype == bool and len(rows) != len(self):
            raise ValueError(f"mask has {len(rows)} entries, expected {len(self)}")
        return replace(
            self,
            user=self.user[rows],
            item=self.item[rows],
            value=self.value[rows],
            time=None if self.time is None else self.time[rows],
        )

    def binarize(self, threshold: float | None = None) -> Interactions:
        """Rows with ``value >= threshold`` (all rows for None); values become 1."""
        kept = self if threshold is None else self.subset(self.value >= threshold)
        return replace(kept, value=np.ones(len(kept)))

    def chronological(self) -> np.ndarray:
        """(n,) int64 row positions sorted by time; ties keep the order of the rows."""
        if self.time is None:
            raise ValueError("these interactions carry no time; pass a time column")
        return np.argsort(self.time, kind="stable")

    def sequences(self, max_len: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Each user's items in order of time, right-padded.

        Parameters
        ----------
        max_len : int, optional
            Keep only the latest ``max_len`` items of a user; default: the longest.

        Returns
        -------
        items : (n_users, max_len) int64
            Padded on the right with ``n_items``, which is no item's index.
        lengths : (n_users,) int64
        """
        order = self.chronological()
        order = order[np.argsort(self.user[order], kind="stable")]
        counts = np.bincount(self.user, minlength=self.n_users)
        longest = int(counts.max(initial=0))
        max_len = longest if max_len is None else max_len
        if max_len < 1 and longest:
            raise ValueError(f"max_len must be at least 1, got {max_len}")
        lengths = np.minimum(counts, max_len)
        start = np.cumsum(counts) - counts
        place = np.arange(len(order)) - np.repeat(start + counts - lengths, counts)
        row = np.repeat(np.arange(self.n_users), counts)
        items = np.full((self.n_users, max_len), self.n_items, dtype=np.int64)
        items[row[place >= 0], place[place >= 0]] = self.item[order[place >= 0]]
        return items, lengths

    def to_frame(self) -> pd.DataFrame:
        """Rows with ids, not indices: columns user, item, value and, if any, time."""
        frame = pd.DataFrame(
            {
                "user": self.user_ids[self.user],
                "item": self.item_ids[self.item],
                "value": self.value,
            }
        )
        if self.time is not None:
            frame["time"] = self.time
        return frame

    # -- ids ----------------------------------------------------------------------

    def user_index(self, ids) -> np.ndarray:
        """Indices of the given user ids; ``KeyError`` names the first unknown ones."""
        return _find("user", ids, self._user_lookup)

    def item_index(self, ids) -> np.ndarray:
        """Indices of the given item ids; ``KeyError`` names the first unknown ones."""
        return _find("item", ids, self._item_lookup)

    @cached_property
    def _user_lookup(self) -> pd.Index:
        return pd.Index(self.user_ids)

    @cached_property
    def _item_lookup(self) -> pd.Index:
        return pd.Index(self.item_ids)


class Split(NamedTuple):
    """Parts of one data set; all share id maps and shape. ``valid`` may be None."""

    train: Interactions
    valid: Interactions | None
    test: Interactions


class Dataset(NamedTuple):
    """Interactions with what is known about items and users.

    ``items.iloc[i]`` describes item index ``i``, ``users.iloc[u]`` user index ``u``.
    """

    interactions: Interactions
    items: pd.DataFrame
    users: pd.DataFrame


def _as_column(name, values, dtype) -> np.ndarray:
    """A fresh 1-D array of ``dtype``; refuses what would be rounded or made up."""
    raw = np.asarray(values)
    if raw.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {raw.shape}")
    if len(raw) == 0:
        return np.empty(0, dtype)
    if raw.dtype.kind in "mMc":  # dates in nanoseconds would lose digits
        raise ValueError(
            f"column {name!r} must hold plain numbers, got {raw.dtype}; turn dates "
            "into seconds with .astype('datetime64[s]').astype('int64')"
        )
    if raw.dtype.kind == "O":
        _check_rows(name, raw, pd.isna(raw), "must not have missing entries")
    try:
        if np.issubdtype(dtype, np.integer) and raw.dtype.kind not in "iub":
            number = np.asarray(raw, dtype=np.float64)
            bad = ~np.isfinite(number) | (number != np.floor(number))
            bad |= np.abs(number) >= 2**63
            _check_rows(name, raw, bad, "must be a whole number")
            return number.astype(dtype)
        return np.array(raw, dtype=dtype)
    except (TypeError, ValueError) as error:
        if isinstance(error, ValueError) and str(error).startswith("column "):
            raise
        raise ValueError(f"column {name!r} must hold numbers ({error})") from error


def _as_ids(name, ids) -> np.ndarray:
    array = np.array(ids)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}")
    index = pd.Index(array)
    if not index.is_unique:
        raise ValueError(
            f"{name} must be unique; {index[index.duplicated()][0]!r} twice"
        )
    return array


def _check_rows(name, values, bad, rule) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        value = values[row]
        value = value.item() if isinstance(value, np.generic) else value
        raise ValueError(
            f"column {name!r} {rule}; row {row} holds {value!r} "
            f"({int(bad.sum())} bad rows)"
        )


def _number(name, column, ids) -> tuple[np.ndarray, np.ndarray]:
    absent = column.isna().to_numpy()
    _check_rows(name, column.to_numpy(), absent, "must not have missing ids")
    if ids is None:
        index, ids = pd.factorize(column, sort=True)
        return index, np.asarray(ids)
    ids = _as_ids(f"{name}_ids", ids)
    return _find(name, column.to_numpy(), pd.Index(ids)), ids


def _merge(rows: pd.DataFrame, how: str) -> pd.DataFrame:
    order = rows
    if "time" in rows:
        order = rows.sort_values("time", kind="stable")
    last = order.drop_duplicates(["user", "item"], keep="last").sort_index()
    if how == "last":
        return last
    merged = rows.groupby(["user", "item"])["value"].agg(how)
    pairs = pd.MultiIndex.from_frame(last[["user", "item"]])
    return last.assign(value=merged.reindex(pairs).to_numpy())


def _find(name, ids, lookup) -> np.ndarray:
    ids = np.atleast_1d(np.asarray(ids))
    index = lookup.get_indexer(ids)
    if (index < 0).any():
        unknown = [str(i) for i in pd.unique(pd.Series(ids[index < 0]))]
        raise KeyError(
            f"unknown {name} ids: {', '.join(unknown[:5])}"
            f"{' …' if len(unknown) > 5 else ''} ({len(unknown)} of {len(ids)})"
        )
    return index.astype(np.int64)
