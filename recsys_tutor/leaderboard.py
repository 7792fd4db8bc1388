"""The one results file: every model of the book under the shared protocols.

``python -m recsys_tutor.leaderboard`` (``make leaderboard``) fits every entry on every
split of its tasks and writes ``book/results.json``. Each run is a process of its own,
so that its peak memory is its own; finished runs are kept, so an interrupted command
goes on where it stopped. A row knows the data, the code and the parameters that it was
measured with, by their digests (:mod:`recsys_tutor.digests`).

Tasks (chapter 02 defines them):

``ranking``
    75/25 split stratified by item, seeds 42 to 46 (also the ``random_state`` of a model
    that has one); all unseen items are ranked.
``rating``
    scikit-surprise's five folds ("fold 1" to "fold 5") and the official ones ("u1" to
    "u5"); predictions clipped to the range of the training ratings, 1 to 5.
``sequence``
    Leave-last-out, ties in time by file order; all unseen items are ranked.

Chapters: 03 Baselines (the first rows), 18 Leaderboard.
"""

from __future__ import annotations

import argparse
import json
import pickle
import platform
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from recsys_tutor import __version__, metrics, splits
from recsys_tutor.base import Recommender
from recsys_tutor.data import Dataset, Interactions, Split
from recsys_tutor.datasets import load_movielens_100k
from recsys_tutor.digests import (
    check_same_data,
    code_digest,
    digest,
    interactions_of,
    read_json,
    ready,
)
from recsys_tutor.entries import ENTRIES, TASKS, Entry
from recsys_tutor.evaluate import evaluate, evaluate_ratings, summarize
from recsys_tutor.files import write_whole
from recsys_tutor.ranking import batches

__all__ = [
    "count_parameters",
    "load_results",
    "measure",
    "peak_mb",
    "results_table",
    "run",
    "task_splits",
]

SEEDS = (42, 43, 44, 45, 46)
LISTED = f"seed {SEEDS[0]}"  # the split whose lists are kept
RESULTS = "book/results.json"
COMMAND = "python -m recsys_tutor.leaderboard"


def task_splits(task: str, data: Interactions) -> dict[str, Split]:
    """The named splits of a task, in order."""
    if task == "ranking":
        return {
            f"seed {s}": splits.item_stratified(data, random_state=s) for s in SEEDS
        }
    if task == "rating":
        random = splits.k_fold(data, n_folds=5, random_state=0)
        official = splits.contiguous_folds(data, n_folds=5)
        named = {f"fold {n}": s for n, s in enumerate(random, 1)}
        return named | {f"u{n}": s for n, s in enumerate(official, 1)}
    if task == "sequence":
        return {"last": splits.leave_last_out(data)}
    raise ValueError(f"task must be one of {TASKS}, got {task!r}")


def measure(
    model: Recommender, task: str, split: Split, *, lists: bool = False, **options
) -> dict:
    """Fit a clone of ``model``, score it, and report metrics, seconds and memory.

    ``lists=True`` keeps every user's list of ten, for tasks that make lists; the
    ``options`` go to :func:`~recsys_tutor.evaluate.evaluate_ratings` (``clip``, say) or
    :func:`~recsys_tutor.evaluate.evaluate`.

    Returns
    -------
    dict
        ``metrics`` (``rmse_own_time``: a model that ``uses_time`` was told when each
        test rating was given); ``fit_seconds`` and ``score_seconds`` of the CPU, all
        cores together (score: all users and items; for the rating task, the test
        pairs); ``peak_mb`` (memory beyond what was in use before, at its peak; None
        where the system is not Linux); ``n_parameters`` (:func:`count_parameters`); for
        tasks that make lists ``ndcg_per_user`` (NDCG@10 of the users with test rows, in
        the order of user indices) and, if asked for, ``lists`` (item indices, a list
        per user).
    """
    model = model.clone()
    before = peak_mb(reset=True)
    started = time.process_time()
    model.fit(split.train)
    fitted = time.process_time()
    if task == "rating":
        frame = evaluate_ratings(model, split.test, **options)
    else:
        users = np.arange(split.train.n_users)
        for part in batches(*split.train.shape):
            model.score(users[part])
    scored = time.process_time()
    peak = None if before is None else round(peak_mb() - before, 1)
    if task == "rating":
        scores = _errors(frame)
        if model.uses_time:
            frame = evaluate_ratings(model, split.test, own_time=True, **options)
            scores["rmse_own_time"] = _errors(frame)["rmse"]
    else:
        per_user = evaluate(model, split.test, **options)
        scores = summarize(per_user)
    row = {
        "metrics": {name: round(float(v), 6) for name, v in scores.items()},
        "fit_seconds": round(fitted - started, 3),
        "score_seconds": round(scored - fitted, 3),
        "peak_mb": peak,
        "n_parameters": count_parameters(model),
    }
    if task != "rating":
        row["ndcg_per_user"] = per_user.ndcg.round(4).tolist()
    if task != "rating" and lists:
        row["lists"] = model.recommend(users).items.tolist()
    return row


