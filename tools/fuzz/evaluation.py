"""``evaluate``, ``evaluate_ratings``, ``compare`` and what is built on them, by loops.

The models' scores are given, so that nothing of the package but the evaluation itself
is under test. Rating errors are clipped to the training data's own range by default.
"""

import math

import numpy as np
from evaluated import Fixed

from fuzz.core import Case, close, differ
from fuzz.evaluation_lists import World, literal, ranking, ranking_odd
from recsys_tutor import compare as comparison
from recsys_tutor import evaluate as package
from recsys_tutor.data import Interactions, Split
from recsys_tutor.protocol import TASKS
from recsys_tutor.study import leaderboard


def make(rng) -> Case:
    kinds = (
        ranking,
        ranking,
        ranking_odd,
        ranking_odd,
        rating,
        rating,
        compare,
        other_ids,
    )
    return rng.choice(kinds)(rng)


def clipped(world, clip):
    value = world.train.value.tolist()
    low, high = (min(value), max(value)) if clip == "own" else clip
    return [
        min(max(world.scores[u][i], low), high)
        for u, i in zip(world.test.user.tolist(), world.test.item.tolist())
    ]


def rating(rng):
    world = World(rng)
    truth = world.test.value.tolist()
    where = rng.choice(
        ["evaluate_ratings"] * 3 + ["quality", "measure", "compare_ratings"]
    )
    options, clip, refuse = {}, "own", "never"
    if where in ("evaluate_ratings", "compare_ratings") and rng.random() < 0.5:
        clip = rng.choice([None, (0, 3), (-100, 100.0), [1, 5]])
        options["clip"] = clip
        clip = (-math.inf, math.inf) if clip is None else clip
        if rng.random() < 0.4:
            odd = [(5, 1), (math.nan, 5), ("a", "b"), 3, (1, 2, 3), "auto!", (1,), {}]
            options["clip"], refuse = rng.choice(odd), "must"
    split, model = (
        Split(world.train, None, world.test),
        Fixed(scores=world.scores),
    )
    want = clipped(world, clip)
    error = math.sqrt(sum((p - t) ** 2 for p, t in zip(want, truth)) / len(truth))
    calls = {
        "evaluate_ratings": lambda: package.evaluate_ratings(
            world.model, world.test, **options
        ),
        "quality": lambda: -TASKS["rating"].quality(world.model, world.test),
        "measure": lambda: leaderboard.measure(model, "rating", split)["metrics"][
            "rmse"
        ],
        "compare_ratings": lambda: comparison.compare_ratings(
            {"m": model}, split, **options
        ),
    }

    def check(answer):
        if where == "evaluate_ratings":
            if answer.rating.tolist() != truth:
                return f"ratings {answer.rating.tolist()}, should be {truth}"
            return differ("prediction", answer.prediction.tolist(), want)
        got = answer.rmse["m"] if where == "compare_ratings" else answer
        return None if close(got, error, 0, 2e-6) else f"RMSE {got}, should be {error}"

    kind = f"{where}: {'odd clip' if refuse == 'must' else 'clip'}"
    text = f"{where}({options}): {world.text}"
    return Case(kind, text, calls[where], check, refuse, ("clip",))


def compare(rng):
    world = World(rng)
    other = world.draw(rng)
    by, k = rng.choice(["ndcg", "auc", "recall", "novelty"]), rng.randint(1, 4)
    models = {"a": Fixed(scores=world.scores), "b": Fixed(scores=other)}
    split = Split(world.train, None, world.test)
    tables = [literal(world, s, k)[0] for s in (world.scores, other)]
    a, b = ([row[by] for row in table.values()] for table in tables)
    known = [n for n in range(len(a)) if a[n] == a[n] and b[n] == b[n]]
    options, refuse, words = {"by": by, "k": k, "n_boot": 50}, "never", ("by", by)
    if not known:
        refuse = "must"
    elif len(known) < len(a):
        refuse = "may"
    odd = {
        "by": ["auk", None, "n_relevant!", 3],
        "reference": ["c", 3],
        "models": [{}, None, [models["a"]], {"a": None}, {"a": 3}],
        "splits": [None, world.train, [], [None], (world.train, world.test)],
        "n_boot": [0, -1, 1.5, "9"],
    }
    name, arguments = None, (models, split)
    if rng.random() < 0.4:
        name = rng.choice(sorted(odd))
        value = rng.choice(odd[name])
        refuse, words = (
            "must",
            (name, f"{name}=", "model" if name == "models" else name),
        )
        words += ("split",) if name == "splits" else ()
        if name in ("models", "splits"):
            arguments = (value, split) if name == "models" else (models, value)
        else:
            options[name] = value

    def check(frame):
        means = [sum(x[n] for n in known) / len(known) for x in (a, b)]
        got = frame["difference"].tolist()
        fault = differ("difference", got, [0.0, means[1] - means[0]], 1e-8)
        if fault is None and len(known) == len(a):
            fault = differ(by, frame[by].tolist(), means, 1e-8)
        inside = frame.low["b"] - 1e-9 <= got[1] <= frame.high["b"] + 1e-9
        return fault or (
            None if inside or len(known) < 3 else "mean outside its interval"
        )

    kind = f"compare: odd {name}" if name else f"compare by {by}"
    text = f"compare({options}{', odd ' + name if name else ''}): {world.text}, {other}"
    if name in ("models", "splits"):
        text = f"{name}={value!r}: {text}"
    call = lambda: comparison.compare(*arguments, **options)  # noqa: E731
    return Case(kind, text, call, check, refuse, words)


def other_ids(rng):
    """Parts of one shape that were numbered apart, or that overlap."""
    world = World(rng)
    test = world.test
    what = rng.choice(["users", "items", "order", "same ids, other arrays"])
    users, items = test.user_ids.tolist(), test.item_ids.tolist()
    if what == "users":
        users[rng.randrange(len(users))] = "somebody else"
    elif what == "items":
        items = [i + 1 for i in items]
    elif what == "order":
        users = users[1:] + users[:1]
    else:
        users, items = np.array(users, dtype=object), np.array(items, dtype=np.int64)
    apart = Interactions(test.user, test.item, test.value, None, users, items)
    model, scores = world.model, Fixed(scores=world.scores)
    split = Split(world.train, None, apart)
    calls = {
        "evaluate": lambda: package.evaluate(model, apart),
        "evaluate_ratings": lambda: package.evaluate_ratings(model, apart),
        "compare": lambda: comparison.compare({"m": scores}, split, n_boot=10),
        "compare_ratings": lambda: comparison.compare_ratings({"m": scores}, split),
        "measure": lambda: leaderboard.measure(scores, "ranking", split),
        "quality": lambda: TASKS["rating"].quality(model, apart),
    }
    name = rng.choice(sorted(calls))
    refuse = "never" if what.startswith("same") else "must"
    text = f"{name}, test with other {what}: {world.text}"
    words = ("test", "ids", "id")
    return Case(f"{name}: {what}", text, calls[name], refuse=refuse, words=words)
