"""The results file: complete, resumable, never half-written, and true."""

import json
import os
import pickle
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from cases import MODELS
from scipy.sparse import csr_array, issparse
from threadpoolctl import threadpool_limits

from recsys_tutor import ranking, splits
from recsys_tutor.base import Recommender
from recsys_tutor.baselines import BiasModel, Popularity, Random
from recsys_tutor.bayesian import BayesianFM, PosteriorDraws
from recsys_tutor.content import ContentRidge
from recsys_tutor.data import Dataset, Interactions
from recsys_tutor.datasets import make_world
from recsys_tutor.evaluate import evaluate, evaluate_ratings
from recsys_tutor.features import RICH_FIELDS, item_terms, tfidf
from recsys_tutor.hybrid import FeatureAugmented, Weighted
from recsys_tutor.implicit_mf import ImplicitALS
from recsys_tutor.metrics import mae, rmse
from recsys_tutor.mf import BiasedMF, ExplicitALS, TruncatedSVD
from recsys_tutor.neighbors import EASE, ItemKNN, RatingKNN
from recsys_tutor.plsa import PLSA, GaussianPLSA
from recsys_tutor.protocol import TASKS
from recsys_tutor.study import digests, leaderboard, process
from recsys_tutor.study.entries import ENTRIES, LISTS, Entry
from recsys_tutor.study.files import RESULTS
from recsys_tutor.study.leaderboard import count_parameters, measure, run
from recsys_tutor.study.results import Results
from recsys_tutor.testing.cases import scattered
from recsys_tutor.transitions import Transitions

ROOT = Path(__file__).parents[2]

#: Two entries with 5 + 1 and 10 + 1 runs.
TWO = (
    Entry("Popular", Popularity(), ("ranking", "sequence")),
    Entry("Bias", BiasModel(n_epochs=2), ("rating", "sequence")),
)
LAST = (Entry("Popular", Popularity(), ("sequence",)),)


def task_splits(task, data):
    return {name: TASKS[task].split(data, name) for name in TASKS[task].split_names}


@pytest.fixture(scope="module")
def data():
    return make_world(n_users=25, n_items=30, n_ratings=400, stars=True).interactions


@pytest.fixture
def jobs(monkeypatch):
    """Runs jobs in this process and lists them; ``jobs.fail_at`` breaks one."""

    class Jobs(list):
        fail_at = None

    jobs = Jobs()

    def here(model, task, split, data):
        jobs.append((task, type(model).__name__, split))
        if len(jobs) == jobs.fail_at:
            raise KeyboardInterrupt
        return leaderboard._measure_named(model, task, split, data)

    monkeypatch.setattr(leaderboard, "_apart", here)
    return jobs


def stored(path):
    return json.loads(path.read_text(encoding="utf-8"))["rows"]


def keys(path):
    return [(row["task"], row["model"], row["split"]) for row in stored(path)]


def as_jobs(keys):
    """Jobs know the model, not the name of its entry."""
    kinds = {"Popular": "Popularity", "Bias": "BiasModel"}
    return [(task, kinds[name], split) for task, name, split in keys]


EXPECTED = (
    [("ranking", "Popular", f"seed {s}") for s in (42, 43, 44, 45, 46)]
    + [("rating", "Bias", f"fold {n}") for n in (1, 2, 3, 4, 5)]
    + [("rating", "Bias", f"u{n}") for n in (1, 2, 3, 4, 5)]
    + [("sequence", "Popular", "last"), ("sequence", "Bias", "last")]
)


# -- run -----------------------------------------------------------------------------


def test_a_run_in_a_process_of_its_own(tmp_path, data):
    path = tmp_path / "results.json"
    results = run(path, entries=LAST, data=data).frame
    split = splits.leave_last_out(data)
    expected = evaluate(Popularity().fit(split.train), split.test)
    assert len(results) == 1 and results.model[0] == "Popular"
    assert results.ndcg[0] == pytest.approx(expected.ndcg.mean(), abs=1e-6)
    versions = stored(path)[0]["versions"]
    assert versions["numpy"] == np.__version__ and versions["pandas"] == pd.__version__
    assert {"python", "recsys_tutor", "scipy", "numba"} <= set(versions)


def test_every_run_is_there_once_and_in_order(tmp_path, data, jobs):
    path = tmp_path / "results.json"
    results = run(path, entries=TWO, data=data).frame
    assert jobs == as_jobs(EXPECTED) and keys(path) == EXPECTED
    assert results.split.tolist() == [split for _, _, split in EXPECTED]
    assert os.listdir(tmp_path) == ["results.json"], "no temporary file stays"
    for task, entry in (("ranking", TWO[0]), ("rating", TWO[1])):
        for name, split in task_splits(task, data).items():  # each its own split
            row = stored(path)[EXPECTED.index((task, entry.name, name))]
            assert row["metrics"] == measure(entry.model, task, split)["metrics"]
    assert stored(path)[5]["params"] == {
        "reg_u": "5.0",
        "reg_i": "2.0",
        "n_epochs": "2",
    }


def test_a_finished_file_computes_nothing(tmp_path, data, jobs):
    path = tmp_path / "results.json"
    run(path, entries=TWO, data=data)
    before = path.read_bytes()
    jobs.clear()
    run(path, entries=TWO, data=data)
    assert jobs == [] and path.read_bytes() == before


def test_only_a_missing_row_is_computed(tmp_path, data, jobs):
    path = tmp_path / "results.json"
    run(path, entries=TWO, data=data)
    rows = stored(path)
    for row in rows:
        row["fit_seconds"] = 99.0  # tells a kept row from a new one
    del rows[7]
    path.write_text(json.dumps({"rows": rows}))
    jobs.clear()
    run(path, entries=TWO, data=data)
    assert jobs == as_jobs([EXPECTED[7]]) and keys(path) == EXPECTED
    kept = [row["fit_seconds"] == 99.0 for row in stored(path)]
    assert kept == [n != 7 for n in range(len(EXPECTED))]


def test_an_interrupted_command_goes_on_where_it_stopped(tmp_path, data, jobs):
    path = tmp_path / "results.json"
    jobs.fail_at = 4
    with pytest.raises(KeyboardInterrupt):
        run(path, entries=TWO, data=data)
    assert keys(path) == EXPECTED[:3], "finished runs are on disk"
    jobs.clear()
    jobs.fail_at = None
    run(path, entries=TWO, data=data)
    assert jobs == as_jobs(EXPECTED[3:]) and keys(path) == EXPECTED


def test_changed_parameters_are_measured_again(tmp_path, data, jobs):
    path = tmp_path / "results.json"
    run(path, entries=TWO, data=data)
    jobs.clear()
    changed = (TWO[0], TWO[1]._replace(model=BiasModel(n_epochs=3)))
    run(path, entries=changed, data=data)
    assert jobs == as_jobs(key for key in EXPECTED if key[1] == "Bias")
    assert keys(path) == EXPECTED, "the old rows are gone"


