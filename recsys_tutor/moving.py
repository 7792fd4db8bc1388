"""Pictures that move: frames under a slider, and the toy under the reader's hand.

Both are objects that a notebook shows as HTML without a network. :func:`frames` holds
every picture as SVG: one of them is visible, the slider chooses. :func:`live_toy` holds
a table of ratings; ``book/_static/play.js`` makes its cells editable and computes the
steps of a model. On paper and without a script the first is one picture, the second
the table. Nothing here knows a model.

Chapter: all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np

from recsys_tutor.data import Interactions

__all__ = ["Html", "frames", "live_toy"]

#: Okabe and Ito's colours; style sheets of dark pages replace them by class (c0, ...).
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
WIDTH, HEIGHT = 400, 260  # of a picture, in its own units: 12 of them are a letter's
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 30, 40
ROW = 22  # height of a bar or a row of a heat map
Limits = tuple[float, float]
#: Height, what stands around every picture, and each picture's marks.
Drawn = tuple[float, list[str], list[str]]
LETTER = 6.4  # width of an average one

#: Runs where the slider stands, so that a notebook needs no other script.
ON_INPUT = (
    "const f=this.closest('figure'),k=+this.value;"
    "f.querySelectorAll('g.frame').forEach((g,n)=>"
    "g.setAttribute('display',n===k?'inline':'none'));"
    "const t=this.dataset.values.split('|')[k];"
    "f.querySelector('output').textContent=t;"
    "this.setAttribute('aria-valuetext',t)"
)


class Html:
    """HTML that a notebook shows; as text it is one line that says what it is."""

    def __init__(self, html: str, text: str) -> None:
        self.html, self.text = html, text

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


# -- frames --------------------------------------------------------------------------


def frames(
    slider: str,
    pictures: Mapping,
    *,
    title: str,
    alt: str,
    x: str = "",
    y: str = "",
    kind: str = "lines",
    seen: str = "",
    still: object = None,
    **options: Any,
) -> Html:
    """One picture per value of a slider; without a script the ``still`` one.

    Parameters
    ----------
    slider : str
        What the slider moves, for instance ``"λ"``.
    pictures : mapping of value -> picture
        A value may end in a remark: ``"100: NDCG 0.48"``. What a picture is depends on
        ``kind``:

        - ``"lines"``: mapping of label -> (x, y), each drawn with its label;
        - ``"points"``: mapping of label -> (x, y) of one point, or of group -> two
          arrays; a label that starts with ``_`` is not written;
        - ``"bars"``: mapping of name -> number, first on top;
        - ``"heat"``: matrix; its cells' values are written in.
    title, alt : str
        The finding, and what a reader sees who does not see the picture.
    x, y : str
        Labels of the axes.
    seen : str
        The caption: what there was to see.
    still : a value of ``pictures``, optional
        The picture on paper and at the start; the last one if not given.
    **options
        ``xlim``, ``ylim`` (lines and points, else those of all pictures), ``rows``,
        ``columns``, ``fmt`` (heat; fmt for bars too).
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    values = [str(value) for value in pictures]
    if len(values) < 2 or any("|" in value for value in values):
        raise ValueError("frames needs two pictures or more, and values without '|'")
    start = len(values) - 1 if still is None else values.index(str(still))
    height, ground, drawn = KINDS[kind](list(pictures.values()), x, y, **options)
    lines = [
        f'<figure class="frames" data-kind="{kind}">',
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(alt)}" '
        'style="width:100%;max-width:34rem;height:auto" font-size="12" '
        'font-family="sans-serif" fill="currentColor">',
        _text(4, 16, title, extra=' font-size="13" font-weight="bold"'),
        *ground,
    ]
    for k, marks in enumerate(drawn):
        shown = "inline" if k == start else "none"
        still_class = " still" if k == start else ""
        lines.append(f'<g class="frame{still_class}" display="{shown}">{marks}</g>')
    lines += ["</svg>", *_slider(slider, values, start)]
    lines.append(f"<figcaption>{escape(seen)}</figcaption></figure>")
    text = f"<{len(values)} pictures of {slider}: {', '.join(values)}>"
    return Html("\n".join(lines), text)


