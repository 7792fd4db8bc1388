"""Pictures under a slider and the live toy: what their HTML holds."""

import json

import numpy as np
import pytest
from bs4 import BeautifulSoup

from recsys_tutor import plots
from recsys_tutor.datasets import toy
from recsys_tutor.moving import WIDTH, Html, frames, live_toy

PICTURES = {
    "lines": {1: {"a": ([0, 1], [0, 2])}, 2: {"a": ([0, 1], [1, 4])}},
    "points": {1: {"Alien": (0, 0), "_x": (1, 1)}, 2: {"Alien": (1, 0), "_x": (0, 1)}},
    "bars": {1: {"Emma": 0.5, "Alien": 1.0}, 2: {"Fargo": -0.25}},
    "heat": {1: [[0, 1], [-1, np.nan]], 2: [[1, 1], [1, 1]]},
}


def drawn(kind, **options):
    words = {"title": "It falls", "alt": "A line that falls & rises.", "x": "x"}
    shown = frames("λ", PICTURES[kind], kind=kind, **words | options)
    return BeautifulSoup(shown._repr_html_(), "html.parser")


@pytest.mark.parametrize("kind", PICTURES)
def test_every_kind_has_a_picture_per_value_and_shows_one(kind):
    page = drawn(kind)
    pictures = page.select("g.frame")
    assert [p["display"] for p in pictures] == ["none", "inline"]
    assert len(page.select("g.still")) == 1 and pictures[1]["class"][-1] == "still"
    assert page.svg["role"] == "img"
    assert page.svg["aria-label"] == "A line that falls & rises."
    assert "It falls" in page.svg.get_text()
    slider = page.select_one("input[type=range]")
    assert (slider["max"], slider["value"]) == ("1", "1")
    assert slider["data-values"] == "1|2" and slider["aria-valuetext"] == "2"
    assert "λ = 2" in page.select_one(".frames-still").text
    numbers = [float(node["x"]) for node in page.select("svg [x]")]
    assert 0 <= min(numbers) and max(numbers) <= WIDTH


def test_the_still_picture_can_be_chosen():
    assert [p["display"] for p in drawn("bars", still=1).select("g.frame")] == [
        "inline",
        "none",
    ]


def test_lines_and_points_lie_where_the_numbers_say():
    low, high = (g.path["d"] for g in drawn("lines", ylim=(0, 4)).select("g.frame"))
    ends = [[float(x) for x in d.split("L")[-1].split()] for d in (low, high)]
    assert ends[0][0] == ends[1][0] and ends[0][1] > ends[1][1], "up is less in SVG"
    first, second = drawn("points").select("g.frame")
    x = [float(g.circle["cx"]) for g in (first, second)]
    assert x[0] < x[1]
    assert "Alien" in first.text and "_x" not in first.text


def test_bars_are_as_long_as_their_numbers():
    widths = [float(r["width"]) for r in drawn("bars").select("rect")]
    assert widths[0] == pytest.approx(widths[1] / 2, abs=0.1)
    assert widths[2] == pytest.approx(widths[1] / 4, abs=0.1)
    assert "-0.25" in drawn("bars").text, "also in words, not only in colour"


def test_heat_leaves_missing_cells_out():
    page = drawn("heat", rows=["u", "v"], columns=["i", "j"])
    assert [len(g.select("rect")) for g in page.select("g.frame")] == [3, 4]
    assert "-1.0" in page.text and {"u", "v", "i", "j"} <= set(
        page.svg.stripped_strings
    )
    assert not drawn("heat", fmt="").select("g.frame text")


def test_the_html_repeats_and_loads_nothing():
    shown = frames("λ", PICTURES["lines"], title="t", alt="a")
    again = frames("λ", PICTURES["lines"], title="t", alt="a")
    assert shown._repr_html_() == again._repr_html_()
    assert "http" not in shown._repr_html_() and " id=" not in shown._repr_html_()
    assert repr(shown) == "<2 pictures of λ: 1, 2>"


@pytest.mark.parametrize(
    "pictures, kind, message",
    [
        (PICTURES["lines"], "pie", "kind must be one of lines"),
        ({1: {"a": ([0], [0])}}, "lines", "two pictures or more"),
        ({"a|b": {"a": 1}, "c": {"a": 1}}, "bars", "without '|'"),
    ],
)
def test_frames_say_what_they_need(pictures, kind, message):
    with pytest.raises(ValueError, match=message):
        frames("λ", pictures, title="t", alt="a", kind=kind)


def test_the_live_toy_has_the_table_and_what_the_script_needs():
    Q = np.eye(6, 2)
    shown = live_toy("als", toy().interactions, {"Q": Q}, reg=[1, 5], seen="Do <it>")
    assert isinstance(shown, Html)
    assert repr(shown) == "<live toy: als, 5 users x 6 items>"
    page = BeautifulSoup(shown._repr_html_(), "html.parser")
    given = json.loads(page.figure["data-toy"])
    np.testing.assert_array_equal(given["R"], toy().interactions.csr.toarray())
    assert given["start"] == {"Q": Q.tolist()} and given["settings"] == {"reg": [1, 5]}
    rows = [[cell.text for cell in row.select("td")] for row in page.select("tbody tr")]
    assert rows[0] == ["5", "5", ".", "2", ".", "4"] and len(rows) == 5
    assert page.figcaption.text == "Do <it>"


def test_the_live_toy_says_what_is_missing():
    with pytest.raises(
        ValueError, match=r"als starts from \['Q'\] and takes \['reg'\]"
    ):
        live_toy("als", toy().interactions, reg=1, seen="")


def test_plots_has_both():
    assert plots.frames is frames and plots.live_toy is live_toy
