"""The results files of ``leaderboard.run`` and ``tuning.tune_all``.

A random sequence of calls on a few files: each call's rows must equal a direct
``measure`` on the data of that call (or be refused), rows of other entries
stay, and a write that fails leaves the old file. Fits run in this process.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

import pandas as pd

from fuzz.core import Case, HalfWritten, close, differ
from recsys_tutor import leaderboard, tuning
from recsys_tutor.base import Recommender
from recsys_tutor.baselines import BiasModel, Popularity
from recsys_tutor.data import Dataset
from recsys_tutor.datasets import make_world
from recsys_tutor.neighbors import EASE

MODELS = {
    "P": (Popularity(), ("sequence",)),
    "E1": (EASE(reg=1.0), ("sequence",)),
    "E9": (EASE(reg=9.0), ("sequence", "ranking")),
    "B": (BiasModel(n_epochs=2), ("rating",)),
}


class Failing(Recommender):
    """A model whose fit ends in an error."""

    def _fit(self, train):
        raise RuntimeError("the fit fails")


def world(number):
    sizes = [(30, 20, 260), (30, 20, 260), (40, 20, 300)]
    n_users, n_items, n_ratings = sizes[number]
    return make_world(
        n_users=n_users, n_items=n_items, n_ratings=n_ratings, random_state=number
    )


def make(rng) -> Case:
    return tuned(rng) if rng.random() < 0.25 else ran(rng)


class Folder:
    """An empty working folder."""

    def __enter__(self):
        self.before = os.getcwd()
        self.path = Path(tempfile.mkdtemp(prefix="fuzz"))
        os.chdir(self.path)
        return self.path

    def __exit__(self, *_):
        os.chdir(self.before)
        shutil.rmtree(self.path, ignore_errors=True)


def written(path):
    """The rows of a results file; it must be whole."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["rows"]
    except (ValueError, KeyError) as error:
        raise HalfWritten(f"{path.name}: {error}") from error


def only_whole_files(folder):
    for file in folder.rglob("*"):
        if file.is_file() and file.suffix != ".json":
            raise HalfWritten(f"{file.name} was left behind")


def keys(path):
    return {(r["task"], r["model"], r["split"]) for r in written(path)}


def fail_to_replace():
    def fail(*_):
        raise OSError(28, "No space left on device")

    saved = os.replace, os.rename, Path.replace, Path.rename
    os.replace = os.rename = Path.replace = Path.rename = fail
    return saved


def restore(saved):
    os.replace, os.rename, Path.replace, Path.rename = saved


def ran(rng):
    event = rng.choice(["", "", "disk full", "fit fails", "no path", "Dataset"])
    steps = []
    for _ in range(rng.randint(2, 4)):
        names = rng.sample(sorted(MODELS), rng.randint(1, 2))
        steps.append(
            {
                "data": rng.choice([0, 0, 1, 2]),
                "file": rng.choice(["a.json", "a.json", "b.json"]),
                "names": names,
                "only": rng.choice([None, None, None, names[0]]),
                "event": event if rng.random() < 0.5 else "",
            }
        )
    kind = f"run: {event or 'calls'}"

    def call():
        with Folder() as folder:
            return [step(s, folder) for s in steps]

    def check(faults):
        return next((f"step {n}: {f}" for n, f in enumerate(faults) if f), None)

    return Case(kind, f"run, in turn: {steps}", call, check, "never")