def _errors(frame) -> dict:
    pair = frame.rating, frame.prediction
    return {"rmse": metrics.rmse(*pair), "mae": metrics.mae(*pair)}


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


def _count(part) -> int:
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
) -> pd.DataFrame:
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
    DataFrame
        :func:`load_results` of the whole file.

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
    return load_results(path)


def _dataset(data) -> Dataset:
    """Interactions as a Dataset that knows nothing else."""
    interactions = interactions_of(data)
    return Dataset(data, None, None) if interactions is data else data


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


def _plan(entries, dataset: Dataset) -> list[dict]:
    """What each row will say about itself before it is measured, and its model."""
    made = {entry.name: _made(entry, dataset) for entry in entries}
    codes = {name: code_digest(model) for name, model in made.items()}
    rows = []
    for entry, task in [(e, t) for t in TASKS for e in entries if t in e.tasks]:
        for split in _split_names(task):
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


def _key(row) -> tuple:
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


def _measure_all(path, rows, wanted, data, again, isolate) -> None:
    """Measure what is missing or stale; the file is written after every run."""
    from tqdm import tqdm

    facts = ("data", "code", "params_digest")
    jobs = [
        row
        for row in wanted
        if again or any(rows[_key(row)].get(f) != row[f] for f in facts)
    ]
    for task in dict.fromkeys(row["task"] for row in jobs):
        task_splits(task, data)  # data that cannot be split are refused now
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


def load_results(path: str | Path = "results.json") -> pd.DataFrame:
    """The results file as a frame: one row per (task, model, split).

    Columns task, model, split, params, one per metric, fit_seconds, score_seconds,
    peak_mb, n_parameters, ndcg_per_user, lists ("seed 42" of the ranking task), and the
    digests data, code, params_digest, where the row has them.
    """
    flat = [
        {**{k: v for k, v in r.items() if k != "metrics"}, **r["metrics"]}
        for r in _read(Path(path))
    ]
    return pd.DataFrame(flat)


def _read(path: Path) -> list[dict]:
    fields = {"task", "model", "split", "metrics"}
    return read_json(path, "results file", COMMAND, fields).get("rows", [])


def results_table(
    results: pd.DataFrame, task: str, columns: Sequence[str], models=None
) -> pd.DataFrame:
    """Mean over a task's splits, ± over them, and cost; rows in the order of the file.

    Parameters
    ----------
    results : DataFrame of :func:`load_results`
    columns : metric names; the first one gets the ``±`` (standard deviation)
    models : names to keep, optional

    Notes
    -----
    The rating task averages "fold 1" to "fold 5" only: official folds are never mixed
    with random ones.
    """
    part = results[results.task == task]
    if task == "rating":
        part = part[part.split.str.startswith("fold")]
    if models is not None:
        part = part[part.model.isin(models)]
    if part.empty:
        raise ValueError(f"the results file has no rows for task {task!r}, {models}")
    groups = part.groupby("model", sort=False)
    table = groups[list(columns)].mean()
    table.insert(1, "±", groups[columns[0]].std())
    for cost in ("fit_seconds", "peak_mb"):
        table[cost] = groups[cost].median()
    return table


