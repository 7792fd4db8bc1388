"""The results file: complete, resumable, never half-written, and true."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from recsys_tutor import leaderboard, splits
from recsys_tutor.base import Recommender
from recsys_tutor.baselines import BiasModel, Popularity, Random
from recsys_tutor.bayesian import BayesianFM
from recsys_tutor.content import RICH_FIELDS, item_terms, tfidf
from recsys_tutor.data import Dataset, Interactions
from recsys_tutor.evaluate import evaluate, evaluate_ratings
from recsys_tutor.hybrid import FeatureAugmented, Weighted
from recsys_tutor.implicit_mf import ImplicitALS
from recsys_tutor.leaderboard import (
    ENTRIES,
    TASKS,
    Entry,
    count_parameters,
    load_results,
    measure,
    results_table,
    run,
    task_splits,
)
from recsys_tutor.metrics import mae, rmse
from recsys_tutor.mf import BiasedMF, ExplicitALS, TruncatedSVD
from recsys_tutor.neighbors import EASE, ItemKNN, RatingKNN, UserKNN
from recsys_tutor.plsa import PLSA, GaussianPLSA
from recsys_tutor.worlds import make_world

BOOK = Path(__file__).parents[1] / "book" / "results.json"

#: Two entries with 5 + 1 and 10 + 1 runs.
TWO = (
    Entry("Popular", Popularity(), ("ranking", "sequence")),
    Entry("Bias", BiasModel(n_epochs=2), ("rating", "sequence")),
)
LAST = (Entry("Popular", Popularity(), ("sequence",)),)


@pytest.fixture(scope="module")
def data():
    return make_world(n_users=25, n_items=30, n_ratings=400, stars=True).interactions


@pytest.fixture
def jobs(monkeypatch):
    """Runs jobs in this process and lists them; ``jobs.fail_at`` breaks one."""

    class Jobs(list):
        fail_at = None

    jobs = Jobs()

    class InProcess:
        def __init__(self, n, mp_context):
            assert n == 1 and mp_context.get_start_method() == "spawn"

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return False

        def submit(self, function, entry, task, split, data):
            jobs.append((task, entry.name, split))
            future = Future()
            if len(jobs) == jobs.fail_at:
                future.set_exception(KeyboardInterrupt())
            else:
                future.set_result(function(entry, task, split, data))
            return future

    monkeypatch.setattr(leaderboard, "ProcessPoolExecutor", InProcess)
    return jobs


def stored(path):
    return json.loads(path.read_text(encoding="utf-8"))["rows"]


def keys(path):
    return [(row["task"], row["model"], row["split"]) for row in stored(path)]


EXPECTED = (
    [("ranking", "Popular", f"seed {s}") for s in (42, 43, 44, 45, 46)]
    + [("rating", "Bias", f"fold {n}") for n in (1, 2, 3, 4, 5)]
    + [("rating", "Bias", f"u{n}") for n in (1, 2, 3, 4, 5)]
    + [("sequence", "Popular", "last"), ("sequence", "Bias", "last")]
)


# -- run -----------------------------------------------------------------------------


def test_a_run_in_a_process_of_its_own(tmp_path, data):
    path = tmp_path / "results.json"
    results = run(path, entries=LAST, data=data)
    split = splits.leave_last_out(data)
    expected = evaluate(Popularity().fit(split.train), split.test)
    assert len(results) == 1 and results.model[0] == "Popular"
    assert results.ndcg[0] == pytest.approx(expected.ndcg.mean(), abs=1e-6)
    versions = stored(path)[0]["versions"]
    assert versions["numpy"] == np.__version__ and versions["pandas"] == pd.__version__
    assert {"python", "recsys_tutor", "scipy", "numba"} <= set(versions)


def test_every_run_is_there_once_and_in_order(tmp_path, data, jobs):
    path = tmp_path / "results.json"
    results = run(path, entries=TWO, data=data)
    assert jobs == keys(path) == EXPECTED
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
    assert jobs == [EXPECTED[7]] and keys(path) == EXPECTED
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
    assert jobs == EXPECTED[3:] and keys(path) == EXPECTED


def test_changed_parameters_are_measured_again(tmp_path, data, jobs):
    path = tmp_path / "results.json"
    run(path, entries=TWO, data=data)
    jobs.clear()
    changed = (TWO[0], TWO[1]._replace(model=BiasModel(n_epochs=3)))
    run(path, entries=changed, data=data)
    assert jobs == [key for key in EXPECTED if key[1] == "Bias"]
    assert keys(path) == EXPECTED, "the old rows are gone"


def test_an_entry_may_make_its_model_from_the_data_set(
    tmp_path, data, jobs, monkeypatch
):
    items = pd.DataFrame({"passes": [4] * data.n_items})
    movielens = Dataset(data, items, None)
    asked = []

    def make(dataset):
        asked.append(dataset)
        return BiasModel(n_epochs=int(dataset.items.passes[0]))

    monkeypatch.setattr(leaderboard, "_movielens", lambda: movielens)
    made = (Entry("Made", make, ("sequence",)), LAST[0])
    path = tmp_path / "results.json"
    run(path, entries=made, data=data)
    assert len(asked) == 1 and asked[0] is movielens
    row = stored(path)[0]
    assert row["params"] == {"reg_u": "5.0", "reg_i": "2.0", "n_epochs": "4"}
    split = task_splits("sequence", data)["last"]
    expected = measure(BiasModel(n_epochs=4), "sequence", split)["metrics"]
    assert row["metrics"] == expected
    jobs.clear()
    run(path, entries=made, data=data)
    assert jobs == [], "a made model is recognised, too"


def test_only_measures_one_entry_again(tmp_path, data, jobs):
    path = tmp_path / "results.json"
    run(path, entries=TWO, data=data)
    jobs.clear()
    run(path, entries=TWO, data=data, only="Popular")
    assert jobs == [key for key in EXPECTED if key[1] == "Popular"]
    with pytest.raises(ValueError, match=r"no entry is called 'Magic'.*'Popular'"):
        run(path, entries=TWO, data=data, only="Magic")
    with pytest.raises(ValueError, match="different names"):
        run(path, entries=(TWO[0], TWO[0]), data=data)
    assert keys(path) == EXPECTED


@pytest.mark.parametrize("step", ["write", "replace"])
def test_a_failing_disk_leaves_the_old_file(tmp_path, data, jobs, monkeypatch, step):
    path = tmp_path / "results.json"
    run(path, entries=LAST, data=data)
    before = path.read_bytes()

    def full(*args, **kwargs):
        raise OSError("disk full")

    if step == "replace":
        monkeypatch.setattr(os, "replace", full)
    else:
        monkeypatch.setattr(Path, "write_text", full)
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


def test_measure_sequence(data):
    split = splits.leave_last_out(data)
    row = measure(Popularity(), "sequence", split)
    expected = evaluate(Popularity().fit(split.train), split.test)
    assert row["metrics"]["hit"] == round(expected.hit.mean(), 6)
    assert row["ndcg_per_user"] == expected.ndcg.round(4).tolist()
    assert len(row["ndcg_per_user"]) == data.n_users


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
        def _fit(self, train, callback):
            time.sleep(0.2)
            super()._fit(train, callback)

    def work(seconds):
        stop = time.process_time() + seconds
        while time.process_time() < stop:
            pass

    class Busy(Popularity):
        def _fit(self, train, callback):
            work(0.1)
            super()._fit(train, callback)

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


@pytest.mark.parametrize(
    "model, count",
    [
        (Popularity(), 7),  # a count per item
        (BiasModel(), 90 + 7),
        (TruncatedSVD(n_factors=2), 2 * (90 + 7) + 2),  # and two singular values
        (BiasedMF(n_factors=3, n_epochs=1), 3 * (90 + 7) + 90 + 7),
        (EASE(), 7 * 7 - 7),  # the diagonal is zero; the rows of users are data
        (ItemKNN(n_neighbors=6), 6 * 7),
        (UserKNN(), 0),  # compares users when it scores
        (Weighted(models=(Popularity(), EASE())), 7 + 42),
        (Weighted(models=[Weighted(models=[BiasModel()]), BiasModel()]), 2 * 97),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Recommender) else "",
)
def test_parameters_by_hand(model, count):
    assert count_parameters(model.fit(full(90, 7))) == count


def test_what_is_a_parameter_and_what_is_not():
    class Keeper(Popularity):
        def _fit(self, train, callback):
            super()._fit(train, callback)  # seven counts
            self.sparse_ = csr_array(([2.0, 0.0, 3.0], ([0, 1, 2], [0, 1, 2])))
            self.dense_ = np.array([[0.0, 1.0], [0.5, 0.0]], dtype=np.float32)
            self.several_ = (np.ones(3), [np.ones(5)], None, "text")
            self.order_ = np.arange(1, 100)  # whole numbers: an index
            self.flags_ = np.ones(50, dtype=bool)
            self.given = np.ones(1000)  # a parameter of the constructor

    assert count_parameters(Keeper().fit(full(90, 7))) == 7 + 2 + 2 + 3


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


def test_task_splits_follow_the_protocol(data):
    ranking = task_splits("ranking", data)
    assert list(ranking) == ["seed 42", "seed 43", "seed 44", "seed 45", "seed 46"]
    rating = task_splits("rating", data)
    wanted = {f"fold {n}": f for n, f in enumerate(splits.k_fold(data), 1)}
    wanted |= {f"u{n}": f for n, f in enumerate(splits.contiguous_folds(data), 1)}
    assert list(rating) == list(wanted)
    for name, fold in wanted.items():
        np.testing.assert_array_equal(rating[name].test.user, fold.test.user)
        np.testing.assert_array_equal(rating[name].train.item, fold.train.item)
    for seed in (42, 44):
        np.testing.assert_array_equal(
            ranking[f"seed {seed}"].test.user,
            splits.item_stratified(data, random_state=seed).test.user,
        )
    last = task_splits("sequence", data)
    assert list(last) == ["last"]
    np.testing.assert_array_equal(
        last["last"].test.item, splits.leave_last_out(data).test.item
    )
    with pytest.raises(ValueError, match="task must be one of"):
        task_splits("magic", data)


PEAK = """
import numpy as np
from recsys_tutor import splits
from recsys_tutor.baselines import Popularity
from recsys_tutor.leaderboard import measure
from recsys_tutor.worlds import make_world

