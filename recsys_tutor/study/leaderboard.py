"""The one results file: every model of the book under the shared protocols.

``python -m recsys_tutor.study.leaderboard`` (``make leaderboard``) fits every entry on
every split of its tasks and writes ``book/results.json``. Each run is a process of its
own, so that its peak memory is its own; finished runs are kept, so an interrupted
command goes on where it stopped. A row knows the data, the code and the parameters that
it was measured with, by their digests (:mod:`recsys_tutor.study.digests`), and the
users that its numbers belong to. :class:`~recsys_tutor.study.results.Results` reads it.

The tasks and their splits are those of :data:`recsys_tutor.protocol.TASKS`. On the
split "seed 43" a model that has a ``random_state`` gets 43, too.

Chapters: 03 Baselines (the first rows), 18 Leaderboard.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Iterable, Sequence
from copy import deepcopy
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import issparse

from recsys_tutor import __version__
from recsys_tutor.base import Recommender
from recsys_tutor.data import Dataset, Interactions, Split
from recsys_tutor.datasets import load_movielens_100k
from recsys_tutor.files import write_whole
from recsys_tutor.protocol import TASKS, Task, get_task
from recsys_tutor.study.digests import code_digest, digest
from recsys_tutor.study.entries import ENTRIES, Entry
from recsys_tutor.study.files import (
    check_same_data,
    interactions_of,
    read_json,
    ready,
    to_ranges,
)
from recsys_tutor.study.process import apart, peak_mb
from recsys_tutor.study.results import COMMAND, FIELDS, Results

__all__ = ["count_parameters", "main", "measure", "run"]

LISTED = TASKS["ranking"].split_names[0]  # the split whose lists are kept
RESULTS = "book/results.json"


def measure(
    model: Recommender,
    task: str | Task,
    split: Split,
    *,
    lists: bool = False,
    **options: Any,
) -> dict:
    """Fit a clone of ``model``, score it, and report metrics, seconds and memory.

    ``lists=True`` keeps every user's list of ten, for tasks that make lists; the
    ``options`` (``clip``, say) go to :meth:`.Task.judge`.

    Returns
    -------
    dict
        ``metrics``, the means of :meth:`.Task.judge`; ``fit_seconds`` and
        ``score_seconds`` of the CPU, all cores together (score: :meth:`.Task.serve`);
        ``peak_mb`` (memory beyond what was in use before, at its peak; None where the
        system is not Linux); ``n_parameters`` (:func:`count_parameters`); for tasks
        that make lists ``ndcg_per_user`` (NDCG@10 of the users with test rows),
        ``users`` (which these are, in the same order, as ranges of indices:
        :func:`~recsys_tutor.study.files.to_ranges`) and, if asked for, ``lists`` (item
        indices, a list per user).
    """
    task, model = get_task(task), model.clone()
    before = peak_mb(reset=True)
    started = time.process_time()
    model.fit(split.train)
    fitted = time.process_time()
    task.serve(model, split.test)
    scored = time.process_time()
    after = peak_mb()
    peak = None if before is None or after is None else round(after - before, 1)
    scores = task.judge(model, split.test, **options)
    row = {
        "metrics": {name: round(float(v), 6) for name, v in scores.means.items()},
        "fit_seconds": round(fitted - started, 3),
        "score_seconds": round(scored - fitted, 3),
        "peak_mb": peak,
        "n_parameters": count_parameters(model),
    }
    if scores.per_user is not None:
        row["ndcg_per_user"] = scores.per_user.round(4).tolist()
        row["users"] = to_ranges(scores.per_user.index)
        if lists:
            everyone = np.arange(split.train.n_users)
            row["lists"] = model.recommend(everyone).items.tolist()
    return row


def count_parameters(model: Recommender) -> int:
    """Numbers a fitted model keeps: what a server has to hold besides the data.

    Non-zero floats of the arrays, dense or sparse, that the model names in ``_kept()``,
    the parameters of the networks there, and the same of the models inside it. Whole
    numbers are indices and do not count, nor do single numbers (a mean, a variance).

    What a model keeps is what ``score``, ``predict`` and ``score_history`` read:

    - not the data: the users' own rows, also centred, weighted by their age or averaged
      over days, and the features that were given;
    - not what only training needs: LightGCN's table before the walk, the two towers
      once each user and item has its vector, the factors that SVD++ has added up;
    - a neighbourhood model keeps its similarities, a sampler all its draws.
    """
    return sum(map(_count, model._kept()))


def _count(part: Any) -> int:
    if isinstance(part, list | tuple):
        return sum(map(_count, part))
    if isinstance(part, Recommender):
        return count_parameters(part)
    if hasattr(part, "parameters"):  # a torch module
        return sum(p.numel() for p in part.parameters())
    part = part.data if issparse(part) else part
    if isinstance(part, np.ndarray) and part.dtype.kind == "f":
        return int(np.count_nonzero(part))
    return 0


def run(
    path: str | Path | None = None,
    *,
    entries: Sequence[Entry] = ENTRIES,
    only: str | None = None,
    data: Dataset | Interactions | None = None,
    isolate: bool = True,
) -> Results:
    """Fill the results file with every run that is missing or stale.

    A row that was measured with the same data, code and parameters is kept. A stale
    row, of other code or parameters, stays until its new measurement is there. Rows of
    entries that are not passed stay as they are. Works alike from a script (without an
    ``if __name__ == "__main__"``), a notebook and the console.

    Parameters
    ----------
    path : path of the JSON file
        Written to a temporary name and renamed after every run. A missing folder is
        made. Default: ``book/results.json``, for the book's own data only.
    entries : sequence of Entry
    only : str, optional
        Name of the one entry to measure, whether its rows are there or not.
    data : Dataset or Interactions, optional
        Default: MovieLens 100K. Interactions are not enough for an entry that makes
        its model from the features of items or users.
    isolate : bool
        Each run in a process of its own. False, and always for a model whose class a
        new process cannot import (one of a notebook, a script or the console): in this
        process, with ``peak_mb`` None, because memory that is used again does not show.

    Returns
    -------
    Results
        The whole file.

    Raises
    ------
    ValueError
        Before any work: ``data`` without ``path``; a file that holds rows of other
        data; names that come twice or are not there; an entry that cannot make its
        model from the data.
    """
    names = [entry.name for entry in entries]
    if len(set(names)) < len(names):
        raise ValueError(f"entries need different names, got {names}")
    if only is not None and only not in names:
        raise ValueError(f"no entry is called {only!r}; there are {names}")
    path = ready(path, RESULTS, data is not None)
    old = _read(path) if path.exists() else []
    dataset = _dataset(_movielens() if data is None else data)
    known = dataset.interactions.digest
    check_same_data(path, old, known, data is not None)
    wanted = [
        row | {"data": known}
        for row in _plan(entries, dataset)
        if only in (None, row["model"])
    ]
    rows = _merged(old, wanted)
    _measure_all(path, rows, wanted, dataset.interactions, only is not None, isolate)
    return Results.load(path)


def _dataset(data: Dataset | Interactions) -> Dataset:
    """Interactions as a Dataset that knows nothing else."""
    interactions = interactions_of(data)
    return data if isinstance(data, Dataset) else Dataset(interactions, None, None)


def _made(entry: Entry, dataset: Dataset) -> Recommender:
    """The entry's model; one that is made is made from the data at hand."""
    if isinstance(entry.model, Recommender):
        return entry.model
    try:
        model = entry.model(dataset)
    except ImportError:
        raise
    except Exception as error:
        bare = dataset.items is None and dataset.users is None
        needs = "Interactions have no items and users, which it may need: pass"
        raise ValueError(
            f"entry {entry.name!r} cannot make its model from this data "
            f"({type(error).__name__}: {error}). "
            f"{needs if bare else 'Pass'} a Dataset that has what it reads, or leave "
            "the entry out"
        ) from error
    if not isinstance(model, Recommender):
        raise TypeError(
            f"the function of entry {entry.name!r} gave {type(model).__name__}, "
            "expected a Recommender"
        )
    return model


