"""Counting against a network over made worlds of growing size.

``python -m recsys_tutor.study.growth`` (a part of ``make leaderboard``) measures the
points that are missing and writes ``recsys_tutor/study/data/growth.json``; finished
ones are kept. The world, and why it is made as it is: :mod:`.chains`.

- Each seed is a world of its own: other tables, other users, another training. So the
  differences between two ways, one per world, are independent draws, and the interval
  of their mean is Student's.
- Points are measured from the smallest size to the largest, seed by seed.
- What a way may choose (:data:`WAYS`), it chooses at each size anew, in a world of its
  own (seed 0) that no score comes from, on each user's last item but one. The network
  has two settings, each stopped by that score; the counts have six and six.
- Both are then fitted to all items but the last, which is the test.

Chapter: 15 Autoencoders and graphs (where is the border?).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t as student

from recsys_tutor.callbacks import EarlyStopping
from recsys_tutor.files import write_whole
from recsys_tutor.study import chains
from recsys_tutor.study.digests import code_digest
from recsys_tutor.study.files import GROWTH, read_json, ready

__all__ = [
    "SEEDS",
    "SIZES",
    "WAYS",
    "load_growth",
    "main",
    "measure_growth",
    "student_interval",
]

COMMAND = "python -m recsys_tutor.study.growth"
#: Numbers of users.
SIZES = (250, 1000, 4000, 16_000)
#: One world each.
SEEDS = (1, 2, 3, 4, 5)
#: Shares of the steps that the last two items decide: the world, and its control.
PAIRS = (0.5, 0.0)
#: The settings from which each way may choose.
WAYS: dict[str, list[dict]] = {
    "Transitions": [
        {"window": window, "recency": recency}
        for window, recency in product((1, 2), (0.0, 0.1, 0.3))
    ],
    "Pairs counted": [
        {"trust": trust, "trust_single": single}
        for trust, single in product((0.3, 1.0, 3.0), (3.0, 30.0))
    ],
    "GRU4Rec": [{"n_factors": 64, "dropout": dropout} for dropout in (0.2, 0.5)],
}
KEYS = ["pair", "n_users", "way"]
MOST_EPOCHS, PATIENCE, WATCHED = 40, 3, 1000


def _scores(
    way: str, walks: np.ndarray, n_items: int, setting: dict, seed: int
) -> np.ndarray:
    if way == "Transitions":
        return chains.transitions(walks, n_items, setting)
    if way == "Pairs counted":
        return chains.count_pairs(walks, n_items, **setting)
    return chains.network(walks, n_items, setting, seed=seed)


def _choose(way: str, walks: np.ndarray, n_items: int) -> dict:
    """The setting that ranks each user's last item but one best, and its hit rate."""
    known, following = walks[:, :-2], walks[:, -2]
    few = slice(0, WATCHED)
    best: dict = {"valid": -1.0}
    for setting in WAYS[way]:
        if way == "GRU4Rec":
            stop = EarlyStopping(
                lambda model: chains.hit_rate(
                    model.score(np.arange(len(walks))[few]), known[few], following[few]
                ),
                patience=PATIENCE,
            )
            longest = {**setting, "n_epochs": MOST_EPOCHS}
            chains.network(known, n_items, longest, seed=0, callback=stop)
            valid, setting = stop.best, {**setting, "n_epochs": stop.best_epoch}
        else:
            scores = _scores(way, known, n_items, setting, 0)
            valid = chains.hit_rate(scores, known, following)
        if valid > best["valid"]:
            best = {"setting": setting, "valid": round(valid, 5)}
    return best


def _point(key: tuple, seed: int, setting: dict, world: chains.Chain) -> dict:
    _, n_users, way = key
    walks = world.walks(n_users)
    past, following = walks[:, :-1], walks[:, -1]
    start = time.process_time()
    scores = _scores(way, past, len(world.kind), setting, seed)
    seconds = time.process_time() - start
    found = {
        "hit": chains.hit_rate(scores, past, following),
        "ceiling": chains.hit_rate(world.chances(past), past, following),
        "ceiling_single": chains.hit_rate(world.chances(past, back=1), past, following),
        "seconds": seconds,
    }
    return {name: round(value, 5) for name, value in found.items()}


