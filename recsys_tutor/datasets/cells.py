"""Cells of a text file become ids, numbers and times, or are refused by file and line.

One grammar each, over ASCII digits; what it does not know is no id, number or time.

Chapter: 01 The recommendation problem.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from recsys_tutor.columns import as_ids
from recsys_tutor.datasets.text_table import TextTable

__all__ = []

#: Texts that mean "no id" in exports of SQL, pandas, R, spreadsheets (case is ignored).
MISSING_IDS = (
    *("nan", "-nan", "null", "none", "nil", "na", "n/a", "nat", "undefined"),
    *("<na>", "<null>", "(null)", "[null]", "#n/a", "#na", "#null!", "\\n"),
)
TIME_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_LATEST = 10**11  # seconds: the year 5138
_WHOLE = r"(?:0|[1-9][0-9]*)"
_NEGATIVE = r"-[1-9][0-9]*"
_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_INFINITE = r"(?i:[+-]?inf(?:inity)?)"
_DATE = (
    r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2})(?::(\d{2})(?:[.,]\d+)?)?"
    r" ?([Zz]|[+-]\d{2}(?::?\d{2})?)?)?"
).replace(r"\d", "[0-9]")
_DAY_IN_DIGITS = r"(?:19|20|21)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"


def distinct(column: pd.Series) -> tuple[np.ndarray, pd.Series]:
    """Which text each cell holds, and the texts: columns repeat few texts often."""
    codes, texts = pd.factorize(column.to_numpy(dtype=object))
    return codes, pd.Series(texts, dtype=object)


def matches(texts: pd.Series, grammar: str) -> np.ndarray:
    whole = re.compile(grammar).fullmatch
    return np.array([whole(text) is not None for text in texts], dtype=bool)


# -- ids ------------------------------------------------------------------------------


def ids(
    column: pd.Series,
    table: TextTable,
    missing: Sequence[str],
    catalogue: np.ndarray | None = None,
) -> np.ndarray:
    """int64 where the whole column is plain whole numbers, else the texts.

    With a catalogue, a cell is the id whose text it is.
    """
    codes, texts = distinct(column)
    markers = {"", *(marker.lower() for marker in missing)}
    absent = texts.str.strip().str.lower().isin(markers).to_numpy(dtype=bool)[codes]
    rule = "is no id; every line needs one"
    if absent.any() and column[absent].iloc[0]:
        rule += " (if it is a name, pass missing_ids=())"
    table.refuse(column, absent, rule)
    if catalogue is not None:
        names = pd.Index([str(one) for one in catalogue.tolist()], dtype=object)
        place = names.get_indexer(pd.Index(texts, dtype=object))[codes]
        table.refuse(column, place < 0, "is not among the ids that were given")
        return catalogue[place]
    whole = matches(texts, _WHOLE) & _fits(texts)
    negative = matches(texts, _NEGATIVE)
    if (whole | negative).all():
        table.refuse(
            column,
            negative[codes],
            "is negative; ids must be >= 0 (give such rows an id or drop them)",
        )
        texts = texts.astype("int64")
    return texts.to_numpy()[codes]


def _fits(texts: pd.Series) -> np.ndarray:
    limit = str(2**63 - 1)
    fits = [len(text) < 19 or (len(text) == 19 and text <= limit) for text in texts]
    return np.array(fits, dtype=bool)


def given_ids(name: str, catalogue: Any) -> np.ndarray | None:
    """A catalogue for a file: canonical, and no two ids have one text."""
    if catalogue is None:
        return None
    array = as_ids(name, catalogue)
    texts = pd.Index([str(one) for one in array.tolist()], dtype=object)
    if not texts.is_unique:
        raise ValueError(
            f"{name} holds {texts[texts.duplicated()][0]} as a number and as text; a "
            "file does not tell them apart"
        )
    return array


# -- numbers --------------------------------------------------------------------------


def values(
    column: pd.Series, table: TextTable, decimal: str | None = None
) -> np.ndarray:
    """float64, each the number nearest to its text."""
    table.refuse(
        column, column == "", "is missing; expected a number (missing='' drops it)"
    )
    if decimal is None:
        decimal = _find_decimal(column, table)
    number, bad = numbers(column, decimal)
    rule = "is not a number"
    if bad.any() and decimal == ".":
        swapped = distinct(column[bad])[1].str.replace(",", ".")
        if matches(swapped, _NUMBER).any():
            rule += " (pass decimal=',' if the comma is a decimal point)"
    table.refuse(column, bad, rule)
    table.refuse(column, ~np.isfinite(number), "is not finite")
    return number


def numbers(column: pd.Series, decimal: str = ".") -> tuple[np.ndarray, np.ndarray]:
    """float64 and a mask of the cells that are no numbers; inf where one says so."""
    codes, texts = distinct(column)
    grammar = _NUMBER if decimal == "." else _NUMBER.replace(r"\.", ",")
    good = matches(texts, f"{grammar}|{_INFINITE}")
    text = texts.where(good, "nan").str.replace(decimal, ".", regex=False)
    return text.to_numpy(dtype=object).astype(np.float64)[codes], ~good[codes]


def _find_decimal(column: pd.Series, table: TextTable) -> str:
    """A comma where every cell is a number with it; one that may part thousands not."""
    codes, texts = distinct(column)
    comma = texts.str.contains(",", regex=False).to_numpy(dtype=bool)
    if table.sep == "," or not comma.any() or numbers(texts, ",")[1].any():
        return "."
    if matches(texts[comma], r"[+-]?[1-9][0-9]{0,2},[0-9]{3}").all():
        table.refuse(
            column,
            comma[codes],
            "has a comma before decimals or between thousands; pass decimal=',' for "
            "decimals, or remove it",
        )
    return ","


# -- times ----------------------------------------------------------------------------


def times(
    column: pd.Series, table: TextTable, unit: str | None = None, decimal: str = "."
) -> np.ndarray:
    """int64 seconds since 1970, fractions cut off."""
    table.refuse(column, column == "", "is missing; pass time=None to do without times")
    number, bad = numbers(column, decimal)
    if bad[0] and unit is None:
        return _dates(column, table)
    table.refuse(column, bad, "is not a number, unlike the first time")
    table.refuse(column, ~np.isfinite(number), "is not finite")
    table.refuse(column, number < 0, "is before 1970; times must be >= 0")
    scale = TIME_UNITS[unit or "s"]
    codes, texts = distinct(column)
    if unit is None:
        _refuse_digits(column, codes, texts, table)
    late = number / scale >= _LATEST
    if late.any():
        table.refuse(column, late, _too_large(number[late][0], unit or "s"))
    if matches(texts, "[0-9]{1,18}").all():
        return texts.astype("int64").to_numpy()[codes] // scale
    exact = [int(Decimal(text.replace(decimal, ".")) // scale) for text in texts]
    return np.array(exact, dtype=np.int64)[codes]


def _refuse_digits(
    column: pd.Series, codes: np.ndarray, texts: pd.Series, table: TextTable
) -> None:
    """Digits that spell a day or a year are not taken for seconds."""
    rule = (
        "looks like a date in digits; write it as 2020-01-31, or pass time_unit='s' if "
        "it counts seconds since 1970"
    )
    digits = matches(texts, rf"{_DAY_IN_DIGITS}(?:[0-9]{{4}}|[0-9]{{6}})?(?:\.0)?")
    table.refuse(column, digits[codes], rule)
    years = matches(texts, "(?:19|20)[0-9]{2}")
    if years.all():
        table.refuse(column, years[codes], rule.replace("date", "year"))


def _too_large(number: float, unit: str) -> str:
    fits = [name for name, scale in TIME_UNITS.items() if number / scale < 4 * 10**9]
    known = f"; pass time_unit={fits[0]!r} if it counts " if fits else ""
    known += {"ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}.get(
        fits[0] if fits else "", ""
    )
    return f"is too large for a time since 1970 in {unit!r}{known}"


def _dates(column: pd.Series, table: TextTable) -> np.ndarray:
    codes, texts = distinct(column)
    rule = (
        "is neither seconds since 1970 nor an ISO date (2020-01-31, 2020-01-31T10:00:00"
        ", a zone such as Z or +01:00 behind the time)"
    )
    table.refuse(column, ~matches(texts, _DATE)[codes], rule)
    found = [re.fullmatch(_DATE, text) for text in texts]  # of every one, since here
    parts = [one.groups() for one in found if one is not None]
    stamps = [f"{day}T{clock or '00:00'}:{s or '00'}" for day, clock, s, _ in parts]
    bad = np.array([not _is_date(stamp) for stamp in stamps])
    table.refuse(column, bad[codes], "is no date of the calendar")
    offset = np.array([_offset(zone or "Z") for *_, zone in parts])
    table.refuse(column, np.isnan(offset)[codes], "has an impossible time zone")
    seconds = np.array(stamps, dtype="datetime64[s]").astype(np.int64)
    seconds = (seconds - offset.astype(np.int64))[codes]
    table.refuse(column, seconds < 0, "is before 1970; times must be >= 0")
    return seconds


def _offset(zone: str) -> float:
    """Seconds east of Greenwich."""
    if zone in "Zz":
        return 0.0
    digits = re.sub("[^0-9]", "", zone).ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        return np.nan
    return (-1.0 if zone[0] == "-" else 1.0) * (3600 * hours + 60 * minutes)


def _is_date(stamp: str) -> bool:
    try:
        np.datetime64(stamp, "s")
    except ValueError:
        return False
    return True
