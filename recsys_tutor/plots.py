"""Plots of the book: functions of arrays that draw on ``ax`` and return it.

Nothing here knows a model, shows a figure or changes a global setting, except
:func:`use_style`, which a notebook calls once. Colours are those of Okabe and Ito
(2008), told apart by colour-blind readers; the background is light in every theme.
:func:`~recsys_tutor.moving.frames` and :func:`~recsys_tutor.moving.live_toy`, which
return HTML, can be called from here too.

Chapter: all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from recsys_tutor import extra
from recsys_tutor.moving import frames as frames
from recsys_tutor.moving import live_toy as live_toy

with extra("plots"):
    import matplotlib.pyplot as plt
    from matplotlib.axes import Axes

__all__ = [
    "COLORS",
    "bars",
    "curves",
    "heatmap",
    "long_tail",
    "rating_matrix",
    "use_style",
]

#: Okabe and Ito's colours, darkest first.
COLORS = {
    "blue": "#0072B2",
    "orange": "#D55E00",
    "green": "#009E73",
    "pink": "#CC79A7",
    "yellow": "#E69F00",
    "sky": "#56B4E9",
    "grey": "#8a8a8a",
}


def use_style() -> None:
    """Set the book's matplotlib defaults for this Python process."""
    plt.rcParams.update(
        {
            "figure.figsize": (7, 3.6),
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "figure.facecolor": "white",
            "axes.facecolor": "white",
            "savefig.facecolor": "white",
            "axes.prop_cycle": plt.cycler(color=list(COLORS.values())),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 11,
            "axes.labelsize": 10,
            "axes.grid": True,
            "grid.color": "#e6e6e6",
            "axes.axisbelow": True,
            "legend.frameon": False,
            "font.size": 10,
        }
    )


def _axes(ax: Axes | None) -> Axes:
    return plt.subplots()[1] if ax is None else ax


def rating_matrix(
    R: ArrayLike, users: Sequence[str], items: Sequence[str], *, ax: Axes | None = None
) -> Axes:
    """A small rating matrix as a table of colours; NaN or 0 is an empty cell.

    Parameters
    ----------
    R : (n_users, n_items) array
    """
    ax = _axes(ax)
    R = np.where(np.asarray(R, float) == 0, np.nan, R).astype(float)
    heatmap(R, users, items, ax=ax, fmt="{:g}", vmin=1, vmax=5)
    ax.set(xlabel="film", ylabel="user")
    return ax


def heatmap(
    M: ArrayLike,
    rows: Sequence,
    columns: Sequence,
    *,
    ax: Axes | None = None,
    fmt: str = "{:.2f}",
    vmin: float | None = None,
    vmax: float | None = None,
) -> Axes:
    """A matrix as coloured cells with their values written in; NaN stays empty.

    Parameters
    ----------
    M : (len(rows), len(columns)) array
    """
    ax = _axes(ax)
    M = np.asarray(M, float)
    image = ax.imshow(M, cmap="cividis", vmin=vmin, vmax=vmax, aspect="auto")
    for r, c in np.argwhere(np.isfinite(M)):
        color = "white" if image.norm(M[r, c]) < 0.55 else "black"
        ax.text(c, r, fmt.format(M[r, c]), ha="center", va="center", color=color)
    ax.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    ax.set_yticks(range(len(rows)), rows)
    ax.grid(False)
    return ax


def long_tail(counts: ArrayLike, *, share: float = 0.8, ax: Axes | None = None) -> Axes:
    """Ratings per item, most rated first; marks the items that hold ``share`` of them.

    Parameters
    ----------
    counts : (n_items,) int array
    """
    ax = _axes(ax)
    counts = np.sort(np.asarray(counts))[::-1]
    n_head = int(np.searchsorted(np.cumsum(counts), share * counts.sum())) + 1
    place = np.arange(1, len(counts) + 1)
    ax.fill_between(place, counts, color=COLORS["sky"], lw=0)
    ax.fill_between(place[:n_head], counts[:n_head], color=COLORS["blue"], lw=0)
    label = f"{n_head} of {len(counts)} items\nhold {share:.0%} of the ratings"
    top = counts.max(initial=1)
    ax.annotate(
        label,
        (n_head, counts[n_head - 1]),
        (n_head + 0.08 * len(counts), 0.6 * top),
        arrowprops={"arrowstyle": "-", "color": COLORS["grey"]},
    )
    ax.set(xlabel="item, most rated first", ylabel="ratings", xlim=(0, len(counts)))
    return ax


def bars(
    values: Mapping[str, float],
    *,
    errors: ArrayLike | None = None,
    highlight: Collection[str] = (),
    fmt: str = "{:.3f}",
    ax: Axes | None = None,
) -> Axes:
    """Horizontal bars, first on top, each labelled with its value.

    Parameters
    ----------
    values : mapping of name -> number (a pandas Series works)
    errors : sequence of numbers, optional
        Half widths of the error bars.
    highlight : names drawn in the accent colour.
    """
    ax = _axes(ax)
    names, numbers = list(values.keys()), np.array([values[n] for n in values.keys()])
    color = [COLORS["orange"] if n in highlight else COLORS["blue"] for n in names]
    ax.barh(range(len(names)), numbers, color=color, xerr=errors, ecolor="#444444")
    reach = numbers if errors is None else numbers + np.asarray(errors)
    for row, number in enumerate(numbers):
        text = "  " + fmt.format(number)
        ax.text(max(reach[row], 0), row, text, va="center", fontsize=9)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set_xlim(right=1.15 * max(reach.max(), 1e-12))
    ax.grid(axis="y", visible=False)
    return ax


def curves(
    x: ArrayLike,
    lines: Mapping[str, Sequence[float]],
    *,
    spread: Mapping[str, ArrayLike] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Lines over a common ``x``, each labelled at its right end.

    Parameters
    ----------
    x : (n,) array
    lines : mapping of label -> (n,) array
    spread : mapping of label -> (n,) half widths, optional
        Drawn as a band.
    """
    if len(lines) > len(COLORS):
        raise ValueError(f"at most {len(COLORS)} lines have colours, got {len(lines)}")
    ax = _axes(ax)
    ends = []
    for (label, y), color in zip(lines.items(), COLORS.values(), strict=False):
        line = np.asarray(y, float)
        ax.plot(x, line, color=color, marker="o", ms=3)
        if spread is not None and label in spread:
            half = np.asarray(spread[label], float)
            ax.fill_between(x, line - half, line + half, color=color, alpha=0.2, lw=0)
        ends.append((line[-1], label, color))
    gap = 0.06 * np.ptp(ax.get_ylim())
    place = -np.inf
    for end, label, color in sorted(ends, key=lambda line: line[0]):
        place = max(end, place + gap)  # keep labels apart
        ax.annotate(
            label,
            (1.01, place),
            xycoords=("axes fraction", "data"),
            color=color,
            va="center",
        )
    return ax