def step(s, folder):
    """One call; the fault that it shows, or None."""
    interactions = world(s["data"]).interactions
    entries = [leaderboard.Entry(n, *MODELS[n]) for n in s["names"]]
    if s["event"] == "fit fails":
        entries.append(leaderboard.Entry("F", Failing(), ("sequence",)))
    path = folder / s["file"]
    before = keys(path) if path.exists() else set()
    given = interactions
    if s["event"] == "Dataset":
        items = pd.DataFrame({"item": interactions.item_ids})
        users = pd.DataFrame({"user": interactions.user_ids})
        given = Dataset(interactions, items, users)
    options = {"entries": entries, "data": given, "only": s["only"]}
    options["isolate"] = False  # a process per run would take its second
    saved = fail_to_replace() if s["event"] == "disk full" else None
    try:
        if s["event"] == "no path":  # MovieLens' file is not for other data
            leaderboard.run(**options)
            return "data= without path= was accepted"
        answer = leaderboard.run(path, **options)
    except (ValueError, TypeError) as error:
        answer, message = None, str(error)
    except OSError:
        if s["event"] != "disk full":
            raise
        answer, message = None, "data"
    except RuntimeError as error:
        if "the fit fails" not in str(error):
            raise
        answer, message = None, "data"
    finally:
        if saved:
            restore(saved)
    only_whole_files(folder)
    after = keys(path) if path.exists() else set()
    if not before <= after:
        return f"rows vanished: {sorted(before - after)[:4]}"
    if answer is None:
        return None if "data" in message or "path" in message else f"refused: {message}"
    return rows_are_right(answer, s, interactions)


def rows_are_right(frame, s, data):
    """Every row of this call's entries equals a direct measurement."""
    for name in [s["only"]] if s["only"] else s["names"]:
        model, tasks = MODELS[name]
        for task in tasks:
            parts = leaderboard.task_splits(task, data)
            here = frame[(frame.model == name) & (frame.task == task)]
            if sorted(here.split) != sorted(parts):
                return f"{name}, {task}: rows for {sorted(here.split)}"
            for row in here.to_dict("records"):
                want = leaderboard.measure(model, task, parts[row["split"]])
                for metric, value in want["metrics"].items():
                    if not close(row[metric], value, 1e-6, 2e-6):
                        return f"{name}, {task}: {metric} {row[metric]}, is {value}"
                if "ndcg_per_user" in want:
                    users = list(row["ndcg_per_user"])
                    fault = differ("ndcg_per_user", users, want["ndcg_per_user"], 1e-6)
                    if fault:
                        return f"{name}, {task}: {fault}"
    return None


# -- tuning ----------------------------------------------------------------------------


def tuned(rng):
    spaces = {
        "EASE": tuning.Space(
            "ranking", "neighbors", "EASE", {"reg": [1.0, 9.0, 100.0]}
        ),
        "Bias": tuning.Space(
            "rating", "baselines", "BiasModel", {"reg_u": [0.1, 50.0]}
        ),
    }
    steps = [
        (
            rng.choice([0, 0, 1]),
            rng.choice(sorted(spaces)),
            rng.randint(1, 2),
            rng.random() < 0.1,
        )
        for _ in range(rng.randint(2, 3))
    ]

    def one(number, name, n_trials, full, path, folder):
        data = world(number).interactions
        before = json.loads(path.read_text()) if path.exists() else {}
        had = {k: len(v) for k, v in before.items() if isinstance(v, list)}
        saved = fail_to_replace() if full else None
        try:
            frame = tuning.tune_all(
                path, spaces={name: spaces[name]}, n_trials=n_trials, data=data
            )
        except ValueError as error:
            return None if "data" in str(error) else f"refused: {error}"
        except OSError:
            if not full:
                raise
            return None
        finally:
            if saved:
                restore(saved)
            only_whole_files(folder)
        left = frame.groupby("model").size().to_dict()
        gone = {k: n for k, n in had.items() if n and k != name and left.get(k, 0) < n}
        if gone:
            return f"trials vanished: {gone}"
        rows = frame[frame.model == name]
        if len(rows) < n_trials:
            return f"{len(rows)} trials for {n_trials}"
        inner, _ = tuning.task_parts(spaces[name].task, data)
        for row in rows.to_dict("records")[:n_trials]:
            values = {k: float(v) for k, v in row["params"].items()}
            model = spaces[name].make(**values).fit(inner.train)
            want = tuning.quality(model, spaces[name].task, inner.valid)
            if not close(row["score"], want, 1e-5):
                return f"{name}: score {row['score']}, is {want}"
        return None

    def call():
        with Folder() as folder:
            return [one(*s, folder / "t.json", folder) for s in steps]

    def check(faults):
        return next((f"step {n}: {f}" for n, f in enumerate(faults) if f), None)

    text = f"tune_all (data, space, trials, disk full), in turn: {steps}"
    return Case("tune_all", text, call, check, "never")