def _slider(name: str, values: Sequence[str], start: int) -> list[str]:
    now = escape(values[start])
    return [
        '<div class="frames-controls"><label>' + escape(name),
        f'<input type="range" min="0" max="{len(values) - 1}" value="{start}" '
        f'aria-valuetext="{now}" data-values="{escape("|".join(values))}" '
        f'oninput="{escape(ON_INPUT)}"></label>',
        f"<output>{now}</output></div>",
        f'<p class="frames-still">The picture shows {escape(name)} = {now}.</p>',
    ]


def _n(value: float) -> str:
    """A coordinate: one decimal at most, no minus zero."""
    return f"{round(float(value), 1) + 0.0:.1f}"


def _text(x: float, y: float, text: object, extra: str = "", anchor: str = "") -> str:
    anchor = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{_n(x)}" y="{_n(y)}"{anchor}{extra}>{escape(str(text))}</text>'


def _ticks(low: float, high: float, most: int = 5) -> tuple[np.ndarray, int]:
    """Round numbers between ``low`` and ``high``, and how many decimals they need."""
    step = (high - low) / most
    power = 10.0 ** np.floor(np.log10(step))
    step = power * min(f for f in (1, 2, 5, 10) if f * power >= step * (1 - 1e-9))
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    return step * np.arange(first, last + 1) + 0.0, max(
        0, -int(np.floor(np.log10(step)))
    )


class _Axes:
    """From numbers to coordinates, and the lines and words around the picture."""

    def __init__(self, xlim: Limits, ylim: Limits) -> None:
        self.xlim = float(xlim[0]), float(xlim[1])
        self.ylim = float(ylim[0]), float(ylim[1])

    def __call__(self, x: Any, y: Any) -> tuple[Any, Any]:
        (a, b), (c, d) = self.xlim, self.ylim
        across, up = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        return LEFT + across * (x - a) / (b - a), TOP + up * (d - y) / (d - c)

    def ground(self, x: str, y: str) -> list[str]:
        low, floor = HEIGHT - BOTTOM, self.ylim[0]
        out = [f'<path d="M{LEFT} {TOP}V{low}H{WIDTH - RIGHT}" class="axis" {_AXIS}/>']
        ticks, decimals = _ticks(*self.xlim)
        for t in ticks:
            at = self(t, floor)[0]
            out.append(_text(at, low + 14, f"{t:.{decimals}f}", anchor="middle"))
        ticks, decimals = _ticks(*self.ylim)
        for t in ticks:
            at = self(self.xlim[0], t)[1]
            out.append(_text(LEFT - 5, at + 4, f"{t:.{decimals}f}", anchor="end"))
        middle = (LEFT + WIDTH - RIGHT) / 2
        out.append(_text(middle, HEIGHT - 8, x, anchor="middle"))
        turned = f' transform="rotate(-90 12 {(TOP + low) / 2:.1f})"'
        out.append(_text(12, (TOP + low) / 2, y, turned, anchor="middle"))
        return out


_AXIS = 'fill="none" stroke="currentColor" stroke-opacity="0.5"'


def _limits(values: np.ndarray, given: Limits | None, room: float = 0.05) -> Limits:
    low, high = float(np.min(values)), float(np.max(values))
    if not np.isfinite([low, high]).all():
        raise ValueError("a picture has numbers that are not finite")
    if given is not None:
        return given
    room *= (high - low) or 1.0
    return low - room, high + room


def _colors(pictures: Sequence[Mapping]) -> dict[str, int]:
    """A colour for each label, in the order in which they appear."""
    labels = list(dict.fromkeys(label for picture in pictures for label in picture))
    return {label: n % len(COLORS) for n, label in enumerate(labels)}


def _lines(
    pictures: Sequence[Mapping],
    x: str,
    y: str,
    xlim: Limits | None = None,
    ylim: Limits | None = None,
) -> Drawn:
    series = [np.array(xy, float) for picture in pictures for xy in picture.values()]
    together = np.concatenate(series, axis=1)
    axes = _Axes(_limits(together[0], xlim), _limits(together[1], ylim))
    colors, drawn = _colors(pictures), []
    for picture in pictures:
        marks, ends = [], []
        for label, xy in picture.items():
            h, v = axes(*np.array(xy, float))
            path = "L".join(f"{_n(a)} {_n(b)}" for a, b in zip(h, v, strict=True))
            c = colors[label]
            marks.append(
                f'<path d="M{path}" class="s{c}" fill="none" stroke="{COLORS[c]}" '
                'stroke-width="2.5"/>'
            )
            ends.append([v[-1] - 5, min(h[-1], WIDTH - RIGHT), label, c])
        drawn.append("".join(marks + _end_labels(ends)))
    return HEIGHT, axes.ground(x, y), drawn


