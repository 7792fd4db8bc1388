"""Every space of the book under a stated budget of trials.

``python -m recsys_tutor.study.search`` (``make tuning``) searches every space of
:data:`~recsys_tutor.study.entries.SPACES` on validation data and writes
``recsys_tutor/study/data/tuning.json``; finished trials are kept.

Chapter: 17 Tuning.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_tutor.checks import check_number
from recsys_tutor.data import Dataset, Interactions
from recsys_tutor.files import write_whole
from recsys_tutor.protocol import get_task
from recsys_tutor.study.digests import code_digest, digest
from recsys_tutor.study.entries import SPACES, Space
from recsys_tutor.study.files import (
    TRIALS,
    check_same_data,
    interactions_of,
    read_json,
    ready,
)
from recsys_tutor.tuning import running_best, sample, trial

__all__ = ["load_tuning", "main", "tune_all"]

COMMAND = "python -m recsys_tutor.study.search"
#: Test scores are stored for spaces of so many trials, those that chapter 17 reads; the
#: networks with fewer have none, which halves their price.
LOOKED_AT = 20


def tune_all(
    path: str | Path | None = None,
    *,
    spaces: Mapping[str, Space] = SPACES,
    n_trials: int | None = None,
    data: Dataset | Interactions | None = None,
) -> pd.DataFrame:
    """Search every space; write and return the trials.

    Every setting is scored on the inner validation part of :meth:`.Task.parts`. Its
    ``test`` score, after a fit on all training rows, is there **to look at what
    selection does** (chapter 17), never to choose; a space of fewer trials has none. A
    trial that is in the file already, with the same data, code and parameters
    (:mod:`recsys_tutor.study.digests`), is not run again, so an interrupted command
    goes on where it stopped. Trials of other models stay, and so do those beyond
    ``n_trials`` that belong to the same search.

    Parameters
    ----------
    path : path of the JSON file
        Written to a temporary name and renamed after every trial. A missing folder is
        made. Default: the package's own ``tuning.json``, for the book's data only, and
        only in the book's repository.
    spaces : mapping of names to :class:`~recsys_tutor.study.entries.Space`
    n_trials : int, optional
        Of each space; default: its own number.
    data : Dataset or Interactions, optional
        Default: MovieLens 100K. Interactions are not enough for a space whose model
        reads features.

    Raises
    ------
    ValueError
        Before any work: ``data`` without ``path``, a file that holds trials on other
        data, or a space that cannot make its model from the data.
    """
    from tqdm import tqdm

    if n_trials is not None:
        check_number("n_trials", n_trials, low=1, whole=True)
    wanted = {name: n_trials or space.n_trials for name, space in spaces.items()}
    path, given = ready(path, TRIALS, data is not None), data is not None
    done = _read(path) if path.exists() else {}
    if data is None:
        from recsys_tutor.datasets import load_movielens_100k

        data = load_movielens_100k(progress=False)
    interactions = interactions_of(data)
    known = interactions.digest
    spaces = {name: _read_off(name, space, data) for name, space in spaces.items()}
    check_same_data(path, [row for rows in done.values() for row in rows], known, given)
    done = {
        name: done.get(name, []) for name in dict.fromkeys([*SPACES, *spaces, *done])
    }
    with tqdm(total=sum(wanted.values()), unit="trial") as bar:
        for name, space in spaces.items():
            bar.set_description(name)
            for ran in _search(space, done[name], wanted[name], interactions):
                bar.update()
                if ran:
                    _write(path, done)
    _write(path, done)
    return load_tuning(path)


def _read_off(name: str, space: Space, data: Dataset | Interactions) -> Space:
    """The space with its features read off the data at hand."""
    try:
        return space.read(data if isinstance(data, Dataset) else None)
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(
            f"the space of {name!r} cannot make its model from this data "
            f"({type(error).__name__}: {error}). Pass a Dataset that has what it "
            "reads, or leave the space out"
        ) from error


def _search(
    space: Space, rows: list[dict], n_trials: int, data: Interactions
) -> Iterator[bool]:
    """Complete a space's rows in place; for each trial whether it was run."""
    task = get_task(space.task)
    inner, outer = task.parts(data)
    assert inner.valid is not None  # it was cut out just now
    score = task.scorer(inner.train, inner.valid)
    test = task.scorer(outer.train, outer.test)
    rng = np.random.default_rng(0)
    for n in range(max(n_trials, len(rows))):
        parameters = sample(space.ranges, rng)
        about = {
            "params": {k: repr(v) for k, v in parameters.items()},
            "data": data.digest,
            "code": code_digest(space.kind(), parameters),
            "params_digest": digest({**space.shared(), **parameters}),
        }
        fresh = n < len(rows) and about.items() <= rows[n].items()
        if not fresh:
            del rows[n:]  # another search, or by other code
            if n >= n_trials:
                break
            row = trial(space.make, parameters, score)
            row["test"] = -np.inf
            if space.n_trials >= LOOKED_AT:
                row["test"] = trial(space.make, parameters, test)["score"]
            rows.append(about | _finite(row))
        if n < n_trials:
            yield not fresh


def load_tuning(path: str | Path = TRIALS) -> pd.DataFrame:
    """Every trial of the file, in order; without a path, of the book's own.

    Columns model, task, trial (from 1), params, score, seconds, test, best, spent:
    score and test as :meth:`.Task.quality`, best and spent as
    :func:`~recsys_tutor.tuning.random_search`.
    """
    digests = "data", "code", "params_digest"
    parts = []
    for name, rows in _read(Path(path)).items():
        rows = [{k: v for k, v in row.items() if k not in digests} for row in rows]
        frame = running_best([row | {"trial": n} for n, row in enumerate(rows, 1)])
        frame["test"] = frame.test.astype(float)
        frame.insert(0, "model", name)
        frame.insert(1, "task", SPACES[name].task if name in SPACES else None)
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def _read(path: Path) -> dict[str, list]:
    return read_json(path, "file of trials", COMMAND, {"params", "score", "test"})


def _finite(row: Mapping) -> dict:
    """Scores and seconds of a trial for JSON, which has no infinity."""
    return {
        name: round(float(row[name]), 5) if np.isfinite(row[name]) else None
        for name in ("score", "test", "seconds")
    }


def _write(path: Path, done: dict[str, list]) -> None:
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
    """The command line: search what is missing, print the best of each model."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", help="default: the book's own tuning.json")
    parser.add_argument("--trials", type=int, help="default: each space's own number")
    parser.add_argument("--only", help="search this model alone", choices=SPACES)
    options = parser.parse_args(arguments)
    spaces = {options.only: SPACES[options.only]} if options.only else SPACES
    trials = tune_all(options.out, spaces=spaces, n_trials=options.trials)
    print(trials.groupby("model", sort=False)[["best", "spent"]].last().round(4))


if __name__ == "__main__":
    main()
