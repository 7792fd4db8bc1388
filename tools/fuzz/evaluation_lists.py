"""``evaluate``: every metric of every user, by loops."""

import math

import numpy as np
import oracles
from evaluated import Fixed
from scipy.sparse import csr_array

from fuzz import worlds
from fuzz.core import Case, close, differ
from recsys_tutor import evaluate as package

NAMES = ("precision", "recall", "ndcg", "ap", "mrr", "hit", "auc", "novelty")


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
        self.model = Fixed(scores=self.scores).fit(self.train)
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
        "model": [None, "EASE", Fixed(scores=world.scores), Fixed, 3],
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
