"""Metrics of item lists by hand: coverage, gini, novelty, diversity, hit_matrix."""

import math

import numpy as np
import oracles
from scipy.sparse import csr_array, csr_matrix

from fuzz.core import Case, differ
from recsys_tutor import metrics as package


def dressed(rng, array, also=()):
    """The same numbers in another container."""
    how = rng.choice(["array", "array", "list", "object", "fortran", *also])
    if how == "list":
        return array.tolist()
    if how == "object":
        return array.astype(object)
    return np.asfortranarray(array) if how == "fortran" else array


def argue(name, function, arguments, check, kind, refuse, words):
    text = f"{name}({', '.join(f'{k}={v!r}' for k, v in arguments.items())})"
    text = " ".join(text.split())
    call = lambda: function(**arguments)  # noqa: E731
    return Case(f"{name}: {kind}", text, call, check, refuse, words)


def item_lists(rng):
    """(rows of items padded with -1, n_items, kind): odd in one way at most."""
    n_items, k, B = rng.randint(1, 8), rng.randint(1, 5), rng.randint(0, 4)
    rows = []
    for _ in range(B):
        own = rng.sample(range(n_items), rng.randint(0, min(k, n_items)))
        rows.append(own + [-1] * (k - len(own)))
    kind = "healthy"
    full = [row for row in rows if -1 not in row and len(row) > 1]
    if rows and rng.random() < 0.3:
        rows[0][0], kind = rng.choice([(n_items, "out of catalogue"), (-2, "below -1")])
    elif full and rng.random() < 0.4:
        full[0][-1], kind = full[0][0], "item twice"
    return rows, n_items, k, kind


def lists(rng):
    name = rng.choice(["coverage", "gini", "novelty", "diversity"])
    rows, n_items, k, kind = item_lists(rng)
    refuse = {"healthy": "never", "item twice": "may"}.get(kind, "must")
    array = np.array(rows, dtype=np.int64).reshape(len(rows), k)
    given = {"items": dressed(rng, array)}
    counts = [rng.randint(0, 9) for _ in range(n_items)]
    features = [[rng.choice([0.0, 1.0, 2.5]) for _ in range(3)] for _ in range(n_items)]
    if name == "novelty":
        given |= {"counts": dressed(rng, np.array(counts)), "n_users": 9}
    elif name == "diversity":
        given["features"] = dressed(rng, np.array(features))
    else:
        given["n_items"] = n_items
    if kind == "healthy" and rng.random() < 0.4:
        kind, refuse = rng.choice(["floats", "1-D", "text", "NaN", "size"]), "must"
        other = [name for name in given if name != "items"][0]
        if kind == "floats":
            given["items"], refuse = array + 0.5 * rng.randint(0, 1), "may"
            refuse = "must" if (given["items"] % 1).any() else "may"
        elif kind == "1-D":
            given["items"], refuse = np.arange(1), "may"
        elif kind == "text":
            given[rng.choice(["items", other])] = "abc"
        elif kind == "NaN":
            nan = math.nan if other == "n_items" else np.full(n_items, math.nan)
            given[other] = (
                nan if other != "features" else np.full((n_items, 2), math.nan)
            )
        else:
            wrong = {
                "n_items": rng.choice([0, -1, 2.5, None, "3"]),
                "counts": counts[1:],
            }
            given[other] = wrong.get(other, np.array(features)[: n_items - 1])
            if other != "n_items" and all(i < n_items - 1 for i in array.ravel()):
                refuse = "may"  # the last item is not listed: nobody can tell
    arrays = [value for value in given.values() if not isinstance(value, int)]
    plain = all(isinstance(a, np.ndarray) and a.dtype != object for a in arrays)
    refuse = "may" if not rows or refuse == "never" and not plain else refuse

    def check(answer):
        if kind == "1-D":
            return differ(name, *listed(name, answer, [[0]], n_items, counts, features))
        if kind not in ("healthy", "item twice", "floats", "size") or refuse == "must":
            return (
                None if np.size(answer) == 0 or not rows else "an answer without lists"
            )
        own = given.get("counts", counts) if kind == "size" else counts
        return differ(name, *listed(name, answer, rows, n_items, own, features))

    words = ("items", "counts", "n_users", "features", "n_items", "item")
    function = getattr(package, name)
    return argue(name, function, given, check, kind, refuse, words)


def listed(name, answer, rows, n_items, counts, features):
    """(answer, what it should be), both as lists."""
    if name == "novelty":
        return answer, [oracles.novelty(row, counts, 9) for row in rows]
    if name == "diversity":
        return answer, [oracles.diversity(row, features) for row in rows]
    seen = [i for row in rows for i in row if i >= 0]
    if name == "coverage":
        return [answer], [len(set(seen)) / n_items]
    times = [seen.count(i) for i in range(n_items)]
    return [answer], [oracles.gini(times) if seen else 0.0]


def hit_matrix(rng):
    rows, n_items, k, kind = item_lists(rng)
    relevant = np.array(
        [[rng.random() < 0.4 for _ in range(n_items)] for _ in rows], dtype=float
    ).reshape(len(rows), n_items)
    wrap = rng.choice([csr_array, csr_array, csr_matrix, np.array, "coo", list])
    truth = relevant.tolist() if wrap is list else None
    truth = csr_array(relevant).tocoo() if wrap == "coo" else truth or None
    truth = wrap(relevant) if callable(wrap) and wrap is not list else truth
    array = np.array(rows, dtype=np.int64).reshape(len(rows), k)
    given = {"items": dressed(rng, array), "relevant": truth}
    refuse = {"healthy": "may", "item twice": "may"}.get(kind, "must")
    if kind == "healthy" and wrap is csr_array and rows and given["items"] is array:
        refuse = "never"
    if kind == "healthy" and rng.random() < 0.3:
        kind, refuse = (
            rng.choice(["other rows", "1-D", "None", "text", "floats"]),
            "must",
        )
        if kind == "other rows":
            given["relevant"] = csr_array(np.ones((len(rows) + 1, n_items)))
        elif kind == "1-D":
            given["items"] = np.zeros(2, dtype=np.int64)
        elif kind == "floats":
            given["items"] = array + 0.5
            refuse = "must" if rows else "may"
        else:
            name = rng.choice(["items", "relevant"])
            given[name] = None if kind == "None" else "abc"

    def check(answer):
        want = []
        for row, own in zip(rows, relevant.tolist()):
            first = [i not in row[:place] for place, i in enumerate(row)]
            want.append([i >= 0 and own[i] > 0 and f for i, f in zip(row, first)])
        got = np.asarray(answer).tolist()
        return None if got == want else f"hits {got}, should be {want}"

    text_of = {"relevant": relevant.tolist()}
    words = ("items", "relevant", "list")
    case = argue("hit_matrix", package.hit_matrix, given, check, kind, refuse, words)
    case.text += f" where {text_of} as {getattr(wrap, '__name__', wrap)}"
    return case
