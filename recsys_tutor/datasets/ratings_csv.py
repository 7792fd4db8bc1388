"""The reader's own ratings: a delimited text file becomes a Dataset.

What stands here says which columns are meant and how lines become ratings;
:mod:`recsys_tutor.datasets.text_table` finds the cells,
:mod:`recsys_tutor.datasets.cells` reads them.

Chapter: 01 The recommendation problem.
"""

from __future__ import annotations

import math
import numbers
import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_tutor.checks import check_path
from recsys_tutor.columns import (
    canonical_ids,
    check_duplicates,
    check_names,
    check_rows,
)
from recsys_tutor.data import Dataset, Interactions
from recsys_tutor.datasets import cells
from recsys_tutor.datasets.text_table import TextTable, matrix_hint, read_table, shorten

__all__ = ["load_ratings_csv"]


def load_ratings_csv(
    path: str | os.PathLike,
    *,
    user: str = "user",
    item: str = "item",
    value: str | None = "rating",
    time: str | None = "timestamp",
    sep: str | None = None,
    encoding: str | None = None,
    names: Sequence[str] | None = None,
    quotes: str | None = None,
    decimal: str | None = None,
    time_unit: str | None = None,
    missing: float | str | Sequence[float | str] = (),
    missing_ids: Sequence[str] = cells.MISSING_IDS,
    duplicates: str = "raise",
    user_ids: Sequence | None = None,
    item_ids: Sequence | None = None,
    items: str | os.PathLike | pd.DataFrame | None = None,
    member: str | None = None,
) -> Dataset:
    """Ratings from a delimited text file, one line per rating, packed or not.

    Nothing is taken for something else in silence: what a cell or a quote means is
    certain, or the file is refused with the line and the argument that settles it.

    Parameters
    ----------
    path : path
        The file; gzip, bzip2, xz and zip are unpacked. LF, CRLF and CR line ends, a
        byte order mark, blank lines and lines of empty cells only are fine. Blanks and
        tabs around a cell do not count; those inside its quotes do.
    user, item, value, time : str
        Names of the columns. ``value=None``: the file lists events, every value is 1.
        ``time=None``, or no column "timestamp" when ``time`` is left alone: no times.
    sep : str, optional
        What stands between two fields, taken literally ("::" for MovieLens 1M); found
        from the first lines when not given. Several blanks count as one ``" "``.
    encoding : str, optional
        Default: UTF-8, UTF-16 or UTF-32 by the byte order mark, else UTF-8, else
        Latin-1 with a warning.
    names : sequence of str, optional
        The column names of a file that has no header line, for example
        ``["user", "item", "rating", "timestamp"]`` for ``u.data``.
    quotes : {"doubled", "backslash", "plain"}, optional
        "doubled" is CSV (RFC 4180): a field that begins with ``"`` ends with one, and a
        quote inside is ``""``; "backslash": a quote inside is ``\\"``; "plain": quotes
        are characters. Default: CSV, unless the delimiter is a tab or several
        characters and the quotes are none of CSV. A file that makes a table both ways
        is refused. A quote that does not begin its field is always a character.
    decimal : {".", ","}, optional
        The decimal point. Default: a comma where the delimiter is another character and
        every value is a number that way (but not if 1,234 might be thousands).
    time_unit : {"s", "ms", "us", "ns"}, optional
        What numbers in the time column count. Default: seconds; then digits that spell
        a date (20200131) are refused.
    missing : number or str, or several
        Values that mean "no rating", such as 0 (Book-Crossing), 99 (Jester) or "NULL".
        Such lines are dropped, as if they were not there, and a warning counts them.
    missing_ids : sequence of str
        Texts that mean "no id" besides an empty cell, in any case: nan, NULL, None,
        ``\\N``, NA, N/A, <NA> and others. Such lines are refused. Pass ``()`` where one
        of them is a name.
    duplicates : {"raise", "last", "mean", "sum"}
        What to do when a (user, item) pair comes twice, see
        :meth:`recsys_tutor.data.Interactions.from_frame`.
    user_ids, item_ids : sequences, optional
        The full catalogue of ids, in index order: pass ``train.users.user`` and
        ``train.items.item`` to read a test file into the shape of a training file. Ids
        are compared as text, and one that the catalogue lacks is refused.
    items : path or DataFrame, optional
        What is known about items: a text file with a header (delimiter found, same
        ``encoding``, ``quotes`` and ``missing_ids``; all cells stay text), or a frame.
        Its id column is called as ``item`` says, or "item", and is compared as text.
    member : str, optional
        Which file of a zip that holds several.

    Returns
    -------
    interactions : Interactions
        Rows in file order. Ids are int64 when all of a column are plain whole numbers
        in ASCII digits (no leading zeros, no sign) that fit, else the texts as they
        are: two texts that differ in anything are two ids. ``time`` is in seconds since
        1970, from a number or an ISO date (``YYYY-MM-DD``, then maybe ``T`` or a blank
        and ``HH:MM[:SS[.f]]`` with a zone; UTC unless it says otherwise), until the
        year 5138 or 9999; fractions are cut off.
    items, users : DataFrame
        ``item`` and ``user``, with the ids in index order; then the other columns of
        ``items``. An item without a line there has NaN (and a warning counts them); a
        line without ratings is left out, unless ``item_ids`` has it.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is empty, binary, or damaged, or in another layout (JSON, HTML, a
        matrix, blocks); bytes that the encoding does not know; a wrong delimiter;
        doubtful quotes; missing or doubled columns; a missing id; a negative whole
        number as id; a value that is missing, not a number or infinite; a time that is
        missing, neither number nor ISO date, before 1970, too large for its unit, or a
        date in digits; lines with more fields than the header; a pair that comes
        twice; in ``items``, an id that comes twice or none that fits. The message names
        the file, the column and the line, and says what to pass.

    Warns
    -----
    UserWarning
        The file is not UTF-8 and was read as Latin-1; lines were dropped for
        ``missing``; items without a line in ``items``.

    Examples
    --------
    >>> load_ratings_csv("ratings.csv", user="userId", item="movieId")  # doctest: +SKIP

    Cost O(n) for n lines, a few seconds per million. Chapter 01.
    """
    columns = {"user": user, "item": item, "value": value, "time": time}
    check_names(columns, ("user", "item"))
    _check_options(duplicates, decimal, time_unit, names, missing_ids)
    missing = _missing_values(missing, value)
    full: dict[str, Any] = {"user_ids": user_ids, "item_ids": item_ids}
    texts = {name: cells.given_ids(name, ids) for name, ids in full.items()}
    reading = {"encoding": encoding, "quotes": quotes}
    table = _read_lines(path, columns, sep=sep, names=names, member=member, **reading)
    notes = [table.note, _drop_missing(table, value, missing, decimal)]
    ratings = _read_columns(table, columns, texts, missing_ids, decimal, time_unit)
    if duplicates == "raise":
        _refuse_duplicates(ratings, table)
    interactions = Interactions.from_frame(ratings, duplicates=duplicates, **full)
    known = pd.DataFrame({"item": interactions.item_ids})
    described, *more = _describe(known, items, item, missing_ids, reading)
    for note in filter(None, [*notes, *more]):
        warnings.warn(note, stacklevel=2)
    users = pd.DataFrame({"user": interactions.user_ids})
    return Dataset(interactions, described, users)


