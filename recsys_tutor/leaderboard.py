"""The one results file: every model of the book under the shared protocols.

``python -m recsys_tutor.leaderboard`` (``make leaderboard``) fits every entry on every
split of its tasks and writes ``book/results.json``. Each run is a process of its own,
so that its peak memory is its own; finished runs are kept, so an interrupted command
goes on where it stopped.

Tasks (chapter 02 defines them):

``ranking``
    75/25 split stratified by item, seeds 42 to 46 (also the ``random_state`` of a model
    that has one); all unseen items are ranked.
``rating``
    scikit-surprise's five folds ("fold 1" to "fold 5") and the official ones ("u1" to
    "u5"); predictions clipped to 1..5.
``sequence``
    Leave-last-out, ties in time by file order; all unseen items are ranked.

Chapters: 03 Baselines (the first rows), 18 Leaderboard.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib import import_module
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from recsys_tutor import __version__, metrics, splits
from recsys_tutor.base import Recommender
from recsys_tutor.baselines import BiasModel, Popularity, Random
from recsys_tutor.bayesian import BayesianFM, side_features
from recsys_tutor.content import (
    RICH_FIELDS,
    ContentBased,
    ContentRidge,
    item_terms,
    tfidf,
)
from recsys_tutor.data import Dataset, Interactions, Split
from recsys_tutor.datasets import load_movielens_100k
from recsys_tutor.evaluate import evaluate, evaluate_ratings, summarize
from recsys_tutor.hybrid import FeatureAugmented, Weighted
from recsys_tutor.implicit_mf import BPR, ImplicitALS
from recsys_tutor.mf import BiasedMF, ExplicitALS, SVDpp, TruncatedSVD
from recsys_tutor.neighbors import EASE, ItemKNN, RatingKNN, UserKNN
from recsys_tutor.plsa import PLSA, GaussianPLSA
from recsys_tutor.transitions import Transitions
from recsys_tutor.tuning import write_whole

__all__ = [
    "ENTRIES",
    "Entry",
    "count_parameters",
    "load_results",
    "measure",
    "peak_mb",
    "results_table",
    "run",
    "task_splits",
]

SEEDS = (42, 43, 44, 45, 46)
TASKS = ("ranking", "rating", "sequence")
LISTED = f"seed {SEEDS[0]}"  # the split whose lists are kept


class Entry(NamedTuple):
    """A row of the leaderboard: name, unfitted model, the tasks it takes part in.

    ``model`` may be a function of the Dataset that makes the model.
    """

    name: str
    model: Recommender | Callable
    tasks: Sequence[str]


def _features(data):
    return tfidf(item_terms(data.items, RICH_FIELDS)[0])


def _content(data):
    return ContentBased(features=_features(data))


def _content_ridge(data):
    return ContentRidge(features=_features(data))


def _ease_with_content(data):
    return FeatureAugmented(features=_features(data))


def _ease_plus_content(data):
    features = _features(data)
    parts = EASE(), ContentBased(features=features)
    return Weighted(models=parts, weights=(1.0, 0.2))


def _ensemble(data):
    parts = _ease_with_content(data), ImplicitALS(), PLSA()
    return Weighted(models=parts, weights=(1.0, 0.75, 0.25))


def _gibbs_side(data):
    return BayesianFM(implicit=True, **side_features(data))


def _gibbs_day(data):
    return BayesianFM(implicit=True, day=True, **side_features(data))


def _gibbs_ordinal(data):
    features = side_features(data)
    return BayesianFM(implicit=True, day=True, likelihood="ordinal", **features)


def _network(module, name, *, side=False, **parameters):
    """A function that makes the model, so that torch is loaded only when it runs."""

    def make(data):
        model = getattr(import_module(f"recsys_tutor.{module}"), name)
        return model(**parameters, **(side_features(data) if side else {}))

    return make


LISTS = ("ranking", "sequence")

MARKOV = Transitions(window=1, recency=0.0, backward=0.0, damping=0.0)

#: Every model of the book with the parameters its chapter chose on validation data.
#:
#: :meta hide-value:
ENTRIES = (
    Entry("Random", Random(), TASKS),
    Entry("Popularity", Popularity(), LISTS),
    Entry("Bias model", BiasModel(), TASKS),
    Entry("User-kNN", UserKNN(), LISTS),
    Entry("Item-kNN", ItemKNN(), LISTS),
    Entry("User-kNN, residuals", RatingKNN(by="user"), ("rating",)),
    Entry("Item-kNN, residuals", RatingKNN(), ("rating",)),
    Entry("EASE, one λ", EASE(count_weight=0.0), LISTS),
    Entry("EASE", EASE(), LISTS),
    Entry("Content", _content, LISTS),
    Entry("Content ridge", _content_ridge, ("rating",)),
    Entry("EASE + content", _ease_with_content, LISTS),
    Entry("EASE + content, summed", _ease_plus_content, LISTS),
    Entry("MF, ALS", ExplicitALS(), ("rating",)),
    Entry("MF, SGD", BiasedMF(), ("rating", "ranking")),
    Entry("SVD++", SVDpp(), ("rating",)),
    Entry("PureSVD", TruncatedSVD(), LISTS),
    Entry("Implicit ALS", ImplicitALS(), LISTS),
    Entry("BPR", BPR(), LISTS),
    Entry("Gibbs MF", BayesianFM(), ("rating",)),
    Entry("Gibbs, implicit sets", BayesianFM(implicit=True), ("rating",)),
    Entry("Gibbs, side features", _gibbs_side, ("rating",)),
    Entry("Gibbs, day", _gibbs_day, ("rating",)),
    Entry("Gibbs, day, ordinal", _gibbs_ordinal, ("rating",)),
    Entry("PLSA", PLSA(n_topics=12, n_epochs=200, beta=1.0), LISTS),
    Entry("PLSA, tempered", PLSA(), LISTS),
    Entry("Gaussian PLSA", GaussianPLSA(), ("rating",)),
    Entry("Dot model (torch)", _network("neural", "DotModel"), ("rating",)),
    Entry("NeuMF", _network("neural", "NeuMF"), ("ranking",)),
    Entry("FM", _network("towers", "DeepFM", side=True, hidden=()), ("ranking",)),
    Entry("DeepFM", _network("towers", "DeepFM", side=True), ("ranking",)),
    Entry("Two towers", _network("towers", "TwoTower", side=True), ("ranking",)),
    Entry("Mult-VAE", _network("autoencoders", "MultVAE"), LISTS),
    Entry("LightGCN", _network("graph", "LightGCN"), LISTS),
    Entry("Ensemble", _ensemble, LISTS),
    Entry("Markov chain", MARKOV, ("sequence",)),
    Entry("Transitions", Transitions(), ("sequence",)),
    Entry("GRU4Rec", _network("sequential", "GRU4Rec"), ("sequence",)),
    Entry("SASRec", _network("sequential", "SASRec"), ("sequence",)),
)


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
    model: Recommender, task: str, split: Split, *, lists: bool = False
) -> dict:
    """Fit a clone of ``model``, score it, and report metrics, seconds and memory.

    ``lists=True`` keeps every user's list of ten, for tasks that make lists.

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
        frame = evaluate_ratings(model, split.test)
    else:
        model.score(np.arange(split.train.n_users))
    scored = time.process_time()
    peak = None if before is None else round(peak_mb() - before, 1)
    if task == "rating":
        scores = {
            "rmse": metrics.rmse(frame.rating, frame.prediction),
            "mae": metrics.mae(frame.rating, frame.prediction),
        }
        if model.uses_time:
            frame = evaluate_ratings(model, split.test, own_time=True)
            scores["rmse_own_time"] = metrics.rmse(frame.rating, frame.prediction)
    else:
        per_user = evaluate(model, split.test)
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
        users = np.arange(split.train.n_users)
        row["lists"] = model.recommend(users).items.tolist()
    return row


