"""What every model answers: lists, candidates, histories, neighbours, files.

The oracle is a literal sort of ``score()``: higher first, then the lower index. Models
are those of the contract tests; FUZZ_MODELS=cheap in the environment takes a few.
"""

import atexit
import functools
import inspect
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import oracles
from scipy.sparse import csr_array

from fuzz.core import Case, HalfWritten, absent, close, differ
from recsys_tutor.base import Recommender

CHEAP = ("Random", "Popularity", "BiasModel", "ItemKNN", "EASE")
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


@functools.cache
def cases():
    from test_contract import MODELS

    if os.environ.get("FUZZ_MODELS") == "cheap":
        return [case for case in MODELS if type(case.model).__name__ in CHEAP]
    return MODELS


@functools.cache
def fitted(number, which):
    """Model ``number`` on one of two data sets (11 x 7 and 6 x 13)."""
    import test_contract

    data = (test_contract.small, test_contract.other)[which]()
    return cases()[number].fit(data), data


def make(rng) -> Case:
    number, which = rng.randrange(len(cases())), rng.randrange(2)
    model, data = fitted(number, which)
    question = rng.choice(QUESTIONS)
    case = question(rng, model, data)
    case.text = f"{type(model).__name__} (number {number}, data {which}): {case.text}"
    return case


def lists(scores, excluded, k, items=None):
    """(items, scores) by a literal sort; only ``items`` where they are given."""
    out = (
        ~np.isin(np.arange(len(scores)), items)
        if items is not None
        else excluded & False
    )
    listed = oracles.ranked_list(list(scores), list(excluded | out), k)
    return listed, [scores[i] if i >= 0 else -np.inf for i in listed]


def same_lists(answer, want):
    if np.asarray(answer.items).dtype != np.int64:
        return f"items are {answer.items.dtype}"
    fault = differ("items", answer.items.tolist(), [w[0] for w in want])
    values = [[float(s) for s in w[1]] for w in want]
    return fault or differ("scores", answer.scores.tolist(), values, 1e-6)


def stored(matrix):
    cells = np.zeros(matrix.shape, dtype=bool)
    cells[
        np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), matrix.indices
    ] = 1
    return cells


def some_exclude(rng, data):
    kind = rng.choice(["default", "seen", None, "matrix"])
    cells = np.zeros(data.shape, dtype=bool)
    if kind == "matrix":
        cells = np.array(
            [[rng.random() < 0.5 for _ in range(data.n_items)] for _ in cells]
        )
        return {"exclude": csr_array(cells.astype(float))}, cells
    if kind is not None:
        cells = stored(data.csr)
    return {} if kind == "default" else {"exclude": kind}, cells


ODD = {
    "users": [3, "u1", [[0]], [-1], [99], [0.0], None, ["a"], [True], np.array([1.5])],
    "k": [0, -1, 2.5, "3", None, True],
    "exclude": ["all", 5, csr_array((1, 1)), [0], np.zeros((11, 7))],
    "items": [[-1], [99], [0.5], "abc", [[0]], 3, ["a"], [True, False], [None]],
}


def recommend(rng, model, data):
    takes_items = "items" in inspect.signature(model.recommend).parameters
    users = [rng.randrange(data.n_users) for _ in range(rng.randint(0, 4))]
    k = rng.randint(1, data.n_items + 3)
    options, cells = some_exclude(rng, data)
    given = rng.choice([list, tuple, np.array, lambda u: np.array(u, np.int32)])(users)
    given = np.array(users, dtype=np.int64) if not users else given
    if takes_items and rng.random() < 0.5:
        items = [rng.randrange(data.n_items) for _ in range(rng.randint(0, 5))]
        options["items"] = (
            np.array(items, dtype=np.int64) if rng.random() < 0.6 else items
        )
    elif rng.random() < 0.15 and not takes_items:
        return absent("recommend(items=)")
    arguments = {"users": given, "k": k, **options}
    odd = rng.choice([n for n in ODD if takes_items or n != "items"])
    if rng.random() < 0.3:
        value = rng.choice(ODD[odd])
        if odd == "exclude" and isinstance(value, np.ndarray):
            value = np.zeros((1, 1))
        text, arguments = f"{odd}={value!r}", {**arguments, odd: value}
        call = lambda: model.recommend(**arguments)  # noqa: E731
        words = (odd, "exclude" if odd == "exclude" else odd, "index")
        return Case(f"recommend: odd {odd}", text, call, refuse="must", words=words)

    def check(answer):
        scores = model.score(np.array(users, dtype=np.int64))
        chosen = options.get("items")
        want = [lists(s, cells[u], k, chosen) for s, u in zip(scores, users)]
        return same_lists(answer, want)

    chosen = options.get("items")
    repeats = chosen is not None and len(set(map(int, chosen))) < len(chosen)
    refuse = "may" if repeats or chosen is not None and not len(chosen) else "never"
    shown = {n: stored(v).tolist() if n == "exclude" and v is not None
             and not isinstance(v, str) else v for n, v in arguments.items()}  # fmt: skip
    call = lambda: model.recommend(**arguments)  # noqa: E731
    return Case("recommend", f"recommend({shown})", call, check, refuse, ("items",))


