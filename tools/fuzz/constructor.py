"""``Interactions(...)`` with columns and ids of every sort; same ids, no rounding."""

import datetime
import math
import pickle

import numpy as np
import pandas as pd

from fuzz.core import Case, close
from recsys_tutor import data as package


def constructor(rng) -> Case:
    n_users, n_items = rng.randint(1, 4), rng.randint(1, 4)
    cells = [(u, i) for u in range(n_users) for i in range(n_items)]
    cells = rng.sample(cells, rng.randint(1, len(cells)))
    user, item = [u for u, _ in cells], [i for _, i in cells]
    value = [rng.choice([0.0, -2.5, 5.0, 1e11, 3.0]) for _ in cells]
    time = [rng.choice([0, 7, 2**53 + 1]) for _ in cells]
    given = {
        "user": user,
        "item": item,
        "value": value,
        "time": rng.choice([time, None]),
        "user_ids": [f"u{n}" for n in range(n_users)],
        "item_ids": [10 * n + 1 for n in range(n_items)],
    }
    want = dict(given)
    name = rng.choice(["user", "item", "value", "time", "user_ids", "item_ids"])
    table = ODD_IDS if name.endswith("ids") else ODD_COLUMNS
    kind, (refuse, change) = rng.choice(sorted(table.items()))
    if name == "time" and given["time"] is None:
        given["time"] = want["time"] = time
    if kind == "2**53 + 1" and name not in ("time", "value"):
        refuse = "must"
    if kind == "2**64" and name == "value":  # a float holds it exactly
        refuse = "may"
    try:
        given[name] = change(rng, list(want[name]))
    except (ValueError, OverflowError, TypeError):
        kind, refuse = "healthy", "never"
    if refuse != "must":
        want[name] = plain(given[name])

    def check(data):
        return same_columns(data, want)

    text = ", ".join(f"{key}={value!r}" for key, value in given.items())
    words = (name, name.removesuffix("_ids"), "columns must", "duplicate")
    call = lambda: package.Interactions(**given)  # noqa: E731
    return Case(f"{name}: {kind}", f"Interactions({text})", call, check, refuse, words)


def plain(values):
    """The entries as Python objects."""
    if isinstance(values, np.ndarray | pd.Series | pd.Index | pd.Categorical):
        return list(values.tolist())
    return list(values)


def put(rng, values, new):
    values[rng.randrange(len(values))] = new
    return values


ODD_COLUMNS = {
    "healthy": ("never", lambda r, v: r.choice([list, tuple, np.array, pd.Series])(v)),
    "small dtype": ("may", lambda r, v: np.array(v, dtype=np.int64).astype("int32")),
    "object dtype": ("never", lambda r, v: np.array(v, dtype=object)),
    "unsigned": ("may", lambda r, v: np.array([abs(int(x)) for x in v], np.uint64)),
    "2**53 + 1": ("may", lambda r, v: np.array(put(r, v, 2**53 + 1), dtype=object)),
    "huge object": ("must", lambda r, v: np.array(put(r, v, 10**400), dtype=object)),
    "2**64": ("must", lambda r, v: [*map(int, v[1:]), -(2**64)]),
    "NaN": ("must", lambda r, v: np.array(put(r, v, math.nan), dtype=float)),
    "None": ("must", lambda r, v: put(r, v, None)),
    "pd.NA": (
        "must",
        lambda r, v: pd.array(put(r, [int(x) for x in v], pd.NA), "Int64"),
    ),
    "infinite": ("must", lambda r, v: np.array(put(r, v, -math.inf), dtype=float)),
    "too long": ("must", lambda r, v: [*v, v[0]]),
    "too short": ("must", lambda r, v: v[1:]),
    "2-D": ("must", lambda r, v: np.array([v, v])),
    "0-D": ("must", lambda r, v: v[0]),
    "ragged": ("must", lambda r, v: [[1, 2], [3]]),
    "text": ("must", lambda r, v: put(r, [str(x) for x in v], "abc")),
    "bytes": ("must", lambda r, v: np.array([b"x"] * len(v))),
    "masked": (
        "must",
        lambda r, v: np.ma.masked_array(v, mask=[True] + [False] * (len(v) - 1)),
    ),
    "dates": ("must", lambda r, v: np.array(["2020-01-01"] * len(v), "datetime64[ns]")),
    "complex": ("must", lambda r, v: np.array(v, dtype=complex) + 1j),
    "a dict": ("must", lambda r, v: dict(enumerate(v))),
    "a set": ("must", lambda r, v: {-1, -2}),
    "a string": ("must", lambda r, v: "0" * len(v)),
    "sparse": ("must", lambda r, v: pd.arrays.SparseArray(put(r, v, -math.inf))),
}