def _plan(entries: Sequence[Entry], dataset: Dataset) -> list[dict]:
    """What each row will say about itself before it is measured, and its model."""
    made = {entry.name: _made(entry, dataset) for entry in entries}
    codes = {name: code_digest(model) for name, model in made.items()}
    rows = []
    for entry, task in [(e, t) for t in TASKS for e in entries if t in e.tasks]:
        for split in TASKS[task].split_names:
            model = _seeded(made[entry.name], split)
            params = model.get_params()
            rows.append(
                {
                    "task": task,
                    "model": entry.name,
                    "split": split,
                    "params": {k: repr(v) for k, v in params.items()},
                    "code": codes[entry.name],
                    "params_digest": digest([type(model).__name__, params]),
                    "unfitted": model,
                }
            )
    return rows


def _key(row: dict) -> tuple:
    return row["task"], row["model"], row["split"]


def _merged(old: list[dict], wanted: list[dict]) -> dict[tuple, dict]:
    """Rows by key: what is wanted in its order, other old rows where they were.

    A row that is only wanted has no metrics yet.
    """
    known = {_key(row): row for row in old}
    order = [_key(row) for row in wanted]
    placed, before = set(order), None
    for key in known:
        if key not in placed:
            order.insert(0 if before is None else order.index(before) + 1, key)
        before = key
    rank = {task: n for n, task in enumerate(TASKS)}
    order.sort(key=lambda key: rank.get(key[0], len(rank)))
    return {key: known.get(key, {}) for key in order}


