"""Protocols: a task with its splits, its scores and what is looked at first.

Two numbers can be compared if they were measured under one protocol. A :class:`Task`
is that protocol as an object: it makes each of its splits by name, cuts a validation
part off by the rule that cut the test part off, and scores a fitted model.
:data:`TASKS` holds the three of the book; they work on any data, and a task of one's
own is a :class:`ListTask` or a :class:`RatingTask` with other splits.

Chapters: 02 Evaluation (defines the tasks), 17 Tuning, 18 Leaderboard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from recsys_tutor import metrics, splits
from recsys_tutor.base import Recommender
from recsys_tutor.data import Interactions, Split
from recsys_tutor.evaluate import evaluate, evaluate_ratings, summarize
from recsys_tutor.ranking import batches

__all__ = [
    "ListTask",
    "RatingTask",
    "SEEDS",
    "Scores",
    "TASKS",
    "Task",
    "get_task",
]

#: Seeds of the five splits of the ranking task.
SEEDS = (42, 43, 44, 45, 46)


class Scores(NamedTuple):
    """What a task says about a model: a mean per metric, and what is behind it.

    ``per_user`` is the NDCG@10 of each user with test rows, indexed by user; None for
    a task that makes no lists.
    """

    means: dict[str, float]
    per_user: pd.Series | None


@dataclass(frozen=True)
class Task:
    """A question asked of models, and the rules under which answers compare.

    Parameters
    ----------
    name : str
    columns : tuple of str
        Metrics that a table shows, the one that decides first.
    splits : mapping of names to callables
        ``splits[name](data)`` makes that split, in the order of the mapping.
    validation : callable
        ``validation(train)`` gives a Split of a training part, by the same rule.
    """

    name: str
    columns: tuple[str, ...]
    splits: Mapping[str, Callable[[Interactions], Split]]
    validation: Callable[[Interactions], Split]

    @property
    def split_names(self) -> tuple[str, ...]:
        """Names of the splits, in order."""
        return tuple(self.splits)

    def split(self, data: Interactions, name: str | None = None) -> Split:
        """One split, made alone; without a name the first.

        Raises ``ValueError`` for a name that the task does not have.
        """
        name = self.split_names[0] if name is None else name
        if name not in self.splits:
            raise ValueError(
                f"task {self.name!r} has no split {name!r}; it has "
                f"{', '.join(self.splits)}"
            )
        return self.splits[name](data)

    def inner(self, split: Split) -> Split:
        """The split with a validation part cut out of its training part.

        Train is smaller, valid what was cut off, test untouched: choose on ``valid``,
        refit on ``split.train``, then score ``split.test`` once.
        """
        part = self.validation(split.train)
        return Split(part.train, part.test, split.test)

    def parts(self, data: Interactions) -> tuple[Split, Split]:
        """``(inner, outer)`` of the first split: choose on inner, test on outer."""
        outer = self.split(data)
        return self.inner(outer), outer

    def judge(self, model: Recommender, part: Interactions, **options: Any) -> Scores:
        """Scores of a fitted model on a test or validation part."""
        raise NotImplementedError

    def serve(self, model: Recommender, part: Interactions) -> None:
        """Ask for the answers that the task needs, as a server would be asked."""
        raise NotImplementedError

    def quality(self, model: Recommender, part: Interactions, **options: Any) -> float:
        """The first of the ``columns``, with a sign that makes larger better.

        NDCG@10, or minus the RMSE. ``options`` as in :meth:`judge`.
        """
        return self.judge(model, part, **options).means[self.columns[0]]

    def scorer(
        self, train: Interactions, part: Interactions, **options: Any
    ) -> Callable:
        """``score(model)``: fit on ``train``, :meth:`quality` on ``part``."""
        return lambda model: self.quality(model.fit(train), part, **options)


class ListTask(Task):
    """All items that a user has not seen are ranked; the first ten count.

    ``options`` go to :func:`~recsys_tutor.evaluate.evaluate`.
    """

    def judge(self, model: Recommender, part: Interactions, **options: Any) -> Scores:
        """Means of :func:`~recsys_tutor.evaluate.summarize`, NDCG of each user."""
        frame = evaluate(model, part, **options)
        means = {name: float(value) for name, value in summarize(frame).items()}
        return Scores(means, frame.ndcg)

    def serve(self, model: Recommender, part: Interactions) -> None:
        """Scores of all users and items."""
        users = np.arange(part.n_users)
        for rows in batches(*part.shape):
            model.score(users[rows])


class RatingTask(Task):
    """Stars are predicted: RMSE and MAE over all test ratings at once.

    ``options`` go to :func:`~recsys_tutor.evaluate.evaluate_ratings`, whose ``clip`` is
    the range of the training ratings unless told otherwise.
    """

    def judge(self, model: Recommender, part: Interactions, **options: Any) -> Scores:
        """Errors; ``rmse_own_time`` for a model that is told when a rating was given.

        Only a model that ``uses_time`` has it: more is known there than when a
        prediction is asked for (chapter 10).
        """
        frame = evaluate_ratings(model, part, **options)
        pair = frame.rating, frame.prediction
        means = {"rmse": metrics.rmse(*pair), "mae": metrics.mae(*pair)}
        if model.uses_time:
            frame = evaluate_ratings(model, part, own_time=True, **options)
            means["rmse_own_time"] = metrics.rmse(frame.rating, frame.prediction)
        return Scores(means, None)

    def serve(self, model: Recommender, part: Interactions) -> None:
        """Predictions of the test pairs."""
        model.predict(part.user, part.item)

    def quality(self, model: Recommender, part: Interactions, **options: Any) -> float:
        """Minus the RMSE."""
        frame = evaluate_ratings(model, part, **options)
        return -metrics.rmse(frame.rating, frame.prediction)


def get_task(task: str | Task) -> Task:
    """The task of the book with this name, or the task that is given.

    Raises ``ValueError`` for an unknown name.
    """
    if isinstance(task, Task):
        return task
    if task not in TASKS:
        *names, last = map(repr, TASKS)
        raise ValueError(f"task must be {', '.join(names)} or {last}, got {task!r}")
    return TASKS[task]


def _folds() -> Mapping[str, Callable[[Interactions], Split]]:
    """Random folds "fold 1" .. "fold 5", then the official ones "u1" .. "u5"."""
    numbers = range(1, 6)
    random = {f"fold {n}": partial(splits.fold, n=n - 1) for n in numbers}
    official = {
        f"u{n}": partial(splits.fold, n=n - 1, random_state=None) for n in numbers
    }
    return random | official


#: The three tasks of the book by name.
#:
#: ``ranking``
#:     75/25 split stratified by item, seeds 42 to 46; all unseen items are ranked.
#: ``rating``
#:     scikit-surprise's five folds ("fold 1" to "fold 5") and the official ones ("u1"
#:     to "u5"); predictions clipped to the range of the training ratings.
#: ``sequence``
#:     Leave-last-out, ties in time by file order; all unseen items are ranked.
#:
#: :meta hide-value:
TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        ListTask(
            name="ranking",
            columns=("ndcg", "precision", "hit"),
            splits={
                f"seed {seed}": partial(splits.item_stratified, random_state=seed)
                for seed in SEEDS
            },
            validation=splits.item_stratified,
        ),
        RatingTask(
            name="rating",
            columns=("rmse", "mae"),
            splits=_folds(),
            validation=partial(splits.fold, n=0),
        ),
        ListTask(
            name="sequence",
            columns=("ndcg", "precision", "hit"),
            splits={"last": splits.leave_last_out},
            validation=splits.leave_last_out,
        ),
    )
}
