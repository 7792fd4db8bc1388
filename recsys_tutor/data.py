"""Containers: who rated what, how much and when.

One container carries the ratings through the whole book. Models see **indices** (row
and column numbers of the rating matrix); people see **ids** (whatever the data file
calls a user or a film). Only :class:`Interactions` knows both.

Chapter: 01 The recommendation problem.
"""

from __future__ import annotations

import hashlib
import numbers
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from recsys_tutor.columns import (
    as_column,
    as_ids,
    check_duplicates,
    check_names,
    check_rows,
    find_ids,
    lookup,
    number_ids,
)

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
        ``user_ids[u]`` is the id of user index ``u``; unique. An id is a whole number
        or a text; the array is int64 when all are whole numbers (2.0 counts as 2), else
        of objects. 1 and "1" are two ids, and so are texts that differ in anything.

    Raises
    ------
    ValueError
        Mixed lengths, text or dates where numbers belong, NaN or infinite values,
        negative times, indices out of range, the same (user, item) pair twice; ids that
        are missing or neither whole number nor text (dates, bytes, tuples, True, 1.5).
        The message names the column and the first bad row. To merge duplicates use
        :meth:`from_frame`.
    TypeError
        Ids in a set or dict, which have no order.
    """

    user: np.ndarray
    item: np.ndarray
    value: np.ndarray
    time: np.ndarray | None
    user_ids: np.ndarray
    item_ids: np.ndarray

    def __post_init__(self) -> None:
        columns = {
            "user": as_column("user", self.user, np.int64),
            "item": as_column("item", self.item, np.int64),
            "value": as_column("value", self.value, np.float64),
            "user_ids": as_ids("user_ids", self.user_ids),
            "item_ids": as_ids("item_ids", self.item_ids),
        }
        if self.time is not None:
            columns["time"] = as_column("time", self.time, np.int64)
            check_rows("time", columns["time"], columns["time"] < 0, "must be >= 0")
        rows = [name for name in columns if not name.endswith("_ids")]
        lengths = {name: len(columns[name]) for name in rows}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns must have one length, got {lengths}")
        for name, n in (("user", self.n_users), ("item", self.n_items)):
            bad = (columns[name] < 0) | (columns[name] >= n)
            check_rows(name, columns[name], bad, f"must be in 0..{n - 1}")
        value = columns["value"]
        check_rows("value", value, ~np.isfinite(value), "must be finite")
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
        user_ids: Sequence | np.ndarray | None = None,
        item_ids: Sequence | np.ndarray | None = None,
    ) -> Interactions:
        """Number the ids of a data frame (in sorted order) and keep its row order.

        Parameters
        ----------
        frame : DataFrame
            One row per interaction. Ids as in the class (any text is an id, "" and
            "nan" too); values and times are numbers, not text.
        user, item, value, time : str
            Column names. ``value=None`` means "an event": every value is 1.
            ``time=None``, or no column "time" when ``time`` is left alone: no times.
        duplicates : {"raise", "last", "mean", "sum"}
            What to do when a (user, item) pair comes twice. "last" keeps the latest by
            time (by row order where there is no time or the times tie); "mean" and
            "sum" merge the values and keep the latest time.
        user_ids, item_ids : sequences, optional
            The full catalogue of ids, in index order, when it is larger than what the
            frame mentions.

        Raises
        ------
        TypeError
            ``frame`` is no DataFrame.
        ValueError
            A column is missing, comes twice or holds what the class refuses, or
            duplicates are refused.
        KeyError
            The frame mentions an id that the given catalogue does not hold.

        Cost O(n + m log m) for n rows and m ids.
        """
        check_duplicates(duplicates)
        names = {"user": user, "item": item, "value": value, "time": time}
        check_names(names, needed=("user", "item"))
        if not _has_time(frame, time):
            names["time"] = None
        _check_columns(frame, [name for name in names.values() if name is not None])
        columns = {}
        columns["user"], users = number_ids(user, frame[user], user_ids)
        columns["item"], items = number_ids(item, frame[item], item_ids)
        columns |= _read_numbers(frame, value, names["time"])
        rows = pd.DataFrame(columns)
        if duplicates != "raise":
            rows = _merge(rows, duplicates)
        arrays = {name: rows[name].to_numpy() for name in rows}
        arrays.setdefault("time", None)
        return cls(**arrays, user_ids=users, item_ids=items)

    def __reduce__(
        self,
    ) -> tuple:  # a plain pickle would come back with writable arrays
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

    @cached_property
    def digest(self) -> str:
        """Sixteen hexadecimal characters that tell these interactions from others.

        The first 16 of the SHA-256 over the shape, both id maps (1 and "1" differ) and
        every row in its order: user, item, value, time or its absence. The same on
        every computer. Cost O(n), once.
        """
        total = hashlib.sha256()
        parts = [
            b"Interactions 1",
            np.array(self.shape, dtype="<i8").tobytes(),
            *(_id_bytes(ids) for ids in (self.user_ids, self.item_ids)),
            self.user.astype("<i8").tobytes(),
            self.item.astype("<i8").tobytes(),
            (self.value + 0.0).astype("<f8").tobytes(),  # -0.0 equals 0.0
            b"none"
            if self.time is None
            else b"time" + self.time.astype("<i8").tobytes(),
        ]
        for part in parts:  # each with its length, so that no two lists run together
            total.update(len(part).to_bytes(8, "little"))
            total.update(part)
        return total.hexdigest()[:16]

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
        speak of the same users and items. :meth:`at_least` makes the matrix smaller.
        """
        rows = np.asarray(rows)
        if rows.size == 0 and rows.dtype != bool:
            rows = rows.astype(np.int64)
        if rows.ndim != 1 or rows.dtype.kind not in "biu":
            raise ValueError(
                "rows must be one mask or integer positions, got "
                f"{rows.dtype} of shape {rows.shape}"
            )
        if rows.dtype == bool and len(rows) != len(self):
            raise ValueError(f"mask has {len(rows)} entries, expected {len(self)}")
        outside = (rows < 0) | (rows >= len(self))
        if rows.dtype != bool and outside.any():
            raise IndexError(
                f"row {rows[outside][0]} is out of range for 0..{len(self) - 1}"
            )
        return replace(
            self,
            user=self.user[rows],
            item=self.item[rows],
            value=self.value[rows],
            time=None if self.time is None else self.time[rows],
        )

    def at_least(self, *, user: int = 1, item: int = 1) -> Interactions:
        """The k-core: every user keeps ``user`` rows or more, every item ``item``.

        Rows of users and items below their bound go, which may bring others below
        theirs, and so on until nobody is. What stays is the largest part of the rows in
        which both bounds hold; row order stays. Users and items without a row left
        **leave the id maps** (the order of the others stays), so the matrix gets
        smaller. Filter before a split: parts filtered one by one no longer share their
        ids. ``at_least()`` drops nothing but ids without rows.

        Raises
        ------
        ValueError
            A bound that is no whole number of at least 1.

        Notes
        -----
        Cost O(n) per round, few rounds on ratings (at most one per user and item).
        See :meth:`Dataset.at_least` to keep titles beside the items.
        """
        for name, bound in (("user", user), ("item", item)):
            whole = isinstance(bound, numbers.Integral) and not isinstance(bound, bool)
            if not whole or bound < 1:
                raise ValueError(
                    f"{name} must be a whole number of at least 1, got {bound!r}"
                )
        rows = np.arange(len(self))
        while True:
            users = np.bincount(self.user[rows], minlength=self.n_users)
            items = np.bincount(self.item[rows], minlength=self.n_items)
            stay = (users[self.user[rows]] >= user) & (items[self.item[rows]] >= item)
            if stay.all():
                break
            rows = rows[stay]
        return Interactions(
            user=(np.cumsum(users > 0) - 1)[self.user[rows]],
            item=(np.cumsum(items > 0) - 1)[self.item[rows]],
            value=self.value[rows],
            time=None if self.time is None else self.time[rows],
            user_ids=self.user_ids[users > 0],
            item_ids=self.item_ids[items > 0],
        )

    def binarize(self, threshold: float | None = None) -> Interactions:
        """Rows with ``value >= threshold`` (all rows for None); values become 1."""
        if not (threshold is None or _is_real(threshold)):
            raise ValueError(f"threshold must be a number or None, got {threshold!r}")
        kept = self if threshold is None else self.subset(self.value >= threshold)
        return replace(kept, value=np.ones(len(kept)))

    def chronological(self) -> np.ndarray:
        """(n,) int64 row positions sorted by time; ties keep the order of the rows."""
        if self.time is None:
            raise ValueError("these interactions carry no time; pass a time column")
        return np.argsort(self.time, kind="stable")

    def timeline(self) -> np.ndarray:
        """(n,) int64 row positions sorted by user, within a user by time.

        Ties in time keep the order of the rows: the later row is the later event.
        """
        order = self.chronological()
        return order[np.argsort(self.user[order], kind="stable")]

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

    def user_index(self, ids: Any) -> np.ndarray:
        """Indices of the given user ids, one or a sequence of them.

        ``KeyError`` names the first unknown ones. 17 and "17" are two ids (2.0 is 2); a
        set is refused, for its order is none.
        """
        return find_ids("user", ids, self._user_lookup)

    def item_index(self, ids: Any) -> np.ndarray:
        """Indices of the given item ids, by the rules of :meth:`user_index`."""
        return find_ids("item", ids, self._item_lookup)

    @cached_property
    def _user_lookup(self) -> pd.Index:
        return lookup(self.user_ids)

    @cached_property
    def _item_lookup(self) -> pd.Index:
        return lookup(self.item_ids)


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

    def at_least(self, *, user: int = 1, item: int = 1) -> Dataset:
        """:meth:`Interactions.at_least`, with the rows of both tables that stay."""
        whole = self.interactions
        core = whole.at_least(user=user, item=item)
        items = self.items.iloc[whole.item_index(core.item_ids)]
        users = self.users.iloc[whole.user_index(core.user_ids)]
        return Dataset(core, items.reset_index(drop=True), users.reset_index(drop=True))


