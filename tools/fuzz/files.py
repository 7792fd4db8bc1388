"""Rating files in many dialects, with what they say written down beside them.

:func:`draft` makes a healthy file; one of ``KINDS`` then does one unusual thing to it.
"""

import bz2
import gzip
import io
import lzma
import zipfile
from dataclasses import dataclass, field

NAMES = ("user", "item", "rating", "timestamp")
SEPARATORS = (",", ";", "\t", "|", " ", "::")
ID_STYLES = {
    "small ints": lambda r: str(r.randint(0, 30)),
    "large ints": lambda r: str(r.randint(10**15, 10**17)),
    "beyond int64": lambda r: str(10**20 + r.randint(0, 50)),
    "leading zeros": lambda r: f"{r.randint(0, 40):04d}",
    "letters": lambda r: r.choice("abcdefgh") + r.choice("xyzw"),
    "codes": lambda r: f"B00{r.randint(0, 999):03d}X",
    "hex": lambda r: f"{r.randint(0, 2**40):010x}",
    "accents": lambda r: r.choice("ÄÖÜéßñø") + r.choice("abc") + str(r.randint(1, 9)),
    "like numbers": lambda r: r.choice("1.0 1.50 1e5 +3 0x1F 1_0 12 7 .5 1E5".split()),
    "like words": lambda r: r.choice("True False true inf yes None1 nanny 12a".split()),
    "apostrophes": lambda r: r.choice(["o'neil", "'a", "it's", "a'", "rock'n'roll"]),
    "signs": lambda r: r.choice(
        ["a%b", "#1", "a&b", "$x", "a/b", "{x}", "a\\b", "@me"]
    ),
}
SPACED = {
    "two words": lambda r: r.choice("AB") + " " + r.choice("xyz"),
    "commas": lambda r: r.choice("AB") + ", " + r.choice("xyz"),
    "quotes": lambda r: 'the "' + r.choice("xyzw") + '" ' + r.choice("AB"),
}
PACK = {
    "": lambda data: data,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


@dataclass
class Draft:
    """A file and the arguments it is read with.

    ``rows`` are the cells as written (role -> text). ``value`` and ``time`` list, per
    row, every number that a reader may take the cell for. ``readings`` are the tables
    of (user, item) texts that may come back; empty: the cells as written.
    """

    sep: str
    rows: list
    value: list
    time: list | None
    columns: list
    kind: str = "healthy"
    header: bool = True
    style: str = "csv"
    quote_all: bool = False
    newline: str = "\n"
    final: bool = True
    encoding: str = "utf-8"
    blank: set = field(default_factory=set)
    raw: dict = field(default_factory=dict)  # row -> the whole line instead
    kwargs: dict = field(default_factory=dict)
    data: bytes | None = None  # the whole file instead
    pack: str = ""
    name: str = "ratings.csv"
    refuse: str = "never"
    at: tuple | None = None  # (row, role) of the cell at fault
    every: tuple = ()
    words: tuple = ()
    readings: list = field(default_factory=list)
    warns: bool = False

    def cells(self, row):
        return [row.get(role, "") for role in self.columns]

    def quote(self, cell):
        if self.style == "plain":
            return cell
        needs = any(s in cell for s in (self.sep, '"', "\n")) or cell != cell.strip()
        if needs or self.quote_all:
            return '"' + cell.replace('"', '""') + '"'
        return cell

    def lines(self):
        """The physical lines and the line number at which each row starts."""
        lines, start = [], []
        if self.header:
            named = [self.named(role) for role in self.columns]
            lines.append(self.sep.join(map(self.quote, named)))
        for n, row in enumerate(self.rows):
            if n in self.blank:
                lines.append("")
            start.append(1 + sum(1 + line.count("\n") for line in lines))
            line = self.sep.join(map(self.quote, self.cells(row)))
            lines.append(self.raw.get(n, line))
        return lines, start

    def named(self, role):
        argument = {"rating": "value", "timestamp": "time"}.get(role, role)
        return self.kwargs.get(argument) or role

    def bytes(self):
        if self.data is None:
            text = "\n".join(self.lines()[0]) + "\n" * self.final
            data = text.replace("\n", self.newline).encode(self.encoding)
        else:
            data = self.data
        if self.pack == "zip":
            box = io.BytesIO()
            with zipfile.ZipFile(box, "w") as archive:
                archive.writestr("ratings.csv", data)
            return box.getvalue()
        return PACK[self.pack](data)

    def line_of(self, row):
        return self.lines()[1][row]

    def blame(self, row, role, refuse="must"):
        """The cell at fault: a refusal has to name its line and column."""
        self.refuse, self.at = refuse, (row, role)


def draft(rng) -> Draft:
    """A file with nothing wrong; every dialect that the specification promises."""
    sep = rng.choice(SEPARATORS)
    styles = dict(ID_STYLES)
    if sep not in (" ", "::", "\t"):
        styles |= SPACED
    user, item = (rng.choice(sorted(styles)) for _ in range(2))
    pairs = {}
    for _ in range(rng.randint(1, 12)):
        pairs[styles[user](rng), styles[item](rng)] = None
    rows, value, time = [], [], []
    scale = rng.choice([(1, 1, 5), (2, 1, 10), (1, -10, 10), (4, 0, 3000)])
    for u, i in pairs:
        number = rng.randint(scale[1] * scale[0], scale[2] * scale[0]) / scale[0]
        text = f"{number:g}" if rng.random() < 0.5 else f"{number:.2f}"
        second = rng.choice([0, 1, rng.randint(10**8, 2 * 10**9)])
        rows.append({"user": u, "item": i, "rating": text, "timestamp": str(second)})
        value.append({float(text)})
        time.append({second})
    columns = list(NAMES) if rng.random() < 0.7 else list(NAMES[:3])
    new = Draft(sep, rows, value, time if "timestamp" in columns else None, columns)
    new.kind = "healthy"
    if rng.random() < 0.3:
        rng.shuffle(new.columns)
    if rng.random() < 0.2:  # a column that nobody asked for
        new.columns.insert(rng.randrange(len(new.columns) + 1), "note")
        for row in rows:
            row["note"] = rng.choice(["", "x", "-1", "ok"])
        if sep == " ":
            for row in rows:
                row["note"] = "x"
    if rng.random() < 0.35:
        new.header = False
        new.kwargs["names"] = list(new.columns)
    elif rng.random() < 0.3:
        new.kwargs |= {"user": "userId", "value": "stars"}
    new.kwargs |= {"sep": sep} if rng.random() < 0.3 else {}
    if not new.header and "sep" not in new.kwargs and {user, item} & set(SPACED):
        new.refuse = "may"  # two separators may look alike
    new.newline = rng.choice(["\n", "\n", "\r\n", "\r"])
    new.final = rng.random() < 0.8
    if sep in ",;|":
        new.quote_all = rng.random() < 0.2
    else:
        new.style = "plain"
    new.encoding = rng.choice(["utf-8"] * 4 + ["utf-8-sig", "utf-16"])
    new.pack = rng.choice([""] * 8 + ["gz"])
    if rng.random() < 0.2:
        new.blank = {rng.randrange(len(rows)) for _ in range(2)}
    return new


def merged(rows, how):
    """Literal merge of (user, item, value, time or None); latest time, later row."""
    latest, values = {}, {}
    for n, (u, i, v, t) in enumerate(rows):
        values.setdefault((u, i), []).append(v)
        key = (0 if t is None else t, n)
        if (u, i) not in latest or key > latest[u, i][0]:
            latest[u, i] = (key, v, t)
    result = {}
    for pair, (_, v, t) in latest.items():
        known = values[pair]
        value = {"last": v, "sum": sum(known), "mean": sum(known) / len(known)}[how]
        result[pair] = (value, t)
    return result


#: What can be unusual about a file: name -> ``kind(rng, draft)``, which changes the
#: draft and states what may come of that; it may return a Case of its own instead.
KINDS = {}


def kind(name):
    def register(function):
        KINDS[name] = function
        return function

    return register
