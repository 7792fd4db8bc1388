"""Metrics fed by hand, against loops.

Where the definition has no answer (grades for booleans, fewer relevant items than hits,
an item twice in a list, an item outside the catalogue), the answer has to be a refusal.
"""

import inspect
import math

import numpy as np
import oracles
import pandas as pd
from scipy.sparse import csr_array

from fuzz.core import Case, absent, differ
from fuzz.metrics_lists import argue, dressed, hit_matrix, lists
from recsys_tutor import metrics as package

PER_USER = ("precision", "recall", "hit", "mrr", "ap", "ndcg")


WITH_RELEVANT = ("recall", "ap", "ndcg")


def make(rng) -> Case:
    return rng.choice((hits, hits, lists, lists, hit_matrix, auc, errors, graded))(rng)


# -- metrics of hits -------------------------------------------------------------------


def hits(rng):
    name = rng.choice(PER_USER)
    B, k = rng.randint(0, 4), rng.randint(1, 6)
    rows = [[rng.random() < 0.4 for _ in range(k)] for _ in range(B)]
    relevant = [sum(row) + rng.choice([0, 0, 1, 4]) for row in rows]
    array = np.array(rows, dtype=bool).reshape(B, k)
    count = np.array(relevant, dtype=np.int64)
    kind = rng.choice(
        ["healthy"] * 4 + ["0 and 1", "grades", "NaN", "text", "1-D", "3-D"]
        + ["no places"]
        + ["floats for counts", "other number of users", "too few relevant", "negative"]
        + ["half an item", "NaN for a count", "None", "2-D counts"]
    )  # fmt: skip
    refuse, given, number = "must", dressed(rng, array), dressed(rng, count)
    if kind in ("healthy", "0 and 1"):
        plain = all(
            isinstance(a, np.ndarray) and a.dtype != object for a in (given, number)
        )
        refuse = "never" if B and plain else "may"
        if kind == "0 and 1":
            given = array.astype(rng.choice([np.int64, np.float64, np.uint8]))
            refuse = "may"
    elif kind in ("grades", "NaN"):
        given = array.astype(float)
        given[:1, 0] = math.nan if kind == "NaN" else rng.choice([2.0, 0.5, -1.0])
        refuse = "must" if B and kind == "grades" else "may"
    elif kind == "text":
        given = rng.choice(["abc", np.array([["a", "b"]])])
    elif kind == "1-D":
        given = array[0] if B else np.zeros(3, dtype=bool)
    elif kind == "3-D":
        given = array[None]
    elif kind == "no places":
        given, refuse = array[:, :0], "may"
        rows = [[] for _ in rows]
    elif kind == "None":
        given = None
    elif name not in WITH_RELEVANT:
        kind, refuse = "healthy", "may"
    elif kind == "floats for counts":
        number, refuse = count.astype(float), "may"
    elif kind == "other number of users":
        number = np.append(count, 3)
    elif kind == "too few relevant":
        number = np.array([max(0, sum(row) - 1) for row in rows], dtype=np.int64)
        refuse = "must" if (number < array.sum(axis=1)).any() else "may"
        relevant = number.tolist()
    elif kind == "2-D counts":
        number = count[:, None]
        refuse = "must" if B > 1 else "may"
    else:
        odd = {"negative": -1.0, "half an item": k + 0.5, "NaN for a count": math.nan}
        number, refuse = count.astype(float), "must" if B else "may"
        number[:1] = odd[kind]
        refuse = "may" if kind == "NaN for a count" else refuse
    arguments = {"hits": given}
    if name in WITH_RELEVANT:
        arguments["n_relevant"] = number

    def check(answer):
        want = [hit_metric(name, row, n) for row, n in zip(rows, relevant)]
        if kind in ("NaN", "NaN for a count"):  # what is not known stays so
            want[:1] = [math.nan for _ in want[:1]]
        return differ(name, answer, want)

    words = ("hits", "n_relevant", "relevant")
    if B == 0 and refuse == "must":
        refuse = "may"
    function = getattr(package, name)
    return argue(name, function, arguments, check, kind, refuse, words)


def hit_metric(name, row, n_relevant):
    """By the definitions; NaN where they divide by zero."""
    if name in WITH_RELEVANT and n_relevant == 0:
        return math.nan
    if not row:  # a list of no places
        return math.nan if name in ("precision", "ndcg") else 0.0
    items = list(range(len(row)))
    relevant = {i for i in items if row[i]} | {-9 - n for n in range(n_relevant)}
    relevant = set(sorted(relevant, reverse=True)[: max(n_relevant, sum(row))])
    if not relevant:
        return 0.0
    return oracles.list_metrics(items, relevant, len(row))[name]


