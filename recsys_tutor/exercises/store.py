"""The file of answers: one line an exercise, its name and its entry in base64.

Base64 keeps an answer from an accidental look, not from anybody who wants to read it.
``tools/answers.py`` writes the file. An entry has the keys

- ``kind``: ``"numbers"``, ``"words"`` or ``"function"``;
- ``parts``: a name for each value asked for, or for each argument of the function;
- ``answer``: the values, of a function those of all hidden cases in a row;
- ``tolerance`` (numbers): how far each value may be off; ``near``: "close" ends at so
  many tolerances; ``ordered`` (words): whether their order counts;
- ``right``, ``hint``, ``more``: sentences for a right answer, for a wrong one, and in
  addition for the next wrong one;
- ``mistakes``: answers like the right one, with None for "any", and a hint for each.

Chapter: all.
"""

from __future__ import annotations

import base64
import difflib
import json
from functools import cache
from importlib import resources

__all__ = ["decode", "encode", "entries", "find"]


def encode(entry: dict) -> str:
    """The entry as a word of ASCII letters and digits."""
    text = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(text.encode("utf-8")).decode("ascii")


def decode(word: str) -> dict:
    """The entry that :func:`encode` made into a word."""
    return json.loads(base64.b64decode(word))


@cache
def words() -> dict[str, str]:
    """The encoded entry of every exercise, by its name."""
    path = resources.files("recsys_tutor.exercises") / "answers.txt"
    lines = path.read_text("ascii").splitlines()
    return dict(line.split(" ") for line in lines)


@cache
def entries() -> dict[str, dict]:
    """The entry of every exercise that can be checked, by its name."""
    return {name: decode(word) for name, word in words().items()}


def find(name: str) -> dict:
    """The entry of one exercise, with its name under ``"name"``.

    Raises
    ------
    ValueError
        No exercise has this name.
    """
    known = entries()
    if isinstance(name, str) and name in known:
        return {"name": name, **known[name]}
    text = str(name)
    here = [x for x in known if x[:3] == f"{text[:2]}-"]
    message = f"no exercise {name!r}; "
    message += f"chapter {text[:2]} has {', '.join(here)}" if here else ""
    message += "" if here else 'a name is chapter and word, like "04-eva"'
    close = difflib.get_close_matches(text, known, n=1, cutoff=0.5)
    raise ValueError(message + (f"; did you mean {close[0]!r}?" if close else ""))
