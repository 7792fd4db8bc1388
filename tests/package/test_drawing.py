"""Drawings: what is asked for stands on the sheet, where it was put."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from recsys_tutor import drawing
from recsys_tutor.plots import COLORS


@pytest.fixture
def ax():
    yield drawing.sheet(10, 4, title="An idea")
    plt.close("all")


def texts(ax):
    return {t.get_text(): t.get_position() for t in ax.texts}


def test_a_sheet_is_empty_square_and_named(ax):
    assert ax.get_xlim() == (0, 10) and ax.get_ylim() == (0, 4)
    assert ax.get_aspect() == 1 and not ax.axison and not ax.patches
    # where it stands is a setting of the book
    assert "An idea" in {ax.get_title(loc=side) for side in ("left", "center")}
    wide, high = ax.figure.get_size_inches()
    assert wide == 7 and high == pytest.approx(7 * 4 / 10 + 0.3)


def test_a_box_has_its_text_in_the_middle(ax):
    drawing.box(ax, 1, 2, "tower", width=3, height=1, color="orange")
    (patch,) = ax.patches
    assert patch.get_bbox().bounds == (1, 2, 3, 1)
    assert to_hex(patch.get_edgecolor()) == COLORS["orange"].lower()
    assert to_hex(patch.get_facecolor()) == "#ffffff"
    assert texts(ax) == {"tower": (2.5, 2.5)}


def test_a_filled_box_is_read_in_white(ax):
    drawing.box(ax, 0, 0, "score", color="blue", filled=True)
    assert to_hex(ax.patches[0].get_facecolor()) == COLORS["blue"].lower()
    assert to_hex(ax.texts[0].get_color()) == "#ffffff"


def test_an_arrow_goes_from_start_to_end(ax):
    drawing.arrow(ax, (1, 1), (4, 3), "asks")
    line, label = ax.texts
    assert line.xyann == (1, 1) and line.xy == (4, 3)
    assert label.get_text() == "asks" and tuple(label.xy) == (2.5, 2)


def test_cells_show_values_gaps_questions_and_marks(ax):
    values = [[5, np.nan, 3], [1, 4, np.nan]]
    drawing.cells(
        ax, 2, 1, values, rows=["Ana", "Ben"], columns=list("ABF"),
        marked=[(0, 0)], asked=[(1, 2)], width=1, height=0.5,
    )  # fmt: skip
    found = texts(ax)
    assert found["5"] == (2.5, 1.75) and found["4"] == (3.5, 1.25), "first row on top"
    assert found["?"] == (4.5, 1.25)
    assert found["Ana"] == (1.9, 1.75) and found["Ben"] == (1.9, 1.25)
    assert found["A"] == (2.5, 2.1)
    assert len(ax.patches) == 6 and "nan" not in found
    faces = [to_hex(p.get_facecolor()) for p in ax.patches]
    lit = [k for k, face in enumerate(faces) if face == COLORS["sky"].lower()]
    assert lit == [0, 5]