def _read_lines(
    path: str | os.PathLike,
    columns: dict[str, str | None],
    *,
    names: Sequence[str] | None,
    **options: Any,
) -> TextTable:
    """The cells of the file; ``columns`` without a time where the file has none."""
    given = [columns[name] for name in ("user", "item", "value")]
    wanted = [name for name in given if name is not None]
    table = read_table(check_path(path), names=names, wanted=wanted, **options)
    if columns["time"] == "timestamp" and "timestamp" not in table.frame.columns:
        columns["time"] = None
    timed = [] if columns["time"] is None else [columns["time"]]
    _check_columns(table, wanted + timed, names)
    return table


def _read_columns(
    table: TextTable,
    columns: dict[str, str | None],
    catalogues: dict[str, np.ndarray | None],
    missing_ids: Sequence[str],
    decimal: str | None,
    unit: str | None,
) -> pd.DataFrame:
    """What the cells mean: user, item, value and, if any, time."""
    ratings = pd.DataFrame(index=table.frame.index)
    for name in ("user", "item"):
        column = table.frame[columns[name]]
        ids = cells.ids(column, table, missing_ids, catalogues[f"{name}_ids"])
        ratings[name] = pd.Series(ids, index=ratings.index, dtype=ids.dtype)
    ratings["value"] = 1.0
    if columns["value"] is not None:
        ratings["value"] = cells.values(table.frame[columns["value"]], table, decimal)
    if columns["time"] is not None:
        column = table.frame[columns["time"]]
        ratings["time"] = cells.times(column, table, unit, decimal or ".")
    return ratings