def count_parameters(model: Recommender) -> int:
    """Numbers a fitted model keeps: what a server has to hold besides the data.

    Non-zero floats of its learned arrays, dense or sparse, the parameters of its
    network, and the same of the models inside it. A neighbourhood model keeps its
    similarities, a sampler all its draws; the users' own rows, ``X_``, are data.
    """
    count = 0
    for name, value in vars(model).items():
        if not name.endswith("_") or name in ("train_", "history_", "X_"):
            continue
        for part in value if isinstance(value, list | tuple) else [value]:
            if isinstance(part, Recommender):
                count += count_parameters(part)
            elif hasattr(part, "parameters"):  # a torch module
                count += sum(p.numel() for p in part.parameters())
            elif isinstance(getattr(part, "data", None), np.ndarray):  # sparse
                count += np.count_nonzero(part.data)
            elif isinstance(part, np.ndarray) and part.dtype.kind == "f":
                count += np.count_nonzero(part)
    return int(count)


def run(
    path: str | Path = "book/results.json",
    *,
    entries: Sequence[Entry] = ENTRIES,
    only: str | None = None,
    data: Interactions | None = None,
) -> pd.DataFrame:
    """Fill the results file with every missing run; see the module's text.

    Parameters
    ----------
    path : path of the JSON file
        Written to a temporary name and renamed after every run.
    entries : sequence of Entry
    only : str, optional
        Name of the one entry to measure again, whether it is there or not.
    data : Interactions, optional
        Default: MovieLens 100K.
    """
    from tqdm import tqdm

    path = Path(path)
    names = [entry.name for entry in entries]
    if len(set(names)) < len(names):
        raise ValueError(f"entries need different names, got {names}")
    if only is not None and only not in names:
        raise ValueError(f"no entry is called {only!r}; there are {names}")
    done = {}
    if path.exists():
        for row in json.loads(path.read_text(encoding="utf-8"))["rows"]:
            done[_key(row)] = row
    made = {}
    for entry in entries:
        ready = isinstance(entry.model, Recommender)
        made[entry.name] = entry.model if ready else entry.model(_movielens())
    rows, jobs = [], []
    for entry, task in [(e, t) for t in TASKS for e in entries if t in e.tasks]:
        for split in _split_names(task):
            seeded = entry._replace(model=_seeded(made[entry.name], split))
            row = {
                "task": task,
                "model": entry.name,
                "split": split,
                "params": {k: repr(v) for k, v in seeded.model.get_params().items()},
            }
            rows.append(row)
            known = done.get(_key(row))
            if known is not None and entry.name != only:
                row.update(known)
            else:
                jobs.append((row, seeded))
    context = get_context("spawn")
    for row, entry in tqdm(jobs, unit="run", disable=not jobs):
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            job = pool.submit(_measure_named, entry, row["task"], row["split"], data)
            row.update(job.result())
        _write(path, rows)
    _write(path, rows)
    return load_results(path)