def recommend_ids(rng, model, data):
    if not hasattr(model, "recommend_ids"):
        return absent("recommend_ids")
    users = [rng.randrange(data.n_users) for _ in range(rng.randint(1, 4))]
    users = list(dict.fromkeys(users))
    ids, k = data.user_ids[users].tolist(), rng.randint(1, data.n_items + 2)
    options, refuse, words = {}, "may", ("ids", "items", "titles", "user", "item")
    if rng.random() < 0.4:
        some = rng.sample(range(data.n_items), rng.randint(1, 4))
        options["items"] = data.item_ids[some].tolist()
    if rng.random() < 0.5:
        options["titles"] = [f"title {i}" for i in range(data.n_items)]
    if rng.random() < 0.3:
        refuse, odd = "must", rng.choice(["ids", "titles", "items", "k"])
        wrong = {"ids": ["nobody"], "titles": ["x"], "items": [-5], "k": 0}
        if odd == "ids":
            ids = wrong["ids"]
        elif odd == "k":
            k = 0
        else:
            options[odd] = wrong[odd]
        words = (odd, odd.removesuffix("s"), "user", "nobody", "-5")

    def check(frame):
        columns = ["user", "item", "title", "rank", "score"]
        wanted = (
            columns if "titles" in options else [c for c in columns if c != "title"]
        )
        if [c for c in frame.columns if c in wanted] != wanted:
            return f"columns {list(frame.columns)}"
        candidates = None
        if "items" in options:
            candidates = [data.item_ids.tolist().index(i) for i in options["items"]]
        want = []
        for u in users:
            row, own = model.score([u])[0], stored(data.csr)[u]
            items, scores = lists(row, own, k, candidates)
            for rank, (i, s) in enumerate(zip(items, scores), 1):
                if i >= 0:
                    want.append((data.user_ids[u], data.item_ids[i], i, rank, float(s)))
        if len(frame) != len(want):
            return f"{len(frame)} rows for {len(want)}"
        for got, (user, item, i, rank, score) in zip(frame.to_dict("records"), want):
            fine = got["user"] == user and got["item"] == item and got["rank"] == rank
            if "titles" in options:
                fine = fine and got["title"] == f"title {i}"
            if not fine or not close(got["score"], score, 1e-6):
                return f"row {got}, should be {(user, item, rank, score)}"
        return None

    text = f"recommend_ids({ids}, {k}, {options})"
    call = lambda: model.recommend_ids(ids, k, **options)  # noqa: E731
    return Case("recommend_ids", text, call, check, refuse, words)


def history(rng, n_items, rows):
    cells = [[rng.random() < 0.4 for _ in range(n_items)] for _ in range(rows)]
    values = [[float(rng.randint(1, 5)) if c else 0.0 for c in row] for row in cells]
    return np.array(values), np.array(cells)


def recommend_history(rng, model, data):
    X, cells = history(rng, data.n_items, rng.randint(1, 3))
    X, k = csr_array(X), rng.randint(1, data.n_items + 2)
    try:
        scores = model.score_history(X)
    except NotImplementedError:
        scores = None
    if not hasattr(model, "recommend_history"):
        return absent("recommend_history")

    def check(answer):
        if scores is None:
            return "an answer without score_history"
        return same_lists(answer, [lists(s, c, k) for s, c in zip(scores, cells)])

    refuse = "must" if scores is None else "never"
    text = f"recommend_history({X.toarray().tolist()}, {k})"
    call = lambda: model.recommend_history(X, k)  # noqa: E731
    return Case("recommend_history", text, call, check, refuse)


def score_history(rng, model, data):
    """Rows of a matrix, some of them odd; repeats are refused (or merged)."""
    dense, _ = history(rng, data.n_items, 2)
    kind = rng.choice(
        ["repeats", "repeats", "dense", "unsorted", "NaN", "shape", "text"]
    )
    X, refuse = csr_array(dense), "must"
    if kind == "repeats":
        i, j = rng.sample(range(data.n_items), 2)
        X = csr_array(([1.0, 1.0, 1.0], [i, i, j], [0, 3]), shape=(1, data.n_items))
    elif kind == "dense":
        X, refuse = dense, "may"
    elif kind == "unsorted":
        order = rng.sample(range(data.n_items), 3)
        X = csr_array(([1.0, 2.0, 3.0], order, [0, 3]), shape=(1, data.n_items))
        dense, refuse = X.toarray(), "may"
    elif kind == "NaN":
        dense[0, 0] = np.nan
        X = csr_array(dense)
    elif kind == "shape":
        X = rng.choice(
            [csr_array((2, data.n_items + 1)), np.ones(data.n_items), 5, None]
        )
    else:
        X = rng.choice(["abc", [["a"] * data.n_items]])

    def check(answer):
        sorted_rows = csr_array(dense)
        want = model.score_history(sorted_rows)
        return differ("scores", answer.tolist(), want.tolist(), 1e-6)

    text = f"score_history of {kind}: {X if isinstance(X, str) else np.shape(X)}"
    if kind in ("repeats", "unsorted"):
        text = f"score_history of {kind}: row {X.indices.tolist()} = {X.data.tolist()}"
    call = lambda: model.score_history(X)  # noqa: E731
    words = ("X", "history", "cannot score users")
    return Case(f"score_history: {kind}", text, call, check, refuse, words)