def _check_options(
    duplicates: Any, decimal: Any, time_unit: Any, names: Any, missing_ids: Any
) -> None:
    check_duplicates(duplicates)
    if decimal not in (None, ".", ","):
        raise ValueError(f"decimal must be '.' or ',', got {decimal!r}")
    if time_unit is not None and time_unit not in cells.TIME_UNITS:
        raise ValueError(
            f"time_unit must be one of {tuple(cells.TIME_UNITS)}, got {time_unit!r}"
        )
    for name, texts in (("names", names), ("missing_ids", missing_ids)):
        several = hasattr(texts, "__iter__") and not isinstance(texts, str)
        good = several and all(isinstance(text, str) for text in texts)
        if texts is not None and not good:
            raise ValueError(f"{name} must be a sequence of texts, got {texts!r}")


def _missing_values(missing: Any, value: str | None) -> list[float | str]:
    one = isinstance(missing, (str, numbers.Real))
    missing = [missing] if one else list(missing)
    if missing and value is None:
        raise ValueError("missing= speaks of the value column, and value is None")
    for entry in missing:
        number = isinstance(entry, numbers.Real) and not isinstance(entry, bool)
        if not isinstance(entry, str) and (not number or math.isnan(entry)):
            raise ValueError(
                f"missing must hold numbers or texts such as 'NaN', got {entry!r}"
            )
    return missing


def _check_columns(
    table: TextTable, wanted: list[str], names: Sequence[str] | None
) -> None:
    found = list(table.frame.columns)
    absent = [name for name in wanted if name not in found]
    if absent:
        message = (
            f"{table.path}: no column {absent[0]!r}; found {shorten(found)}. Name "
            "yours with user=, item=, value=, time="
        )
        if names is None and any(re.fullmatch(r"-?\d+(\.\d+)?", c) for c in found):
            message += (
                "; the first line looks like data: for a file without header pass "
                "names=['user', 'item', 'rating', ...]" + matrix_hint(found)
            )
        raise ValueError(message)
    if table.frame.empty:
        raise ValueError(f"{table.path}: the file holds no ratings, only a header")


def _drop_missing(
    table: TextTable, value: str | None, missing: list[float | str], decimal: str | None
) -> str:
    """Drop the lines whose value means "no rating"; what was done, in words."""
    if not missing:
        return ""
    column = table.frame[value]
    wanted = [float(entry) for entry in missing if not isinstance(entry, str)]
    number = cells.numbers(column, decimal or ".")[0]
    if decimal is None and table.sep != ",":
        number = np.where(np.isnan(number), cells.numbers(column, ",")[0], number)
    drop = column.isin([entry for entry in missing if isinstance(entry, str)])
    drop |= np.isin(number, wanted)
    if drop.all():
        raise ValueError(
            f"{table.path}: no ratings are left, every {value!r} is one of "
            f"missing={missing}"
        )
    table.frame = table.frame[~drop]
    return (
        f"{table.path}: dropped {int(drop.sum())} of {len(drop)} lines whose "
        f"{value!r} is one of missing={missing}"
    )