def test_an_entry_makes_its_model_from_the_data_given(
    tmp_path, data, jobs, monkeypatch
):
    """Also where the book's own data cannot be had."""

    def never():
        raise OSError("no network")

    monkeypatch.setattr(leaderboard, "_movielens", never)
    own = Dataset(data, pd.DataFrame({"passes": [4] * data.n_items}), None)
    asked = []

    def make(dataset):
        asked.append(dataset)
        return BiasModel(n_epochs=int(dataset.items.passes[0]))

    made = (Entry("Made", make, ("sequence",)), LAST[0])
    path = tmp_path / "results.json"
    run(path, entries=made, data=own)
    assert len(asked) == 1 and asked[0] is own
    row = stored(path)[0]
    assert row["params"] == {"reg_u": "5.0", "reg_i": "2.0", "n_epochs": "4"}
    split = task_splits("sequence", data)["last"]
    expected = measure(BiasModel(n_epochs=4), "sequence", split)["metrics"]
    assert row["metrics"] == expected
    jobs.clear()
    run(path, entries=made, data=own)
    assert jobs == [], "a made model is recognised, too"
    other = own._replace(items=pd.DataFrame({"passes": [5] * data.n_items}))
    run(path, entries=made, data=other)
    assert jobs == [("sequence", "BiasModel", "last")], "made from other items"


def test_an_entry_that_lacks_something_is_refused_before_any_work(tmp_path, data, jobs):
    """Every entry of the book is made from bare interactions, or named in the error."""
    path = tmp_path / "results.json"
    refused = []
    for entry in ENTRIES:
        one = entry._replace(tasks=())
        try:
            run(path, entries=[one], data=data)
        except ValueError as error:
            assert f"entry {entry.name!r} cannot make its model" in str(error)
            assert "Interactions have no items and users" in str(error)
            refused.append(entry.name)
    features = ["Content", "Content ridge", "EASE + content", "EASE + content, summed"]
    side = ["Gibbs, side features", "Gibbs, day", "Gibbs, day, ordinal"]
    deep = ["DCN-v2", "DIN", "Two towers", "Ensemble"]
    assert refused == [*features, *side, "FM", "DeepFM", *deep]
    bare = Dataset(data, pd.DataFrame({"item": data.item_ids}), None)
    content = [e for e in ENTRIES if e.name == "Content"]
    with pytest.raises(ValueError, match=r"entry 'Content' cannot .*Pass a Dataset"):
        run(path, entries=[*LAST, *content], data=bare)
    with pytest.raises(TypeError, match="the function of entry 'Odd' gave str"):
        run(path, entries=[Entry("Odd", lambda data: "EASE", ())], data=data)
    assert jobs == []


def test_only_measures_one_entry_again(tmp_path, data, jobs):
    path = tmp_path / "results.json"
    run(path, entries=TWO, data=data)
    jobs.clear()
    run(path, entries=TWO, data=data, only="Popular")
    assert jobs == as_jobs(key for key in EXPECTED if key[1] == "Popular")
    with pytest.raises(ValueError, match=r"no entry is called 'Magic'.*'Popular'"):
        run(path, entries=TWO, data=data, only="Magic")
    with pytest.raises(ValueError, match="different names"):
        run(path, entries=(TWO[0], TWO[0]), data=data)
    assert keys(path) == EXPECTED


# -- results know what they were measured on -----------------------------------------


def world(seed, **more):
    options = {"n_users": 25, "n_items": 30, "n_ratings": 400, "stars": True} | more
    return make_world(random_state=seed, **options)


def with_ids(data, prefix):
    ids = [f"{prefix}{u}" for u in data.user_ids], data.item_ids
    return Interactions(data.user, data.item, data.value, data.time, *ids)


def other_data(data):
    """Data sets that differ from ``data`` in one thing each."""
    value = data.value.copy()
    value[7] = 6 - value[7] if value[7] != 3 else 4
    columns = data.user, data.item, data.value, data.time
    ids = data.user_ids, data.item_ids
    order = np.arange(len(data))
    order[[0, 1]] = 1, 0
    wider = np.append(data.item_ids, data.item_ids.max() + 1)
    return {
        "other world": world(9).interactions,
        "one value": Interactions(*columns[:2], value, data.time, *ids),
        "one second": Interactions(*columns[:3], data.time + 1, *ids),
        "no time": Interactions(*columns[:3], None, *ids),
        "order of rows": data.subset(order),
        "names of users": with_ids(data, "u"),
        "one more item": Interactions(*columns, data.user_ids, wider),
        "one row less": data.subset(np.arange(len(data)) > 0),
    }


@pytest.mark.parametrize("change", list(other_data(world(0).interactions)))
def test_a_file_of_other_data_is_refused_before_any_work(tmp_path, jobs, change):
    path, ours = tmp_path / "r.json", world(0).interactions
    run(path, entries=LAST, data=ours)
    before, other = path.read_bytes(), other_data(ours)[change]
    jobs.clear()
    with pytest.raises(ValueError, match="measurements of other data") as refused:
        run(path, entries=TWO, data=other)
    theirs = stored(path)[0]["data"]
    mine = other.digest
    for part in (str(path), theirs, mine, "pass another path="):
        assert part in str(refused.value)
    assert theirs != mine and jobs == [] and path.read_bytes() == before
    if other.time is None:
        with pytest.raises(ValueError, match="no time"):
            run(path.with_name("other.json"), entries=TWO, data=other)
        assert jobs == [], "not after ten runs of the tasks that need none"
        return
    got = run(path.with_name("other.json"), entries=LAST, data=other).frame
    split = splits.leave_last_out(other)
    wanted = evaluate(Popularity().fit(split.train), split.test).ndcg.mean()
    assert got.ndcg[0] == pytest.approx(wanted, abs=1e-6)


def test_a_dataset_and_its_interactions_are_the_same_data(tmp_path, data, jobs):
    path = tmp_path / "r.json"
    run(path, entries=LAST, data=Dataset(data, None, None))
    run(path, entries=LAST, data=data)
    assert len(jobs) == 1
    for wrong in (data.csr, data.to_frame(), "ml-100k"):
        with pytest.raises(TypeError, match="must be a Dataset or Interactions, got"):
            run(path, entries=LAST, data=wrong)