@cache
def _movielens() -> Dataset:
    return load_movielens_100k(progress=False)


def _split_names(task: str) -> list[str]:
    """Names of the splits of a task, without making them."""
    if task == "rating":
        return [f"{kind}{n}" for kind in ("fold ", "u") for n in range(1, 6)]
    return [f"seed {s}" for s in SEEDS] if task == "ranking" else ["last"]


def _seeded(model: Recommender, split: str) -> Recommender:
    """On "seed 43" a model that draws random numbers draws them from seed 43, too."""
    kind, _, number = split.partition(" ")
    if kind == "seed" and "random_state" in model.get_params():
        return model.clone(random_state=int(number))
    return model


def _measure_named(model, task, split, data) -> dict:
    chosen = task_splits(task, data)[split]
    small = np.arange(len(data)) < 2000
    model.clone().fit(data.subset(small)).score([0])  # compile first
    lists = split == LISTED
    return measure(model, task, chosen, lists=lists) | {"versions": _versions()}


# A process that is started as a program: it imports neither the script that calls it
# nor its notebook, so neither needs a guard.
_PROGRAM = """\
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from recsys_tutor import leaderboard
leaderboard._answer(*sys.argv[2:])
"""


def _apart(*job) -> dict | None:
    """:func:`_measure_named` in a process of its own; None if that cannot have it."""
    try:
        packed = pickle.dumps(job)
    except (pickle.PicklingError, AttributeError, TypeError):  # a local class, say
        return None
    if b"__main__" in packed:  # a class of the script or notebook
        return None
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "job", Path(folder) / "row"
        asked.write_bytes(packed)
        where = json.dumps([str(place) for place in sys.path])
        command = [sys.executable, "-c", _PROGRAM, where, asked, answered]
        code = subprocess.run(command, stdin=subprocess.DEVNULL).returncode
        if not answered.exists():
            raise RuntimeError(
                f"the process that measured {job[0]!r} on {job[1]}, {job[2]} ended "
                f"with status {code} and no answer; for want of memory, perhaps"
            )
        row, error = pickle.loads(answered.read_bytes())
    if error is not None:
        raise error
    return row


def _answer(asked: str, answered: str) -> None:
    """The other process: read the job, measure it, store the row or the error."""
    row = error = None
    try:
        job = pickle.loads(Path(asked).read_bytes())
    except (AttributeError, ImportError):  # a class that is only in the other process
        pass
    else:
        try:
            row = _measure_named(*job)
        except Exception as raised:
            raised.add_note(traceback.format_exc())
            error = raised
    try:
        packed = pickle.dumps((row, error))
        pickle.loads(packed)
    except Exception:  # an error of a class that cannot travel
        packed = pickle.dumps((None, RuntimeError("\n".join(error.__notes__))))
    Path(answered).write_bytes(packed)


def _versions() -> dict:
    packages = ["numpy", "scipy", "pandas", "numba"]
    if "torch" in sys.modules:
        packages.append("torch")
    own = {"python": platform.python_version(), "recsys_tutor": __version__}
    return own | {name: version(name) for name in packages}


def peak_mb(*, reset: bool = False) -> float | None:
    """High-water mark of this process's memory; ``reset`` lowers it to the present."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 2**10
    except OSError:  # no Linux
        return None


def _write(path: Path, rows) -> None:
    finished = [row for row in rows if "metrics" in row]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in finished)
    write_whole(path, f'{{"rows": [\n{lines}\n]}}\n')


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", help=f"default: {RESULTS}")
    parser.add_argument("--only", help="measure this entry again, and nothing else")
    options = parser.parse_args(arguments)
    results = run(options.out, only=options.only)
    for task in TASKS:
        columns = ["rmse", "mae"] if task == "rating" else ["ndcg", "precision", "hit"]
        print(f"\n{task}\n{results_table(results, task, columns).round(4)}")


if __name__ == "__main__":
    main()