def _measure_all(
    path: Path,
    rows: dict[tuple, dict],
    wanted: list[dict],
    data: Interactions,
    again: bool,
    isolate: bool,
) -> None:
    """Measure what is missing or stale; the file is written after every run."""
    from tqdm import tqdm

    jobs = [row for row in wanted if again or _stale(rows[_key(row)], row)]
    for task in dict.fromkeys(row["task"] for row in jobs):
        TASKS[task].split(data)  # data that cannot be split are refused now
    with tqdm(jobs, unit="run", disable=not jobs) as bar:
        for row in bar:
            key, model = _key(row), row["unfitted"]
            stale = " (again: other code or parameters)" if rows[key] else ""
            bar.set_description(f"{', '.join(key)}{stale}")
            job = model, row["task"], row["split"], data
            measured = _apart(*job) if isolate else None
            if measured is None:
                measured = _measure_named(*deepcopy(job)) | {"peak_mb": None}
            facts_first = {k: v for k, v in row.items() if k != "unfitted"}
            rows[key] = facts_first | measured
            _write(path, rows.values())
    _write(path, rows.values())


def _stale(old: dict, wanted: dict) -> bool:
    """Whether a row is missing, of other data, code or parameters, or of nobody."""
    facts = ("data", "code", "params_digest")
    unnamed = "ndcg_per_user" in old and "users" not in old
    return unnamed or any(old.get(fact) != wanted[fact] for fact in facts)


def _read(path: Path) -> list[dict]:
    return read_json(path, "results file", COMMAND, FIELDS).get("rows", [])


@cache
def _movielens() -> Dataset:
    return load_movielens_100k(progress=False)


def _seeded(model: Recommender, split: str) -> Recommender:
    """On "seed 43" a model that draws random numbers draws them from seed 43, too."""
    kind, _, number = split.partition(" ")
    if kind == "seed" and "random_state" in model.get_params():
        return model.clone(random_state=int(number))
    return model


def _measure_named(
    model: Recommender, task: str, split: str, data: Interactions
) -> dict:
    chosen = TASKS[task].split(data, split)
    small = np.arange(len(data)) < 2000
    model.clone().fit(data.subset(small)).score([0])  # compile first
    lists = split == LISTED
    return measure(model, task, chosen, lists=lists) | {"versions": _versions()}


def _apart(*job: Any) -> dict | None:
    """:func:`_measure_named` in a process of its own; None if that cannot have it."""
    what = f"measured {job[0]!r} on {job[1]}, {job[2]}"
    return apart("recsys_tutor.study.leaderboard._measure_named", job, what)


def _versions() -> dict:
    packages = ["numpy", "scipy", "pandas", "numba"]
    if "torch" in sys.modules:
        packages.append("torch")
    own = {"python": platform.python_version(), "recsys_tutor": __version__}
    return own | {name: version(name) for name in packages}


def _write(path: Path, rows: Iterable[dict]) -> None:
    finished = [row for row in rows if "metrics" in row]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in finished)
    write_whole(path, f'{{"rows": [\n{lines}\n]}}\n')


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line: measure what is missing, print a table per task."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", help=f"default: {RESULTS}")
    parser.add_argument("--only", help="measure this entry again, and nothing else")
    options = parser.parse_args(arguments)
    results = run(options.out, only=options.only)
    for name, task in TASKS.items():
        table = results.table(name, task.columns).round(4)
        first = task.split_names[0]
        print(f"\n{name}\n{table.drop(columns=first, errors='ignore')}")


if __name__ == "__main__":
    main()