ODD_IDS = {
    "healthy": ("never", lambda r, v: r.choice([list, tuple, np.array, pd.Index])(v)),
    "mixed": ("may", lambda r, v: ["1", 1, "a", 2.5][: len(v)]),
    "mixed objects": ("may", lambda r, v: np.array([1, "a", "1", 2][: len(v)], object)),
    "bool and int": ("may", lambda r, v: [True, 2, 0, "x"][: len(v)]),
    "int and float": ("may", lambda r, v: [1, 2.5, 3, 4][: len(v)]),
    "big ints": ("may", lambda r, v: [2**70 + n for n in range(len(v))]),
    "near 2**53": ("may", lambda r, v: [2**53 + 1, 2**53, 0.5, 7][: len(v)]),
    "tuples": ("may", lambda r, v: [(n, "x") for n in range(len(v))]),
    "None among": ("must", lambda r, v: np.array([*v[1:], None], dtype=object)),
    "NaN among": ("must", lambda r, v: np.array([*v[1:], math.nan], dtype=object)),
    "twice": ("must", lambda r, v: [*v, v[0]]),
    "2-D": ("must", lambda r, v: np.array([v, v])),
    "a number": ("must", lambda r, v: 7),
    "categorical": ("may", lambda r, v: pd.Categorical(v, categories=v[::-1])),
    "dates": ("may", lambda r, v: pd.date_range("2020-01-01", periods=len(v))),
    "bytes": ("may", lambda r, v: [b"a", b"b", b"c", b"d"][: len(v)]),
    "minus zero": ("may", lambda r, v: ["0", "-0", "00", "+0"][: len(v)]),
}


def same_id(got, want) -> bool:
    """Equal in value and text; an int may come back as an equal float only if both
    print alike, a bool never as a number."""
    if isinstance(got, np.generic):
        got = got.item()
    if isinstance(want, np.generic):
        want = want.item()
    moment = pd.Timestamp | datetime.datetime | np.datetime64
    if isinstance(want, moment) and isinstance(got, moment):
        return pd.Timestamp(got) == pd.Timestamp(want)
    if isinstance(got, bool) != isinstance(want, bool):
        return False
    if isinstance(got, str) != isinstance(want, str):
        return False
    return type(got) is type(want) and got == want or got == want and not callable(got)


def same_columns(data, want) -> str | None:
    for name in ("user_ids", "item_ids"):
        got = list(getattr(data, name).tolist())
        if len(got) != len(want[name]) or not all(map(same_id, got, want[name])):
            return f"{name} became {got}"
        finder = data.user_index if name == "user_ids" else data.item_index
        if finder(want[name]).tolist() != list(range(len(got))):
            return f"{name} does not find its own ids"
    for name in ("user", "item", "value", "time"):
        got = getattr(data, name)
        if (got is None) != (want[name] is None):
            return f"{name} is {got}"
        if got is not None and not exact(got.tolist(), want[name], name):
            return f"{name} became {got.tolist()}"
    if len(data.csr.data) != len(data):
        return "csr has another number of cells"
    again = pickle.loads(pickle.dumps(data))
    if again.value.tolist() != data.value.tolist() or again.value.flags.writeable:
        return "pickle changes it"
    return None


def exact(got, want, name) -> bool:
    """Numbers without rounding; text that is a number may stand for it."""
    if len(got) != len(want):
        return False
    pairs = zip(got, [float(w) if isinstance(w, str) else w for w in want])
    if name == "value":
        return all(close(float(w), g) for g, w in pairs)
    return all(isinstance(g, int) and g == w for g, w in pairs)
