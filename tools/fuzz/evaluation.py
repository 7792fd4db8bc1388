"""``evaluate``, ``evaluate_ratings``, ``compare`` and what is built on them, by loops.

The models' scores are given, so that nothing of the package but the evaluation itself
is under test. Rating errors are clipped to the training data's own range by default.
"""

import math

import numpy as np
import oracles
from scipy.sparse import csr_array

from fuzz import worlds
from fuzz.core import Case, close, differ
from recsys_tutor import evaluate as package
from recsys_tutor import leaderboard, tuning
from recsys_tutor.data import Interactions, Split

NAMES = ("precision", "recall", "ndcg", "ap", "mrr", "hit", "auc", "novelty")


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


class World:
    """A train and a test part of one random matrix, and a model with given scores."""

    def __init__(self, rng):
        shape = rng.randint(2, 5), rng.randint(2, 6)
        cells = [(u, i) for u in range(shape[0]) for i in range(shape[1])]
        cells = rng.sample(cells, rng.randint(3, len(cells)))
        low, high = rng.choice([(1, 5), (1, 5), (-10, 10), (0, 1), (0, 100)])
        value = [rng.randint(2 * low, 2 * high) / 2 for _ in cells]
        cut = rng.randint(1, len(cells) - 1)
        self.train = worlds.make(cells[:cut], value[:cut], None, *shape)
        self.test = worlds.make(cells[cut:], value[cut:], None, *shape)
        self.shape = shape
        self.scores = self.draw(rng)
        self.model = worlds.Given(scores=self.scores).fit(self.train)
        self.text = (
            f"train {worlds.shown(self.train)}, test {worlds.shown(self.test)}, "
        )
        self.text += f"scores {self.scores}"

    def draw(self, rng):
        number = lambda: rng.choice([-3.0, 0.0, 1.0, 2.5, 7.0, 40.0])  # noqa: E731
        return [[number() for _ in range(self.shape[1])] for _ in range(self.shape[0])]


def literal(world, scores, k=10, exclude="seen", threshold=None, item_features=None):
    """{user: {metric: value}} and the attributes, from the definitions."""
    n_users, n_items = world.shape
    seen = world.train.csr.toarray() if exclude is None else None
    stored = np.zeros((n_users, n_items), dtype=bool)
    if isinstance(exclude, str):
        stored[world.train.user, world.train.item] = True
    elif exclude is not None:
        rows = np.repeat(np.arange(n_users), np.diff(exclude.indptr))
        stored[rows, exclude.indices] = True
    counts = [world.train.item.tolist().count(i) for i in range(n_items)]
    del seen
    table, listed = {}, []
    for u in range(n_users):
        good = {
            int(i)
            for v, i, r in zip(world.test.user, world.test.item, world.test.value)
            if v == u and (threshold is None or r >= threshold)
        }
        if not good:
            continue
        items = oracles.ranked_list(scores[u], stored[u], k)
        left = [i for i in range(n_items) if not stored[u][i]]
        positive = [i for i in left if i in good]
        negative = [i for i in left if i not in good]
        row = oracles.list_metrics(items, good, k)
        row["auc"] = math.nan
        if positive and negative:
            row["auc"] = oracles.auc(scores[u], positive, negative)
        row["novelty"] = oracles.novelty(items, counts, n_users)
        if item_features is not None:
            row["diversity"] = oracles.diversity(items, np.asarray(item_features))
        row["n_relevant"] = len(good)
        table[u] = row
        listed += [i for i in items if i >= 0]
    times = [listed.count(i) for i in range(n_items)]
    return table, {
        "k": k,
        "coverage": len(set(listed)) / n_items,
        "gini": oracles.gini(times) if listed else 0.0,
        "n_users_without_test": n_users - len(table),
    }


def options_of(rng, world):
    options = {}
    if rng.random() < 0.7:
        options["k"] = rng.randint(1, 8)
    if rng.random() < 0.6:
        cells = np.array([[rng.random() < 0.3 for _ in row] for row in world.scores])
        options["exclude"] = rng.choice(["seen", None, csr_array(cells.astype(float))])
    if rng.random() < 0.4:
        options["threshold"] = rng.choice([-1.0, 1, 3.0, 4.5])
    if rng.random() < 0.4:
        features = [
            [rng.choice([0.0, 1.0, 3.0]) for _ in "ab"] for _ in world.scores[0]
        ]
        options["item_features"] = np.array(features)
    return options