def _end_labels(ends: list[list]) -> list[str]:
    """Labels at the ends of lines, moved up where they would overlap."""
    ends.sort(reverse=True)
    for below, above in pairwise(ends):
        above[0] = min(above[0], below[0] - 14)
    return [
        _text(h, v, label, f' class="c{c}" fill="{COLORS[c]}"', anchor="end")
        for v, h, label, c in ends
        if not label.startswith("_")
    ]


def _points(
    pictures: Sequence[Mapping],
    x: str,
    y: str,
    xlim: Limits | None = None,
    ylim: Limits | None = None,
) -> Drawn:
    stacked = [
        {label: np.reshape(np.array(xy, float), (2, -1)) for label, xy in p.items()}
        for p in pictures
    ]
    together = np.concatenate([xy for p in stacked for xy in p.values()], axis=1)
    room = 0.12
    axes = _Axes(_limits(together[0], xlim, room), _limits(together[1], ylim, room))
    colors, drawn = _colors(pictures), []
    for picture in stacked:
        marks = []
        for label, xy in picture.items():
            c = colors[label] if len(colors) <= len(COLORS) else 0
            h, v = axes(*xy)
            dots = "".join(
                f'<circle cx="{_n(a)}" cy="{_n(b)}" r="4"/>'
                for a, b in zip(h, v, strict=True)
            )
            marks.append(f'<g class="c{c}" fill="{COLORS[c]}">{dots}</g>')
            if not label.startswith("_"):
                marks.append(_beside(h[0], v[0], label))
        drawn.append("".join(marks))
    return HEIGHT, axes.ground(x, y), drawn


def _beside(x: float, y: float, label: str) -> str:
    """The label of a point: to its right, or where that would be cut off, its left."""
    if x > WIDTH - RIGHT - LETTER * len(label):
        return _text(x - 7, y + 4, label, anchor="end")
    return _text(x + 7, y + 4, label)


def _bars(pictures: Sequence[Mapping], x: str, y: str, fmt: str = "{:.2f}") -> Drawn:
    names = [name for picture in pictures for name in picture]
    left = 8 + LETTER * max(map(len, names))
    top = max(max(abs(float(v)) for v in picture.values()) for picture in pictures)
    scale = (WIDTH - left - 52) / (top or 1.0)
    height = TOP + ROW * max(map(len, pictures)) + (24 if x else 6)
    drawn = []
    for picture in pictures:
        marks = []
        for row, (name, value) in enumerate(picture.items()):
            at, wide = TOP + ROW * row, scale * abs(float(value))
            c = 0 if value >= 0 else 1
            marks += [
                _text(left - 6, at + 15, name, anchor="end"),
                f'<rect x="{_n(left)}" y="{at + 3}" width="{_n(wide)}" '
                f'height="{ROW - 6}" class="c{c}" fill="{COLORS[c]}"/>',
                _text(left + wide + 4, at + 15, fmt.format(float(value))),
            ]
        drawn.append("".join(marks))
    ground = [_text((left + WIDTH) / 2, height - 8, x, anchor="middle")] if x else []
    return height, ground, drawn


def _heat(
    pictures: Sequence,
    x: str,
    y: str,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    fmt: str = "{:.1f}",
) -> Drawn:
    grids = [np.array(picture, float) for picture in pictures]
    n_rows, n_columns = grids[0].shape
    left = 8 + LETTER * max(map(len, rows), default=0)
    wide = (WIDTH - left - RIGHT) / n_columns
    size = max(np.nanmax(np.abs(grid)) for grid in grids) or 1.0
    slant = any(LETTER * len(name) > wide for name in columns)
    top = TOP + (44 if slant else 14) * bool(len(columns))
    ground = []
    for c, name in enumerate(columns):
        at = left + wide * (c + 0.5)
        turn = f' transform="rotate(-28 {_n(at - 8)} {top - 4})"' if slant else ""
        place = (at - 8, "") if slant else (at, "middle")
        ground.append(_text(place[0], top - 4, name, turn, place[1]))
    for r, name in enumerate(rows):
        ground.append(_text(left - 6, top + ROW * r + 15, name, anchor="end"))
    drawn = []
    for grid in grids:
        cells = [
            _cell(left + wide * c, top + ROW * r, wide, grid[r, c], size, fmt)
            for r in range(n_rows)
            for c in range(n_columns)
            if np.isfinite(grid[r, c])
        ]
        drawn.append("".join(cells))
    return top + ROW * n_rows + 8, ground, drawn


