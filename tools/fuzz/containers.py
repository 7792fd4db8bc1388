"""``Interactions(...)`` and ``Interactions.from_frame`` against a literal merge.

An id that comes back must be the one that went in: the same text, and the same number
where it is one. Missing ids are refused. A column is never cut, rounded or unmasked.
"""

import datetime
import decimal
import math

import pandas as pd

from fuzz.constructor import constructor, same_id
from fuzz.core import Case, absent, close
from fuzz.files import merged
from recsys_tutor import data as package

MISSING = (None, math.nan, pd.NA, pd.NaT)


def make(rng) -> Case:
    if rng.random() < 0.3:
        return constructor(rng)
    if rng.random() < 0.1:
        return at_least(rng)
    return frame(rng)


# -- data frames -----------------------------------------------------------------------


ID_COLUMNS = {
    "ints": lambda r: r.randint(0, 4),
    "negative ints": lambda r: r.randint(-3, 1),
    "text": lambda r: r.choice("abcd"),
    "digits as text": lambda r: r.choice(["1", "01", "10", "-0", "0", "1.0"]),
    "floats": lambda r: r.choice([1.0, 2.0, 1.5]),
    "bools": lambda r: r.choice([True, False]),
    "mixed": lambda r: r.choice([1, "1", "a", 2, "2"]),
    "bool and int": lambda r: r.choice([True, 1, 0, False, "x"]),
    "int and float": lambda r: r.choice([1, 2, 2.5]),
    "tuples": lambda r: r.choice([(1, 2), (1, 3), ("a", "b")]),
    "huge": lambda r: 2**70 + r.randint(0, 2),
    "near 2**53": lambda r: 2**53 + r.randint(0, 2),
    "dates": lambda r: pd.Timestamp(2020, 1, r.randint(1, 4)),
    "decimals": lambda r: decimal.Decimal(r.choice(["1.0", "1.00", "2"])),
    "accents": lambda r: r.choice(["é", "e\u0301", "E"]),
    "lists": lambda r: r.choice([[1], [2]]),
    "bytes": lambda r: r.choice([b"a", b"b"]),
}


DTYPES = {
    "ints": ["int64", "int32", "Int64", "uint8", "category", object],
    "negative ints": ["int64", "Int8", "category"],
    "text": [object, "string", "category"],
    "digits as text": [object, "string", "category"],
    "floats": ["float64", "float32", "Float64", object],
    "bools": [bool, "boolean", object],
    "near 2**53": ["int64", object, "Int64"],
}


def id_column(rng, n, plain):
    kind = rng.choice(["ints", "text"] if plain else sorted(ID_COLUMNS))
    values = [ID_COLUMNS[kind](rng) for _ in range(n)]
    dtype = rng.choice(DTYPES.get(kind, [object])[: 1 if plain else 9])
    if dtype == "category" and rng.random() < 0.7:
        order = list(dict.fromkeys(values))
        rng.shuffle(order)
        extra = ["zz"] if isinstance(values[0], str) and rng.random() < 0.4 else []
        dtype = pd.CategoricalDtype(order + extra)
    column = pd.Series(values, dtype=dtype)
    return f"{kind} as {short_dtype(dtype)}", values, column


def short_dtype(dtype):
    named = getattr(dtype, "name", None) or getattr(dtype, "__name__", dtype)
    return named


