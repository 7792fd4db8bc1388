"""Quotes, encodings, line ends, packing."""

from fuzz.files import kind


def plain_tsv(d):
    """Tab-separated, nothing quoted, sep given or found."""
    d.sep, d.style, d.quote_all = "\t", "plain", False
    d.kwargs.pop("sep", None)


def literal(d):
    return [(row["user"].strip(), row["item"].strip()) for row in d.rows]


def unquoted(text):
    """What a CSV reader makes of a well-formed field; None of a malformed one."""
    if not text.startswith('"'):
        return text
    inner = text[1:-1].replace('""', "\0")
    if len(text) < 2 or not text.endswith('"') or '"' in inner:
        return None
    return inner.replace("\0", '"').strip()


def both_readings(d):
    """Quotes as plain characters or, if every field is well-formed, as quotes."""
    d.readings = [literal(d)]
    other = [tuple(map(unquoted, pair)) for pair in literal(d)]
    if all(None not in pair for pair in other):
        d.readings.append(other)
    d.refuse = "may"


def distinct(d, role, texts):
    """Write other ids, keeping the pairs different: row n gets its own other id."""
    free = "item" if role == "user" else "user"
    for n, row in enumerate(d.rows):
        row[free] = f"k{n}"
        row[role] = texts[n % len(texts)]


@kind("plain quotes in TSV")
def _(rng, d):
    plain_tsv(d)
    texts = [
        '"heroes',
        'low"',
        '"weird al" y',
        'say "hi"',
        '"quoted"',
        'a"b',
        '"',
        '""',
    ]
    rng.shuffle(texts)
    distinct(d, rng.choice(["user", "item"]), texts[: rng.randint(1, 4)] + ["bar", "x"])
    both_readings(d)


@kind("stray quotes in CSV")
def _(rng, d):
    d.sep, d.style = rng.choice(",;|"), "plain"
    d.kwargs.pop("sep", None)
    texts = ['"ab"c', 'ab"c', '"ab', 'ab"', '"a""b"', '""x""', '"x"y"', '5" disk', "x"]
    rng.shuffle(texts)
    distinct(d, rng.choice(["user", "item"]), texts[: rng.randint(1, 4)])
    both_readings(d)


@kind("backslash quotes")
def _(rng, d):
    d.sep, d.style = rng.choice(",;"), "plain"
    d.kwargs.pop("sep", None)
    distinct(d, "item", ['"3\\"257\\"X"', '"b\\"c"', "y"])
    meant = {'"3\\"257\\"X"': '3"257"X', '"b\\"c"': 'b"c', "y": "y"}
    d.readings = [literal(d), [(u, meant[i]) for u, i in literal(d)]]
    d.refuse = "may"


@kind("quotes with ::")
def _(rng, d):
    d.sep, d.style = "::", "plain"
    d.kwargs.pop("sep", None)
    texts = ['"a::b"', '"q"', "q", "r"]
    rng.shuffle(texts)
    distinct(d, "item", texts[: rng.randint(1, 4)])
    both_readings(d)


@kind("line ends inside quotes")
def _(rng, d):
    d.sep, d.style, d.newline = ",", "csv", "\n"
    d.kwargs.pop("sep", None)
    distinct(d, "item", ["two\nlines", "one"])
    d.refuse = "may"


@kind("odd line separators in ids")
def _(rng, d):
    mark = rng.choice("\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e\x1f\xa0\ufeff\u200b")
    distinct(d, rng.choice(["user", "item"]), [f"a{mark}b", f"c{mark}d", "e"])
    d.refuse = "may"


@kind("zero bytes")
def _(rng, d):
    distinct(d, "user", ["a\0b", "c"])
    d.encoding, d.refuse = "utf-8", "may"
    d.every = ("binary|zero byte|NUL|\\\\x00",) if len(d.rows) else ()


@kind("blanks around cells")
def _(rng, d):
    if d.sep in (" ", "\t"):
        d.sep, d.style = ",", "csv"
        d.kwargs.pop("sep", None)
    d.style = "plain"
    distinct(d, "user", [" a", "a ", " b ", "c"])