def measure_growth(
    path: str | Path | None = None,
    *,
    sizes: Sequence[int] = SIZES,
    seeds: Sequence[int] = SEEDS,
    ways: Sequence[str] = tuple(WAYS),
    pairs: Sequence[float] = PAIRS,
) -> pd.DataFrame:
    """Measure what is missing, seed by seed; write it and return all points.

    Parameters
    ----------
    path : path of the JSON file
        Written to a temporary name and renamed after every point. Default: the
        package's own ``growth.json``, only in the book's repository.
    sizes, seeds, ways, pairs : what is measured; other rows of the file stay.

    Raises
    ------
    ValueError
        There is no such way.
    """
    unknown = set(ways) - set(WAYS)
    if unknown:
        raise ValueError(f"ways are {', '.join(WAYS)}; got {sorted(unknown)}")
    path = ready(path, GROWTH, False)
    code = code_digest(chains.Chain)
    done = _read(path) if path.exists() else {}
    rows = {
        part: [row for row in done.get(part, []) if row["code"] == code]
        for part in ("chosen", "points")
    }
    for seed, n_users, pair, way in product(seeds, sorted(sizes), pairs, ways):
        key = (pair, n_users, way)
        about = dict(zip(KEYS, key)) | {"code": code}
        chosen = [row for row in rows["chosen"] if about.items() <= row.items()]
        if not chosen:
            world = chains.Chain(pair=pair, random_state=0)
            best = _choose(way, world.walks(n_users), len(world.kind))
            chosen = [about | best]
            rows["chosen"] += chosen
            _write(path, rows)
        about["seed"] = seed
        if not any(about.items() <= row.items() for row in rows["points"]):
            world = chains.Chain(pair=pair, random_state=seed)
            point = _point(key, seed, chosen[0]["setting"], world)
            rows["points"].append(about | point)
            _write(path, rows)
    return load_growth(path)


def load_growth(path: str | Path = GROWTH) -> pd.DataFrame:
    """Every point of the file; without a path, of the book's own.

    Columns pair, n_users, way, seed, hit, ceiling, ceiling_single (hit rates of the
    truth, and of the truth that sees one item back, on the same users), seconds (of
    the processor) and setting, as text.
    """
    done = _read(Path(path))
    points = pd.DataFrame(done["points"]).drop(columns="code")
    chosen = pd.DataFrame(done["chosen"])[[*KEYS, "setting"]]
    chosen["setting"] = chosen.setting.map(repr)
    points = points.merge(chosen, on=KEYS, how="left", validate="many_to_one")
    by = ["pair", "way", "n_users", "seed"]
    return points.sort_values(by, kind="stable", ignore_index=True)


def student_interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half width of Student's 95 % interval of independent values."""
    n = len(values)
    half = student.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n)
    return float(np.mean(values)), float(half)


def _read(path: Path) -> dict[str, list]:
    return read_json(path, "file of growing worlds", COMMAND, {*KEYS, "code"})


def _write(path: Path, rows: dict[str, list]) -> None:
    parts = (
        json.dumps(name) + ": [\n" + ",\n".join(map(json.dumps, part)) + "\n]"
        for name, part in rows.items()
    )
    write_whole(path, "{\n" + ",\n".join(parts) + "\n}\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line: measure what is missing, print mean hit rates."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", help="default: the book's own growth.json")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    options = parser.parse_args(arguments)
    points = measure_growth(options.out, sizes=options.sizes, seeds=options.seeds)
    means = points.pivot_table(index=["pair", "n_users"], columns="way", values="hit")
    print(means.round(3))


if __name__ == "__main__":
    main()
