"""Exercises that answer: :func:`check` compares an answer with the stored one.

``check("04-eva", 0.5)`` says "Right", or "Not yet" with a hint that fits the mistake,
or what kind of answer was expected. The name of an exercise is the number of its
chapter and the last word of its label: ``ex-cf-eva`` of chapter 4 is ``"04-eva"``.

The answers lie beside this file, written so that nobody reads one by accident; that is
no lock. They come from the solutions in the chapters, which compute them, and work
without a network.

Chapter: all.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from recsys_tutor.exercises.deciding import decide
from recsys_tutor.exercises.reading import Malformed, read
from recsys_tutor.exercises.store import find

__all__ = ["Reply", "check"]

#: Wrong answers to each exercise since the last right one.
_wrong: Counter[str] = Counter()


@dataclass(frozen=True)
class Reply:
    """What :func:`check` said; true if the answer was right.

    Attributes
    ----------
    kind : str
        ``"right"``, ``"wrong"`` or ``"malformed"``.
    text : str
        The sentence that was printed.
    """

    kind: str
    text: str

    def __bool__(self) -> bool:
        return self.kind == "right"

    def __repr__(self) -> str:
        return f"<{self.kind}>"

    def _ipython_display_(self) -> None:
        """Nothing more below a cell: the sentence stands there already."""


def check(name: str, answer: object) -> Reply:
    """Compare an answer with the stored one; print one sentence and return it.

    Parameters
    ----------
    name : str
        Chapter and last word of the exercise's label: ``"04-eva"``.
    answer : object
        What the exercise asks for in its line *Check*: a number, several numbers in
        the order asked for (list, tuple, array, Series, or a dict with the names of
        the parts), names of films, or a function, which is called on small hidden
        inputs. A text is read as the page's field reads it: ``"1/3, 0.25"``.

    Returns
    -------
    Reply
        Its truth value says whether the answer was right. A second wrong answer to
        the same exercise gets a longer hint.

    Raises
    ------
    ValueError
        No exercise has this name; the message has those of the chapter.
    """
    entry = find(name)
    try:
        values = read(entry, answer)
    except Malformed as error:
        reply = Reply("malformed", str(error))
    else:
        reply = Reply(*decide(entry, values, _wrong[name]))
        _wrong[name] = 0 if reply else _wrong[name] + 1
    print(reply.text)
    return reply
