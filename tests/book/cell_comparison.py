"""How nbval compares a cell's output with the stored one: text exactly, numbers nearly.

Another processor or another number of threads takes a sum in another order, so the last
printed digit of a number may differ by one. Both outputs are read as tokens, side by
side, and these rules hold:

- Words, punctuation and tags are equal, and so is the number of lines and of tokens:
  a row, a column or a value more, less or elsewhere is a difference.
- A number with a decimal point or an exponent may differ by one unit of its last
  printed place. Where one of the two shows more places (``0.5`` for 0.499) the finer
  unit counts. -0.0 is 0.0.
- An integer is a count: equal to the digit, as are the integers in dates and ids. The
  same holds for ``12.``, as numpy prints whole floats. Only a percentage (``35%``) may
  differ by one: it is always rounded.
- Digits in a word (``u1``, ``GRU4Rec``, ``2.4.6``, ``3.5x``) are part of the word.
- Spaces are equal, unless some number is printed with another number of characters
  (``9.99`` and ``10.00``): then columns may shift.

Only text (plain, HTML, markdown, streams) is compared so; of everything else, nbval's
own rules hold: PNG and JPEG are skipped, all others are equal to the character.
"""

import copy
import re
from decimal import Decimal

from nbval.plugin import IPyNbCell

TOKEN = re.compile(
    r"""(?P<space>[ \t]+)
      | (?P<number> (?:(?<![\w.)\]])[-+\u2212])?   # a sign, if not a minus between two
          (?: \d{1,3}(?:,\d{3})+(?!\d) | \d+ )     # 1,682 or 1682
          (?: \.\d* )? (?: [eE][-+]?\d+ )?
          (?! \w | \.\w ) )                        # not 2.4.6, 3.5x, 100k
      | (?P<word> \w+ (?: \.\w+ )* )
      | (?P<other> . )""",
    re.VERBOSE | re.DOTALL,
)
TEXT = ("text/plain", "text/html", "text/markdown")


def tokens(text):
    """Pairs (kind, text) of all tokens of ``text``, in order."""
    return [(found.lastgroup, found[0]) for found in TOKEN.finditer(text)]


def near(stored, new, percent=False):
    """Whether two printed numbers agree by the rules above."""
    if stored == new:
        return True
    with_places = ["." in x or "e" in x.lower() for x in (stored, new)]
    if not all(with_places) and (any(with_places) or not percent):
        return False  # two integers, or an integer and a number with places
    a, b = (Decimal(x.replace(",", "").replace("\u2212", "-")) for x in (stored, new))
    if stored.endswith(".") and new.endswith("."):
        return a == b
    unit = Decimal(1).scaleb(min(x.as_tuple().exponent for x in (a, b)))
    return abs(a - b) <= unit


def difference(stored, new):
    """What differs between two printed texts, in words; None if they agree."""
    lines = stored.split("\n"), new.split("\n")
    if len(lines[0]) != len(lines[1]):
        return f"{len(lines[0])} lines stored, {len(lines[1])} lines now"
    shifted = False  # does a number now have another number of characters?
    spaced = None
    for place, (old, now) in enumerate(zip(*lines), start=1):
        if old == now:
            continue
        every = tokens(old), tokens(now)
        a, b = ([t for t in line if t[0] != "space"] for line in every)
        for n, (x, y) in enumerate(zip(a, b)):
            percent = a[n + 1 : n + 2] == b[n + 1 : n + 2] == [("other", "%")]
            numbers = x[0] == y[0] == "number"
            if x != y and not (numbers and near(x[1], y[1], percent)):
                return f"line {place}: {x[1]!r} stored, {y[1]!r} now\n- {old}\n+ {now}"
            shifted |= len(x[1]) != len(y[1])
        if len(a) != len(b):
            text = f"line {place}: {len(a)} tokens stored, {len(b)} now"
            return f"{text}\n- {old}\n+ {now}"
        if spaced is None and _spaces(every[0]) != _spaces(every[1]):
            spaced = f"line {place}: other spaces\n- {old}\n+ {now}"
    return None if shifted else spaced


def _spaces(line):
    return [len(text) if kind == "space" else 0 for kind, text in line]


def agreed(stored, new):
    """Outputs ``new``, with the stored text wherever the two agree; the differences."""
    new, differences = copy.deepcopy(new), []
    for old, now in zip(stored, new):
        if old.output_type == now.output_type == "stream" and old.name == now.name:
            _agree(old, now, "text", differences)
        for key in old.get("data", {}):
            if key.endswith(TEXT) and key in now.get("data", {}):
                _agree(old.data, now.data, key, differences)
    return new, differences


def _agree(old, now, key, differences):
    what = difference(old[key], now[key])
    if what is None:
        now[key] = old[key]
    else:
        differences.append(f"{key}, {what}")


_exact = IPyNbCell.compare_outputs


def compare_outputs(self, test, ref, skip_compare=None):
    """nbval's comparison, of outputs in which near numbers are already the same."""
    test, differences = agreed(ref, test)
    same = _exact(self, test, ref, skip_compare)
    if not same:
        self.comparison_traceback += ["", "What differs:", *differences]
    return same


def install():
    """Make nbval compare so."""
    IPyNbCell.compare_outputs = compare_outputs
