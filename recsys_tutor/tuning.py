"""Search for hyper-parameters: random search, successive halving, the expected best.

Generic: a search needs a function that makes a model, a range per parameter and a
function that scores a model (:meth:`.Task.scorer` makes one).

Chapter: 17 Tuning.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from recsys_tutor.base import FitDiverged
from recsys_tutor.checks import check_number
from recsys_tutor.parameters import Seed

__all__ = [
    "expected_best",
    "random_search",
    "running_best",
    "sample",
    "successive_halving",
    "trial",
    "whole",
]


def whole(low: int, high: int) -> list[int]:
    """Whole numbers from ``low`` to ``high``, about evenly spaced in the logarithm."""
    return sorted({int(round(x)) for x in np.geomspace(low, high, 40)})


def sample(ranges: Mapping, rng: np.random.Generator) -> dict:
    """One value of each parameter, as plain Python objects.

    ``ranges`` maps a parameter to a frozen ``scipy.stats`` distribution, or to a list
    whose values are all as likely.
    """
    drawn = {}
    for name, values in ranges.items():
        if hasattr(values, "rvs"):
            drawn[name] = float(values.rvs(random_state=rng))
        else:
            drawn[name] = values[rng.integers(len(values))]
    return drawn


def trial(make: Callable, parameters: Mapping, score: Callable, **more: Any) -> dict:
    """One row: ``params``, ``score``, ``seconds`` of the CPU, and what ``more`` is.

    The model is ``make(**parameters, **more)``. A fit that diverges scores -inf and
    costs what it cost.
    """
    started = time.process_time()
    try:
        value = score(make(**parameters, **more))
    except FitDiverged:
        value = -np.inf
    seconds = time.process_time() - started
    return {"params": parameters, **more, "score": value, "seconds": seconds}


def random_search(
    make: Callable,
    ranges: Mapping,
    score: Callable,
    *,
    n_trials: int = 20,
    random_state: Seed = 0,
) -> pd.DataFrame:
    """Try ``n_trials`` random settings.

    Parameters
    ----------
    make : callable
        ``make(**parameters)`` gives an unfitted model.
    ranges : mapping, as in :func:`sample`
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
    trials = [trial(make, sample(ranges, rng), score) for _ in range(n_trials)]
    return running_best(trials)


def successive_halving(
    make: Callable,
    ranges: Mapping,
    score: Callable,
    *,
    n_trials: int = 27,
    budgets: Sequence[int] = (5, 15, 45),
    resource: str = "n_epochs",
    random_state: Seed = 0,
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
        rows = [trial(make, p, score, **{resource: budget}) for p in alive]
        trials += [row | {"round": n} for row in rows]
        if n + 1 < len(budgets):
            keep = max(1, int(len(alive) * budget / budgets[n + 1]))
            order = sorted(range(len(rows)), key=lambda k: -rows[k]["score"])
            alive = [alive[k] for k in order[:keep]]
    return running_best(trials)


def running_best(trials: Sequence[Mapping]) -> pd.DataFrame:
    """Rows of :func:`trial` as a frame, with the columns ``best`` and ``spent``.

    Both run on from row to row, ``best`` within a ``round`` if there is such a column.
    A missing score is one that diverged.
    """
    frame = pd.DataFrame(trials)
    frame["score"] = frame.score.astype(float).fillna(-np.inf)
    groups = frame["round"] if "round" in frame else np.zeros(len(frame))
    frame["best"] = frame.groupby(groups).score.cummax()
    frame["spent"] = frame.seconds.cumsum()
    return frame


def expected_best(scores: Sequence[float]) -> np.ndarray:
    """Expected best of the first ``n`` trials, for ``n = 1 .. N``.

    ``E[max of n] = sum_i s_(i) · ((i/N)^n - ((i-1)/N)^n)``, with the ``N`` scores
    sorted upwards: the mean best of ``n`` draws, with replacement, from the trials
    made. Trials of -inf count as the worst finite one.

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
