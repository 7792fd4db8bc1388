"""Search for hyper-parameters: the spaces, random search, successive halving.

``python -m recsys_tutor.tuning`` (``make tuning``) searches every space of
:data:`~recsys_tutor.spaces.SPACES` under one budget of trials on validation data and
writes ``book/tuning.json``; finished trials are kept.

Chapter: 17 Tuning.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_tutor import metrics, splits
from recsys_tutor.base import FitDiverged, Recommender
from recsys_tutor.checks import check_number
from recsys_tutor.data import Dataset, Interactions, Split
from recsys_tutor.digests import (
    check_same_data,
    code_digest,
    digest,
    interactions_of,
    read_json,
    ready,
)
from recsys_tutor.evaluate import evaluate, evaluate_ratings
from recsys_tutor.files import write_whole
from recsys_tutor.spaces import SPACES, Space

__all__ = [
    "expected_best",
    "load_tuning",
    "quality",
    "random_search",
    "sample",
    "scorer",
    "successive_halving",
    "task_parts",
    "tune_all",
]


TRIALS = "book/tuning.json"
COMMAND = "python -m recsys_tutor.tuning"


def sample(ranges: Mapping, rng) -> dict:
    """One value of each parameter, as plain Python objects."""
    drawn = {}
    for name, values in ranges.items():
        if hasattr(values, "rvs"):
            drawn[name] = float(values.rvs(random_state=rng))
        else:
            drawn[name] = values[rng.integers(len(values))]
    return drawn


def task_parts(task: str, data: Interactions) -> tuple[Split, Split]:
    """``(inner, outer)``: choose on ``inner``, then score ``outer`` once.

    ``outer`` is the first split of the task (seed 42, fold 1, last rows). ``inner``
    takes its validation part from ``outer.train`` by the rule that cut the test part
    off: stratified by item, a random fifth, or each user's last row.
    """
    if task == "ranking":
        outer = splits.item_stratified(data)
        inner = splits.carve_validation(outer)
    elif task == "rating":
        outer = splits.k_fold(data, n_folds=5, random_state=0)[0]
        part = splits.k_fold(outer.train, n_folds=5, random_state=0)[0]
        inner = Split(part.train, part.test, outer.test)
    elif task == "sequence":
        outer = splits.leave_last_out(data)
        part = splits.leave_last_out(outer.train)
        inner = Split(part.train, part.test, outer.test)
    else:
        raise ValueError(
            f"task must be 'ranking', 'rating' or 'sequence', got {task!r}"
        )
    return inner, outer


def quality(model: Recommender, task: str, part: Interactions, **options) -> float:
    """NDCG@10 of a fitted model on ``part``; for the rating task minus the RMSE.

    ``options`` go to :func:`~recsys_tutor.evaluate.evaluate`; for the rating task to
    :func:`~recsys_tutor.evaluate.evaluate_ratings`, whose ``clip`` is the range of the
    training ratings unless told otherwise.
    """
    if task == "rating":
        frame = evaluate_ratings(model, part, **options)
        return -metrics.rmse(frame.rating, frame.prediction)
    return float(evaluate(model, part, **options).ndcg.mean())


def scorer(task: str, train: Interactions, part: Interactions, **options) -> Callable:
    """``score(model)``: fit on ``train``, :func:`quality` on ``part``."""
    return lambda model: quality(model.fit(train), task, part, **options)


def _trial(make, parameters, score, **more) -> dict:
    """One row; a fit that diverges scores -inf and costs what it cost."""
    started = time.process_time()
    try:
        value = score(make(**parameters, **more))
    except FitDiverged:
        value = -np.inf
    return {
        "params": parameters,
        **more,
        "score": value,
        "seconds": time.process_time() - started,
    }


def random_search(
    make: Callable, ranges: Mapping, score: Callable, *, n_trials=20, random_state=0
) -> pd.DataFrame:
    """Try ``n_trials`` random settings.

    Parameters
    ----------
    make : callable
        ``make(**parameters)`` gives an unfitted model.
    ranges : mapping, as in :class:`~recsys_tutor.spaces.Space`
    score : callable
        ``score(model)``, larger is better; it fits the model.
    n_trials : int
    random_state : int, Generator or None

    Returns
    -------
    DataFrame
        A row per trial, in order: ``params`` (dict), ``score``, ``seconds`` (of the
        CPU), and the running ``best`` score and ``spent`` seconds. A fit that diverges
        scores -inf.

    Notes
    -----
    Source: Bergstra and Bengio (2012). Chapter 17.
    """
    check_number("n_trials", n_trials, low=1, whole=True)
    rng = np.random.default_rng(random_state)
    trials = [_trial(make, sample(ranges, rng), score) for _ in range(n_trials)]
    return _with_running(trials)


def successive_halving(
    make: Callable,
    ranges: Mapping,
    score: Callable,
    *,
    n_trials=27,
    budgets: Sequence[int] = (5, 15, 45),
    resource="n_epochs",
    random_state=0,
) -> pd.DataFrame:
    """Many settings with a small budget, the better part again with a larger one.

    All ``n_trials`` settings are scored with ``budgets[0]``; after each round the best
    ``budgets[r] / budgets[r + 1]`` of them (at least one) go on to the next budget, so
    that every round costs about the same. A round trains from nothing.

    Parameters
    ----------
    resource : str
        The parameter that is the budget; it must not be among the ``ranges``.
    Others: see :func:`random_search`.

    Returns
    -------
    DataFrame
        As :func:`random_search`, with ``round`` and the ``resource``. ``best`` counts
        scores of the last budget reached so far only: a small budget's score is not
        comparable with a large one's.

    Notes
    -----
    Source: Jamieson and Talwalkar (2016). Chapter 17.
    """
    check_number("n_trials", n_trials, low=1, whole=True)
    if resource in ranges:
        raise ValueError(f"{resource} is the budget and must not be among the ranges")
    if list(budgets) != sorted(set(budgets)) or not budgets:
        raise ValueError(f"budgets must rise, got {tuple(budgets)}")
    rng = np.random.default_rng(random_state)
    alive = [sample(ranges, rng) for _ in range(n_trials)]
    trials = []
    for n, budget in enumerate(budgets):
        rows = [_trial(make, p, score, **{resource: budget}) for p in alive]
        trials += [row | {"round": n} for row in rows]
        if n + 1 < len(budgets):
            keep = max(1, int(len(alive) * budget / budgets[n + 1]))
            order = sorted(range(len(rows)), key=lambda k: -rows[k]["score"])
            alive = [alive[k] for k in order[:keep]]
    return _with_running(trials)


def _with_running(trials) -> pd.DataFrame:
    frame = pd.DataFrame(trials)
    frame["score"] = frame.score.astype(float).fillna(-np.inf)
    groups = frame["round"] if "round" in frame else np.zeros(len(frame))
    frame["best"] = frame.groupby(groups).score.cummax()
    frame["spent"] = frame.seconds.cumsum()
    return frame


def expected_best(scores: Sequence[float]) -> np.ndarray:
    """Expected best of the first ``n`` trials, for ``n = 1 .. N``.

    ``E[max of n] = sum_i s_(i) · ((i/N)^n - ((i-1)/N)^n)``, with the ``N`` scores
    sorted upwards: the mean over all orders in which ``n`` settings could be drawn,
    with replacement, from the ones tried. Trials of -inf count as the worst finite one.

    Notes
    -----
    Source: Dodge et al. (2019), eq. 7. Chapter 17, eq-tune-expected.
    """
    values = np.sort(np.asarray(scores, dtype=float))
    if values.size == 0 or not np.isfinite(values[-1]):
        raise ValueError("expected one finite score or more")
    values = np.maximum(values, values[np.isfinite(values)][0])
    share = np.arange(len(values) + 1) / len(values)
    n = np.arange(1, len(values) + 1)[:, None]
    return np.diff(share**n, axis=1) @ values


# -- every model under one budget ------------------------------------------------------


def tune_all(
    path: str | Path | None = None,
    *,
    spaces: Mapping[str, Space] = SPACES,
    n_trials: int = 20,
    data: Dataset | Interactions | None = None,
) -> pd.DataFrame:
    """Search every space with the same number of trials; write and return the trials.

    Every setting is scored on the inner validation part of :func:`task_parts`. Its
    ``test`` score, after a fit on all training rows, is there **to look at what
    selection does** (chapter 17), never to choose. A trial that is in the file already,
    with the same data, code and parameters (:mod:`recsys_tutor.digests`), is not run
    again, so an interrupted command goes on where it stopped. Trials of other models
    stay, and so do those beyond ``n_trials`` that belong to the same search.

    Parameters
    ----------
    path : path of the JSON file
        Written to a temporary name and renamed after every trial. A missing folder is
        made. Default: ``book/tuning.json``, for the book's own data only.
    spaces : mapping of names to :class:`~recsys_tutor.spaces.Space`
    n_trials : int
    data : Dataset or Interactions, optional
        Default: MovieLens 100K.

    Raises
    ------
    ValueError
        Before any work: ``data`` without ``path``, or a file that holds trials on other
        data.
    """
    from tqdm import tqdm

    check_number("n_trials", n_trials, low=1, whole=True)
    path, given = ready(path, TRIALS, data is not None), data is not None
    done = _read(path) if path.exists() else {}
    if not given:
        from recsys_tutor.datasets import load_movielens_100k

        data = load_movielens_100k(progress=False)
    data = interactions_of(data)
    known = data.digest
    check_same_data(path, [row for rows in done.values() for row in rows], known, given)
    done = {
        name: done.get(name, []) for name in dict.fromkeys([*SPACES, *spaces, *done])
    }
    with tqdm(total=n_trials * len(spaces), unit="trial") as bar:
        for name, space in spaces.items():
            bar.set_description(name)
            for ran in _search(space, done[name], n_trials, data, known):
                bar.update()
                if ran:
                    _write(path, done)
    _write(path, done)
    return load_tuning(path)


def _search(space, rows, n_trials, data, known) -> Iterator[bool]:
    """Complete a space's rows in place; for each trial whether it was run."""
    inner, outer = task_parts(space.task, data)
    score = scorer(space.task, inner.train, inner.valid)
    test = scorer(space.task, outer.train, outer.test)
    rng = np.random.default_rng(0)
    for n in range(max(n_trials, len(rows))):
        parameters = sample(space.ranges, rng)
        about = {
            "params": {k: repr(v) for k, v in parameters.items()},
            "data": known,
            "code": code_digest(space.kind(), parameters),
            "params_digest": digest(parameters),
        }
        fresh = n < len(rows) and about.items() <= rows[n].items()
        if not fresh:
            del rows[n:]  # another search, or by other code
            if n >= n_trials:
                break
            row = _trial(space.make, parameters, score)
            row["test"] = _trial(space.make, parameters, test)["score"]
            rows.append(about | _finite(row))
        if n < n_trials:
            yield not fresh