def load_results(path: str | Path = "results.json") -> pd.DataFrame:
    """The results file as a frame: one row per (task, model, split).

    Columns task, model, split, params, one per metric, fit_seconds, score_seconds,
    peak_mb, n_parameters, ndcg_per_user, lists ("seed 42" of the ranking task).
    """
    rows = json.loads(Path(path).read_text(encoding="utf-8"))["rows"]
    flat = [
        {**{k: v for k, v in r.items() if k != "metrics"}, **r["metrics"]} for r in rows
    ]
    return pd.DataFrame(flat)


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


def _key(row) -> tuple:
    params = json.dumps(row["params"], sort_keys=True)
    return row["task"], row["model"], row["split"], params


def _seeded(model: Recommender, split: str) -> Recommender:
    """On "seed 43" a model that draws random numbers draws them from seed 43, too."""
    kind, _, number = split.partition(" ")
    if kind == "seed" and "random_state" in model.get_params():
        return model.clone(random_state=int(number))
    return model


def _measure_named(entry, task, split, data) -> dict:
    if data is None:
        data = _movielens().interactions
    chosen = task_splits(task, data)[split]
    small = np.arange(len(data)) < 2000
    entry.model.clone().fit(data.subset(small)).score([0])  # compile first
    lists = split == LISTED
    return measure(entry.model, task, chosen, lists=lists) | {"versions": _versions()}


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
    parser.add_argument("--out", default="book/results.json")
    parser.add_argument("--only", help="measure this entry again")
    options = parser.parse_args(arguments)
    results = run(options.out, only=options.only)
    for task in TASKS:
        columns = ["rmse", "mae"] if task == "rating" else ["ndcg", "precision", "hit"]
        print(f"\n{task}\n{results_table(results, task, columns).round(4)}")


if __name__ == "__main__":
    main()
