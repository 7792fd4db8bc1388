"""What every model answers: lists, candidates, histories, neighbours, files.

The oracle is a literal sort of ``score()``: higher first, then the lower index. Models
are those of the contract tests; FUZZ_MODELS=cheap in the environment takes a few.
"""

import functools
import inspect
import os

import numpy as np
from scipy.sparse import csr_array

from fuzz.core import Case, absent, close
from fuzz.recommend_lists import lists, same_lists, stored
from fuzz.recommend_more import (
    explain,
    recommend_history,
    save,
    score_history,
    similar_items,
)

CHEAP = ("Random", "Popularity", "BiasModel", "ItemKNN", "EASE")


@functools.cache
def cases():
    from cases import MODELS

    if os.environ.get("FUZZ_MODELS") == "cheap":
        return [case for case in MODELS if type(case.model).__name__ in CHEAP]
    return MODELS


@functools.cache
def fitted(number, which):
    """Model ``number`` on one of two data sets (11 x 7 and 6 x 13)."""
    from recsys_tutor.testing import cases as data_of

    data = (data_of.small, data_of.other)[which]()
    return cases()[number].fit(data), data


def make(rng) -> Case:
    number, which = rng.randrange(len(cases())), rng.randrange(2)
    model, data = fitted(number, which)
    question = rng.choice(QUESTIONS)
    case = question(rng, model, data)
    case.text = f"{type(model).__name__} (number {number}, data {which}): {case.text}"
    return case


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
    shown = dict(arguments)
    if not isinstance(options.get("exclude", ""), str | None):
        shown["exclude"] = cells.tolist()
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
            if not fine or not close(got["score"], score, 1e-5, 1e-5):
                return f"row {got}, should be {(user, item, rank, score)}"
        return None

    text = f"recommend_ids({ids}, {k}, {options})"
    call = lambda: model.recommend_ids(ids, k, **options)  # noqa: E731
    return Case("recommend_ids", text, call, check, refuse, words)


QUESTIONS = (
    recommend, recommend, recommend, recommend, recommend_ids, recommend_history,
    score_history, similar_items, explain, save,
)  # fmt: skip