def _cell(x: float, y: float, wide: float, value: float, size: float, fmt: str) -> str:
    """Blue above zero, orange below; the stronger, the larger."""
    shown = (fmt or "{:.2f}").format(value)
    if float(shown) == 0:  # what is 0 but for rounding has no sign
        value, shown = 0.0, shown.lstrip("-")
    c, strength = (0 if value >= 0 else 1), 0.75 * abs(value) / size
    box = (
        f'<rect x="{_n(x)}" y="{y}" width="{_n(wide - 1)}" height="{ROW - 1}" '
        f'class="c{c}" fill="{COLORS[c]}" fill-opacity="{strength:.2f}"/>'
    )
    if not fmt:
        return box
    return box + _text(x + wide / 2, y + 15, shown, anchor="middle")


KINDS: dict[str, Callable[..., Drawn]] = {
    "lines": _lines,
    "points": _points,
    "bars": _bars,
    "heat": _heat,
}


# -- the live toy --------------------------------------------------------------------

#: What the start of each model is made of, and its settings, as play.js knows them.
MODELS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "bias": ((), ("reg_u", "reg_i")),
    "knn": ((), ("alpha", "shrink", "n_neighbors")),
    "ease": ((), ("reg",)),
    "als": (("Q",), ("reg",)),
    "ials": (("Q",), ("unobserved", "reg")),
    "sgd": (("P", "Q"), ("learning_rate", "reg")),
    "em": (("theta", "phi"), ("beta",)),
    "gibbs": (("v_u", "v_i"), ("alpha", "precision", "seed")),
}


def live_toy(
    model: str,
    ratings: Interactions,
    start: Mapping[str, Sequence] | None = None,
    *,
    seen: str,
    **settings: float | Sequence[float],
) -> Html:
    """A small rating matrix whose cells a reader can change, and a model's steps.

    Parameters
    ----------
    model : {'bias', 'knn', 'ease', 'als', 'ials', 'sgd', 'em', 'gibbs'}
    ratings : Interactions
        A small one, for instance the toy's.
    start : mapping of name -> array
        Where the parameters begin, as the model's step function takes them.
    seen : str
        The caption: what there was to see.
    **settings
        The step's settings by name; a list lets the reader choose, its first is set.
    """
    names, wanted = MODELS[model]
    start = {} if start is None else start
    if set(start) != set(names) or set(settings) != set(wanted):
        raise ValueError(
            f"{model} starts from {list(names)} and takes {list(wanted)}; got "
            f"{list(start)} and {list(settings)}"
        )
    users, items = ratings.user_ids.tolist(), ratings.item_ids.tolist()
    R = ratings.csr.toarray()
    given = {
        "model": model,
        "users": users,
        "items": items,
        "R": R.tolist(),
        "start": {name: np.asarray(value).tolist() for name, value in start.items()},
        "settings": {k: np.atleast_1d(v).tolist() for k, v in settings.items()},
    }
    data = escape(json.dumps(given, separators=(",", ":")))
    lines = [
        f'<figure class="live-toy" data-model="{model}" data-toy="{data}">',
        '<div class="toy-still"><table class="toy">',
        "<thead><tr><th></th>" + _cells(items, "th") + "</tr></thead><tbody>",
    ]
    for user, row in zip(users, R, strict=True):
        shown = [f"{r:g}" if r else "." for r in row]
        lines.append(f"<tr><th>{escape(user)}</th>{_cells(shown, 'td')}</tr>")
    lines.append("</tbody></table></div>")
    lines.append(f"<figcaption>{escape(seen)}</figcaption></figure>")
    size = f"{len(users)} users x {len(items)} items"
    return Html("\n".join(lines), f"<live toy: {model}, {size}>")


def _cells(texts: Sequence, tag: str) -> str:
    return "".join(f"<{tag}>{escape(str(text))}</{tag}>" for text in texts)