def _is_real(value: Any) -> bool:
    """A number that is not NaN and not a truth value."""
    return (
        isinstance(value, numbers.Real)
        and not isinstance(value, (bool, np.bool_))
        and value == value
    )


def _id_bytes(ids: np.ndarray) -> bytes:
    if ids.dtype == np.int64:
        return b"int64" + ids.astype("<i8").tobytes()
    texts = (("s" if isinstance(i, str) else "i") + f"{len(str(i))}:{i}" for i in ids)
    return "".join(texts).encode("utf-8", "surrogatepass")


def _has_time(frame: Any, time: str | None) -> bool:
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(
            f"from_frame needs a pandas DataFrame, got {type(frame).__name__}; wrap it "
            "in pd.DataFrame(..., columns=['user', 'item', 'value'])"
        )
    if time == "time":
        return time in frame.columns  # only the default may be absent
    return time is not None


def _check_columns(frame: pd.DataFrame, needed: Sequence[str]) -> None:
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise ValueError(
            f"column {missing[0]!r} is missing; the frame has "
            f"{list(frame.columns)}. Name yours with user=, item=, value=, time="
        )
    for name in needed:
        if isinstance(frame[name], pd.DataFrame):
            raise ValueError(
                f"column {name!r} comes more than once in {list(frame.columns)}; "
                "rename or drop one of them"
            )


def _read_numbers(
    frame: pd.DataFrame, value: str | None, time: str | None
) -> dict[str, np.ndarray]:
    """The columns ``value`` (1 each for None) and ``time`` (none for None)."""
    columns = {"value": np.ones(len(frame))}
    if value is not None:
        columns["value"] = as_column(value, frame[value].to_numpy(), np.float64)
        bad = ~np.isfinite(columns["value"])
        check_rows(value, columns["value"], bad, "must be finite")
    if time is not None:
        columns["time"] = as_column(time, frame[time].to_numpy(), np.int64)
    return columns


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