def test_data_of_ones_own_need_a_path(tmp_path, data, jobs, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = RESULTS.read_bytes()
    with pytest.raises(ValueError, match=r"data= needs path=.*results.json"):
        run(entries=LAST, data=data)
    assert jobs == [] and os.listdir(tmp_path) == []
    own = tmp_path / "book.json"
    monkeypatch.setattr(leaderboard, "RESULTS", own)
    monkeypatch.setattr(leaderboard, "_movielens", lambda: world(0))
    run(entries=LAST)
    assert keys(own) == [("sequence", "Popular", "last")]
    assert RESULTS.read_bytes() == before


def test_an_installed_package_is_not_written_to(tmp_path, jobs, monkeypatch):
    """The default file belongs to the book's repository."""
    monkeypatch.setattr(leaderboard, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr("recsys_tutor.study.files._ROOT", tmp_path)
    with pytest.raises(ValueError, match="an installed copy.*pass path="):
        run(entries=LAST)
    assert jobs == [] and os.listdir(tmp_path) == []


def test_a_path_is_ready_before_any_work(tmp_path, data, jobs):
    with pytest.raises(IsADirectoryError, match="is a folder"):
        run(tmp_path, entries=LAST, data=data)
    other = tmp_path / "trials.json"
    for text in ('{"EASE": [{"score": 1}]}', "[1, 2]", '{"rows": 5}', "{", "\xff"):
        other.write_text(text, encoding="latin-1")
        with pytest.raises(ValueError, match="trials.json is no results file"):
            run(other, entries=LAST, data=data)
        assert other.read_text(encoding="latin-1") == text
    assert jobs == []
    deep = tmp_path / "a" / "b" / "mine.json"
    run(deep, entries=LAST, data=data)
    assert len(stored(deep)) == 1


def test_rows_that_do_not_say_their_data(tmp_path, data, jobs, monkeypatch):
    """Of an earlier version: refused beside own data, measured again for the book's."""
    monkeypatch.setattr(leaderboard, "_movielens", lambda: Dataset(data, None, None))
    path = tmp_path / "r.json"
    run(path, entries=LAST)
    (row,) = stored(path)
    del row["data"]
    text = json.dumps({"rows": [row]})
    path.write_text(text)
    with pytest.raises(ValueError, match="other data .not said which"):
        run(path, entries=LAST, data=data)
    assert path.read_text() == text
    jobs.clear()
    run(path, entries=LAST)
    assert len(jobs) == 1 and stored(path)[0]["data"] == data.digest


def test_rows_of_entries_that_are_not_passed_stay(tmp_path, data, jobs):
    path = tmp_path / "r.json"
    run(path, entries=TWO, data=data)
    rows = stored(path)
    jobs.clear()
    run(path, entries=LAST, data=data)
    assert jobs == [] and stored(path) == rows
    run(path, entries=TWO[1:], data=data, only="Bias")
    assert jobs == as_jobs(key for key in EXPECTED if key[1] == "Bias")
    assert keys(path) == EXPECTED
    late = Entry("Late", Random(), ("ranking", "sequence"))
    run(path, entries=[late], data=data)
    got = keys(path)
    assert [key for key in got if key[1] != "Late"] == EXPECTED
    assert len(got) == len(EXPECTED) + 6
    assert [task for task, _, _ in got] == sorted(
        (task for task, _, _ in got), key=list(TASKS).index
    )


def test_an_interrupted_measurement_again_loses_no_row(tmp_path, data, jobs):
    """Stale rows stay until the new ones are there."""
    path = tmp_path / "r.json"
    run(path, entries=TWO, data=data)
    changed = (TWO[0], TWO[1]._replace(model=BiasModel(n_epochs=3)))
    jobs.clear()
    jobs.fail_at = 4
    with pytest.raises(KeyboardInterrupt):
        run(path, entries=changed, data=data)
    assert keys(path) == EXPECTED
    epochs = [r["params"]["n_epochs"] for r in stored(path) if r["model"] == "Bias"]
    assert epochs == ["3"] * 3 + ["2"] * 8


class Scaled(Popularity):
    """A model with a large parameter, which its ``repr`` abbreviates."""

    def __init__(self, *, weights=None):
        self.weights = weights


@pytest.mark.parametrize("kind", [np.asarray, csr_array, lambda x: [EASE(), x]])
def test_parameters_are_told_apart_by_their_content(tmp_path, data, jobs, kind):
    path, big = tmp_path / "r.json", np.ones((60, 50))
    other = big.copy()
    other[30, 20] = 2.0
    assert repr(kind(big)) == repr(kind(other))
    for weights, measured in ((big, 1), (big.copy(), 0), (other, 1), (other, 0)):
        jobs.clear()
        entry = Entry("Scaled", Scaled(weights=kind(weights)), ("sequence",))
        run(path, entries=[entry], data=data)
        assert len(jobs) == measured
    assert len(stored(path)) == 1


def test_other_code_makes_a_row_stale(tmp_path, data, jobs, monkeypatch, capsys):
    """Rows of the models whose code changed are measured again; all can be read."""
    path = tmp_path / "r.json"
    entries = (*LAST, Entry("EASE", EASE(), ("sequence",)))
    run(path, entries=entries, data=data)
    source = digests._source

    def changed(module):
        more = "X = 1" if module == "recsys_tutor.neighbors" else ""
        return f"{source(module)}\n{more}\n"

    monkeypatch.setattr(digests, "_source", changed)
    jobs.clear()
    assert len(Results.load(path)) == 2
    capsys.readouterr()
    run(path, entries=entries, data=data)
    assert jobs == [("sequence", "EASE", "last")]
    assert "EASE, last (again: other code or parameters)" in capsys.readouterr().err
    jobs.clear()
    run(path, entries=entries, data=data)
    assert jobs == []


def test_seeds_of_the_splits_are_those_of_the_models(tmp_path, data, jobs):
    """On "seed 43" a model that draws numbers draws from seed 43; others do not."""
    path = tmp_path / "r.json"
    drawn = Entry("Random", Random(), ("ranking", "sequence"))
    run(path, entries=(drawn, TWO[0]), data=data)
    states = [r["params"].get("random_state") for r in stored(path)]
    assert states == ["42", "43", "44", "45", "46", *[None] * 5, "0", None]
    for name, split in task_splits("ranking", data).items():
        model = Random(random_state=int(name[5:]))
        row = next(r for r in stored(path) if r["split"] == name)
        assert row["metrics"] == measure(model, "ranking", split)["metrics"]
        if name != "seed 42":
            again = measure(Random(random_state=42), "ranking", split)["metrics"]
            assert row["metrics"] != again


# -- scripts, notebooks, the console -------------------------------------------------

SCRIPT = """
import sys
from recsys_tutor.baselines import Popularity
from recsys_tutor.datasets import make_world
from recsys_tutor.study.entries import Entry
from recsys_tutor.study.leaderboard import run
from recsys_tutor.transitions import Transitions

class Mine(Popularity):
    def _score_users(self, users):
        return -super()._score_users(users)

data = make_world(n_users=25, n_items=30, n_ratings=400, random_state=0).interactions
entries = [Entry("P", Popularity(), ("sequence",)), Entry("M", Mine(), ("sequence",))]
table = run(sys.argv[1], entries=entries, data=data).frame
print(table.model.tolist(), table.peak_mb.isna().tolist(), sep="|")
"""
CLASS = SCRIPT[SCRIPT.index("class Mine") : SCRIPT.index("data =")]
BESIDE = SCRIPT.replace(CLASS, "from beside import *\n")
MODULE = SCRIPT[: SCRIPT.index("data =")]


def program(folder, source, how):
    """The output of a program that reads its source from a file or from stdin."""
    name = folder / "program.py"
    name.write_text(source)
    (folder / "beside.py").write_text(MODULE)
    start = {"script": [name], "stdin": ["-"], "console": ["-c", source]}[how]
    ended = subprocess.run(
        [sys.executable, *start, "mine.json"],
        input=source if how == "stdin" else "",
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=120,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


@pytest.mark.parametrize("how", ["script", "stdin", "console"])
def test_a_program_needs_no_guard(tmp_path, how):
    """A model of the program itself is measured in its process, without a peak."""
    linux = sys.platform.startswith("linux")
    first = "False" if linux else "True"
    assert program(tmp_path, SCRIPT, how) == f"['P', 'M']|[{first}, True]"
    popular, mine = stored(tmp_path / "mine.json")
    assert popular["metrics"] != mine["metrics"]


def test_a_module_beside_the_script_is_found(tmp_path):
    """And the script itself is not run a second time."""
    none = "False" if sys.platform.startswith("linux") else "True"
    source = BESIDE + "print('once')"
    assert program(tmp_path, source, "script") == f"['P', 'M']|[{none}, {none}]\nonce"


def test_a_notebook_in_any_folder(tmp_path):
    nbclient = pytest.importorskip("nbclient")
    import nbformat

    source = SCRIPT.replace("sys.argv[1]", "'mine.json'")
    more = "assert not table.empty and table.data.nunique() == 1"
    cells = [nbformat.v4.new_code_cell(text) for text in (source, more)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    path = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=120, resources=path).execute()
    assert [row["model"] for row in stored(tmp_path / "mine.json")] == ["P", "M"]


def test_the_tip_of_chapter_18_runs(tmp_path, data):
    """The lines under "own file", in a folder with a ratings file and nothing else."""
    cells = json.loads((ROOT / "book/18_leaderboard.ipynb").read_text("utf-8"))
    text = "".join("".join(cell["source"]) for cell in cells["cells"])
    (tip,) = re.findall(r"```python\n(.*?load_ratings_csv.*?)```", text, re.DOTALL)
    frame = data.to_frame().rename(columns={"value": "rating"})
    frame.to_csv(tmp_path / "ratings.csv", index=False)
    assert program(tmp_path, tip + "\nprint(len(floor), len(mine[0]))", "script") == (
        f"2 {len(data)}"
    )
    rows = [(row["task"], row["model"]) for row in stored(tmp_path / "mine.json")]
    assert rows == [("ranking", n) for n in ("Popularity", "EASE") for _ in range(5)]


class Broken(Popularity):
    def _fit(self, train):
        raise LookupError("no such film")


class Killed(Popularity):
    def _fit(self, train):
        os._exit(9)


def test_an_error_in_the_other_process_is_raised_here(tmp_path, data):
    path = tmp_path / "r.json"
    entries = (*LAST, Entry("Broken", Broken(), ("sequence",)))
    with pytest.raises(LookupError, match="no such film") as raised:
        run(path, entries=entries, data=data)
    assert any("in _fit" in note for note in raised.value.__notes__)
    assert keys(path) == [("sequence", "Popular", "last")], "finished rows are kept"
    with pytest.raises(RuntimeError, match=r"Killed\(\) on sequence, last .*status 9"):
        run(path, entries=[Entry("K", Killed(), ("sequence",))], data=data)
    assert len(stored(path)) == 1


def test_a_run_in_this_process(tmp_path, data, monkeypatch):
    def never(*job):
        raise AssertionError("another process")

    monkeypatch.setattr(leaderboard, "_apart", never)
    generator = np.random.default_rng(3)
    drawn = Entry("Random", Random(random_state=generator), ("sequence",))
    got = run(tmp_path / "r.json", entries=[drawn], data=data, isolate=False).frame
    assert got.peak_mb.isna().all() and got.ndcg.notna().all()
    fresh = np.random.default_rng(3)
    assert generator.bit_generator.state == fresh.bit_generator.state, "untouched"


def test_a_class_that_cannot_travel_is_measured_here(tmp_path, data):
    class Local(Popularity):
        pass

    entry = Entry("L", Local(), LISTS)
    got = run(tmp_path / "r.json", entries=[entry], data=data).frame
    assert got.peak_mb.isna().all() and len(got) == 6


def test_a_failing_disk_leaves_the_old_file(
    tmp_path, data, jobs, monkeypatch, full_disk
):
    path = tmp_path / "results.json"
    run(path, entries=LAST, data=data)
    before = path.read_bytes()

    full_disk()
    with pytest.raises(OSError, match="disk full"):
        run(path, entries=LAST, data=data, only="Popular")
    monkeypatch.undo()
    assert path.read_bytes() == before


def test_the_file_is_whole_after_every_run(tmp_path, data, jobs, monkeypatch):
    """A reader at any moment sees complete JSON, one row longer each time."""
    path, seen = tmp_path / "results.json", []
    replace = os.replace

    def watch(source, target):
        replace(source, target)
        seen.append(len(stored(Path(target))))

    monkeypatch.setattr(os, "replace", watch)
    run(path, entries=TWO, data=data)
    assert seen == [*range(1, len(EXPECTED) + 1), len(EXPECTED)]


# -- what a run measures -------------------------------------------------------------


def test_measure_ranking(data):
    split = splits.item_stratified(data)
    model = BiasModel()
    row = measure(model, "ranking", split)
    expected = evaluate(BiasModel().fit(split.train), split.test)
    for name in ("precision", "recall", "ndcg", "ap", "mrr", "hit", "auc", "novelty"):
        assert row["metrics"][name] == round(expected[name].mean(), 6)
    for name in ("coverage", "gini"):
        assert row["metrics"][name] == round(expected.attrs[name], 6)
    assert row["ndcg_per_user"] == expected.ndcg.round(4).tolist()
    assert row["fit_seconds"] >= 0 and row["score_seconds"] >= 0
    assert row["peak_mb"] is None or row["peak_mb"] >= 0
    assert vars(model).keys() == {"reg_u", "reg_i", "n_epochs"}, "a clone was fitted"


def test_measure_rating(data):
    fold = splits.k_fold(data)[2]
    row = measure(BiasModel(), "rating", fold)
    frame = evaluate_ratings(BiasModel().fit(fold.train), fold.test)
    expected = {
        "rmse": round(rmse(frame.rating, frame.prediction), 6),
        "mae": round(mae(frame.rating, frame.prediction), 6),
    }
    assert row["metrics"] == expected and "ndcg_per_user" not in row
    assert "lists" not in measure(BiasModel(), "rating", fold, lists=True)


def test_ratings_of_another_scale_are_not_cut(tmp_path):
    """-10 to 10: errors are those of predictions clipped to the training's range.

    Needs ``evaluate_ratings(clip="train")`` as the default.
    """
    stars = world(1, n_items=20, n_ratings=300).interactions
    value = np.where(stars.value == 5, 10.0, 5 * stars.value - 15)
    ids = stars.user_ids, stars.item_ids
    data = Interactions(stars.user, stars.item, value, stars.time, *ids)
    fold = splits.k_fold(data)[0]
    model = BiasModel().fit(fold.train)
    low, high = fold.train.value.min(), fold.train.value.max()
    assert (low, high) == (-10, 10)
    guess = model.predict(fold.test.user, fold.test.item)
    wanted = rmse(fold.test.value, np.clip(guess, low, high))
    assert wanted < rmse(fold.test.value, np.clip(guess, 1, 5)) - 0.05
    got = measure(BiasModel(), "rating", fold)["metrics"]["rmse"]
    assert got == pytest.approx(wanted, abs=1e-6)
    entry = Entry("Bias", BiasModel(), ("rating",))
    table = run(tmp_path / "r.json", entries=[entry], data=data, isolate=False).frame
    assert table.rmse[0] == pytest.approx(wanted, abs=1e-6)
    tight = measure(BiasModel(), "rating", fold, clip=(-1, 1))["metrics"]["rmse"]
    wanted = rmse(fold.test.value, np.clip(guess, -1, 1))
    assert tight == pytest.approx(wanted, abs=1e-6)


def test_measure_sequence(data):
    split = splits.leave_last_out(data)
    row = measure(Popularity(), "sequence", split)
    expected = evaluate(Popularity().fit(split.train), split.test)
    assert row["metrics"]["hit"] == round(expected.hit.mean(), 6)
    assert row["ndcg_per_user"] == expected.ndcg.round(4).tolist()
    assert len(row["ndcg_per_user"]) == data.n_users


def test_users_are_scored_in_batches(data, monkeypatch):
    """Bounded memory: the same row, and never more users at a time than fit."""
    asked = []

    class Counted(Popularity):
        def _score_users(self, users):
            asked.append(len(users))
            return super()._score_users(users)

    split = splits.leave_last_out(data)
    whole = measure(Counted(), "sequence", split, lists=True)
    assert asked[0] == data.n_users
    asked.clear()
    monkeypatch.setattr(ranking, "CELLS_PER_BATCH", 4 * data.n_items + 1)
    batched = measure(Counted(), "sequence", split, lists=True)
    assert asked[:7] == asked[-7:] == [4] * 6 + [1]
    for name in ("metrics", "lists", "ndcg_per_user"):
        assert whole[name] == batched[name]


@pytest.mark.parametrize("task", ["ranking", "sequence"])
def test_measure_keeps_lists_if_asked(task, data):
    split = next(iter(task_splits(task, data).values()))
    row = measure(EASE(), task, split, lists=True)
    model = EASE().fit(split.train)
    for u in range(data.n_users):
        scores = model.score([u])[0]
        scores[split.train.item[split.train.user == u]] = -np.inf
        best = sorted(range(data.n_items), key=lambda i: -scores[i])[:10]
        best = [i if np.isfinite(scores[i]) else -1 for i in best]
        assert row["lists"][u] == best
    assert "lists" not in measure(EASE(), task, split)


def test_lists_are_kept_for_one_split_of_the_ranking_task(tmp_path, data, jobs):
    path = tmp_path / "results.json"
    run(path, entries=TWO, data=data)
    having = [key for key, row in zip(keys(path), stored(path)) if "lists" in row]
    assert having == [("ranking", "Popular", "seed 42")]
    assert len(stored(path)[0]["lists"]) == data.n_users


def test_seconds_are_those_of_the_processor(data):
    class Sleeper(Popularity):
        def _fit(self, train):
            time.sleep(0.2)
            super()._fit(train)

    def work(seconds):
        stop = time.process_time() + seconds
        while time.process_time() < stop:
            pass

    class Busy(Popularity):
        def _fit(self, train):
            work(0.1)
            super()._fit(train)

        def _score_users(self, users):
            work(0.3)
            return super()._score_users(users)

    split = splits.leave_last_out(data)
    assert measure(Sleeper(), "sequence", split)["fit_seconds"] < 0.1
    row = measure(Busy(), "sequence", split)
    assert 0.1 <= row["fit_seconds"] < 0.3 <= row["score_seconds"] < 0.4


# -- how many numbers a model keeps --------------------------------------------------


def full(n_users, n_items):
    """Every item has ratings, no two items or users the same ones."""
    rng = np.random.default_rng(0)
    R = rng.random((n_users, n_items)) < 0.6
    R[0], R[:, 0] = True, True
    user, item = np.nonzero(R)
    value = rng.integers(1, 6, len(user)).astype(float)
    ids = np.arange(n_users), np.arange(n_items)
    return Interactions(user, item, value, np.arange(len(user)), *ids)


N, M = 11, 7  # users and items of the data below
BIASES = N + M


def dense():
    """Every user and item has ratings; 11 x 7, like the contract's small data."""
    return scattered(N, M, 0.9, seed=3)


def of_factors(model, *, more=0):
    return model.n_factors * (N + M) + more


def of_draws(model):
    draws, width = model.n_epochs - model.burn_in, 1 + model.n_factors
    if not model.day:
        return draws * (width * (N + M) + 1)  # and the mean
    days = 1 + len(np.unique(dense().time // 86400))  # one for unknown days
    levels = len(np.unique(dense().value))
    rows = draws * (width * (N + M + days) + levels + 1)  # and the cut points
    return rows + levels


#: What each model keeps, by hand, on data in which nothing happens to be zero.
KEPT = {
    "Random": lambda m: 0,  # draws its answers; the ratings they come from are data
    "Popularity": lambda m: M,
    "BiasModel": lambda m: BIASES,
    "UserKNN": lambda m: 0,  # compares users when it scores
    "ItemKNN": lambda m: M * min(m.n_neighbors, M - 1),
    "RatingKNN": lambda m: (
        {"item": M * M - M, "user": N * N - N}[m.by]
        + {"bias": BIASES, "mean": M}[m.center]
    ),
    "EASE": lambda m: M * M - M,
    "SLIM": lambda m: int((m.B_ > 0).sum()),
    "RP3beta": lambda m: M * min(m.n_neighbors, M - 1),
    "GFCF": lambda m: M * M,
    "SlopeOne": lambda m: 2 * (M * M - M),
    "FeatureAugmented": lambda m: M * M - M,
    "ContentBased": lambda m: N * 6,  # a profile of six terms for each user
    "ContentRidge": lambda m: len(dense()) + M * M + BIASES,  # one per rating
    "TruncatedSVD": of_factors,
    "BiasedMF": lambda m: of_factors(m, more=BIASES),
    "FunkSVD": of_factors,
    "SVDpp": lambda m: of_factors(m, more=BIASES),  # the sets are added up
    "ExplicitALS": lambda m: of_factors(m, more=BIASES),
    "ImplicitALS": of_factors,
    "BPR": lambda m: of_factors(m, more=M),
    "BayesianFM": of_draws,
    "PLSA": lambda m: m.n_topics * (N + M),
    "GaussianPLSA": lambda m: m.n_topics * (N + M) + BIASES,
    "DotModel": lambda m: of_factors(m, more=BIASES),
    # two tables of 2, hidden (4, 4), one weight for each of the last 4
    "DeepDot": lambda m: (
        of_factors(m, more=BIASES) + 2 * (N + M) + (4 * 4 + 4) + (4 + 1)
    ),
    # two tables, hidden (8, 8), and one weight for each of 4 + 8 features
    "NeuMF": lambda m: (4 + 4) * (N + M) + (8 * 8 + 8) + (4 + 8 + 1),
    # a weight and four factors for each of the ids and 3 + 2 features; four fields
    "DeepFM": lambda m: 5 * (N + M + 3 + 2) + (16 * 8 + 8) + (8 + 1) + 1,
    # the same tables without weights; two cross layers and the output over 16 + 8
    "DCN": lambda m: 4 * (N + M + 3 + 2) + 2 * (16 * 16 + 16) + (16 * 8 + 8) + 25,
    # as DeepFM, with a fifth field; the activation unit of 3 · 4 numbers to 4 to 1
    "DIN": lambda m: (
        5 * (N + M + 3 + 2) + (20 * 8 + 8) + (8 + 1) + 1 + (12 * 4 + 4) + 5
    ),
    "TwoTower": of_factors,
    "Transitions": lambda m: M * M - M,
    "GRU4Rec": lambda m: 12 * (M + 1) + 3 * (2 * 12 * 12 + 2 * 12),
    # items, places; attention, perceptron and two norms; the last norm
    "SASRec": lambda m: 8 * (M + 1) + 8 * 6 + 6 * (8 * 8 + 8) + 2 * 16 + 16,
    # the vector of what is hidden, and a position fewer
    "BERT4Rec": lambda m: KEPT["SASRec"](m) + 8 * (1 + m.max_length - 6),
    "TimedSASRec": lambda m: KEPT["SASRec"](m) + 2 * 33 * 8,  # two pauses
    "MultVAE": lambda m: (M * 8 + 8) + (8 * 4 + 4) + (2 * 8 + 8) + (8 * M + M),
    "LightGCN": of_factors,
    "Weighted": lambda m: sum(map(by_hand, m.models)),
    "RankFusion": lambda m: sum(map(by_hand, m.models)),
    "Switching": lambda m: by_hand(m.few) + by_hand(m.many),
    "Cascade": lambda m: by_hand(m.first) + by_hand(m.second),
}


def by_hand(model):
    return KEPT[type(model).__name__](model)


every_model = pytest.mark.parametrize(
    "case", MODELS, ids=lambda case: type(case.model).__name__
)


@every_model
def test_parameters_by_hand(case):
    """Every model of the contract has its formula."""
    all_of_them = {"n_neighbors": M - 1}  # fewer, and ties for the last place stay
    changes = all_of_them if isinstance(case.model, ItemKNN) else {}
    model = case.fit(dense(), **changes)
    assert count_parameters(model) == by_hand(model)


def answers(model):
    """All that a server is asked for; None where the model cannot."""
    users = np.arange(N)
    given = [model.score(users), None, None]
    pairs = np.repeat(users, M), np.tile(np.arange(M), N)
    asked = (lambda: model.predict(*pairs)), (lambda: model.score_history(dense().csr))
    for n, ask in enumerate(asked, 1):
        try:
            given[n] = ask()
        except NotImplementedError:
            pass
        except np.linalg.LinAlgError:  # of a model that was changed
            given[n] = "singular"
    return given


def same(a, b):
    return all(
        (x is None) == (y is None) and (x is None or np.array_equal(x, y))
        for x, y in zip(a, b, strict=True)
    )


def kept(model):
    own = getattr(model, "_kept", None)
    return leaderboard._learned(model) if own is None else list(own())


def attributes(model):
    """Path and value of what a model holds, the parts of a record of draws included."""
    for name, value in vars(model).items():
        if isinstance(value, PosteriorDraws):
            yield from (((name, part), array) for part, array in vars(value).items())
        else:
            yield (name,), value


@every_model
def test_what_is_not_kept_is_data_or_has_done_its_work(case):
    """Without it the model answers as before: nothing learned is left out."""
    model = case.fit(dense())
    before, held = answers(model), [id(part) for part in kept(model)]
    data = {"train_", "n_users_", "n_items_", *DATA.get(type(model).__name__, ())}
    given = model.get_params()
    for (*path, name), value in list(attributes(model)):
        used = value is None or id(value) in held or name in data or name in given
        if not used:  # None: there is no such part
            delattr(getattr(model, path[0]) if path else model, name)
    assert same(answers(model), before)


#: The users' own rows and times, and given features: held, and no parameters.
DATA = {
    "Random": ["ratings_", "seed_"],
    "UserKNN": ["X_"],
    "ItemKNN": ["X_"],
    "EASE": ["X_"],
    "SLIM": ["X_"],
    "RP3beta": ["X_"],
    "GFCF": ["X_"],
    "SlopeOne": ["R_", "mean_"],
    "FeatureAugmented": ["X_"],
    "RatingKNN": ["E_"],
    "ContentBased": ["F_"],
    "Transitions": ["W_"],
    "BayesianFM": ["days_", "user_days_", "levels_", "n"],
    "GRU4Rec": ["sequences_", "lengths_"],
    "SASRec": ["sequences_", "lengths_"],
    "BERT4Rec": ["sequences_", "lengths_"],
    "TimedSASRec": ["sequences_", "lengths_"],
}


@every_model
def test_what_is_kept_is_needed(case):
    """Another value of any counted part changes an answer: nothing is counted twice."""
    model = case.fit(dense())
    before = answers(model)
    for path, value in list(attributes(model)):
        held = any(value is part for part in kept(model))
        if not held or not leaderboard._count(value) or path == ("models_",):
            continue
        changed = part = pickle.loads(pickle.dumps(model))
        for name in path:
            part = getattr(part, name)
        if hasattr(part, "parameters"):
            with torch.no_grad():
                for parameter in part.parameters():
                    parameter.mul_(2.0).add_(0.5)
        elif isinstance(part, Recommender):
            part.b_u_ = part.b_u_ + np.arange(N)
        else:
            data = part.data if issparse(part) else part
            data[...] = data * 2 + np.arange(data.size).reshape(data.shape) % 3
        try:
            now = answers(changed)
        except ValueError:  # a regression that cannot be solved: needed, too
            continue
        assert not same(now, before), name


def test_parameters_of_models_inside_models():
    data = dense()
    pair = Weighted(models=[Weighted(models=[BiasModel()]), BiasModel()])
    assert count_parameters(pair.fit(data)) == 2 * BIASES


def test_what_is_a_parameter_and_what_is_not():
    class Keeper(Popularity):
        _data_attributes = ("rows_",)

        def _fit(self, train):
            super()._fit(train)  # seven counts
            self.rows_ = np.ones(400)  # declared as data below
            self.sparse_ = csr_array(([2.0, 0.0, 3.0], ([0, 1, 2], [0, 1, 2])))
            self.dense_ = np.array([[0.0, 1.0], [0.5, 0.0]], dtype=np.float32)
            self.several_ = (np.ones(3), [np.ones(5)], None, "text")
            self.order_ = np.arange(1, 100)  # whole numbers: an index
            self.flags_ = np.ones(50, dtype=bool)
            self.given = np.ones(1000)  # a parameter of the constructor

    assert count_parameters(Keeper().fit(full(90, 7))) == 7 + 2 + 2 + 3 + 5


def test_parameters_of_a_network():
    from recsys_tutor.neural import DotModel, NeuMF

    data = full(90, 7)
    model = DotModel(n_factors=4, n_epochs=1).fit(data)
    tables = (4 + 1) * (90 + 7)  # a vector and a bias each; the mean is not learned
    assert count_parameters(model) == tables
    pair = Weighted(models=[DotModel(n_factors=4, n_epochs=1), Popularity()])
    assert count_parameters(pair.fit(data)) == tables + 7
    model = NeuMF(n_factors=4, hidden=(6, 5), n_epochs=1).fit(data)
    layers = (6 * 5 + 5) + (4 + 5 + 1)  # from pair to hidden, from both to one
    assert count_parameters(model) == (4 + 3) * (90 + 7) + layers


def test_measure_counts_the_parameters(data):
    row = measure(BiasModel(), "sequence", splits.leave_last_out(data))
    assert row["n_parameters"] == data.n_users + data.n_items


def test_measure_rating_with_the_ratings_own_times(data):
    """A model that uses the day is scored twice: without and with the test's times."""
    fold = splits.k_fold(data)[0]
    model = BayesianFM(n_factors=2, n_epochs=6, burn_in=2, day=True)
    got = measure(model, "rating", fold)["metrics"]
    model.fit(fold.train)
    test, scores = fold.test, {}
    for name, when in (("rmse", None), ("rmse_own_time", test.time)):
        guess = np.clip(model.predict(test.user, test.item, time=when), 1, 5)
        scores[name] = np.sqrt(np.mean((test.value - guess) ** 2))
        assert got[name] == pytest.approx(scores[name], abs=1e-6)
    assert list(got) == ["rmse", "mae", "rmse_own_time"]
    assert abs(scores["rmse"] - scores["rmse_own_time"]) > 1e-4
    without = measure(model.clone(day=False), "rating", fold)["metrics"]
    assert list(without) == ["rmse", "mae"]


PEAK = """
import numpy as np
from recsys_tutor import splits
from recsys_tutor.baselines import Popularity
from recsys_tutor.datasets import make_world
from recsys_tutor.study.leaderboard import measure
from recsys_tutor.transitions import Transitions

class Hungry(Popularity):
    def _fit(self, train):
        super()._fit(train)
        self.block_ = np.ones(6_000_000)  # 48 MB

data = make_world(n_users=60, n_items=40, n_ratings=900).interactions
split = splits.leave_last_out(data)
for model in (Popularity(), Hungry(), Popularity()):
    print(measure(model, "sequence", split)["peak_mb"])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells")
def test_the_peak_is_that_of_the_model():
    command = [sys.executable, "-c", PEAK]  # a fresh process: no freed memory to reuse
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    small, hungry, again = map(float, run.stdout.split())
    assert 40 < hungry < 60
    assert max(small, again) < 5


# -- the file in the book ------------------------------------------------------------


@pytest.fixture(scope="module")
def book():
    return Results.load().frame


def made(model, dataset):
    return model if isinstance(model, Recommender) else model(dataset)


def test_the_book_s_file_holds_every_run_of_every_entry(book, movielens):
    wanted = [
        (task, entry.name, split)
        for task in TASKS
        for entry in ENTRIES
        if task in entry.tasks
        for split in TASKS[task].split_names
    ]
    assert list(zip(book.task, book.model, book.split, strict=True)) == wanted
    models = {e.name: made(e.model, movielens) for e in ENTRIES}
    for name, split, stored_params in zip(book.model, book.split, book.params):
        params = models[name].get_params()
        if "random_state" in params and split.startswith("seed"):
            params["random_state"] = int(split[5:])
        assert stored_params == {k: repr(v) for k, v in params.items()}


def test_rows_of_the_book_that_say_their_data_are_of_movielens(book, ratings):
    said = book.data.dropna() if "data" in book else pd.Series(dtype=object)
    assert set(said) <= {ratings.digest}


def test_counts_of_the_book_that_need_no_fit(book, ratings):
    """Models whose count follows from the sizes alone: 943 users, 1,682 films."""
    n, m = ratings.shape
    wanted = {
        "Random": 0,
        "User-kNN": 0,
        "LightGCN": 64 * (n + m),
        "Two towers": 32 * (n + m),
        "Gibbs MF": 350 * (17 * (n + m) + 1),
    }
    models = {entry.name: entry.model for entry in ENTRIES}
    gibbs = models["Gibbs MF"]
    assert gibbs.n_epochs - gibbs.burn_in == 350 and gibbs.n_factors == 16
    for name, count in wanted.items():
        rows = book[book.model == name]
        assert len(rows) and (rows.n_parameters == count).all(), name


def test_every_row_of_the_book_is_complete(book, movielens):
    """No column is empty where its task has it; lists of unseen films on seed 42."""
    cost = ["fit_seconds", "score_seconds", "peak_mb", "n_parameters"]
    assert book[cost].notna().all(axis=None)
    assert (book[cost] >= 0).all(axis=None)
    lists = ["precision", "recall", "ndcg", "ap", "mrr", "hit", "auc"]
    lists += ["novelty", "coverage", "gini", "ndcg_per_user"]
    rating = book.task == "rating"
    assert (book[["rmse", "mae"]].notna().all(axis=1) == rating).all()
    assert (book[lists].notna().all(axis=1) == ~rating).all()
    listed = (book.task == "ranking") & (book.split == "seed 42")
    assert (book.lists.notna() == listed).all()
    split = task_splits("ranking", movielens.interactions)["seed 42"]
    seen = split.train.csr.toarray() > 0
    for row in book[listed].itertuples():
        found = np.array(row.lists)
        assert found.shape == (movielens.interactions.n_users, 10), row.model
        assert (np.diff(np.sort(found)) > 0).all() and found.min() >= 0
        assert not np.take_along_axis(seen, found, axis=1).any(), row.model


def test_means_of_the_book_are_those_of_its_users(book):
    """The NDCG of a row is the mean of its ``ndcg_per_user``."""
    rows = book[book.task != "rating"]
    assert len(rows) > 50
    for row in rows.itertuples():
        assert np.mean(row.ndcg_per_user) == pytest.approx(row.ndcg, abs=5.1e-5)


def test_lists_of_the_book_have_its_precision(book, movielens):
    """Precision, counted from the stored lists, is the stored precision."""
    listed = book[book.lists.notna()]
    assert len(listed) > 15
    test = task_splits("ranking", movielens.interactions)["seed 42"].test
    wanted = test.csr.toarray() > 0
    with_test = wanted.any(axis=1)
    for row in listed.itertuples():
        hits = np.take_along_axis(wanted, np.array(row.lists), axis=1)
        precision = hits[with_test].mean()
        assert precision == pytest.approx(row.precision, abs=1e-6), row.model


def test_baselines_are_the_first_rows(book):
    for task, first in (
        ("ranking", ["Random", "Popularity", "Bias model"]),
        ("rating", ["Random", "Bias model"]),
        ("sequence", ["Random", "Popularity", "Bias model"]),
    ):
        assert list(dict.fromkeys(book.model[book.task == task]))[: len(first)] == first


def test_rows_with_the_ratings_own_times(book):
    """Exactly the models that use the day have them, and knowing it helps."""
    rows = book[book.task == "rating"].set_index("model")
    own = rows.rmse_own_time
    assert set(own.index[own.notna()]) == {"Gibbs, day", "Gibbs, day, ordinal"}
    assert own.notna().sum() == 20
    folds = rows[own.notna() & rows.split.str.startswith("fold")]
    assert len(folds) == 10 and (folds.rmse_own_time < folds.rmse).all()
    assert book.rmse_own_time[book.task != "rating"].isna().all()


def ease_with_content(dataset):
    return FeatureAugmented(features=tfidf(item_terms(dataset.items, RICH_FIELDS)[0]))


def content_ridge(dataset):
    return ContentRidge(features=tfidf(item_terms(dataset.items, RICH_FIELDS)[0]))


@pytest.mark.parametrize(
    "task, name, split, model",
    [
        ("ranking", "Popularity", "seed 42", Popularity()),
        ("ranking", "Random", "seed 46", Random(random_state=46)),
        ("rating", "Bias model", "fold 1", BiasModel()),
        ("rating", "Bias model", "u5", BiasModel()),
        ("sequence", "Popularity", "last", Popularity()),
        ("sequence", "EASE", "last", EASE()),
        ("ranking", "Item-kNN", "seed 42", ItemKNN()),
        ("ranking", "EASE", "seed 42", EASE()),
        ("ranking", "EASE + content", "seed 42", ease_with_content),
        ("rating", "Item-kNN, residuals", "fold 1", RatingKNN()),
        ("rating", "Content ridge", "fold 1", content_ridge),
        ("sequence", "Transitions", "last", Transitions()),
        ("rating", "MF, ALS", "fold 1", ExplicitALS()),
        ("rating", "MF, SGD", "fold 1", BiasedMF()),
        ("ranking", "PureSVD", "seed 42", TruncatedSVD()),
        ("ranking", "Implicit ALS", "seed 42", ImplicitALS(random_state=42)),
        ("ranking", "PLSA, tempered", "seed 42", PLSA(random_state=42)),
        ("rating", "Gaussian PLSA", "fold 1", GaussianPLSA()),
    ],
)
def test_rows_of_the_book_are_what_the_code_gives(
    movielens, book, task, name, split, model
):
    """Fitted and scored here, without ``measure``."""
    row = book[(book.task == task) & (book.model == name) & (book.split == split)]
    assert len(row) == 1
    row = row.iloc[0]
    part = task_splits(task, movielens.interactions)[split]
    with threadpool_limits(1):  # linear algebra does not fight with the other tests
        model = made(model, movielens).fit(part.train)
    assert row.n_parameters == count_parameters(model)
    if task == "rating":
        guess = np.clip(model.predict(part.test.user, part.test.item), 1, 5)
        error = part.test.value - guess
        assert row.rmse == pytest.approx(np.sqrt(np.mean(error**2)), abs=1e-6)
        assert row.mae == pytest.approx(np.mean(np.abs(error)), abs=1e-6)
        return
    per_user = evaluate(model, part.test)
    for metric in ("precision", "recall", "ndcg", "ap", "mrr", "hit", "auc", "novelty"):
        assert row[metric] == pytest.approx(per_user[metric].mean(), abs=1e-6), metric
    for metric in ("coverage", "gini"):
        assert row[metric] == pytest.approx(per_user.attrs[metric], abs=1e-6), metric
    np.testing.assert_allclose(row.ndcg_per_user, per_user.ndcg, atol=5.1e-5)
    if isinstance(row.lists, list) and name in ("Popularity", "Item-kNN"):
        assert row.lists == model.recommend(np.arange(943)).items.tolist()


def test_the_command_line(tmp_path, monkeypatch, capsys):
    calls = []

    def fake(path, only):
        calls.append((path, only))
        return Results.load()

    monkeypatch.setattr(leaderboard, "run", fake)
    leaderboard.main(["--out", "x.json", "--only", "Random"])
    assert calls == [("x.json", "Random")]
    printed = capsys.readouterr().out
    for task in TASKS:
        assert f"\n{task}\n" in printed
    assert "0.2524" not in printed, "means over the seeds, not seed 42"
    frame = Results.load().frame
    mean = frame.query("task == 'ranking' and model == 'Popularity'").ndcg
    assert f"{mean.mean():.4f}" in printed


# -- the other process -----------------------------------------------------------------


def test_an_answer_that_cannot_travel_is_told(tmp_path):
    asked, answered = tmp_path / "job", tmp_path / "answer"
    asked.write_bytes(pickle.dumps(()))
    process._answer("threading.Lock", str(asked), str(answered))
    answer, error = pickle.loads(answered.read_bytes())
    assert answer is None and "answer cannot be pickled" in str(error)


def test_a_system_that_does_not_say_its_peak(monkeypatch):
    monkeypatch.setattr(process.Path, "read_text", lambda path: "VmRSS:\t 5 kB")
    assert process.peak_mb() is None
    monkeypatch.setattr(process.Path, "read_text", lambda path: "VmHWM:\t 2048 kB")
    assert process.peak_mb() == 2.0
