"""Ids in, ids out: look-ups, round trips, relabelling.

``user_index`` finds an id or raises ``KeyError`` naming it; it never finds another one
(1 is not "1", nor True, nor 1.5; "01" is not "1").
"""

import datetime
import math
import pickle

import numpy as np
import pandas as pd

from fuzz import worlds
from fuzz.constructor import same_id
from fuzz.core import Case
from recsys_tutor import data as package
from recsys_tutor import splits
from recsys_tutor.neighbors import ItemKNN

POOLS = {
    "ints": [1, 2, 3, 10, -1, 2**53 + 1, 2**53],
    "text": ["a", "b", "1", "01", "1.0", " a", "A", "é", "e\u0301", ""],
    "floats": [0.5, 1.0, 2.0, -0.0, 1e300],
    "bools": [True, False],
    "mixed": [1, "1", "a", 2.5, "2.5", 2],
    "tuples": [(1, 2), (1, "2"), ("a",), (2, 1)],
    "dates": [datetime.datetime(2020, 1, n) for n in (1, 2, 3)],
    "large": [2**70, 2**70 + 1, 7],
}
STRANGERS = (
    ["nobody", 99, -5, 1.5, True, "1", 1, None, math.nan, (), (1, 2), "", b"a", 2**53]
)  # fmt: skip


def make(rng) -> Case:
    return rng.choice((lookup, lookup, lookup, round_trip, relabel, odd_questions))(rng)


def container(rng):
    pool = rng.choice(sorted(POOLS))
    ids = list(POOLS[pool])
    rng.shuffle(ids)
    ids = ids[: rng.randint(1, len(ids))]
    array = np.empty(len(ids), dtype=object)
    array[:] = ids
    given = array
    if pool in ("ints", "text", "floats", "bools") and rng.random() < 0.6:
        given = np.array(ids)
    return pool, ids, given


def lookup(rng):
    """Known and unknown ids in many containers."""
    pool, ids, given = container(rng)
    asked = [rng.choice(ids) for _ in range(rng.randint(1, 4))]
    unknown = []
    if rng.random() < 0.4:
        stranger = rng.choice(STRANGERS)
        asked.insert(rng.randrange(len(asked) + 1), stranger)
        unknown = [] if any(same(stranger, i) for i in ids) else [stranger]
    wrap = rng.choice(["list", "tuple", "object array", "array", "Series", "Index"])
    question = asked
    box = np.empty(len(asked), dtype=object)
    box[:] = asked
    if wrap == "object array":
        question = box
    elif wrap == "array" and len({type(a) for a in asked}) == 1 and pool != "tuples":
        question = np.array(asked)
    elif wrap == "Series":
        question = pd.Series(box)
    elif wrap == "Index" and pool != "tuples":
        question = pd.Index(box)
    elif wrap == "tuple":
        question = tuple(asked)

    def check(answer):
        want = [next(n for n, i in enumerate(ids) if same(a, i)) for a in asked]
        got = answer.tolist()
        return None if got == want else f"indices {got}, should be {want}"

    def call():
        n = len(ids)
        data = package.Interactions(range(n), [0] * n, [1.0] * n, None, given, ["x"])
        return data.user_index(question)

    text = f"user_ids={given!r}, user_index({question!r})"
    refuse, words = "may", ("ids",)
    if unknown:
        refuse, words = "must", (str(unknown[0]), "ids", "missing")
    elif pool == "ints" or pool == "text" and "" not in ids:
        refuse = "never"
    kind = f"{pool}, {'a stranger among them' if unknown else 'all known'}"
    return Case(kind, text, call, check, refuse, words)


def same(a, b):
    """The same text and the same kind of thing; 1 and 1.0 are one number."""
    return same_id(a, b)


def odd_questions(rng):
    data = worlds.ratings(rng, ids=rng.choice(["text", "ints"]))
    question = rng.choice(
        [None, [[1, 2], [3, 4]], np.zeros((2, 2)), {"a": 1}, [[1], [2, 3]], 5.5,
         object(), pd.DataFrame({"a": [1]}), [None],
         [math.nan], {1, 2}, b"abc"]
    )  # fmt: skip
    name = rng.choice(["user_index", "item_index"])
    text = f"{name}({question!r})"
    call = lambda: getattr(data, name)(question)  # noqa: E731
    words = ("user", "item", "ids")
    return Case("odd question", text, call, refuse="must", words=words)


def round_trip(rng):
    """to_frame, from_frame, pickle, subset and splits keep every row's ids."""
    data = worlds.ratings(rng, ids=rng.choice(["text", "ints"]))
    how = rng.choice(
        ["frame", "pickle", "subset", "positions", "split", "csv-like text"]
    )
    rows = worlds.rows_of(data)
    kept = sorted(rng.sample(range(len(rows)), rng.randint(0, len(rows))))

    def call():
        if how == "frame":
            return package.Interactions.from_frame(
                data.to_frame(), user_ids=data.user_ids, item_ids=data.item_ids
            )
        if how == "pickle":
            return pickle.loads(pickle.dumps(data))
        if how == "subset":
            return data.subset(np.isin(np.arange(len(data)), kept))
        if how == "positions":
            return data.subset(kept)
        if how == "split":
            return splits.contiguous_folds(data, n_folds=2)[0].test
        frame = data.to_frame().astype({"user": str, "item": str})
        return package.Interactions.from_frame(frame)

    def check(part):
        want = rows
        if how in ("subset", "positions"):
            want = [rows[n] for n in kept]
        elif how == "split":
            want = rows[: (len(rows) + 1) // 2]
        elif how == "csv-like text":
            want = [(str(u), str(i), v, t) for u, i, v, t in rows]
        got = worlds.rows_of(part)
        if got != want:
            return f"rows {got}, should be {want}"
        if how not in ("frame", "csv-like text") and part.shape != data.shape:
            return f"shape {part.shape}"
        found = part.user_index([u for u, _, _, _ in want]) if want else []
        return None if list(found) == part.user.tolist() else "user_index disagrees"

    refuse = "may" if how == "split" and len(data) < 2 else "never"
    text = f"{how} of {worlds.shown(data)}, rows {kept}"
    return Case(f"round trip: {how}", text, call, check, refuse)


def relabel(rng):
    """Other names, another order of the rows: the same scores under the new names."""
    data = worlds.ratings(rng, least=3)
    users = rng.sample(range(100, 200), data.n_users)
    items = [f"{n:03d}" for n in rng.sample(range(999), data.n_items)]
    order = rng.sample(range(len(data)), len(data))
    frame = pd.DataFrame(
        {
            "user": [users[u] for u in data.user[order]],
            "item": [items[i] for i in data.item[order]],
            "value": data.value[order],
        }
    )

    def call():
        other = package.Interactions.from_frame(
            frame, user_ids=sorted(users), item_ids=sorted(items)
        )
        return ItemKNN(n_neighbors=50).fit(other).score(other.user_index(users)), other

    def check(answer):
        scores, other = answer
        columns = other.item_index(items)
        want = ItemKNN(n_neighbors=50).fit(data).score(np.arange(data.n_users))
        apart = float(np.abs(scores[:, columns] - want).max())
        return None if apart < 1e-9 else f"scores differ by {apart}"

    text = f"relabelled {worlds.shown(data)} as {users}, {items}, order {order}"
    return Case("relabelling", text, call, check, "never")
