"""From whatever was handed in to the values of an entry, or what was expected.

The field on a page hands in a text; book/_static/exercises.js reads it by the same
rules as :func:`numbers_in` and :func:`words_in`, and tests compare both.

Chapter: all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from recsys_tutor.exercises.hidden import CASES

__all__ = ["Malformed", "expected", "numbers_in", "read", "words_in"]

NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?"
NOUNS = {"numbers": "number", "words": "name"}
FRACTION = re.compile(rf"({NUMBER})(?:/({NUMBER}))?", re.IGNORECASE)


class Malformed(ValueError):
    """The answer is not of the kind that was asked for; says what was expected."""


def expected(entry: dict) -> str:
    """What the exercise asks for, in a few words."""
    parts = ", ".join(entry["parts"])
    if entry["kind"] == "function":
        return f"a function of ({parts})"
    noun = NOUNS[entry["kind"]]
    count = len(entry["parts"])
    return f"one {noun} ({parts})" if count == 1 else f"{count} {noun}s ({parts})"


def refuse(entry: dict, got: str, advice: str = "") -> Malformed:
    return Malformed(f"Expected {expected(entry)}, got {got}.{advice}")


def plural(count: int, noun: str) -> str:
    return f"one {noun}" if count == 1 else f"{count} {noun}s"


def quoted(text: str) -> str:
    """The text as a message shows it: in quotes, at most 40 characters."""
    return f"the text '{text if len(text) <= 40 else text[:40] + '...'}'"


# ---------------------------------------------------------------------- texts


def tidy(text: str) -> str:
    """Without blanks around it, with a plain minus sign."""
    return text.replace("\u2212", "-").replace("\u00a0", " ").strip(" \t\r\n")


def numbers_in(entry: dict, text: str) -> list[float]:
    """The numbers in a text: ``0.25``, ``1/4`` or several, with commas or blanks."""
    text = tidy(text)
    found = []
    for token in re.split(r"[ \t\r\n,;\[\](){}]+", text):
        if not token:
            continue
        match = FRACTION.fullmatch(token)
        if not match:
            raise refuse(entry, quoted(token))
        top, bottom = float(match[1]), float(match[2] or 1)
        found.append(top / bottom if bottom else math.inf)
    if not found:
        raise refuse(entry, "nothing")
    comma = "," in text and len(found) != len(entry["parts"])
    return counted(entry, found, " Decimals have a point." if comma else "")


def words_in(entry: dict, text: str) -> list[str]:
    """The names in a text: one, or several with commas, semicolons or line breaks."""
    one = len(entry["parts"]) == 1  # a title may have a comma
    found = [tidy(word) for word in ([text] if one else re.split(r"[,;\n]", text))]
    return all_words(entry, [word for word in found if word])


def plain(word: str) -> str:
    """A name without what does not matter: case, signs, a leading article."""
    words = re.findall(r"[a-z0-9]+", word.lower())
    return " ".join(words[1:] if words[:1] in (["the"], ["a"], ["an"]) else words)


# ---------------------------------------------------------------------- checks


def counted(entry: dict, values: list, advice: str = "") -> list:
    """The values, if they are as many as the parts, and finite where numbers."""
    noun = NOUNS[entry["kind"]]
    if len(values) != len(entry["parts"]):
        raise refuse(entry, plural(len(values), noun), advice)
    if noun == "number" and not all(map(math.isfinite, values)):
        raise refuse(entry, "a number that is not finite")
    return values


def all_words(entry: dict, words: list) -> list[str]:
    for word in words:
        if not isinstance(word, str):
            raise refuse(entry, f"{word!r} among the names")
    if not words:
        raise refuse(entry, "nothing")
    return counted(entry, words)


# ---------------------------------------------------------------------- any object


def unpack(entry: dict, answer: object) -> object:
    """A mapping's or labelled Series' values in the order of the parts."""
    if isinstance(answer, pd.Series):
        named = set(answer.index) == set(entry["parts"])
        answer = dict(answer) if named else answer.to_numpy()
    if not isinstance(answer, Mapping):
        return answer
    if set(answer) != set(entry["parts"]):
        keys = ", ".join(map(str, answer)) or "none"
        raise refuse(entry, f"a dict with the keys {keys}")
    return [answer[part] for part in entry["parts"]]


def named(answer: object) -> str:
    """What an object is, for a message."""
    if answer is None or isinstance(answer, (bool, complex, np.bool_, np.number, Real)):
        return str(answer)
    return "a function" if callable(answer) else f"a {type(answer).__name__}"


def read_numbers(entry: dict, answer: object) -> list[float]:
    answer = unpack(entry, answer)
    if isinstance(answer, str):
        return numbers_in(entry, answer)
    if answer is None or callable(answer) or isinstance(answer, (set, frozenset)):
        raise refuse(entry, named(answer))
    try:
        array = np.asarray(answer)
    except (TypeError, ValueError, RuntimeError):
        raise refuse(
            entry, f"a {type(answer).__name__} that is no row of numbers"
        ) from None
    if array.ndim > 1:
        raise refuse(entry, f"an array of shape {array.shape}")
    for odd in array.flat:
        if not _is_number(odd):
            raise refuse(entry, quoted(odd) if isinstance(odd, str) else named(odd))
    return counted(entry, [float(x) for x in array.flat])


def _is_number(x: object) -> bool:
    return isinstance(x, Real) and not isinstance(x, bool)


def read_words(entry: dict, answer: object) -> list[str]:
    answer = unpack(entry, answer)
    if isinstance(answer, str):
        return words_in(entry, answer)
    ordered = entry.get("ordered") and isinstance(answer, (set, frozenset))
    if ordered or not hasattr(answer, "__iter__"):
        raise refuse(entry, named(answer))
    return all_words(entry, [str(x) if _is_text(x) else x for x in answer])


def _is_text(x: object) -> bool:
    return isinstance(x, (str, np.str_))


def outputs(entry: dict, function: object) -> list[float]:
    """What a function returns for the hidden cases, one after another."""
    if not callable(function):
        raise refuse(entry, named(function))
    found: list[float] = []
    for number, case in enumerate(CASES[entry["name"]](), start=1):
        try:
            result = function(*case)
        except Exception as error:  # the reader's code: anything may happen
            what = f"{type(error).__name__}: {error}"
            raise Malformed(
                f"Your function stopped in hidden case {number} with {what}"
            ) from None
        try:
            found += np.asarray(result, dtype=float).ravel().tolist()
        except (TypeError, ValueError):
            raise Malformed(
                f"Your function returned {named(result)} in hidden case {number}; "
                "expected numbers."
            ) from None
    return found


def read(entry: dict, answer: object) -> list:
    """The values of an answer in the order of the entry's parts.

    Raises
    ------
    Malformed
        The answer is of another kind, or has another number of values.
    """
    reader: dict[str, Callable[[dict, Any], list]] = {
        "numbers": read_numbers,
        "words": read_words,
        "function": outputs,
    }
    return reader[entry["kind"]](entry, answer)