@kind("another encoding")
def _(rng, d):
    distinct(d, "item", ["Zoë", "Ærø", "é", "ñandú"])
    d.blank = set()
    codec, said, d.refuse, d.warns = rng.choice(
        [
            ("latin-1", None, "never", True),
            ("cp1252", "cp1252", "never", False),
            ("latin-1", "latin-1", "never", False),
            ("utf-16-le", "utf-16-le", "never", False),
            ("utf-32", None, "may", False),
            ("utf-32", "utf-32", "never", False),
            ("utf-16-be", None, "may", False),
            ("cp037", None, "may", False),
            ("latin-1", "utf-8", "must", False),
            ("latin-1", "ascii", "must", False),
            ("utf-8", "klingon", "must", False),
            ("utf-8", "base64", "must", False),
            ("utf-8", 7, "must", False),
        ]
    )
    d.encoding = codec
    d.every = ("encoding",) if d.refuse == "must" else ()
    if said is not None:
        d.kwargs["encoding"] = said
    if said == 7:
        d.words = ("encoding",)


@kind("broken UTF-8")
def _(rng, d):
    d.encoding, d.pack = "utf-8", ""
    data = bytearray(d.bytes())
    place = rng.randrange(len(data))
    data[place:place] = rng.choice(
        [b"\xc3(", b"\xff\xfe", b"\xe2\x82", b"\xed\xa0\x80"]
    )
    text = bytes(data).decode("latin-1")
    d.data, d.refuse = bytes(data), "may"
    columns, rest = d.columns, text.replace("\r\n", "\n").replace("\r", "\n")
    lines = [line for line in rest.split("\n") if line][int(d.header) :]
    cells = [line.split(d.sep) for line in lines]
    d.warns = True
    head = len(d.lines()[0][0]) + 8 if d.header else 0
    torn = any(len(c) != len(columns) for c in cells)
    if torn or place < head or d.quote_all or '"' in text:
        d.readings, d.value, d.time = [None], [], None  # only a refusal is checked
        d.refuse = "may"
        d.kind = "broken UTF-8, torn line"
        return case_of_any(d)
    for row, line in zip(d.rows, cells):
        row |= dict(zip(columns, line))


def case_of_any(d):
    """Any answer will do, as long as nothing dies and messages are clear."""
    from fuzz import loader

    case = loader.case(d)
    case.check = lambda answer: None
    return case


@kind("packed")
def _(rng, d):
    d.pack = rng.choice(["gz", "zip", "bz2", "xz"])
    d.name = rng.choice(["ratings.csv", f"ratings.csv.{d.pack}", f"r.{d.pack}"])
    d.refuse = "never" if d.pack == "gz" else "may"
    d.every = () if d.pack == "gz" else ("(?i)zip|bz2|bzip|xz|lzma|compress|unpack",)
    if rng.random() < 0.5:
        packed = d.bytes()
        d.kind, d.pack, d.refuse = f"damaged {d.pack}", "", "must"
        if rng.random() < 0.7:
            d.data = packed[: rng.randrange(4, max(5, len(packed) - 8))]
        else:
            at = rng.randrange(8, len(packed) - 4)
            flipped = bytes([packed[at] ^ 0xFF])
            d.data, d.refuse = packed[:at] + flipped + packed[at + 1 :], "may"


@kind("name says packed, file is not")
def _(rng, d):
    d.pack, d.name = "", rng.choice(["ratings.csv.gz", "r.zip", "r.bz2"])
    d.refuse = "may"


@kind("ragged lines")
def _(rng, d):
    n = rng.randrange(len(d.rows))
    cells = [d.quote(cell) for cell in d.cells(d.rows[n])]
    d.refuse = "must"
    if rng.random() < 0.5 or not cells[0]:  # an empty cell alone is a blank line
        d.raw[n] = d.sep.join([*cells, "x"])
    else:
        d.raw[n] = d.sep.join(cells[:1])
        if d.columns[1:] == ["note"] or set(d.columns[1:]) == {"note"}:
            d.refuse = "may"
    if n == 0 and not d.header:  # the line that the others are measured by
        d.refuse = "must" if "sep" in d.kwargs else "may"
        return
    if d.sep != " ":
        d.every = (rf"lines? {d.line_of(n)}\b",)