def similar_items(rng, model, data):
    if not hasattr(model, "similar_items"):
        return absent("similar_items")
    items = [rng.randrange(data.n_items) for _ in range(rng.randint(1, 3))]
    k, alone = rng.randint(1, data.n_items + 2), rng.random() < 0.5
    given, refuse = (items[0], "may") if alone else (np.array(items), "may")
    if rng.random() < 0.2:
        given, refuse = rng.choice([-1, 99, "x", [0.5], None, [[0]]]), "must"

    def check(answer):
        found, scores = np.atleast_2d(answer.items), np.atleast_2d(answer.scores)
        if found.shape != (1 if alone else len(items), k):
            return f"shape {found.shape}"
        for item, row, values in zip(items, found.tolist(), scores.tolist()):
            real = [i for i in row if i >= 0]
            if item in real or len(set(real)) < len(real):
                return f"item {item} has the neighbours {row}"
            keys = [(-v, i) for v, i in zip(values, real)]
            if keys != sorted(keys) or row != real + [-1] * (k - len(real)):
                return f"not in order: {row}, {values}"
        single = model.similar_items(np.array(items[:1]), k)
        return differ(
            "alone", np.atleast_2d(single.items)[0].tolist(), found[0].tolist()
        )

    call = lambda: model.similar_items(given, k)  # noqa: E731
    words = ("item", "similar")
    return Case(
        "similar_items", f"similar_items({given}, {k})", call, check, refuse, words
    )


def explain(rng, model, data):
    """Where the model says why, the parts add up to the score."""
    if not hasattr(model, "explain"):
        return absent("explain")
    user, item, k = (
        rng.randrange(data.n_users),
        rng.randrange(data.n_items),
        data.n_items,
    )
    arguments, refuse = [user, item, k], "may"
    if rng.random() < 0.3:
        arguments[rng.randrange(3)], refuse = rng.choice([-1, 99.5, "x", None]), "must"

    def check(answer):
        columns = list(getattr(answer, "columns", []))
        own = set(data.item[data.user == user].tolist())
        if "item" in columns:
            named = set(answer["item"].tolist())
            if not named <= own | set(data.item_ids[list(own)].tolist()):
                return f"explains by items that the user does not have: {named - own}"
        return None

    call = lambda: model.explain(*arguments)  # noqa: E731
    words = ("user", "item", "k", "explain", "sum")
    return Case("explain", f"explain{tuple(arguments)}", call, check, refuse, words)


def save(rng, model, data):
    """A file that loads to the same scores; a broken one or a failure says so."""
    if not hasattr(model, "save"):
        return absent("save")
    loader = getattr(type(model), "load", None) or getattr(Recommender, "load", None)
    path = FOLDER / f"model{rng.randrange(10)}.bin"
    kind = rng.choice(["healthy", "truncated", "another file", "disk full", "missing"])
    keep, place = rng.random(), rng.randrange(50)

    def call():
        for old in FOLDER.iterdir():
            old.unlink()
        if kind == "disk full":
            return disk_full(model, path)
        if kind != "missing":
            model.save(path)
        files = list(FOLDER.iterdir())
        path_made = files[0] if files else path
        if kind == "truncated":
            whole = path_made.read_bytes()
            path_made.write_bytes(whole[: int(keep * (len(whole) - 1))])
        elif kind == "another file":
            path_made.write_bytes(b"user,item\n" * place)
        return loader(path_made)

    def check(answer):
        if kind == "disk full":
            return None
        users = np.arange(data.n_users)
        return differ(
            "scores", answer.score(users).tolist(), model.score(users).tolist()
        )

    refuse = {"healthy": "never", "disk full": "may"}.get(kind, "must")
    return Case(f"save: {kind}", f"save and load, {kind}", call, check, refuse)


def disk_full(model, path):
    """The last step of writing fails: the old file is whole, nothing else is left."""
    model.save(path)
    before = {p.name: p.read_bytes() for p in FOLDER.iterdir()}
    replace, Path_replace, rename = os.replace, Path.replace, os.rename

    def fail(*_):
        raise OSError(28, "No space left on device")

    os.replace = os.rename = Path.replace = fail
    try:
        model.save(path)
    except OSError:
        pass
    finally:
        os.replace, Path.replace, os.rename = replace, Path_replace, rename
    after = {p.name: p.read_bytes() for p in FOLDER.iterdir()}
    if sorted(after) != sorted(before):
        raise HalfWritten(f"left behind: {sorted(set(after) - set(before))}")


QUESTIONS = (
    recommend, recommend, recommend, recommend, recommend_ids, recommend_history,
    score_history, similar_items, explain, save,
)  # fmt: skip