def graded(rng):
    """``graded_ndcg``: gains 2**grade - 1 or the grade itself, as the function says."""
    function = getattr(package, "graded_ndcg", None)
    if function is None:
        return absent("metrics.graded_ndcg")
    n_items, k = rng.randint(1, 8), rng.randint(1, 6)
    table = [[rng.choice([0, 0, 1, 2, 3]) for _ in range(n_items)] for _ in range(2)]
    order = [rng.sample(range(n_items), min(k, n_items)) for _ in range(2)]
    got = [[row[i] for i in items] for row, items in zip(table, order)]
    parameters = list(inspect.signature(function).parameters)
    given = dict(
        zip(parameters, [np.array(got, float), csr_array(np.array(table, float))])
    )
    if "grade" in parameters[1] or "gain" in parameters[1] or "ideal" in parameters[1]:
        given[parameters[1]] = np.array(table, float)
    if parameters[0] == "items":
        given["items"] = np.array(order)
    kind = rng.choice(["healthy", "healthy", "negative", "NaN", "1-D"])
    if kind == "1-D":
        given[parameters[0]] = np.array(got[0], float)
    elif kind != "healthy":
        odd = np.array(got, float)
        odd[0, 0] = -1.0 if kind == "negative" else math.nan
        if parameters[0] == "items":
            kind = "healthy"
        else:
            given[parameters[0]] = odd

    def check(answer):
        faults = []
        for gain in (float, lambda g: 2.0**g - 1):
            want = [ndcg_of(row, all_, gain, k) for row, all_ in zip(got, table)]
            faults.append(differ("graded_ndcg", answer, want))
        return None if None in faults else faults[0]

    refuse = "may" if kind == "healthy" else "must"
    words = tuple(parameters)
    return argue("graded_ndcg", function, given, check, kind, refuse, words)


def ndcg_of(row, table, gain, k):
    def dcg(grades):
        return sum(gain(g) / math.log(p + 2, 2) for p, g in enumerate(grades))

    best = dcg(sorted(table, reverse=True)[: len(row)])
    return dcg(row) / best if best else math.nan


# -- metrics of lists ------------------------------------------------------------------


def auc(rng):
    B, n_items = rng.randint(0, 3), rng.randint(1, 6)
    number = lambda: float(rng.choice([-1, 0, 0.5, 2]))  # noqa: E731
    scores = np.array([[number() for _ in range(n_items)] for _ in range(B)])
    scores = scores.reshape(B, n_items)
    state = [[rng.choice([0, 0, 1, 2, 3]) for _ in range(n_items)] for _ in range(B)]
    state = np.array(state).reshape(B, n_items)
    relevant, excluded = csr_array(state % 2 * 1.0), csr_array((state >= 2) * 1.0)
    given = {"scores": dressed(rng, scores), "relevant": relevant}
    with_excluded = rng.random() < 0.6
    if with_excluded:
        given["excluded"] = excluded
    kind = rng.choice(["healthy"] * 5 + ["NaN", "infinite", "shape", "dense", "1-D"])
    refuse = "never" if kind == "healthy" and B and given["scores"] is scores else "may"
    if kind in ("NaN", "infinite") and B:
        scores[0, 0] = math.nan if kind == "NaN" else math.inf
        given["scores"] = scores
    elif kind == "shape":
        given["relevant"], refuse = csr_array(np.ones((B + 1, n_items))), "must"
    elif kind == "1-D":
        given["scores"], refuse = np.zeros(n_items), "must"
    elif kind == "dense":
        given["relevant"] = relevant.toarray()

    def check(answer):
        want = []
        for u in range(B):
            own = state[u].tolist()
            left = [i for i in range(n_items) if not (with_excluded and own[i] >= 2)]
            good = [i for i in left if own[i] % 2]
            bad = [i for i in left if not own[i] % 2]
            row = scores[u].tolist()
            unknown = any(math.isnan(row[i]) for i in left) or not good or not bad
            want.append(math.nan if unknown else oracles.auc(row, good, bad))
        return differ("auc", answer, want)

    words = ("scores", "relevant", "excluded", "shape")
    case = argue("auc", package.auc, given, check, kind, refuse, words)
    case.text = (
        f"auc(scores={scores.tolist()}, state={state.tolist()}, {with_excluded})"
    )
    return case


def errors(rng):
    name, n = rng.choice(["rmse", "mae"]), rng.randint(1, 6)
    a = [rng.randint(-8, 8) / 2 for _ in range(n)]
    b = [rng.randint(-8, 8) / 2 for _ in range(n)]
    given = {
        "rating": dressed(rng, np.array(a)),
        "prediction": dressed(rng, np.array(b)),
    }
    kind = rng.choice(
        ["healthy"] * 3 + ["length", "empty", "NaN", "text", "2-D", "Series"]
    )
    refuse, which = "must", rng.choice(list(given))
    if kind in ("healthy", "Series"):
        refuse = "never"
        if kind == "Series":  # rows of other labels do not belong together
            backwards = rng.random() < 0.5 and n > 1
            given["rating"] = pd.Series(a, index=range(n)[:: -1 if backwards else 1])
            given["prediction"] = pd.Series(b)
            refuse = "must" if backwards else "never"
    elif kind == "NaN":
        given[which] = [math.nan, *a[1:]]
        refuse = "may"
    elif kind == "length":
        given[which] = [*a, 1.0]
    elif kind == "empty":
        given = {"rating": [], "prediction": []}
    elif kind == "text":
        given[which] = ["x"] * n
    else:
        given[which] = np.array([a])

    def check(answer):
        if kind == "NaN":
            return differ(name, [answer], [math.nan])
        apart = [x - y for x, y in zip(a, b)]
        square = math.sqrt(sum(x * x for x in apart) / n)
        want = square if name == "rmse" else sum(map(abs, apart)) / n
        return differ(name, [answer], [want])

    words = ("rating", "prediction")
    function = getattr(package, name)
    return argue(name, function, given, check, kind, refuse, words)
