"""Drawings of an idea: boxes, arrows and small tables of numbers on an empty sheet.

A sheet is measured in units of its own, about one box high; nothing here knows a model
or sets anything outside the axes it is given. Colours are those of
:data:`recsys_tutor.plots.COLORS`.

Chapter: all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import ArrayLike

from recsys_tutor import extra
from recsys_tutor.plots import COLORS

with extra("plots"):
    import matplotlib.pyplot as plt
    from matplotlib.axes import Axes

__all__ = ["arrow", "box", "cells", "sheet"]

INK, PALE = "#333333", "#f2f4f6"


def sheet(width: float, height: float, *, title: str = "", wide: float = 7) -> Axes:
    """An empty sheet of ``width`` by ``height`` units, equal in both directions.

    Parameters
    ----------
    title : the finding or the idea, in one line.
    wide : inches; with the book's settings 7 fill the column.
    """
    _, ax = plt.subplots(figsize=(wide, wide * height / width + 0.3 * bool(title)))
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.axis("off")
    ax.set_title(title)
    return ax


def box(
    ax: Axes,
    x: float,
    y: float,
    text: str,
    *,
    width: float = 2.0,
    height: float = 0.8,
    color: str = "blue",
    filled: bool = False,
) -> None:
    """A box whose lower left corner is (x, y), with its text in the middle."""
    edge = COLORS[color]
    face = edge if filled else "white"
    ax.add_patch(plt.Rectangle((x, y), width, height, fc=face, ec=edge, lw=1.8))
    ink = "white" if filled else INK
    middle = (x + width / 2, y + height / 2)
    ax.text(*middle, text, ha="center", va="center", color=ink, fontsize=9)


def arrow(
    ax: Axes,
    start: Sequence[float],
    end: Sequence[float],
    text: str = "",
    *,
    color: str = "grey",
) -> None:
    """An arrow from start to end, its text above the middle."""
    line = {"arrowstyle": "->", "color": COLORS[color], "lw": 1.6}
    ax.annotate("", end, start, arrowprops=line)
    middle = np.add(start, end) / 2
    ax.annotate(
        text, middle, (0, 4), textcoords="offset points", ha="center", fontsize=9
    )


def cells(
    ax: Axes,
    x: float,
    y: float,
    values: ArrayLike,
    *,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    marked: Collection[tuple[int, int]] = (),
    asked: Collection[tuple[int, int]] = (),
    fmt: str = "{:g}",
    width: float = 0.8,
    height: float = 0.5,
) -> None:
    """A small table whose lower left corner is (x, y); NaN is an empty cell.

    Parameters
    ----------
    values : (n_rows, n_columns) array
    rows, columns : names, written to the left and above.
    marked : cells (row, column) on which the eye should rest.
    asked : cells with a question mark.
    """
    values = np.atleast_2d(np.asarray(values, float))
    top = y + height * len(values)
    for (row, column), value in np.ndenumerate(values):
        here = (row, column) in marked or (row, column) in asked
        corner = (x + width * column, top - height * (row + 1))
        face = COLORS["sky"] if here else PALE
        sides = {"fc": face, "ec": "white", "lw": 1.5, "zorder": 1.5}
        ax.add_patch(plt.Rectangle(corner, width, height, **sides))
        text = "" if np.isnan(value) else fmt.format(value)
        middle = (corner[0] + width / 2, corner[1] + height / 2)
        shown = "?" if (row, column) in asked else text
        ax.text(*middle, shown, ha="center", va="center", fontsize=9, color=INK)
    for row, name in enumerate(rows):
        at = (x - 0.1, top - height * (row + 0.5))
        ax.text(*at, name, ha="right", va="center", fontsize=9, color=INK)
    for column, name in enumerate(columns):
        at = (x + width * (column + 0.5), top + 0.1)
        ax.text(*at, name, ha="center", va="bottom", fontsize=9, color=INK)