def frame(rng) -> Case:
    n = rng.randint(1, 8)
    spoiled = rng.random() < 0.4
    odd_kind, users, user = id_column(rng, n, spoiled)
    items = [rng.choice("abcd") if n % 2 else rng.randint(0, 4) for _ in range(n)]
    item, odd = pd.Series(items), "user"
    if rng.random() < 0.5:
        users, user, items, item, odd = items, item, users, user, "item"
    values = [rng.choice([1.0, 2.5, 4.0, -1.0]) for _ in range(n)]
    value = pd.Series(
        values, dtype=rng.choice(["float64", "Float64", object, "float32"])
    )
    far = rng.random() < 0.2
    times = [rng.choice([0, 5, 2**53 + 3 if far else 9]) for _ in range(n)]
    dtype = rng.choice(["int64", "Int64", object])
    time = pd.Series(times, dtype=dtype)
    table = pd.DataFrame({"user": user, "item": item, "value": value})
    options, refuse, words = {}, "may", ("user", "item", "value", "time", "duplicate")
    has_time = rng.random() < 0.6
    if has_time:
        table["time"] = time
    if rng.random() < 0.7:
        options["duplicates"] = rng.choice(["last", "mean", "sum", "raise"])
    if rng.random() < 0.3:
        table.index = rng.choice(
            [[0] * n, [f"r{i}" for i in range(n)], range(5, 5 + n)]
        )
    kind = f"ids: {odd_kind}"
    simple = odd_kind.split()[0] in ("ints", "text", "negative")
    if far and has_time:
        kind = f"ids and times beyond 2**53 as {short_dtype(dtype)}"
    if spoiled:
        kind, refuse, table, options, words = spoil(rng, table, options)
    if simple and kind[:3] == "ids" and options.get("duplicates", "raise") != "raise":
        refuse = "never"
    rows = list(zip(users, items, values, times if has_time else [None] * n))

    def check(data):
        return against(data, rows, options.get("duplicates", "raise"))

    named = table
    if isinstance(table, pd.DataFrame) and table.columns.is_unique:
        named = table.to_dict("list")
    types = "" if not isinstance(table, pd.DataFrame) else list(map(str, table.dtypes))
    text = f"from_frame({named!r}, {options}), dtypes {types}; odd: {odd}"
    call = lambda: package.Interactions.from_frame(table, **options)  # noqa: E731
    return Case(kind, text, call, check, refuse, words)


def against(data, rows, how) -> str | None:
    users = data.user_ids[data.user].tolist()
    items = data.item_ids[data.item].tolist()
    for name, column in (("user", 0), ("item", 1)):
        ids = list(getattr(data, f"{name}_ids").tolist())
        seen = []
        for row in rows:
            if not any(same_id(row[column], x) for x in seen):
                seen.append(row[column])
        if len(ids) != len(seen):
            return (
                f"{len(ids)} {name} ids ({ids}) for {len(seen)} in the frame ({seen})"
            )
        alike = len({type(x) for x in ids}) == 1 and not isinstance(ids[0], tuple)
        if alike and ids != sorted(ids):
            return f"{name} ids are not sorted: {ids}"
        finder = data.user_index if name == "user" else data.item_index
        if finder(ids).tolist() != list(range(len(ids))):
            return f"{name}_index does not find {ids}"
    time = [None] * len(users) if data.time is None else data.time.tolist()
    got = list(zip(users, items, data.value.tolist(), time))
    place = [(position(rows, 0, u), position(rows, 1, i)) for u, i, _, _ in rows]
    if how == "raise":
        if len(set(place)) < len(place):
            return "a pair that comes twice was accepted"
        want = rows
    else:
        merge = merged([(*p, *row[2:]) for p, row in zip(place, rows)], how)
        found = [(position(rows, 0, u), position(rows, 1, i)) for u, i, _, _ in got]
        if sorted(found) != sorted(merge):
            return f"pairs {sorted(found)} for {sorted(merge)}"
        want = [(u, i, *merge[pair]) for (u, i, _, _), pair in zip(got, found)]
    if len(got) != len(want):
        return f"{len(got)} rows for {len(want)}"
    for g, w in zip(got, want):
        same = same_id(g[0], w[0]) and same_id(g[1], w[1]) and close(g[2], w[2], 1e-6)
        if not same or g[3] != w[3]:
            return f"row {g} should be {w}"
    return None


def position(rows, column, wanted):
    return next(n for n, row in enumerate(rows) if same_id(row[column], wanted))


