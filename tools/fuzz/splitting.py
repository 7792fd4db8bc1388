"""The eight splitters and carve_validation: a partition of the rows by a stated rule.

Oracles are loops over rows. Rows of a part keep the order of the input, except where
the docstring says otherwise (``k_fold`` with a seed).
"""

import math

import numpy as np
import oracles

from fuzz import worlds
from fuzz.core import Case
from recsys_tutor import splits

ODD_SEEDS = (-1, 2**32, 1.5, "a", [1, 2], math.nan, True)
ODD_RATIOS = (0, 1, -0.1, 1.5, math.nan, "0.5", None, True, [0.5])
ODD_COUNTS = (1, 0, -3, 2.5, "2", None, 10**6, True)


def make(rng):
    name = rng.choice(sorted(RULES))
    data = worlds.ratings(rng, least=rng.choice([0, 1, 6]))
    options, odd = {}, None
    for option, (good, bad) in OPTIONS[name].items():
        if rng.random() < 0.6:
            options[option] = good(rng, data)
        if odd is None and rng.random() < 0.12:
            odd = option
            options[option] = rng.choice(bad)
    refuse, words = "may", tuple(OPTIONS[name])
    if odd is not None:
        words = (odd,)
        lenient = (
            odd in ("random_state", "valid") or odd == "ratio" and "cut" in options
        )
        refuse = "may" if lenient else "must"
    words += ("time", "rows", "cut", "item", "user", "need", "n_folds")
    if odd is None:
        if name in ("item_stratified", "user_holdout", "carve_validation"):
            refuse = "never"
        if name in ("leave_last_out", "global_time") and data.time is None:
            refuse = "must"
    argument = data
    if rng.random() < 0.06:
        argument, odd = rng.choice([None, data.csr, data.to_frame(), [data]]), "data"
        refuse, words = "must", ("data", "Interactions", "Split")
    elif name == "carve_validation":
        outer = splits.item_stratified(data, random_state=rng.randint(0, 9))
        argument = outer

    def call():
        return getattr(splits, name)(argument, **options)

    def check(parts):
        return RULES[name](data, argument, parts, **options)

    shown = worlds.shown(data) if odd != "data" else type(argument).__name__
    text = f"{name}({shown}, {options})"
    kind = f"{name}: {'odd ' + odd if odd else 'rule'}"
    return Case(kind, text, call, check, refuse, words)


def positions(data, part):
    """Row numbers of the input that a part holds, in the part's order."""
    where = {row: n for n, row in enumerate(worlds.rows_of(data))}
    if part.user_ids.tolist() != data.user_ids.tolist():
        raise AssertionError("the part has other user ids")
    if part.item_ids.tolist() != data.item_ids.tolist():
        raise AssertionError("the part has other item ids")
    return [where[row] for row in worlds.rows_of(part)]


def partition(data, parts, expected, ordered=True):
    """Every row is in exactly one part, and in the one it belongs to."""
    got = [positions(data, part) for part in parts]
    everything = sorted(row for rows in got for row in rows)
    if everything != list(range(len(data))):
        return f"no partition of {len(data)} rows: {got}"
    if ordered and any(rows != sorted(rows) for rows in got):
        return f"rows out of order: {got}"
    want = [sorted(rows) for rows in expected]
    if [sorted(rows) for rows in got] != want:
        return f"rows {got}, should be {want}"
    return None


def stratified(data, group, parts, ratio, seed):
    train = oracles.stratified_train_rows(group.tolist(), ratio, seed)
    rest = set(range(len(data))) - train
    return partition(data, [parts.train, parts.test], [train, rest])


def item_stratified(data, _, parts, ratio=0.75, random_state=42):
    return stratified(data, data.item, parts, ratio, random_state)


def user_holdout(data, _, parts, ratio=0.75, random_state=42):
    return stratified(data, data.user, parts, ratio, random_state)


def carve_validation(data, outer, parts, ratio=0.75, random_state=42):
    if parts.test is not outer.test and positions(data, parts.test) != positions(
        data, outer.test
    ):
        return "the test part changed"
    inner = type(outer)(parts.train, None, parts.valid)
    return item_stratified(outer.train, None, inner, ratio, random_state)


