"""Read the results file: tables, users and intervals, without any model.

:class:`Results` answers a chapter's questions about ``results.json``, the file that
:mod:`recsys_tutor.study.leaderboard` writes. Importing this module loads no model.

Chapters: 02 Evaluation (first rows) and every later one; 18 Leaderboard.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_tutor.compare import Interval, bootstrap
from recsys_tutor.data import Interactions
from recsys_tutor.study.files import read_json, to_users

__all__ = ["Results", "thirds"]

COMMAND = "python -m recsys_tutor.study.leaderboard"
FIELDS = {"task", "model", "split", "metrics"}  # what every row has
COSTS = ("fit_seconds", "peak_mb")
#: Columns of the frame that are no metric.
FACTS = {
    *("task", "model", "split", "params", "data", "code", "params_digest", "versions"),
    *("fit_seconds", "score_seconds", "peak_mb", "n_parameters"),
    *("ndcg_per_user", "users", "lists"),
}
THIRDS = ["few ratings", "middle", "many ratings"]


class Results:
    """The rows of a results file: one per (task, model, split).

    Parameters
    ----------
    frame : DataFrame
        Columns task, model, split, params, one per metric, fit_seconds, score_seconds,
        peak_mb, n_parameters, ndcg_per_user, users (indices of the users that these
        numbers belong to), lists ("seed 42" of the ranking task), and the digests data,
        code, params_digest, where a row has them. :meth:`load` makes it from a file.

    Notes
    -----
    ``splits`` in the methods is the name of one split ("u1") or what the names of
    several have in common before their number ("u", "fold"). The default is the
    family that the task's first row belongs to, so that random folds are never mixed
    with official ones.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    @classmethod
    def load(cls, path: str | Path = "results.json") -> Results:
        """Read a results file.

        Raises
        ------
        FileNotFoundError, ValueError
            There is no such file, or it is something else, or a row does not have as
            many users as numbers.
        """
        rows = read_json(path, "results file", COMMAND, FIELDS).get("rows", [])
        flat = []
        for row in rows:
            about = {k: v for k, v in row.items() if k != "metrics"}
            if "users" in row:
                about["users"] = to_users(row["users"])
                _check_users(path, row, about["users"])
            flat.append({**about, **row["metrics"]})
        return cls(pd.DataFrame(flat))

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        tasks = self.frame.groupby("task", sort=False) if len(self) else ()
        parts = (
            f"{task}: {rows.model.nunique()} models, {len(rows)} runs"
            for task, rows in tasks
        )
        return f"Results({'; '.join(parts)})"

    def _repr_html_(self) -> str:
        return self.summary().to_html()

    @property
    def models(self) -> list[str]:
        """Names of all models, in the order of the file."""
        return [] if self.frame.empty else list(self.frame.model.unique())

    def summary(self) -> pd.DataFrame:
        """Models, runs and minutes of the CPU per task."""
        if self.frame.empty:
            return pd.DataFrame(columns=["models", "runs", "CPU minutes"])
        groups = self.frame.groupby("task", sort=False)
        counts = groups.agg(models=("model", "nunique"), runs=("model", "size"))
        seconds = groups[["fit_seconds", "score_seconds"]].sum().sum(axis=1)
        counts["CPU minutes"] = (seconds / 60).astype(float).round(1)
        return counts

    def metrics(self, task: str) -> list[str]:
        """Names of the task's metrics: NDCG if it has it, then the file's order."""
        part = self.frame[self.frame.task == task]
        found = [c for c in part if c not in FACTS and part[c].notna().any()]
        return sorted(found, key=lambda name: name != "ndcg")

    def rows(self, task: str, split: str | None = None) -> pd.DataFrame:
        """The rows of one split, indexed by model; default: the task's first split."""
        part = self._part(task, split)
        split = part.split.iloc[0] if split is None else split
        return part[part.split == split].set_index("model")

    def scores(
        self,
        task: str,
        metric: str | None = None,
        *,
        models: Sequence[str] | None = None,
        splits: str | None = None,
    ) -> pd.DataFrame:
        """One metric, a row per split and a column per model; default: the first."""
        metric = self.metrics(task)[0] if metric is None else metric
        part = self._part(task, splits, models)
        table = part.pivot(index="split", columns="model", values=metric)
        return table if models is None else table[_present(models, table)]

    def table(
        self,
        task: str,
        columns: Sequence[str] | None = None,
        models: Sequence[str] | None = None,
        *,
        splits: str | None = None,
    ) -> pd.DataFrame:
        """Mean over a task's splits, ± over them, and what a run costs.

        Parameters
        ----------
        task : str
        columns : metric names, optional
            The first one gets the ``±``, the standard deviation over the splits, and,
            before it, a column with its value on the first split. Default: all.
        models : names, optional
            These rows in this order; a model that is not in the task is left out.
            Default: all, in the order of the file.
        splits : str, optional

        Returns
        -------
        DataFrame
            The first split's column (if there are several splits), the mean of the
            first metric, ``±``, the other means; last the medians of ``fit_seconds``
            and ``peak_mb``: one slow run does not move them.
        """
        part = self._part(task, splits, models)
        columns = self.metrics(task) if columns is None else list(columns)
        groups = part.groupby("model", sort=False)
        table = groups[columns].mean()
        table.insert(1, "±", groups[columns[0]].std())
        for cost in COSTS:
            table[cost] = groups[cost].median()
        first = part.split.iloc[0]
        if part.split.nunique() > 1:
            at_first = part[part.split == first].set_index("model")
            table.insert(0, first, at_first[columns[0]])
        return table if models is None else table.loc[_present(models, table.index)]

    def per_user(
        self, task: str, model: str, *, splits: str | None = None
    ) -> pd.Series:
        """NDCG@10 of each user, indexed by user, mean over the splits that test them.

        Raises ``ValueError`` where a row does not say whose numbers it has: a task
        without lists, or a file of an earlier version.
        """
        columns = self._users(task, model, splits)
        return _mean(columns).rename(model)

    def gap(
        self,
        model: str,
        other: str,
        *,
        task: str = "ranking",
        splits: str | None = None,
        **options: Any,
    ) -> Interval:
        """How much better ``model`` is than ``other``, with its paired 95 % interval.

        Differences of NDCG@10 are taken on each split, user by user, and averaged over
        the splits; the interval resamples users. ``options`` go to
        :func:`~recsys_tutor.compare.bootstrap`.

        Raises ``ValueError`` unless both models have the same splits and users.
        """
        ours = self._users(task, model, splits)
        theirs = self._users(task, other, splits)
        if list(ours) != list(theirs):
            raise ValueError(
                f"{model!r} was measured on {list(ours)}, {other!r} on {list(theirs)}; "
                "paired differences need the same splits: pass splits="
            )
        for split, values in ours.items():
            if not values.index.equals(theirs[split].index):
                raise ValueError(
                    f"{model!r} and {other!r} have other users on split {split!r}; "
                    "measure both again on the same data"
                )
        each = {split: ours[split] - theirs[split] for split in ours}
        return bootstrap(_mean(each), **options)

    def by_activity(
        self,
        task: str,
        models: Sequence[str],
        train: Interactions,
        *,
        split: str | None = None,
    ) -> pd.DataFrame:
        """Mean NDCG@10 of users with few, some and many ratings.

        Parameters
        ----------
        task : str
        models : names
        train : Interactions
            The training part of the split; it says how many ratings each user has.
        split : str, optional
            Default: the task's first split.

        Returns
        -------
        DataFrame
            A row per model, a column per third of the users (:func:`thirds`).
        """
        split = self._part(task).split.iloc[0] if split is None else split
        rows = {}
        for model in models:
            values = self._users(task, model, split)[split]
            third = thirds(train, values.index)
            rows[model] = values.groupby(third, observed=False).mean()
        return pd.DataFrame(rows).T.set_axis(THIRDS, axis=1)

    def _part(
        self, task: str, splits: str | None = None, models: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """The rows of a task, of some splits and models; never none."""
        models = None if models is None else list(models)
        unknown = [name for name in models or () if name not in self.models]
        part = self.frame[self.frame.task == task] if len(self) else self.frame
        if len(part):
            wanted = _family(part.split.iloc[0]) if splits is None else splits
            part = part[[wanted in (name, _family(name)) for name in part.split]]
        if models is not None and len(part):
            part = part[part.model.isin(models)]
        if part.empty or unknown:
            of = "" if splits is None else f", splits {splits!r}"
            of += "" if models is None else f", models {unknown or models}"
            raise ValueError(
                f"the results file has no rows for task {task!r}{of}; it has {self!r}"
            )
        return part

    def _users(self, task: str, model: str, splits: str | None) -> dict[str, pd.Series]:
        """For each split the NDCG@10 of its users, indexed by user."""
        part = self._part(task, splits, [model])
        if "users" not in part or part.users.isna().any():
            raise ValueError(
                f"the rows of {model!r} for task {task!r} do not say whose numbers "
                "they hold: the task makes no lists, or the file is of an earlier "
                f"version; `{COMMAND}` measures such rows again"
            )
        return {
            row.split: pd.Series(row.ndcg_per_user, pd.Index(row.users, name="user"))
            for row in part.itertuples()
        }


def thirds(train: Interactions, users: Sequence[int] | None = None) -> pd.Categorical:
    """Few, middle or many ratings: each user's third, by the rows in ``train``.

    The thirds are those of the ``users`` (indices; default: all), as equal in size as
    ties allow. The answer is in the order of ``users``.
    """
    size = np.bincount(train.user, minlength=train.n_users)
    size = size if users is None else size[np.asarray(users)]
    third = np.digitize(size, np.quantile(size, [1 / 3, 2 / 3]), right=True)
    return pd.Categorical.from_codes(third, THIRDS, ordered=True)


def _mean(columns: dict[str, pd.Series]) -> pd.Series:
    """Each user's mean over the splits that test them, in the order of users."""
    return pd.concat(columns, axis=1).mean(axis=1).sort_index()


def _family(split: str) -> str:
    """What the names of like splits have in common: "fold 3" is a "fold"."""
    return re.sub(r"\s*\d+$", "", split)


def _present(names: Iterable[str], known: Container[str]) -> list[str]:
    return [name for name in names if name in known]


def _check_users(path: str | Path, row: dict, users: Sequence[int]) -> None:
    found = len(row.get("ndcg_per_user", ()))
    if found != len(users):
        raise ValueError(
            f"{path}: the row {row['task']}, {row['model']}, {row['split']} has "
            f"{found} numbers for {len(users)} users; `{COMMAND}` measures it again "
            "once it is deleted"
        )