class Hungry(Popularity):
    def _fit(self, train, callback):
        super()._fit(train, callback)
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


# -- tables --------------------------------------------------------------------------


def results_of(rows):
    columns = ["task", "model", "split", "rmse", "ndcg", "fit_seconds", "peak_mb"]
    return pd.DataFrame(rows, columns=columns)


def test_results_table_never_mixes_folds():
    rows = []
    for model, low in (("B", 0.9), ("A", 0.8)):
        for n in range(1, 6):
            rows.append(("rating", model, f"fold {n}", low + n / 100, None, n, 7.0))
            rows.append(("rating", model, f"u{n}", 5.0, None, 50, 70.0))
    rows.append(("ranking", "B", "seed 42", None, 0.3, 1, 1.0))
    rows.append(("ranking", "B", "seed 43", None, 0.5, 3, 2.0))
    table = results_table(results_of(rows), "rating", ["rmse"])
    assert table.index.tolist() == ["B", "A"], "the order of the file"
    assert list(table) == ["rmse", "±", "fit_seconds", "peak_mb"]
    assert table.rmse.tolist() == pytest.approx([0.93, 0.83])
    spread = np.std([0.01, 0.02, 0.03, 0.04, 0.05], ddof=1)
    assert table["±"].tolist() == pytest.approx([spread, spread])
    assert table.fit_seconds.tolist() == [3, 3] and table.peak_mb.tolist() == [7, 7]
    ranking = results_table(results_of(rows), "ranking", ["ndcg"])
    assert ranking.loc["B"].tolist() == pytest.approx(
        [0.4, np.std([0.3, 0.5], ddof=1), 2, 1.5]
    )
    part = results_table(results_of(rows), "rating", ["rmse"], models=["A"])
    assert part.index.tolist() == ["A"]
    for task, models in (("sequence", None), ("rating", ["Z"])):
        with pytest.raises(ValueError, match=f"no rows for task '{task}'"):
            results_table(results_of(rows), task, ["rmse"], models)


