"""Plots draw what they are given."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from recsys_tutor import plots


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def texts(ax):
    return [text.get_text() for text in ax.texts]


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


CALLS = {
    "rating_matrix": lambda ax: plots.rating_matrix([[1, 0]], ["u"], ["i", "j"], ax=ax),
    "heatmap": lambda ax: plots.heatmap([[0.5]], ["r"], ["c"], ax=ax),
    "long_tail": lambda ax: plots.long_tail([3, 1, 2], ax=ax),
    "bars": lambda ax: plots.bars({"a": 1.0}, ax=ax),
    "curves": lambda ax: plots.curves([1, 2], {"a": [3, 4]}, ax=ax),
}


@pytest.mark.parametrize("name", CALLS)
def test_axes_are_used_made_and_returned(name):
    figure, (ours, other) = plt.subplots(1, 2)
    assert CALLS[name](ours) is ours
    assert ours.has_data() and not other.has_data()
    assert plt.get_fignums() == [figure.number], "no figure besides"
    made = CALLS[name](None)
    assert isinstance(made, plt.Axes) and made.figure is not figure
    assert made.has_data() and len(plt.get_fignums()) == 2


@pytest.mark.parametrize("name", CALLS)
def test_settings_are_left_alone(name):
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever an earlier test or plot has done
        before = dict(matplotlib.rcParams)
        CALLS[name](None).figure.canvas.draw()
        assert dict(matplotlib.rcParams) == before


def test_every_plot_is_tested():
    functions = {name for name in plots.__all__ if callable(getattr(plots, name))}
    assert functions == set(CALLS) | {"use_style"}


def test_use_style_sets_the_book_s_defaults():
    with matplotlib.rc_context():
        plots.use_style()
        cycle = [c["color"] for c in matplotlib.rcParams["axes.prop_cycle"]]
        assert cycle == list(plots.COLORS.values())
        assert matplotlib.rcParams["figure.facecolor"] == "white"
        assert matplotlib.rcParams["savefig.facecolor"] == "white"
        assert not matplotlib.rcParams["axes.spines.top"]


def test_colours_can_be_told_apart():
    """Pairwise distance of lightness or hue in the Okabe-Ito palette."""
    rgb = np.array([matplotlib.colors.to_rgb(c) for c in plots.COLORS.values()])
    apart = np.linalg.norm(rgb[:, None] - rgb[None], axis=2)
    assert apart[np.triu_indices(len(rgb), 1)].min() > 0.25


# -- matrices ------------------------------------------------------------------------


def test_heatmap_shows_the_matrix():
    M = np.array([[0.25, np.nan, 1.0], [0.5, 0.75, 0.0]])
    ax = plots.heatmap(M, ["a", "b"], ["x", "y", "z"], vmin=0, vmax=1)
    image = ax.images[0]
    np.testing.assert_array_equal(np.ma.filled(image.get_array(), np.nan), M)
    assert image.get_clim() == (0, 1)
    assert labels(ax.yaxis) == ["a", "b"] and labels(ax.xaxis) == ["x", "y", "z"]
    written = {t.get_position(): (t.get_text(), t.get_color()) for t in ax.texts}
    assert written == {
        (0, 0): ("0.25", "white"),
        (2, 0): ("1.00", "black"),
        (0, 1): ("0.50", "white"),
        (1, 1): ("0.75", "black"),
        (2, 1): ("0.00", "white"),
    }, "column first; dark cells have white text"
    assert texts(plots.heatmap([[2.0]], ["a"], ["x"], fmt="{:g}")) == ["2"]


def test_rating_matrix_leaves_missing_cells_empty():
    R = np.array([[5, 0, 1], [np.nan, 3, 0]])
    before = R.copy()
    ax = plots.rating_matrix(R, ["Ana", "Ben"], ["A", "B", "C"])
    shown = np.ma.filled(ax.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(shown, [[5, np.nan, 1], [np.nan, 3, np.nan]])
    assert texts(ax) == ["5", "1", "3"]
    assert ax.images[0].get_clim() == (1, 5)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("film", "user")
    np.testing.assert_array_equal(R, before)


# -- curves and bars -----------------------------------------------------------------


@pytest.mark.parametrize(
    "counts, share, n_head",
    [([1, 5, 3, 1], 0.8, 2), ([2, 2, 2, 2], 0.5, 2), ([9, 1], 0.95, 2), ([4], 0.8, 1)],
)
def test_long_tail_sorts_and_marks_the_head(counts, share, n_head):
    ax = plots.long_tail(counts, share=share)
    ordered = sorted(counts, reverse=True)
    covered = [sum(ordered[:n]) / sum(ordered) for n in range(1, len(counts) + 1)]
    assert n_head == 1 + next(n for n, c in enumerate(covered) if c >= share)
    whole, head = (c.get_paths()[0].vertices for c in ax.collections)
    for area, n in ((whole, len(counts)), (head, n_head)):
        top = {(x, y) for x, y in area.tolist() if y > 0}
        assert top == set(zip(range(1, n + 1), ordered[:n], strict=True))
    head_color = to_hex(ax.collections[1].get_facecolor()[0])
    assert head_color == plots.COLORS["blue"].lower()
    note = f"{n_head} of {len(counts)} items\nhold {share:.0%} of the ratings"
    assert texts(ax) == [note]
    assert ax.get_xlabel() == "item, most rated first"


def test_bars_draw_values_labels_and_errors():
    values = pd.Series({"one": 0.5, "two": 0.25})
    ax = plots.bars(values, errors=[0.1, 0.05], highlight=["two"])
    assert [bar.get_width() for bar in ax.patches] == [0.5, 0.25]
    assert [to_hex(bar.get_facecolor()).upper() for bar in ax.patches] == [
        plots.COLORS["blue"],
        plots.COLORS["orange"],
    ]
    assert labels(ax.yaxis) == ["one", "two"] and ax.yaxis_inverted()
    assert [text.strip() for text in texts(ax)] == ["0.500", "0.250"]
    ends = [segment[:, 0].tolist() for segment in ax.collections[0].get_segments()]
    np.testing.assert_allclose(ends, [[0.4, 0.6], [0.2, 0.3]])
    assert [t.get_position()[0] for t in ax.texts] == pytest.approx([0.6, 0.3])
    assert ax.get_xlim()[1] > 0.6
    assert texts(plots.bars({"x": 2.0}, fmt="{:.1f}"))[0].strip() == "2.0"


def test_curves_draw_lines_bands_and_labels():
    x = [1, 2, 4]
    lines = {"a": [1.0, 2.0, 3.0], "b": [3.0, 2.0, 3.0], "c": [0.0, 0.0, -9.0]}
    ax = plots.curves(x, lines, spread={"b": [0.1, 0.2, 0.3]})
    colors = list(plots.COLORS.values())
    for line, y, color in zip(ax.lines, lines.values(), colors, strict=False):
        assert line.get_xdata().tolist() == x and line.get_ydata().tolist() == y
        assert line.get_color() == color
    assert len(ax.lines) == 3 and len(ax.collections) == 1
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == 3.3 and band[:, 1].min() == 1.8
    notes = {t.get_text(): (t.xy[1], t.get_color()) for t in ax.texts}
    assert notes["c"] == (-9.0, colors[2])
    assert notes["a"] == (3.0, colors[0])
    assert notes["b"][0] > 3.0 + 0.02 * np.ptp(ax.get_ylim()), "labels keep apart"
    assert notes["b"][1] == colors[1]


def test_curves_refuse_more_lines_than_colours():
    with pytest.raises(ValueError, match="at most 7 lines have colours, got 8"):
        plots.curves([1], {str(n): [n] for n in range(8)})