def k_fold(data, _, folds, n_folds=5, random_state=0):
    rows = list(range(len(data)))
    if random_state is not None:
        shuffled = np.arange(len(data))
        np.random.RandomState(random_state).shuffle(shuffled)
        rows = shuffled.tolist()
    if len(folds) != n_folds:
        return f"{len(folds)} folds for {n_folds}"
    sizes = [len(rows) // n_folds + (n < len(rows) % n_folds) for n in range(n_folds)]
    start = 0
    for fold, size in zip(folds, sizes):
        test = rows[start : start + size]
        train = rows[:start] + rows[start + size :]
        got = positions(data, fold.train), positions(data, fold.test)
        if got != (train, test):
            return f"fold {got}, should be {(train, test)}"
        start += size
    return None


def contiguous_folds(data, _, folds, n_folds=5):
    return k_fold(data, None, folds, n_folds, None)


def leave_last_out(data, _, parts, valid=False):
    valid = bool(valid)
    last = oracles.last_rows(data.user, data.time, 1 + valid, 2 + valid)
    test = [rows[0] for rows in last.values()]
    held = [rows[1] for rows in last.values()] if valid else []
    train = set(range(len(data))) - set(test) - set(held)
    if (parts.valid is not None) != valid:
        return f"valid is {parts.valid}"
    given = [parts.train, parts.test] + ([parts.valid] if valid else [])
    return partition(data, given, [train, test, held][: 2 + valid])


def global_time(data, _, parts, ratio=0.75, cut=None):
    times = data.time.tolist()
    if cut is None:
        cut = sorted(times)[min(int(ratio * len(times)), len(times) - 1)]
    before = [n for n, t in enumerate(times) if t < cut]
    after = [n for n, t in enumerate(times) if t >= cut]
    if not before or not after:
        return "one part is empty"
    return partition(data, [parts.train, parts.test], [before, after])


def chosen(index, fraction, seed):
    present = sorted(set(index.tolist()))
    n = round(fraction * len(present))
    return set(np.random.RandomState(seed).permutation(present)[:n].tolist())


def cold_items(data, _, parts, fraction=0.2, random_state=42):
    cold = chosen(data.item, fraction, random_state)
    hidden = [n for n, i in enumerate(data.item.tolist()) if i in cold]
    shown = [n for n, i in enumerate(data.item.tolist()) if i not in cold]
    if not hidden or not shown:
        return "one part is empty"
    return partition(data, [parts.train, parts.test], [shown, hidden])


def new_users(data, _, parts, fraction=0.2, n_known=0, random_state=42):
    new = chosen(data.user, fraction, random_state)
    if sorted(new) != parts.users.tolist():
        return f"new users {parts.users.tolist()}, should be {sorted(new)}"
    key = np.random.RandomState(random_state).rand(len(data))
    users = data.user.tolist()
    history = []
    for u in new:
        own = sorted((n for n, v in enumerate(users) if v == u), key=lambda n: key[n])
        history += own[:n_known]
    train = [n for n, u in enumerate(users) if u not in new]
    test = set(range(len(data))) - set(train) - set(history)
    return partition(
        data, [parts.train, parts.history, parts.test], [train, history, test]
    )


RULES = {
    f.__name__: f
    for f in (
        item_stratified, user_holdout, carve_validation, k_fold, contiguous_folds,
        leave_last_out, global_time, cold_items, new_users,
    )
}  # fmt: skip
RATIO = (lambda r, d: r.choice([0.1, 0.5, 0.75, 0.9]), ODD_RATIOS)
SEED = (lambda r, d: r.randint(0, 100), ODD_SEEDS)
FOLDS = (lambda r, d: r.randint(2, 4), ODD_COUNTS)
OPTIONS = {
    "item_stratified": {"ratio": RATIO, "random_state": SEED},
    "user_holdout": {"ratio": RATIO, "random_state": SEED},
    "carve_validation": {"ratio": RATIO, "random_state": SEED},
    "k_fold": {"n_folds": FOLDS, "random_state": SEED},
    "contiguous_folds": {"n_folds": FOLDS},
    "leave_last_out": {"valid": (lambda r, d: r.random() < 0.6, ("yes", 2, None))},
    "global_time": {
        "ratio": RATIO,
        "cut": (lambda r, d: r.randint(0, 5), ("2", math.nan, [2], 2 + 1j)),
    },
    "cold_items": {"fraction": RATIO, "random_state": SEED},
    "new_users": {
        "fraction": RATIO,
        "n_known": (lambda r, d: r.randint(0, 3), (-1, 1.5, "1", None, True)),
        "random_state": SEED,
    },
}