def test_load_results_flattens_the_metrics(tmp_path, data, jobs):
    path = tmp_path / "results.json"
    run(path, entries=TWO, data=data)
    frame, rows = load_results(path), stored(path)
    assert len(frame) == len(rows)
    for n, row in enumerate(rows):
        for name, value in row["metrics"].items():
            assert frame.loc[n, name] == value
        assert frame.loc[n, "model"] == row["model"]
    assert "metrics" not in frame
    assert results_table(frame, "rating", ["rmse", "mae"]).index.tolist() == ["Bias"]


# -- the file in the book ------------------------------------------------------------


@pytest.fixture(scope="module")
def book():
    return load_results(BOOK)


def made(model, dataset):
    return model if isinstance(model, Recommender) else model(dataset)


def test_the_book_s_file_holds_every_run_of_every_entry(book, movielens):
    wanted = [
        (task, entry.name, split)
        for task in TASKS
        for entry in ENTRIES
        if task in entry.tasks
        for split in leaderboard._split_names(task)
    ]
    assert list(zip(book.task, book.model, book.split, strict=True)) == wanted
    models = {e.name: made(e.model, movielens) for e in ENTRIES}
    for name, split, stored_params in zip(book.model, book.split, book.params):
        params = models[name].get_params()
        if "random_state" in params and split.startswith("seed"):
            params["random_state"] = int(split[5:])
        assert stored_params == {k: repr(v) for k, v in params.items()}


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
        return load_results(BOOK)

    monkeypatch.setattr(leaderboard, "run", fake)
    leaderboard.main(["--out", "x.json", "--only", "Random"])
    assert calls == [("x.json", "Random")]
    printed = capsys.readouterr().out
    for task in TASKS:
        assert f"\n{task}\n" in printed
    assert "0.2524" not in printed, "means over the seeds, not seed 42"
    mean = load_results(BOOK).query("task == 'ranking' and model == 'Popularity'").ndcg
    assert f"{mean.mean():.4f}" in printed
