"""The reader's own ratings: a delimited text file becomes a Dataset.

Parsing is pandas' work; what stands here finds the delimiter and the encoding, and says
by file, line and column what is wrong with a file that cannot be used.

Chapter: 01 The recommendation problem.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_tutor.data import Dataset, Interactions

__all__ = ["load_ratings_csv"]

_SEPARATORS = ("::", "\t", ",", ";", "|", " ")
_WHOLE = r"-?(?:0|[1-9]\d{0,17})"
_MILLISECONDS = 10**11  # as seconds, this is the year 5138


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
    duplicates: str = "raise",
) -> Dataset:
    """Ratings from a delimited text file, one line per rating; ``.gz`` is unpacked.

    Parameters
    ----------
    path : path
        The file. LF, CRLF and CR line ends, a byte order mark, blank lines and fields
        in double quotes are fine.
    user, item, value, time : str
        Names of the columns. ``value=None``: the file lists events, every value is 1.
        ``time=None``, or no column "timestamp" when ``time`` is left alone: no times.
    sep : str, optional
        What stands between two fields, taken literally ("::" for MovieLens 1M); found
        from the first lines when not given.
    encoding : str, optional
        Default: UTF-8 or UTF-16 by the byte order mark, else UTF-8, else Latin-1 with a
        warning.
    names : sequence of str, optional
        The column names of a file that has no header line, for example
        ``["user", "item", "rating", "timestamp"]`` for ``u.data``.
    duplicates : {"raise", "last", "mean", "sum"}
        What to do when a (user, item) pair comes twice, see
        :meth:`recsys_tutor.data.Interactions.from_frame`.

    Returns
    -------
    interactions : Interactions
        Rows in file order. Ids are int64 when all of a column are plain whole numbers
        (no leading zeros), else str. ``time`` is in seconds since 1970, from a number
        (a fraction is cut off) or an ISO date (UTC unless it says otherwise).
    items, users : DataFrame
        One column each, ``item`` and ``user``, with the ids in index order.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is empty, binary, or damaged; bytes that the encoding does not know; a
        wrong delimiter; missing or doubled columns; a missing id; a negative whole
        number as id; a value that is missing, not a number or infinite; a time that is
        missing, neither number nor ISO date, before 1970 or in milliseconds; lines with
        more fields than the header; a pair that comes twice. The message names the
        file, the column and the line, and says what to pass.

    Warns
    -----
    UserWarning
        The file is not UTF-8 and was read as Latin-1.

    Examples
    --------
    >>> load_ratings_csv("ratings.csv", user="userId", item="movieId")  # doctest: +SKIP

    Cost O(n) for n lines, a few seconds per million. Chapter 01.
    """
    path = Path(path)
    if duplicates not in ("raise", "last", "mean", "sum"):
        raise ValueError(
            f"duplicates must be 'raise', 'last', 'mean' or 'sum', got {duplicates!r}"
        )
    text = _read_text(path, encoding)
    wanted = [name for name in (user, item, value) if name is not None]
    frame, first_line = _split_fields(path, text, sep, names, wanted)
    lines = _Lines(path, frame, first_line)
    if time == "timestamp" and time not in frame.columns:
        time = None
    wanted += [] if time is None else [time]
    _check_columns(path, frame, wanted, names)
    frame = frame[~(frame == "").all(axis=1)]
    if frame.empty:
        raise ValueError(f"{path}: the file holds no ratings, only a header")
    columns = {
        "user": _ids(frame[user], lines),
        "item": _ids(frame[item], lines),
        "value": 1.0 if value is None else _values(frame[value], lines),
    }
    if time is not None:
        columns["time"] = _times(frame[time], lines)
    ratings = pd.DataFrame(columns, index=frame.index)
    if duplicates == "raise":
        _refuse_duplicates(ratings, lines)
    interactions = Interactions.from_frame(
        ratings.reset_index(drop=True), duplicates=duplicates
    )
    return Dataset(
        interactions,
        pd.DataFrame({"item": interactions.item_ids}),
        pd.DataFrame({"user": interactions.user_ids}),
    )


def _read_text(path: Path, encoding: str | None) -> str:
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(
                f"{path}: damaged or incomplete gzip file ({error}); fetch it again"
            ) from error
    if encoding is None:
        wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        encoding = "utf-16" if wide else "utf-8-sig"
        if not wide and b"\0" in data:
            raise ValueError(
                f"{path}: this is a binary file, not delimited text (it holds zero "
                "bytes); save it as CSV first, or pass encoding="
            )
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError as error:
            if wide:
                raise ValueError(_undecodable(path, data, error)) from error
            warnings.warn(
                f"{path}: {_undecodable(path, data, error, short=True)}; read as "
                "latin-1. Pass encoding= if names look wrong",
                stacklevel=3,
            )
            text = data.decode("latin-1")
    else:
        try:
            text = data.decode(encoding).removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise ValueError(_undecodable(path, data, error)) from error
        except LookupError as error:
            raise ValueError(f"{path}: {error}; encoding= must name a codec") from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise ValueError(f"{path}: the file is empty")
    return text


def _undecodable(path, data, error, short=False) -> str:
    line = data.count(b"\n", 0, error.start) + 1
    what = f"not {error.encoding}: line {line} holds the byte 0x{data[error.start]:02x}"
    return what if short else f"{path}: {what}; pass the right encoding="


def _split_fields(path, text, sep, names, wanted) -> tuple[pd.DataFrame, int]:
    """All cells as str, and the number of the first data line.

    Blank lines stay, as rows of empty cells, so that lines can be counted.
    """
    body = text.lstrip("\n")
    first_line = 1 + len(text) - len(body)
    if sep is None:
        sep = _sniff(body, names, wanted)
    elif not sep or any(c in sep for c in '\n\r"'):
        raise ValueError(
            f"sep must be one or more characters other than quotes and line ends, or "
            f"None to find it; got {sep!r}"
        )
    if sep is not None and len(sep) > 1:
        if "\x1f" in body:
            raise ValueError(f"{path}: the text holds the control character 0x1f")
        body, sep = body.replace(sep, "\x1f"), "\x1f"
    head = body.partition("\n")[0]
    try:
        columns = [head.strip()] if sep is None else _cells(head, sep)
    except csv.Error as error:
        raise ValueError(f"{path}, line {first_line}: {error}") from error
    if len(columns) == 1:
        raise ValueError(
            f"{path}: found one column only, {columns[0][:80]!r}; the delimiter is "
            "another one, pass sep="
        )
    if names is None:
        body = body.partition("\n")[2]
        first_line += 1
    elif len(names) != len(columns):
        raise ValueError(
            f"{path}: names= lists {len(names)} columns, but line {first_line} has "
            f"{len(columns)} fields: {columns}"
        )
    else:
        columns = list(names)
    doubled = [name for name in wanted if columns.count(name) > 1]
    if doubled:
        raise ValueError(
            f"{path}: column {doubled[0]!r} comes more than once in {columns}; rename "
            "one of them"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.StringIO(body),
                sep=sep,
                names=range(len(columns)),
                header=None,
                index_col=False,
                dtype=str,
                keep_default_na=False,
                skip_blank_lines=False,
                skipinitialspace=True,
                quoting=csv.QUOTE_NONE if sep == "\x1f" else csv.QUOTE_MINIMAL,
            )
    except pd.errors.EmptyDataError:
        frame = pd.DataFrame(columns=range(len(columns)), dtype=str)
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise ValueError(
            f"{path}, {_bad_line(body, sep, len(columns), first_line, error)}"
        ) from error
    frame.columns = columns
    return frame.fillna(""), first_line


def _sniff(text, names, wanted) -> str | None:
    """The delimiter under which the first lines look most like a table."""
    lines = [line for line in text[:100_000].split("\n")[:50] if line.strip()]
    best, best_score = None, (False, False, 1)
    for sep in _SEPARATORS:
        try:
            rows = [_cells(line, sep) for line in lines]
        except csv.Error:
            continue
        fits = (
            all(name in rows[0] for name in wanted)
            if names is None
            else len(rows[0]) == len(names)
        )
        even = len({len(row) for row in rows}) == 1
        score = (fits, even, len(rows[0]))
        if len(rows[0]) > 1 and score > best_score:
            best, best_score = sep, score
    return best


def _cells(line: str, sep: str) -> list[str]:
    if len(sep) > 1 or sep == "\x1f":
        cells = line.split(sep)
    else:
        cells = next(csv.reader([line], delimiter=sep, skipinitialspace=True), [""])
    return [cell.strip() for cell in cells]


def _bad_line(body, sep, width, first_line, error) -> str:
    """Where the parser stopped: an over-long line or a quote that is never closed."""
    quoting = csv.QUOTE_NONE if sep == "\x1f" else csv.QUOTE_MINIMAL
    rows = csv.reader(
        io.StringIO(body), delimiter=sep, quoting=quoting, skipinitialspace=True
    )
    start = last = 0
    try:
        for row in rows:
            if len(row) > width:
                return (
                    f"line {first_line + start}: {len(row)} fields, expected {width}; "
                    "quote the fields that hold the delimiter, or pass another sep="
                )
            last, start = start, rows.line_num
    except csv.Error as reason:
        return f"line {first_line + start}: {reason}"
    return f"line {first_line + last}: {error} (a quote is not closed)"


class _Lines:
    """Line numbers in the file for rows of the parsed frame, for error messages."""

    def __init__(self, path, frame, first_line):
        self.path, self.frame, self.first_line = path, frame, first_line

    def number(self, row: int) -> int:
        before = self.frame.iloc[:row]
        inside = sum(int(before[c].str.count("\n").sum()) for c in before.columns)
        return self.first_line + row + inside

    def refuse(self, column: pd.Series, bad, rule: str) -> None:
        """Raise for the first row where ``bad`` is True."""
        bad = np.asarray(bad)
        if bad.any():
            row = column.index[int(np.argmax(bad))]
            raise ValueError(
                f"{self.path}, line {self.number(row)}, column {column.name!r}: "
                f"{column[row]!r} {rule} ({int(bad.sum())} such rows)"
            )


def _check_columns(path, frame, wanted, names) -> None:
    missing = [name for name in wanted if name not in frame.columns]
    if not missing:
        return
    found = list(frame.columns)
    message = (
        f"{path}: no column {missing[0]!r}; found {found}. Name yours with "
        "user=, item=, value=, time="
    )
    if names is None and any(re.fullmatch(r"-?\d+(\.\d+)?", cell) for cell in found):
        message += (
            "; the first line looks like data: for a file without header pass "
            "names=['user', 'item', 'rating', ...]"
        )
    raise ValueError(message)


def _ids(column: pd.Series, lines: _Lines) -> pd.Series:
    ids = column.str.strip()
    lines.refuse(column, ids.isin(["", "nan", "NaN"]), "is no id; every line needs one")
    if not ids.str.fullmatch(_WHOLE).all():
        return ids
    ids = ids.astype("int64")
    lines.refuse(
        column,
        ids < 0,
        "is negative; ids must be >= 0 (give such rows an id or drop them)",
    )
    return ids


def _values(column: pd.Series, lines: _Lines) -> pd.Series:
    text = column.str.strip()
    lines.refuse(column, text == "", "is missing; expected a number")
    number = _numbers(text)
    bad = number.isna()
    rule = "is not a number"
    if bad.any() and _numbers(text[bad].str.replace(",", ".")).notna().any():
        rule += "; write decimals with a point"
    lines.refuse(column, bad, rule)
    lines.refuse(column, ~np.isfinite(number), "is not finite")
    return number


def _numbers(text: pd.Series) -> pd.Series:
    return pd.to_numeric(text.astype(object), errors="coerce").astype("float64")


def _times(column: pd.Series, lines: _Lines) -> pd.Series:
    text = column.str.strip()
    lines.refuse(column, text == "", "is missing; pass time=None to do without times")
    seconds = _numbers(text)
    if not np.isnan(seconds.iloc[0]):
        lines.refuse(column, seconds.isna(), "is not a number of seconds")
        lines.refuse(column, ~np.isfinite(seconds), "is not finite")
        lines.refuse(
            column,
            seconds >= _MILLISECONDS,
            "is too large for seconds since 1970; divide milliseconds by 1000",
        )
    else:
        date = pd.to_datetime(text, errors="coerce", utc=True, format="ISO8601")
        lines.refuse(
            column, date.isna(), "is neither seconds since 1970 nor an ISO date"
        )
        seconds = (date - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    lines.refuse(column, seconds < 0, "is before 1970; times must be >= 0")
    return np.floor(seconds).astype("int64")


def _refuse_duplicates(ratings: pd.DataFrame, lines: _Lines) -> None:
    pair = ["user", "item"]
    again = ratings.duplicated(pair)
    if not again.any():
        return
    first = ratings.drop_duplicates(pair).reset_index().set_index(pair)["index"]
    shown = [
        f"user {u!r}, item {i!r} (lines {lines.number(first[u, i])} and "
        f"{lines.number(row)})"
        for row, u, i in ratings.loc[again, pair].head(3).itertuples(name=None)
    ]
    raise ValueError(
        f"{lines.path}: {int(again.sum())} lines repeat a (user, item) pair: "
        f"{'; '.join(shown)}{' ...' if again.sum() > 3 else ''}. Pass "
        "duplicates='last', 'mean' or 'sum' to merge them"
    )
