"""Histories, near items, reasons and files of a model."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from fuzz.core import Case, HalfWritten, absent, differ
from fuzz.recommend_lists import lists, same_lists
from recsys_tutor.base import Recommender

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


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
