"""Delimited text becomes cells: the delimiter, the quotes, and where a line went wrong.

Every cell of the result is text exactly as the file means it; what could be meant in
two ways is refused with its line. Splitting the lines is pandas' work.

Chapter: 01 The recommendation problem.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from recsys_tutor.datasets.text_file import read_text

__all__ = []

SEPARATORS = ("::", "\t", ",", ";", "|", " ")
QUOTES = ("doubled", "backslash", "plain")
_CELL, _LINE, _QUOTED = "\x1f", "\x1e", "\x1d"  # between cells, inside quotes, around
_INSIDE = {
    "doubled": r'[^"]*+(?:""[^"]*+)*+',
    "backslash": r'[^"\\]*+(?:\\.[^"\\]*+)*+',
}
_CHOOSE = (
    "; pass quotes='plain' if quotes are ordinary characters here, 'doubled' if they "
    'enclose fields (a quote inside is ""), \'backslash\' if a quote inside is \\"'
)


class TextTable:
    """Cells of a file as text, with their line numbers.

    ``frame`` has one row per line that is not blank and one column per field; its index
    counts lines, blank ones too. Cells are stripped of blanks and tabs unless quoted.
    """

    def __init__(
        self,
        path: Path,
        frame: pd.DataFrame,
        first_line: int,
        sep: str | None,
        note: str = "",
    ) -> None:
        self.path, self.first_line, self.sep, self.note = path, first_line, sep, note
        self.all_rows = frame
        self.frame = frame[~(frame == "").all(axis=1)]

    def number(self, row: int) -> int:
        """The line of the file on which a row of the frame begins."""
        before = self.all_rows.iloc[:row]
        columns = (before.iloc[:, c] for c in range(before.shape[1]))
        inside = sum(int(column.str.count("\n").sum()) for column in columns)
        return self.first_line + row + inside

    def refuse(self, column: pd.Series, bad: ArrayLike, rule: str) -> None:
        """Raise for the first row where ``bad`` is True."""
        bad = np.asarray(bad, dtype=bool)
        if bad.any():
            row = column.index[int(np.argmax(bad))]
            cell = column[row]
            cell = cell if len(cell) <= 80 else cell[:77] + "..."
            raise ValueError(
                f"{self.path}, line {self.number(row)}, column {column.name!r}: "
                f"{cell!r} {rule} ({int(bad.sum())} such rows)"
            )


def read_table(
    path: Path,
    *,
    sep: str | None = None,
    encoding: str | None = None,
    names: Sequence[str] | None = None,
    quotes: str | None = None,
    member: str | None = None,
    wanted: list[str],
) -> TextTable:
    """The cells of a delimited text file; parameters as for ``load_ratings_csv``.

    ``wanted`` names columns that the file should have: it helps to find the delimiter,
    and none of them may come twice. Cost O(size of the file).
    """
    _check_options(sep, quotes)
    text, note = read_text(path, encoding, member)
    body = re.sub(r"\A(?:[ \t]*\n)+", "", text)
    line = 1 + text.count("\n") - body.count("\n")
    _refuse_other_layouts(path, body, line)
    _refuse_marks(path, body, sep)
    given = sep
    sep = find_separator(body, names, wanted, quotes) if sep is None else sep
    table = body if sep is None else _split(path, body, sep, quotes, line, names)
    head, _, rest = table.partition("\n")
    columns = [_clean(cell) for cell in head.split(_CELL)]
    _check_head(path, columns, names, given, line)
    if names is None:
        line += 1 + head.count(_LINE)
        table = rest
    else:
        columns = list(names)
    doubled = [name for name in wanted if columns.count(name) > 1]
    if doubled:
        raise ValueError(
            f"{path}: column {doubled[0]!r} comes more than once in {columns}; rename "
            "one of them"
        )
    frame = _parse(path, table, len(columns), line)
    frame.columns = columns
    return TextTable(path, frame, line, sep, note)


def _check_options(sep: Any, quotes: Any) -> None:
    if quotes is not None and quotes not in QUOTES:
        raise ValueError(f"quotes must be one of {QUOTES} or None, got {quotes!r}")
    wrong = not isinstance(sep, str) or not sep or any(c in sep for c in '\n\r"')
    if sep is not None and wrong:
        raise ValueError(
            f"sep must be one or more characters other than quotes and line ends, or "
            f"None to find it; got {sep!r}"
        )


def _refuse_marks(path: Path, body: str, sep: str | None) -> None:
    for mark in (_CELL, _LINE, _QUOTED):
        if mark in body and (mark != sep or '"' in body):
            raise ValueError(
                f"{path}: the text holds the control character {mark!r}; remove it, or "
                "pass it as sep= if it stands between the fields"
            )


def _check_head(
    path: Path,
    columns: list[str],
    names: Sequence[str] | None,
    sep: str | None,
    line: int,
) -> None:
    """One column is no table; ``names`` must fit the first line and not repeat it."""
    if len(columns) == 1:
        other = "pass sep=" if sep is None else f"it is not {sep!r}"
        raise ValueError(
            f"{path}: found one column only, {columns[0][:80]!r}; the delimiter is "
            f"another one, {other}"
        )
    if names is None:
        return
    if len(names) != len(columns):
        raise ValueError(
            f"{path}: names= lists {len(names)} columns, but line {line} has "
            f"{len(columns)} fields: {shorten(columns)}{matrix_hint(columns)}"
        )
    if columns == [str(name) for name in names]:
        raise ValueError(
            f"{path}: line {line} repeats names=; the file has a header, leave names= "
            "out"
        )


def shorten(columns: list[str]) -> str:
    return str(columns if len(columns) <= 20 else [*columns[:20], "..."])


def matrix_hint(columns: list[str]) -> str:
    """Said of lines of many numbers: they are rows of a rating matrix."""
    numbers = [cell for cell in columns if re.fullmatch(r"-?\d+([.,]\d+)?|", cell)]
    if len(columns) < 12 or len(numbers) < len(columns) - 2:
        return ""
    return (
        "; this looks like a matrix, one line per user. Turn it into one line per "
        "rating: frame = pandas.read_csv(path, header=None).stack().reset_index(); "
        "name its columns user, item, value, drop what means 'no rating', and pass it "
        "to Interactions.from_frame"
    )


_JSON = (
    "JSON, not delimited text; read it with frame = pandas.read_json(path, {}"
    "dtype=False) and pass that to Interactions.from_frame(frame, user=..., item=..., "
    "value=...)"
)
_LAYOUTS = (
    (r'\s*\{\s*["}]', _JSON.format("lines=True, ")),
    (r"\s*\[\s*[\[{]", _JSON.format("")),
    (
        r"\s*\{\s*u?'",
        "a list of Python dictionaries (not quite JSON); read it with frame = "
        "pandas.DataFrame(map(ast.literal_eval, open(path))) and pass that to "
        "Interactions.from_frame",
    ),
    (r"(?i)\s*<(?:!doctype|html|\?xml)", "a page or document in HTML or XML"),
)


def _refuse_other_layouts(path: Path, body: str, line: int) -> None:
    for start, what in _LAYOUTS:
        if re.match(start, body):
            raise ValueError(f"{path}: this is {what}")
    block = re.search(r"(?m)^[ \t]*[0-9]+:[ \t]*$", _first_lines(body))
    if block and '"' not in body[: block.start()]:
        raise ValueError(
            f"{path}, line {line + body.count(chr(10), 0, block.start())}: "
            f"{block[0].strip()!r} heads a block, as in the Netflix Prize files: it "
            "names the film of the lines below. Write that number in front of each of "
            "its lines ('1,1488844,3,2005-09-06') and load the result"
        )


# -- separators and quotes ------------------------------------------------------------


class _BadQuote(Exception):
    """A field begins with a quote and does not end with one; where in the text."""

    def __init__(self, text: str, place: int) -> None:
        self.lines = text.count("\n", 0, place)
        rest = text[place:]
        if '\\"' in rest.partition("\n")[0]:
            self.reason = 'a backslash before a quote (\\")'
        elif '"' not in rest:
            self.reason = "a quote is not closed"
        else:
            self.reason = "text between a closing quote and the end of its field"


def _first_lines(text: str) -> str:
    """Fifty lines, none of them cut off, or the first one."""
    end = text.rfind("\n", 0, 100_000) if len(text) > 100_000 else len(text)
    return "\n".join(text[: end if end > 0 else None].split("\n")[:50])


def find_separator(
    text: str,
    names: Sequence[str] | None,
    wanted: Sequence[str],
    quotes: str | None = None,
) -> str | None:
    """The delimiter under which the first lines look most like a table."""
    lines = [line for line in _first_lines(text).split("\n") if line.strip()]
    best, best_score = None, (False, False, 1)
    for sep in SEPARATORS:
        try:
            table = mark("\n".join(lines), sep, quotes or "doubled")
        except _BadQuote:
            table = mark("\n".join(lines), sep, "plain")
        rows = [line.split(_CELL) for line in table.split("\n")]
        head = [_clean(cell) for cell in rows[0]]
        fits = set(wanted) <= set(head) if names is None else len(head) == len(names)
        even = len({len(row) for row in rows}) == 1
        score = (fits, even, len(head))
        if len(head) > 1 and score > best_score:
            best, best_score = sep, score
    return best


def mark(text: str, sep: str, quotes: str) -> str:
    """The text with a control character between cells and, around quoted ones, another.

    Line ends inside quoted cells become a third, so that LF ends a row and nothing
    else. A quote that does not begin its field is an ordinary character.
    """
    text = text.strip(" ") if sep == " " else text
    if quotes == "plain" or '"' not in text:
        return _unquoted(text, sep)
    blank = " " if sep in ("\t", " ") else r"[ \t]"
    between = " +" if sep == " " else re.escape(sep)
    field = re.compile(
        rf'(\A|\n|{between}){blank}*"'
        rf'(?:({_INSIDE[quotes]})"{blank}*(?=\n|\Z|{between})|())',
        re.DOTALL,
    )
    parts = field.split(text)  # between fields, their start, their inside, None
    if "" in parts[3::4]:
        found = next(one for one in field.finditer(text) if one[3] is not None)
        raise _BadQuote(text, found.end())
    inside = _QUOTED.join(parts[2::4])
    if quotes == "doubled":
        inside = inside.replace('""', '"')
    else:
        inside = re.sub(r'\\(["\\])', r"\1", inside)
    parts[2::4] = inside.replace("\n", _LINE).split(_QUOTED) if len(parts) > 1 else []
    start = {"": _QUOTED, "\n": "\n" + _QUOTED}  # else a delimiter
    parts[1::4] = [start.get(before, _CELL + _QUOTED) for before in parts[1::4]]
    parts[3::4] = [_QUOTED] * len(parts[3::4])
    parts[0::4] = _unquoted(_QUOTED.join(parts[0::4]), sep).split(_QUOTED)
    return "".join(parts)


def _unquoted(text: str, sep: str) -> str:
    if sep == " ":  # several count as one, and none at the ends of a line
        text = re.sub(" *\n *", "\n", text)
        return re.sub(" +", _CELL, text)
    return text.replace(sep, _CELL)


def _clean(cell: str) -> str:
    """The text of a cell: without padding, or what stood between its quotes."""
    cell = cell.strip(" \t")
    return cell[1:-1].replace(_LINE, "\n") if cell[:1] == _QUOTED else cell


def _split(
    path: Path,
    body: str,
    sep: str,
    quotes: str | None,
    line: int,
    names: Sequence[str] | None,
) -> str:
    """The marked text under the way of quoting that was given or is certain."""
    opening = rf'(?:\A|\n|{re.escape(sep)})[ \t]*"'
    try:
        if quotes is None and '"' in body and re.search(opening, body):
            return _certain(path, body, sep, line, names)
        return mark(body, sep, quotes or "plain")
    except _BadQuote as bad:
        raise ValueError(
            f"{path}, line {line + bad.lines}: {bad.reason}{_CHOOSE}"
        ) from None


def _certain(
    path: Path, body: str, sep: str, line: int, names: Sequence[str] | None
) -> str:
    """Quotes as field quotes or as characters, whichever the file leaves no doubt of.

    Fields that break the rules of CSV are characters after a tab or several characters
    as delimiter (dumps of data bases do not quote), and refused after a comma. A file
    that makes a table both ways, with other cells, is refused.
    """
    dump = sep == "\t" or len(sep) > 1
    plain = mark(body, sep, "plain")
    try:
        quoted = mark(body, sep, "doubled")
    except _BadQuote:
        if dump and _is_even(plain, names) and '\\"' not in body:
            return plain
        raise
    doubt = re.search(rf'{_QUOTED}[^{_QUOTED}]*\\["{_QUOTED}]', quoted)
    if doubt is None and _is_even(plain, names):
        if not _is_even(quoted, names):
            if dump:
                return plain
            doubt = re.search(_QUOTED, quoted)
        elif quoted.count("\n") < plain.count("\n"):  # lines would be in one cell
            doubt = re.search(rf"{_QUOTED}[^{_QUOTED}]*{_LINE}", quoted)
        elif dump:
            doubt = _needless_quotes(quoted, sep, header=names is None)
    if doubt:
        place = line + len(re.findall(rf"[\n{_LINE}]", quoted[: doubt.start()]))
        raise ValueError(
            f"{path}, line {place}: the quotes can enclose a field or belong to its "
            f"text{_CHOOSE}"
        )
    return quoted


def _is_even(table: str, names: Sequence[str] | None) -> bool:
    """Have all lines the same number of cells, and as many as there are names?"""
    widths = {row.count(_CELL) + 1 for row in table.split("\n") if row.strip()}
    return len(widths) == 1 and (names is None or widths == {len(names)})


def _needless_quotes(table: str, sep: str, header: bool) -> re.Match | None:
    """The first quoted cell that did without, in a column that is not quoted whole.

    Those of a header do not count: a column's name has no quotes of its own.
    """
    needless = re.compile(
        rf'{_QUOTED}(?:(?!["{_LINE}{_QUOTED}]|{re.escape(sep)}).)*{_QUOTED}'
    )
    if not needless.search(table):
        return None
    rows = [row.split(_CELL) for row in table.split("\n") if row.strip()]
    whole = [
        len(cells) > 1 and all(cell.strip(" \t")[:1] == _QUOTED for cell in cells)
        for cells in zip(*rows, strict=False)
    ]
    for found in needless.finditer(table, table.find("\n") if header else 0):
        row = table[table.rfind("\n", 0, found.start()) + 1 : found.start()]
        column = row.count(_CELL)
        if column >= len(whole) or not whole[column]:
            return found
    return None


# -- cells ----------------------------------------------------------------------------


def _parse(path: Path, table: str, width: int, line: int) -> pd.DataFrame:
    """All cells as text. Blank lines stay, as rows of empty cells, to be counted."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.StringIO(table),
                sep=_CELL,
                names=range(width),
                header=None,
                index_col=False,
                dtype=str,
                keep_default_na=False,
                skip_blank_lines=False,
                quoting=csv.QUOTE_NONE,
            )
    except pd.errors.EmptyDataError:
        return pd.DataFrame(columns=range(width), dtype=str)
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise ValueError(f"{path}, {_long_line(table, width, line, error)}") from error
    frame = frame.fillna("")
    if any(mark in table for mark in (" ", "\t", _QUOTED)):
        frame = frame.apply(lambda cells: pd.Series([_clean(cell) for cell in cells]))
        frame = frame.astype(str)
    return frame


def _long_line(table: str, width: int, line: int, error: Exception) -> str:
    for row in table.split("\n"):
        fields = row.count(_CELL) + 1
        if fields > width:
            return (
                f"line {line}: {fields} fields, expected {width}; quote the fields "
                "that hold the delimiter, or pass another sep= or quotes="
            )
        line += 1 + row.count(_LINE)
    return f"line {line}: {error}"