def ranking(rng):
    world = World(rng)
    options = options_of(rng, world)
    table, attrs = literal(world, world.scores, **options)
    batch = {"batch_size": rng.randint(1, 3)} if rng.random() < 0.4 else {}
    test = world.test
    if rng.random() < 0.05:
        batch["batch_size"] = np.int64(2)

    def check(frame):
        if frame.index.tolist() != list(table):
            return f"users {frame.index.tolist()}, should be {list(table)}"
        for name in next(iter(table.values())):
            want = [row[name] for row in table.values()]
            fault = differ(name, frame[name].tolist(), want)
            if fault:
                return fault
        for name, want in attrs.items():
            if not close(frame.attrs[name], want):
                return f"attrs[{name!r}] is {frame.attrs[name]}, should be {want}"
        short = package.summarize(frame)
        for name in ("ndcg", "recall"):
            mean = sum(row[name] for row in table.values()) / len(table)
            if not close(short[name], mean):
                return f"summarize: {name} {short[name]}, should be {mean}"
        return None

    text = f"evaluate: {world.text}, {options | batch}"
    call = lambda: package.evaluate(world.model, test, **options, **batch)  # noqa: E731
    refuse = "never" if table else "must"
    return Case("evaluate", text, call, check, refuse, ("relevant",))


def ranking_odd(rng):
    """One argument that is none."""
    world = World(rng)
    n, test = world.shape[1], world.test
    features = np.ones((n, 2))
    odd = {
        "test": [None, test.csr, test.to_frame(), test.value, "test", (test,)],
        "model": [None, "EASE", worlds.Given(scores=world.scores), worlds.Given, 3],
        "k": [0, -1, 2.5, "3", None, True, math.nan],
        "exclude": ["all", 3, [0, 1], csr_array((1, 1)), np.ones((2, 2)), True],
        "threshold": ["3", math.nan, [3], None.__class__, 1j],
        "batch_size": [0, -1, "2", 1.5, True],
        "item_features": [
            np.ones(n), np.ones((n + 1, 2)), np.ones((n - 1, 2)), "abc", 5,
            np.full((n, 2), math.nan), np.full((n, 2), math.inf), np.ones((n, 2, 2)),
            [["a"] * 2] * n,
        ],
    }  # fmt: skip
    name = rng.choice(sorted(odd))
    value = rng.choice(odd[name])
    arguments = {"model": world.model, "test": test, name: value}
    model, part = arguments.pop("model"), arguments.pop("test")
    refuse, check = "must", None
    if name == "item_features" and rng.random() < 0.2:  # what tfidf returns
        arguments["item_features"], refuse = csr_array(features), "may"
        table, _ = literal(world, world.scores, item_features=features)
        want = [row["diversity"] for row in table.values()]
        check = lambda f: differ("diversity", f["diversity"].tolist(), want)  # noqa: E731
        value = "csr_array"
    text = f"evaluate({name}={value!r}): {world.text}"
    call = lambda: package.evaluate(model, part, **arguments)  # noqa: E731
    words = {"model": ("model", "fitted")}.get(name, (name,))
    kind = f"evaluate: odd {name}"
    return Case(kind, text, call, check or (lambda _: None), refuse, words)


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
        worlds.Given(scores=world.scores),
    )
    want = clipped(world, clip)
    error = math.sqrt(sum((p - t) ** 2 for p, t in zip(want, truth)) / len(truth))
    calls = {
        "evaluate_ratings": lambda: package.evaluate_ratings(
            world.model, world.test, **options
        ),
        "quality": lambda: -tuning.quality(world.model, "rating", world.test),
        "measure": lambda: leaderboard.measure(model, "rating", split)["metrics"][
            "rmse"
        ],
        "compare_ratings": lambda: package.compare_ratings(
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
    models = {"a": worlds.Given(scores=world.scores), "b": worlds.Given(scores=other)}
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
    call = lambda: package.compare(*arguments, **options)  # noqa: E731
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
    model, scores = world.model, worlds.Given(scores=world.scores)
    split = Split(world.train, None, apart)
    calls = {
        "evaluate": lambda: package.evaluate(model, apart),
        "evaluate_ratings": lambda: package.evaluate_ratings(model, apart),
        "compare": lambda: package.compare({"m": scores}, split, n_boot=10),
        "compare_ratings": lambda: package.compare_ratings({"m": scores}, split),
        "measure": lambda: leaderboard.measure(scores, "ranking", split),
        "quality": lambda: tuning.quality(model, "rating", apart),
    }
    name = rng.choice(sorted(calls))
    refuse = "never" if what.startswith("same") else "must"
    text = f"{name}, test with other {what}: {world.text}"
    words = ("test", "ids", "id")
    return Case(f"{name}: {what}", text, calls[name], refuse=refuse, words=words)
