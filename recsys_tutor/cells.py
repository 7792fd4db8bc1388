"""Cells of a text file become ids, numbers and times, or are refused by file and line.

One grammar each, over ASCII digits; what it does not know is no id, number or time.

Chapter: 01 The recommendation problem.
"""

from __future__ import annotations

import re
from decimal import Decimal

import numpy as np
import pandas as pd

from recsys_tutor.columns import as_ids
from recsys_tutor.text_table import TextTable

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


# -- ids ------------------------------------------------------------------------------


def ids(column: pd.Series, table: TextTable, missing, catalogue=None) -> np.ndarray:
    """int64 where the whole column is plain whole numbers, else the texts.

    With a catalogue, a cell is the id whose text it is.
    """
    markers = {"", *(marker.lower() for marker in missing)}
    absent = column.str.lower().isin(markers)
    rule = "is no id; every line needs one"
    if absent.any() and column[absent].ne("").iloc[0]:
        rule += " (if it is a name, pass missing_ids=())"
    table.refuse(column, absent, rule)
    if catalogue is not None:
        return _known(column, table, catalogue)
    whole = column.str.fullmatch(_WHOLE) & _fits(column)
    negative = column.str.fullmatch(_NEGATIVE)
    if negative.any() and (whole | negative).all():
        table.refuse(
            column,
            negative,
            "is negative; ids must be >= 0 (give such rows an id or drop them)",
        )
    if whole.all():
        return column.astype("int64").to_numpy()
    return column.to_numpy(dtype=object)


def _fits(column) -> pd.Series:
    length = column.str.len()
    return (length < 19) | ((length == 19) & (column <= str(2**63 - 1)))


def _known(column, table, catalogue) -> np.ndarray:
    names = pd.Index([str(one) for one in catalogue.tolist()], dtype=object)
    place = names.get_indexer(pd.Index(column.to_numpy(dtype=object), dtype=object))
    table.refuse(column, place < 0, "is not among the ids that were given")
    return catalogue[place]


def given_ids(name, catalogue) -> np.ndarray | None:
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


def values(column: pd.Series, table: TextTable, decimal=None) -> pd.Series:
    """float64, each the number nearest to its text."""
    table.refuse(
        column, column == "", "is missing; expected a number (missing='' drops it)"
    )
    if decimal is None:
        decimal = _find_decimal(column, table)
    number, bad = numbers(column, decimal)
    rule = "is not a number"
    if bad.any():
        swapped = column[bad].str.replace(",", ".")
        if decimal == "." and swapped.str.fullmatch(_NUMBER).any():
            rule += " (pass decimal=',' if the comma is a decimal point)"
    table.refuse(column, bad, rule)
    table.refuse(column, ~np.isfinite(number), "is not finite")
    return number


def numbers(column: pd.Series, decimal=".") -> tuple[pd.Series, pd.Series]:
    """float64 and a mask of the cells that are no numbers; inf where one says so."""
    grammar = _NUMBER if decimal == "." else _NUMBER.replace(r"\.", ",")
    good = column.str.fullmatch(f"{grammar}|{_INFINITE}")
    text = column.where(good, "nan").str.replace(decimal, ".", regex=False)
    number = text.to_numpy(dtype=object).astype(np.float64)
    return pd.Series(number, index=column.index), ~good


def _find_decimal(column, table) -> str:
    """A comma where every cell is a number with it; one that may part thousands not."""
    comma = column.str.contains(",", regex=False)
    if table.sep == "," or not comma.any() or numbers(column, ",")[1].any():
        return "."
    if column[comma].str.fullmatch(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}").all():
        table.refuse(
            column,
            comma,
            "has a comma before decimals or between thousands; pass decimal=',' for "
            "decimals, or remove it",
        )
    return ","


# -- times ----------------------------------------------------------------------------


def times(column: pd.Series, table: TextTable, unit=None, decimal=".") -> np.ndarray:
    """int64 seconds since 1970, fractions cut off."""
    table.refuse(column, column == "", "is missing; pass time=None to do without times")
    number, bad = numbers(column, decimal)
    if bad.iloc[0] and unit is None:
        return _dates(column, table)
    table.refuse(column, bad, "is not a number, unlike the first time")
    table.refuse(column, ~np.isfinite(number), "is not finite")
    table.refuse(column, number < 0, "is before 1970; times must be >= 0")
    scale = TIME_UNITS[unit or "s"]
    if unit is None:
        _refuse_digits(column, table)
    late = number / scale >= _LATEST
    if late.any():
        table.refuse(column, late, _too_large(number[late].iloc[0], unit or "s"))
    if column.str.fullmatch(r"[0-9]{1,18}").all():
        return column.astype("int64").to_numpy() // scale
    exact = (Decimal(text.replace(decimal, ".")) // scale for text in column)
    return np.array([int(number) for number in exact], dtype=np.int64)


def _refuse_digits(column, table) -> None:
    """Digits that spell a day or a year are not taken for seconds."""
    rule = (
        "looks like a date in digits; write it as 2020-01-31, or pass time_unit='s' if "
        "it counts seconds since 1970"
    )
    digits = column.str.fullmatch(
        rf"{_DAY_IN_DIGITS}(?:[0-9]{{4}}|[0-9]{{6}})?(?:\.0)?"
    )
    table.refuse(column, digits, rule)
    years = column.str.fullmatch(r"(?:19|20)[0-9]{2}")
    if years.all():
        table.refuse(column, years, rule.replace("date", "year"))


def _too_large(number, unit) -> str:
    fits = [name for name, scale in TIME_UNITS.items() if number / scale < 4 * 10**9]
    known = f"; pass time_unit={fits[0]!r} if it counts " if fits else ""
    known += {"ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}.get(
        fits[0] if fits else "", ""
    )
    return f"is too large for a time since 1970 in {unit!r}{known}"


def _dates(column, table) -> np.ndarray:
    parts = column.str.extract(f"^{_DATE}$")
    good = column.str.fullmatch(_DATE).to_numpy(dtype=bool)
    rule = (
        "is neither seconds since 1970 nor an ISO date (2020-01-31, 2020-01-31T10:00:00"
        ", either with Z or +01:00 behind a time)"
    )
    table.refuse(column, ~good, rule)
    clock = parts[1].fillna("00:00") + ":" + parts[2].fillna("00")
    stamps = (parts[0] + "T" + clock).to_numpy(dtype=object)
    offset = np.array([_offset(zone) for zone in parts[3].fillna("Z")])
    try:
        seconds = stamps.astype("datetime64[s]").astype(np.int64)
    except ValueError:  # month 13, the 30th of February, hour 24
        bad = np.array([not _is_date(stamp) for stamp in stamps])
        table.refuse(column, bad, "is no date of the calendar")
        raise
    table.refuse(column, np.isnan(offset), "has an impossible time zone")
    seconds = seconds - offset.astype(np.int64)
    table.refuse(column, seconds < 0, "is before 1970; times must be >= 0")
    return seconds


def _offset(zone) -> float:
    """Seconds east of Greenwich."""
    if zone in "Zz":
        return 0.0
    digits = re.sub("[^0-9]", "", zone).ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        return np.nan
    return (-1.0 if zone[0] == "-" else 1.0) * (3600 * hours + 60 * minutes)


def _is_date(stamp) -> bool:
    try:
        np.datetime64(stamp, "s")
    except ValueError:
        return False
    return True