def load_tuning(path: str | Path = "tuning.json") -> pd.DataFrame:
    """Every trial of the file, in order.

    Columns model, task, trial (from 1), params, score, seconds, test, best, spent:
    score and test as :func:`quality`, best and spent as :func:`random_search`.
    """
    digests = "data", "code", "params_digest"
    parts = []
    for name, rows in _read(Path(path)).items():
        rows = [{k: v for k, v in row.items() if k not in digests} for row in rows]
        frame = _with_running([row | {"trial": n} for n, row in enumerate(rows, 1)])
        frame.insert(0, "model", name)
        frame.insert(1, "task", SPACES[name].task if name in SPACES else None)
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def _read(path: Path) -> dict[str, list]:
    return read_json(path, "file of trials", COMMAND, {"params", "score", "test"})


def _finite(row) -> dict:
    """Scores and seconds of a trial for JSON, which has no infinity."""
    return {
        name: round(float(row[name]), 5) if np.isfinite(row[name]) else None
        for name in ("score", "test", "seconds")
    }


def _write(path: Path, done) -> None:
    models = (
        json.dumps(name, ensure_ascii=False)
        + ": [\n"
        + ",\n".join(json.dumps(row) for row in rows)
        + "\n]"
        for name, rows in done.items()
        if rows
    )
    write_whole(path, "{\n" + ",\n".join(models) + "\n}\n")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", help=f"default: {TRIALS}")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--only", help="search this model alone", choices=SPACES)
    options = parser.parse_args(arguments)
    spaces = {options.only: SPACES[options.only]} if options.only else SPACES
    trials = tune_all(options.out, spaces=spaces, n_trials=options.trials)
    print(trials.groupby("model", sort=False)[["best", "spent"]].last().round(4))


if __name__ == "__main__":
    main()