def spoil(rng, table, options):
    """One fault in a frame: (kind, refuse, frame, options, words)."""
    n, column = rng.randrange(len(table)), rng.choice(["user", "item", "value", "time"])
    if column not in table:
        column = "value"
    what = rng.choice(
        ["missing entry", "no column", "doubled column", "no frame", "odd column"]
        + ["odd options", "catalogue", "renamed"]
    )
    words, refuse = (column,), "must"
    if what == "missing entry":
        entry = rng.choice(MISSING)
        values = [*table[column].tolist()]
        values[n] = entry
        table = table.assign(**{column: pd.Series(values, dtype=object).to_numpy()})
        what = f"missing entry {entry!r}"
    elif what == "no column":
        column = "value" if column == "time" else column
        table, words = table.drop(columns=column), (column,)
    elif what == "doubled column":
        table = pd.concat([table, table[[column]]], axis=1)
    elif what == "no frame":
        wrong = [
            table.to_dict("list"),
            table.to_numpy(),
            table["value"],
            None,
            "abc",
            [],
        ]
        table, words = rng.choice(wrong), ("DataFrame",)
    elif what == "odd column":
        column = rng.choice(["value", "time"])
        entry = rng.choice(
            [
                10**400,
                "abc",
                math.inf,
                1 + 2j,
                [1],
                b"x",
                {},
                -math.inf,
                "5 stars",
                "１e",
            ]
            + [datetime.datetime(2020, 1, 1), pd.Timestamp("2020-01-01", tz="UTC")]
        )
        values = [1] * len(table)
        values[n] = entry
        series = pd.Series(values, dtype=object)
        table, words = table.assign(**{column: series.to_numpy()}), (column, "astype")
        what = f"odd {column} {short_type(entry)}"
    elif what == "odd options":
        name, value = rng.choice(
            [
                ("duplicates", "first"),
                ("duplicates", None),
                ("user", "nope"),
                ("user", 3),
            ]
            + [("item", None), ("value", ["value"]), ("time", 5), ("user", ["user"])]
            + [("time", "tiem")]
        )
        options, words = {**options, name: value}, (name, repr(value), "column")
        refuse = "must" if name != "time" else "may"
        if name == "time":  # read without times, or refused
            refuse, what = "may", "time names no column"
            table = table.drop(columns="time", errors="ignore")
            return what, "may", table, {**options, name: value}, words
    elif what == "catalogue":
        wrong = rng.choice([["zz", "yy"], [], [None], 5, "abc", [1, 1]])
        options, words = {**options, "user_ids": wrong}, ("user", "zz")
    else:
        table = table.rename(columns={column: "other"})
        if column == "time":
            options = {**options, "time": "other"}
        else:
            options, refuse = {**options, column: "other"}, "may"
        refuse, words = "may", ("user", "item", "value", "time", "other", "duplicate")
    return what, refuse, table, options, (*words, "duplicate")


def short_type(entry):
    return "a huge number" if entry == 10**400 else type(entry).__name__


def at_least(rng) -> Case:
    """``at_least(user=, item=)``: the largest part in which every user and item that is
    left has that many rows (rows dropped again and again until nothing changes)."""
    if not hasattr(package.Interactions, "at_least"):
        return absent("Interactions.at_least")
    cells = rng.sample([(u, i) for u in range(6) for i in range(5)], rng.randint(1, 25))
    data = package.Interactions(
        [u for u, _ in cells], [i for _, i in cells], [1.0] * len(cells), None,
        list("abcdef"), list("vwxyz"),
    )  # fmt: skip
    least = {"user": rng.choice([0, 1, 2, 3]), "item": rng.choice([0, 1, 2, 3])}
    kept = list(cells)
    while True:
        users = [u for u, _ in kept]
        items = [i for _, i in kept]
        left = [
            (u, i)
            for u, i in kept
            if users.count(u) >= least["user"] and items.count(i) >= least["item"]
        ]
        if left == kept:
            break
        kept = left
    want = [("abcdef"[u], "vwxyz"[i]) for u, i in kept]

    def check(part):
        got = part.to_frame()
        got = list(zip(got.user, got.item))
        return None if got == want else f"rows {got}, should be {want}"

    call = lambda: data.at_least(**least)  # noqa: E731
    return Case(
        "at_least", f"{cells}.at_least({least})", call, check, "may", ("user", "item")
    )
