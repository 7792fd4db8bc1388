"""What the chapters need of the book: the numbers that their sentences show.

Chapters: 01 Recommendation problem and every later one.
"""

from __future__ import annotations

from recsys_tutor import extra

__all__ = ["glue"]


def glue(name: str, value: object, display: bool = True) -> None:
    """Keep a value under a name, for the sentences of the page.

    Where ``myst_nb`` is installed, which renders the book, this is its function of the
    same name: the value becomes an output of the cell, seen only if ``display``.
    Elsewhere, in a chapter that runs alone, nothing is shown and nothing is needed.
    """
    try:
        with extra("book"):
            from myst_nb import glue as keep
    except ModuleNotFoundError:
        return
    keep(name, value, display)
