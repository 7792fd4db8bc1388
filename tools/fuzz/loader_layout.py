"""Headers, rows and arguments; files that are no tables."""

import datetime
import inspect
import json

from fuzz.core import Case, absent
from fuzz.files import kind
from fuzz.loader_bytes import case_of_any
from recsys_tutor import datasets


@kind("pair twice")
def _(rng, d):
    n = rng.randrange(len(d.rows))
    again = dict(d.rows[n], rating="2")
    at = rng.randint(n + 1, len(d.rows))
    d.rows.insert(at, again)
    d.value.insert(at, {2.0})
    if d.time:
        d.time.insert(at, set(d.time[n]))
    how = rng.choice(["raise", "last", "mean", "sum", None])
    if how is not None:
        d.kwargs["duplicates"] = how
    if how in (None, "raise"):
        d.refuse = "must"
        d.every = (rf"\b{d.line_of(n)}\b.*\b{d.line_of(at)}\b",)


@kind("events without values")
def _(rng, d):
    d.kwargs["value"] = None
    d.value = [{1.0}] * len(d.rows)
    if d.header:
        d.columns[d.columns.index("rating")] = "note2"
        for row in d.rows:
            row["note2"] = rng.choice(["x", "7"])


@kind("time left alone")
def _(rng, d):
    d.kwargs["time"] = None
    d.time = None


@kind("no rows")
def _(rng, d):
    d.rows, d.value, d.refuse, d.blank = [], [], "must", set()
    if rng.random() < 0.5:
        d.data = rng.choice([b"", b"\n\n", b"  \n", b"\xef\xbb\xbf", b"\xff\xfe"])


@kind("one column")
def _(rng, d):
    d.data, d.refuse = rng.choice([b"user\n1\n2\n", b"1\n2\n", b"hello world"]), "must"


@kind("header")
def _(rng, d):
    d.header, d.kwargs = True, {}
    what = rng.choice(["doubled", "missing", "case", "blanks", "quoted", "none"])
    d.kind, d.encoding, d.pack, d.newline = f"header {what}", "utf-8", "", "\n"
    lines = d.lines()[0]
    head = list(d.columns)
    if what == "doubled":
        head[head.index("item")] = "user"
        d.refuse, d.every = "must", ("'user'|'item'",)
    elif what == "missing":
        head[head.index("rating")] = "score"
        d.refuse, d.every = "must", ("'rating'",)
    elif what == "case":
        head = [name.upper() for name in head]
        d.refuse, d.every = "may", ("'user'",)
    elif what == "blanks":
        pad = "" if d.sep == " " else " "
        head = [f"{name}{pad}" for name in head]
    elif what == "quoted":
        head = [f'"{name}"' for name in head]
        d.refuse = "may" if d.sep == "::" else d.refuse
    else:
        lines, head = lines[1:], None
        d.refuse, d.every = "must", ("names=",) if d.rows[0]["user"].isdigit() else ()
    lines = ([d.sep.join(head)] + lines[1:]) if head else lines
    d.data = ("\n".join(lines) + "\n").encode()


@kind("names without a header")
def _(rng, d):
    d.header = False
    wrong = rng.choice(
        [d.columns[:-1], [*d.columns, "z"], "user", [], 3, d.columns * 2]
    )
    d.kwargs["names"] = wrong
    d.refuse, d.words = "must", ("names", "column", "quotes=")


@kind("odd arguments")
def _(rng, d):
    name, value = rng.choice(
        [
            ("sep", ""), ("sep", '"'), ("sep", "\n"), ("sep", 5), ("sep", "~"),
            ("duplicates", "first"), ("duplicates", None), ("user", "nope"),
            ("user", None), ("item", 7), ("value", "nope"), ("time", "nope"),
            ("time", 3), ("item", "user"),
        ]
    )  # fmt: skip
    d.data, d.pack = d.bytes(), ""
    d.kwargs[name] = value
    d.refuse = "may" if (name, value) == ("item", "user") else "must"
    d.words = (name, repr(value), f"{value}=", "column", "delimiter", "quotes=")
    if d.refuse == "may":
        return case_of_any(d)


@kind("no such file")
def _(rng, d):
    from fuzz import loader

    path = rng.choice(
        [loader.FOLDER / "nothing.csv", loader.FOLDER, "", None, 3, "a\0b"]
    )
    words = (str(path), "path", "file")
    call = lambda: datasets.load_ratings_csv(path)  # noqa: E731
    return Case("no such file", f"path={path!r}", call, refuse="must", words=words)


@kind("JSON lines")
def _(rng, d):
    names = {"user": "reviewerID", "item": "asin", "value": "overall"}
    objects = [
        {"reviewerID": r["user"], "asin": r["item"], "overall": float(r["rating"])}
        for r in d.rows
    ]
    text = "\n".join(map(json.dumps, objects))
    if rng.random() < 0.3:
        text = json.dumps(objects)
    d.data, d.name = text.encode(), rng.choice(["r.json", "r.jsonl", "ratings.csv"])
    d.kwargs = names if rng.random() < 0.7 else {}
    d.refuse, d.time, d.every = "may", None, ("JSON",)


@kind("Netflix blocks")
def _(rng, d):
    lines, table, day = [], [], datetime.date(2005, 1, 1)
    d.value, d.time, d.rows = [], [], []
    for block in rng.sample(range(1, 99), rng.randint(1, 3)):
        lines.append(f"{block}:")
        for u in rng.sample(range(1, 9999), rng.randint(1, 4)):
            date, stars = (
                day + datetime.timedelta(rng.randint(0, 300)),
                rng.randint(1, 5),
            )
            lines.append(f"{u},{stars},{date}")
            table.append((str(u), str(block)))
            d.rows.append({"user": str(u), "item": str(block)})
            d.value.append({stars})
            d.time.append({(date - datetime.date(1970, 1, 1)).days * 86400})
    d.data, d.readings = ("\n".join(lines) + "\n").encode(), [table]
    d.kwargs = rng.choice(
        [{}, {"names": ["user", "rating", "timestamp"]}, {"sep": ","}]
    )
    d.refuse, d.every = "may", ("^(?!.*pass sep=)",)


@kind("new arguments")
def _(rng, d):
    """``decimal``, ``missing``: if the function has them."""
    known = inspect.signature(datasets.load_ratings_csv).parameters
    name = rng.choice(["decimal", "missing", "items"])
    if name not in known:
        return absent(f"load_ratings_csv({name}=)")
    if name == "decimal":
        d.sep, d.kwargs["decimal"], d.style = ";", ",", "csv"
        d.kwargs.pop("sep", None)
        for row in d.rows:
            row["rating"] = row["rating"].replace(".", ",")
    elif name == "missing":
        none = rng.choice([0, 99, -1])
        d.kwargs["missing"] = none
        d.readings = [[]]
        rows, values, times = [], [], []
        for n, row in enumerate(d.rows):
            if n % 3 == 1:
                row["rating"] = str(none)
            if float(row["rating"]) != none:
                rows.append((row["user"].strip(), row["item"].strip()))
                values.append(d.value[n])
                times.append(d.time and d.time[n])
        if not rows:
            d.refuse = "may"
        d.readings, d.value, d.time = [rows], values, d.time and times
        d.refuse = "may"  # ids that only dropped rows mention may stay or go
        if {r for r, _ in rows} != {row["user"].strip() for row in d.rows} or {
            i for _, i in rows
        } != {row["item"].strip() for row in d.rows}:
            return case_of_any(d)
    else:
        return absent("oracle for load_ratings_csv(items=)")