def _refuse_duplicates(ratings: pd.DataFrame, table: TextTable) -> None:
    pair = ["user", "item"]
    again = ratings.duplicated(pair)
    if not again.any():
        return
    first = ratings.drop_duplicates(pair).reset_index().set_index(pair)["index"]
    shown = [
        f"user {u!r}, item {i!r} (lines {table.number(first[u, i])} and "
        f"{table.number(row)})"
        for row, u, i in ratings.loc[again, pair].head(3).itertuples(name=None)
    ]
    raise ValueError(
        f"{table.path}: {int(again.sum())} lines repeat a (user, item) pair: "
        f"{'; '.join(shown)}{' ...' if again.sum() > 3 else ''}. Pass "
        "duplicates='last', 'mean' or 'sum' to merge them"
    )


# -- what is known about items --------------------------------------------------------


def _describe(
    known: pd.DataFrame,
    items: pd.DataFrame | str | Path | None,
    item: str,
    missing_ids: Sequence[str],
    reading: dict[str, Any],
) -> tuple:
    """The ids in index order beside their rows of ``items``, and notes in words."""
    note = ""
    if items is None:
        return known, note
    if isinstance(items, pd.DataFrame):
        source: str | Path = "items"
        frame = items
        key = _item_column(source, list(frame.columns), item)
        texts = _frame_texts(key, frame[key])
    else:
        source = path = check_path(items, "items")
        table = read_table(path, wanted=[], **reading)
        note, frame = table.note, table.frame
        key = _item_column(source, list(frame.columns), item)
        column = frame[key]
        absent = column.str.lower().isin(["", *(m.lower() for m in missing_ids)])
        table.refuse(column, absent, "is no item's id")
        table.refuse(column, column.duplicated(), "is the id of an earlier line, too")
        texts = column.to_numpy(dtype=object)
    index = pd.Index(texts, dtype=object)
    place = index.get_indexer([str(one) for one in known["item"].tolist()])
    if (place < 0).all() and len(known):
        raise ValueError(
            f"{source}: none of its ids, such as {index[:3].tolist()}, is among the "
            f"ids of the rated items, such as {known['item'].tolist()[:3]}"
        )
    rest = frame.drop(columns=key).reset_index(drop=True)
    rest = rest.reindex(np.where(place < 0, len(rest), place)).reset_index(drop=True)
    lost = int((place < 0).sum())
    missed = f"{source}: {lost} of {len(place)} items have no line here (NaN)"
    return pd.concat([known, rest], axis=1), note, missed if lost else ""


def _item_column(source: str | Path, columns: list, item: str) -> str:
    key = item if item in columns else "item"
    if key not in columns:
        raise ValueError(
            f"{source}: no column {item!r}; found {shorten(columns)}. The file of the "
            "items needs a header that names the column of their ids like the ratings' "
            "item= (or 'item'); otherwise pass items= as a DataFrame"
        )
    for name in columns:
        if columns.count(name) > 1 or (name == "item" and key != "item"):
            raise ValueError(
                f"{source}: column {name!r} would come twice, in {shorten(columns)}; "
                "rename one of them"
            )
    return key


def _frame_texts(key: str, column: pd.Series) -> list[str]:
    array, bad = canonical_ids(column)
    check_rows(key, array, bad, "of items must hold whole numbers or text")
    again = pd.Series(array, dtype=object).duplicated().to_numpy()
    check_rows(key, array, again, "of items must hold each id once")
    return [str(one) for one in array.tolist()]
