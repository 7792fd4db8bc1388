"""The search: what is drawn, what is tried, what is kept, and the file in the book."""

import inspect
import json
import os
from ast import literal_eval
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from threadpoolctl import threadpool_limits

from recsys_tutor import splits, tuning
from recsys_tutor.base import FitDiverged, Recommender
from recsys_tutor.baselines import Popularity
from recsys_tutor.content import ContentBased
from recsys_tutor.data import Dataset, Split
from recsys_tutor.datasets import make_world
from recsys_tutor.evaluate import evaluate
from recsys_tutor.mf import ExplicitALS
from recsys_tutor.neighbors import EASE, UserKNN
from recsys_tutor.protocol import TASKS, Task
from recsys_tutor.study import digests, search
from recsys_tutor.study.entries import SPACES, Made, Space
from recsys_tutor.study.search import load_tuning, tune_all
from recsys_tutor.tuning import (
    expected_best,
    random_search,
    sample,
    successive_halving,
)


@pytest.fixture(scope="module")
def data():
    return make_world(n_users=30, n_items=40, n_ratings=600, stars=True).interactions


# -- drawing a setting ---------------------------------------------------------------


@pytest.mark.parametrize(
    "distribution",
    [stats.loguniform(0.1, 100), stats.uniform(0.3, 0.7), stats.loguniform(3e-4, 1e-2)],
    ids=["four decades", "uniform", "small"],
)
def test_a_distribution_is_followed(distribution):
    rng = np.random.default_rng(0)
    draws = [sample({"x": distribution}, rng)["x"] for _ in range(2000)]
    assert stats.kstest(draws, distribution.cdf).pvalue > 0.01
    other = stats.uniform(draws[0], 2 * np.mean(draws))
    assert stats.kstest(draws, other.cdf).pvalue < 1e-6, "the test can tell"


def test_the_values_of_a_list_are_all_as_likely():
    values = [(), (64,), (128, 64), None]
    rng = np.random.default_rng(1)
    draws = [sample({"x": values}, rng)["x"] for _ in range(2000)]
    counts = [draws.count(value) for value in values]
    assert sum(counts) == 2000 and stats.chisquare(counts).pvalue > 0.01


def test_a_setting_is_drawn_anew_each_time_from_the_generator_given():
    ranges = SPACES["NeuMF"].ranges
    ones, others = np.random.default_rng(5), np.random.default_rng(5)
    first = [sample(ranges, ones) for _ in range(3)]
    assert first == [sample(ranges, others) for _ in range(3)]
    assert first[0] != first[1] and list(first[0]) == list(ranges)
    assert first[0] != sample(ranges, np.random.default_rng(6))


@pytest.mark.parametrize("name", SPACES)
def test_a_setting_is_plain_python(name):
    """So that ``repr`` in the file can be read back, whatever numpy's version."""
    for value in sample(SPACES[name].ranges, np.random.default_rng(0)).values():
        assert type(value) in (int, float, bool, tuple)
        assert literal_eval(repr(value)) == value


# -- the spaces ----------------------------------------------------------------------

#: Defaults outside the range searched, and why.
OUTSIDE = {
    ("User-kNN", "shrink"): "0 has no logarithm; 0.1 is next to none",
    ("Gibbs MF", "n_epochs"): "500 sweeps cost more than a trial may",
}


def ends(values):
    """The first and the last value that may be drawn."""
    if hasattr(values, "support"):
        low, high = values.support()
        return float(low), float(high)
    return values[0], values[-1]


def contains(values, default):
    if default in list(values if isinstance(values, list) else []):
        return True
    low, high = ends(values)
    return not isinstance(default, bool | tuple) and low <= default <= high


def test_the_default_is_within_each_range():
    """The book's value could be found, and a name that is no parameter is noticed."""
    outside = set()
    for name, space in SPACES.items():
        parameters = inspect.signature(space.kind()).parameters
        assert space.ranges and set(space.ranges) <= set(parameters), name
        for key, values in space.ranges.items():
            if not contains(values, parameters[key].default):
                outside.add((name, key))
    assert outside == set(OUTSIDE)


def test_a_space_makes_its_model():
    model = SPACES["EASE"].make(reg=7.5, count_weight=0.5)
    assert type(model) is EASE and (model.reg, model.count_weight) == (7.5, 0.5)
    with pytest.raises(TypeError, match="lambda_"):
        SPACES["EASE"].make(lambda_=1)


def test_the_tasks_of_the_spaces():
    assert {space.task for space in SPACES.values()} == set(TASKS)
    for name, space in SPACES.items():
        assert space._fields == ("task", "model", "ranges", "n_trials"), name
        assert space.n_trials in (8, 20), name


@pytest.fixture(scope="module")
def wide():
    """More users and items than the largest number of factors searched."""
    world = make_world(n_users=210, n_items=205, n_ratings=2500, stars=True)
    return world.interactions


def small(space, parameters):
    """The same setting with two epochs."""
    names = inspect.signature(space.kind()).parameters
    short = {"n_epochs": 2, "burn_in": 1}
    return parameters | {k: v for k, v in short.items() if k in names}


@pytest.mark.parametrize("name", SPACES)
def test_every_corner_of_a_space_can_be_fitted(name, wide):
    space = SPACES[name]
    if isinstance(space.model, Made):  # made data have no ages and no genres
        own = Made(space.model.kind, None, **space.model.parameters)
        space = space._replace(model=own)
    inner, _ = TASKS[space.task].parts(wide)
    settings = [{k: ends(v)[n] for k, v in space.ranges.items()} for n in (0, 1)]
    settings.append(sample(space.ranges, np.random.default_rng(3)))
    scores = []
    for parameters in settings:
        model = space.make(**small(space, parameters))
        assert isinstance(model, Recommender)
        scores.append(TASKS[space.task].quality(model.fit(inner.train), inner.valid))
    worst, best = (-4, 0) if space.task == "rating" else (0, 1)
    assert all(worst <= score <= best for score in scores), scores
    assert len(set(scores)) > 1, "the parameters matter"


# -- random search -------------------------------------------------------------------

HILL = {"rate": stats.loguniform(1e-5, 1), "size": list(range(1, 101))}


def make(**parameters):
    return SimpleNamespace(**parameters)


def hill(model):
    """Highest, 0, at rate = 0.01 and size = 30."""
    return -((np.log10(model.rate) + 2) ** 2) - ((model.size - 30) / 30) ** 2


def test_the_optimum_of_a_known_function_is_found():
    trials = random_search(make, HILL, hill, n_trials=200, random_state=3)
    best = trials.params[trials.score.idxmax()]
    assert 0.004 < best["rate"] < 0.025 and 20 <= best["size"] <= 40
    assert trials.score.max() > -0.15
    assert [hill(make(**p)) for p in trials.params] == trials.score.tolist()


def test_the_columns_of_a_search():
    trials = random_search(make, HILL, hill, n_trials=12, random_state=1)
    assert list(trials) == ["params", "score", "seconds", "best", "spent"]
    assert len(trials) == 12 and (trials.seconds >= 0).all()
    for n in range(1, 13):
        assert trials.best[n - 1] == max(trials.score[:n])
        assert trials.spent[n - 1] == pytest.approx(sum(trials.seconds[:n]))
    assert trials.best.nunique() > 1


def test_a_search_is_repeatable():
    first, again, other = (
        random_search(make, HILL, hill, n_trials=5, random_state=seed)
        for seed in (7, 7, 8)
    )
    assert first.params.tolist() == again.params.tolist()
    assert first.score.tolist() == again.score.tolist()
    assert first.params.tolist() != other.params.tolist()
    assert len(random_search(make, HILL, hill)) == 20


def test_seconds_are_those_of_the_processor():
    def busy(model):
        stop = model.until + tuning.time.process_time()
        while tuning.time.process_time() < stop:
            pass
        return 0.0

    trials = random_search(make, {"until": [0.05]}, busy, n_trials=2)
    assert (trials.seconds >= 0.05).all()

    def asleep(model):
        tuning.time.sleep(0.2)
        return 0.0

    trials = random_search(make, {"until": [0.05]}, asleep, n_trials=1)
    assert trials.seconds[0] < 0.1


def test_a_fit_that_diverges_is_the_worst_and_the_search_goes_on():
    def fragile(model):
        if model.size > 50:
            raise FitDiverged("the loss is nan")
        return -abs(model.size - 30.0)

    trials = random_search(make, HILL, fragile, n_trials=30, random_state=0)
    diverged = np.array([p["size"] > 50 for p in trials.params])
    assert 5 < diverged.sum() < 25
    assert (trials.score[diverged] == -np.inf).all()
    assert np.isfinite(trials.score[~diverged]).all()
    first = int(np.flatnonzero(~diverged)[0])
    assert np.isfinite(trials.best[first:]).all()


def test_another_error_is_not_swallowed():
    def broken(model):
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        random_search(make, HILL, broken)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        successive_halving(make, HILL, broken)


@pytest.mark.parametrize("n_trials", [0, -1, 2.5, None])
def test_a_number_of_trials_is_checked(n_trials, tmp_path):
    for way in (random_search, successive_halving):
        with pytest.raises((ValueError, TypeError), match="n_trials"):
            way(make, HILL, hill, n_trials=n_trials)
    if n_trials is None:  # each space's own number
        return
    with pytest.raises((ValueError, TypeError), match="n_trials"):
        tune_all(tmp_path / "x.json", spaces={}, n_trials=n_trials)


# -- successive halving --------------------------------------------------------------


def test_who_survives_by_hand():
    """With one epoch large ``x`` looks good, with more epochs small ``x`` is.

    Nine settings, budgets 1, 3, 9: the three largest survive the first round, the
    smallest of those three the second.
    """
    calls = []

    def score(model):
        calls.append((model.x, model.n_epochs))
        return model.x if model.n_epochs == 1 else -model.x

    trials = successive_halving(
        make, {"x": stats.uniform()}, score, n_trials=9, budgets=(1, 3, 9)
    )
    settings = [p["x"] for p in trials.params]
    assert calls == list(zip(settings, trials.n_epochs, strict=True))
    assert trials["round"].tolist() == [0] * 9 + [1] * 3 + [2]
    assert trials.n_epochs.tolist() == [1] * 9 + [3] * 3 + [9]
    drawn = settings[:9]
    assert len(set(drawn)) == 9
    assert settings[9:12] == sorted(drawn)[:-4:-1]
    assert settings[12] == sorted(drawn)[-3]
    assert trials.score[12] == -settings[12]


def test_best_counts_the_scores_of_one_budget():
    def score(model):
        return {1: 10.0, 2: 1.0}[model.n_epochs] + model.x

    trials = successive_halving(
        make, {"x": stats.uniform()}, score, n_trials=4, budgets=(1, 2)
    )
    of_round = trials.score[:4].tolist(), trials.score[4:].tolist()
    wanted = [max(r[: n + 1]) for r in of_round for n in range(len(r))]
    assert trials.best.tolist() == wanted
    assert trials.best[3] > 10 and 1 < trials.best[5] < 2
    assert trials.spent.tolist() == pytest.approx(np.cumsum(trials.seconds).tolist())


@pytest.mark.parametrize(
    "n_trials, budgets, sizes",
    [
        (27, (5, 15, 45), [27, 9, 3]),
        (16, (1, 2, 4, 8), [16, 8, 4, 2]),
        (2, (1, 10, 100), [2, 1, 1]),
        (5, (3,), [5]),
        (10, (2, 3), [10, 6]),
    ],
)
def test_the_rounds_cost_the_same(n_trials, budgets, sizes):
    trials = successive_halving(make, HILL, hill, n_trials=n_trials, budgets=budgets)
    assert trials.groupby("round").size().tolist() == sizes
    cost = trials.groupby("round").n_epochs.sum().tolist()
    if all(
        size * budget == n_trials * budgets[0] for size, budget in zip(sizes, budgets)
    ):
        assert len(set(cost)) == 1
    assert cost == [size * budget for size, budget in zip(sizes, budgets)]


def test_the_default_rounds():
    trials = successive_halving(make, HILL, hill)
    assert trials.groupby("n_epochs").size().to_dict() == {5: 27, 15: 9, 45: 3}
    again = successive_halving(make, HILL, hill)
    assert trials.params.tolist() == again.params.tolist()
    searched = random_search(make, HILL, hill, n_trials=27)
    assert trials.params[:27].tolist() == searched.params.tolist()
    other = successive_halving(make, HILL, hill, random_state=1)
    assert trials.params.tolist() != other.params.tolist()


def test_a_setting_that_diverges_does_not_survive():
    def score(model):
        if model.x > 0.5:
            raise FitDiverged("nan")
        return -model.x

    trials = successive_halving(
        make, {"x": stats.uniform()}, score, n_trials=12, budgets=(1, 2, 4)
    )
    finite = np.isfinite(trials.score)
    assert 3 <= finite[:12].sum() < 12
    survivors = [p["x"] for p in trials.params[12:15]]
    drawn = sorted(p["x"] for p in trials.params[:12])
    assert survivors == drawn[:3] and finite[-3:].all()


def test_the_budget_may_be_another_parameter():
    def score(model):
        return model.n_samples + model.x

    trials = successive_halving(
        make,
        {"x": stats.uniform()},
        score,
        n_trials=4,
        budgets=(10, 20),
        resource="n_samples",
    )
    assert trials.n_samples.tolist() == [10] * 4 + [20] * 2
    assert [int(score) for score in trials.score] == trials.n_samples.tolist()


def test_the_budget_is_not_searched():
    with pytest.raises(ValueError, match="size is the budget"):
        successive_halving(make, HILL, hill, resource="size")


@pytest.mark.parametrize("budgets", [(15, 5), (5, 5, 15), ()])
def test_budgets_must_rise(budgets):
    with pytest.raises(ValueError, match="budgets must rise, got"):
        successive_halving(make, HILL, hill, budgets=budgets)


# -- the expected best ---------------------------------------------------------------


@pytest.mark.parametrize("scores", [[0.3], [0.2, 0.5, 0.1], [-1.0, 2.0, 2.0, 0.5]])
def test_expected_best_over_all_draws(scores):
    """Checks eq-tune-expected."""
    got = expected_best(scores)
    assert len(got) == len(scores)
    for n, value in enumerate(got, 1):
        every = [max(drawn) for drawn in product(scores, repeat=n)]
        assert value == pytest.approx(np.mean(every), abs=1e-12)
    assert (np.diff(got) >= 0).all() and got[-1] <= max(scores)
    assert got[0] == pytest.approx(np.mean(scores))


def test_expected_best_with_fits_that_diverged():
    got = expected_best([0.5, -np.inf, 0.2, -np.inf])
    np.testing.assert_allclose(got, expected_best([0.5, 0.2, 0.2, 0.2]), atol=1e-12)


@pytest.mark.parametrize("scores", [[], [-np.inf, -np.inf]])
def test_expected_best_needs_a_score(scores):
    with pytest.raises(ValueError, match="one finite score or more"):
        expected_best(scores)


# -- every model, one file -----------------------------------------------------------

TWO = {
    "EASE": Space("ranking", "neighbors.EASE", {"reg": stats.loguniform(1, 100)}),
    "MF, ALS": Space(
        "rating", "mf.ExplicitALS", {"n_factors": [2, 3], "reg": stats.uniform(1, 9)}
    ),
}


@pytest.fixture
def fitted(monkeypatch):
    """The models made so far; ``fitted.fail_at`` interrupts the command at one."""

    class Models(list):
        fail_at = None

    models, original = Models(), Space.make

    def counted(self, **parameters):
        if len(models) + 1 == models.fail_at:
            raise KeyboardInterrupt
        models.append(self.kind().__name__)
        return original(self, **parameters)

    monkeypatch.setattr(Space, "make", counted)
    return models


def timeless(path):
    """The file without its seconds."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: [{k: v for k, v in row.items() if k != "seconds"} for row in rows]
        for name, rows in stored.items()
    }


def read(parameters):
    return {name: literal_eval(value) for name, value in parameters.items()}


def test_trials_hold_what_the_code_gives(tmp_path, data):
    path = tmp_path / "tuning.json"
    trials = tune_all(path, spaces=TWO, n_trials=3, data=data)
    assert list(trials.model) == ["EASE"] * 3 + ["MF, ALS"] * 3
    assert list(trials.task) == ["ranking"] * 3 + ["rating"] * 3
    assert list(trials.trial) == [1, 2, 3] * 2
    assert trials.equals(load_tuning(path))
    assert os.listdir(tmp_path) == ["tuning.json"], "no temporary file stays"
    for name, model in (("EASE", EASE), ("MF, ALS", ExplicitALS)):
        rng = np.random.default_rng(0)
        inner, outer = TASKS[TWO[name].task].parts(data)
        for row in trials[trials.model == name].itertuples():
            parameters = read(row.params)
            assert parameters == sample(TWO[name].ranges, rng)
            for column, train, part in (
                ("score", inner.train, inner.valid),
                ("test", outer.train, outer.test),
            ):
                one = TASKS[TWO[name].task].quality(
                    model(**parameters).fit(train), part
                )
                assert getattr(row, column) == pytest.approx(one, abs=1e-5), column


def test_a_space_has_its_own_number_of_trials(tmp_path, data):
    path = tmp_path / "tuning.json"
    short = {"EASE": TWO["EASE"]._replace(n_trials=2)}
    assert len(tune_all(path, spaces=short, data=data)) == 2
    assert len(tune_all(path, spaces=short, n_trials=3, data=data)) == 3


def test_best_and_spent_start_again_for_each_model(tmp_path, data):
    trials = tune_all(tmp_path / "t.json", spaces=TWO, n_trials=4, data=data)
    for _, part in trials.groupby("model"):
        for n in range(1, 5):
            assert part.best.iloc[n - 1] == max(part.score[:n])
            assert part.spent.iloc[n - 1] == pytest.approx(sum(part.seconds[:n]))


def test_a_finished_search_fits_nothing(tmp_path, data, fitted):
    path = tmp_path / "t.json"
    tune_all(path, spaces=TWO, n_trials=2, data=data)
    assert fitted == ["EASE"] * 4 + ["ExplicitALS"] * 4, "once inside, once for test"
    before = path.read_bytes()
    fitted.clear()
    tune_all(path, spaces=TWO, n_trials=2, data=data)
    assert fitted == [] and path.read_bytes() == before


@pytest.mark.parametrize("fail_at, kept", [(4, 1), (7, 3), (9, 4)])
def test_an_interrupted_search_goes_on_where_it_stopped(
    tmp_path, data, fitted, fail_at, kept
):
    whole, path = tmp_path / "whole.json", tmp_path / "part.json"
    tune_all(whole, spaces=TWO, n_trials=3, data=data)
    fitted.clear()
    fitted.fail_at = fail_at
    with pytest.raises(KeyboardInterrupt):
        tune_all(path, spaces=TWO, n_trials=3, data=data)
    assert sum(len(rows) for rows in timeless(path).values()) == kept
    fitted.clear()
    fitted.fail_at = None
    tune_all(path, spaces=TWO, n_trials=3, data=data)
    assert len(fitted) == 2 * (6 - kept)
    assert timeless(path) == timeless(whole)


def test_a_changed_space_is_searched_again(tmp_path, data, fitted):
    path, fresh = tmp_path / "t.json", tmp_path / "fresh.json"
    tune_all(path, spaces=TWO, n_trials=2, data=data)
    changed = TWO["EASE"]._replace(ranges={"reg": stats.loguniform(1, 1000)})
    spaces = TWO | {"EASE": changed}
    fitted.clear()
    tune_all(path, spaces=spaces, n_trials=2, data=data)
    assert fitted == ["EASE"] * 4
    tune_all(fresh, spaces=spaces, n_trials=2, data=data)
    assert timeless(path) == timeless(fresh)


def test_more_trials_extend_a_search_and_fewer_remove_nothing(tmp_path, data, fitted):
    path, fresh = tmp_path / "t.json", tmp_path / "fresh.json"
    tune_all(path, spaces=TWO, n_trials=2, data=data)
    fitted.clear()
    tune_all(path, spaces=TWO, n_trials=3, data=data)
    assert fitted == ["EASE"] * 2 + ["ExplicitALS"] * 2
    tune_all(fresh, spaces=TWO, n_trials=3, data=data)
    assert timeless(path) == timeless(fresh)
    fitted.clear()
    three = path.read_bytes()
    tune_all(path, spaces=TWO, n_trials=2, data=data)
    assert fitted == [] and path.read_bytes() == three
    changed = {"EASE": TWO["EASE"]._replace(ranges={"reg": stats.loguniform(1, 9)})}
    tune_all(path, spaces=changed, n_trials=2, data=data)
    sizes = {name: len(rows) for name, rows in timeless(path).items()}
    assert sizes == {"EASE": 2, "MF, ALS": 3}, "the third was of another search"


def test_one_model_alone_leaves_the_others(tmp_path, data, fitted):
    path = tmp_path / "t.json"
    tune_all(path, spaces=TWO, n_trials=2, data=data)
    before = path.read_bytes()
    fitted.clear()
    tune_all(path, spaces={"EASE": TWO["EASE"]}, n_trials=2, data=data)
    assert fitted == [] and path.read_bytes() == before


def test_a_failing_disk_leaves_the_old_file(tmp_path, data, monkeypatch, full_disk):
    path = tmp_path / "t.json"
    tune_all(path, spaces=TWO, n_trials=1, data=data)
    before = path.read_bytes()

    full_disk()
    with pytest.raises(OSError, match="disk full"):
        tune_all(path, spaces=TWO, n_trials=2, data=data)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["t.json"], "nothing half-written stays"


def test_the_file_is_whole_after_every_trial(tmp_path, data, monkeypatch):
    path, seen = tmp_path / "t.json", []
    replace = os.replace

    def watch(source, target):
        replace(source, target)
        seen.append(sum(len(rows) for rows in timeless(Path(target)).values()))

    monkeypatch.setattr(os, "replace", watch)
    tune_all(path, spaces=TWO, n_trials=2, data=data)
    assert seen == [1, 2, 3, 4, 4]


def test_a_trial_that_diverges_is_stored_as_none(tmp_path, data, monkeypatch):
    def fragile(self, **parameters):
        raise FitDiverged("nan")

    path = tmp_path / "t.json"
    monkeypatch.setattr(Space, "make", fragile)
    trials = tune_all(path, spaces={"EASE": TWO["EASE"]}, n_trials=2, data=data)
    for row in json.loads(path.read_text("utf-8"))["EASE"]:
        assert row["score"] is None and row["test"] is None
    assert (trials.score == -np.inf).all() and (trials.best == -np.inf).all()


def test_the_test_part_never_chooses(tmp_path, data, monkeypatch):
    """Another test part: the same settings, scores and best, other test scores."""
    ours = tune_all(tmp_path / "a.json", spaces=TWO, n_trials=4, data=data)
    real = Task.parts

    def other(task, data):
        inner, outer = real(task, data)
        half = np.arange(len(outer.test)) % 2 == 0
        return inner, Split(outer.train, None, outer.test.subset(half))

    monkeypatch.setattr(Task, "parts", other)
    theirs = tune_all(tmp_path / "b.json", spaces=TWO, n_trials=4, data=data)
    for column in ("params", "score", "best"):
        assert ours[column].tolist() == theirs[column].tolist()
    assert (ours.test != theirs.test).all()


def test_best_is_read_from_the_validation_scores(tmp_path):
    rows = [
        {"params": {}, "score": score, "test": test, "seconds": 1.5, "data": "ab"}
        for score, test in ((0.1, 0.9), (None, None), (0.3, 0.1), (0.2, 0.5))
    ]
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"EASE": rows, "Unknown": rows[:1]}))
    trials = load_tuning(path)
    assert trials.best.tolist() == [0.1, 0.1, 0.3, 0.3, 0.1] and "data" not in trials
    assert trials.spent.tolist() == [1.5, 3.0, 4.5, 6.0, 1.5]
    assert trials.score[1] == -np.inf and trials.trial.tolist() == [1, 2, 3, 4, 1]
    assert trials.task[0] == "ranking" and trials.task.isna().tolist()[-1]


def test_movielens_is_the_default(tmp_path, monkeypatch, data):
    asked = []

    def load(progress):
        asked.append(progress)
        return Dataset(data, None, None)

    monkeypatch.setattr("recsys_tutor.datasets.load_movielens_100k", load)
    got = tune_all(tmp_path / "a.json", spaces=TWO, n_trials=1)
    whole = Dataset(data, None, None)
    given = tune_all(tmp_path / "b.json", spaces=TWO, n_trials=1, data=whole)
    assert asked == [False] and got.score.tolist() == given.score.tolist()
    with pytest.raises(TypeError, match="must be a Dataset or Interactions, got"):
        tune_all(tmp_path / "b.json", spaces=TWO, n_trials=1, data=data.csr)


def test_data_of_ones_own_need_a_path(tmp_path, data, fitted, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"data= needs path=.*tuning.json"):
        tune_all(spaces=TWO, n_trials=1, data=data)
    with monkeypatch.context() as patch:
        patch.setattr("recsys_tutor.study.files._ROOT", tmp_path)
        with pytest.raises(ValueError, match="an installed copy.*pass path="):
            tune_all(spaces=TWO, n_trials=1)
    assert fitted == [] and os.listdir(tmp_path) == []
    tune_all("new/folder/t.json", spaces=TWO, n_trials=1, data=data)
    assert len(load_tuning("new/folder/t.json")) == 2
    with pytest.raises(FileNotFoundError, match="no file of trials gone.json in"):
        load_tuning("gone.json")


def test_a_file_of_other_data_is_refused_before_any_work(tmp_path, data, fitted):
    path = tmp_path / "t.json"
    tune_all(path, spaces=TWO, n_trials=1, data=data)
    before = path.read_bytes()
    fitted.clear()
    for other in (data.subset(np.arange(len(data)) > 0), data.binarize()):
        with pytest.raises(ValueError, match="t.json holds measurements of other data"):
            tune_all(path, spaces=TWO, n_trials=2, data=other)
    unsaid = {
        name: [{k: v for k, v in row.items() if k != "data"} for row in rows]
        for name, rows in json.loads(before).items()
    }
    path.write_text(json.dumps(unsaid))
    with pytest.raises(ValueError, match="not said which"):
        tune_all(path, spaces=TWO, n_trials=1, data=data)
    path.write_text('{"rows": [{"task": "ranking", "metrics": {}}]}')
    with pytest.raises(ValueError, match="t.json is no file of trials"):
        tune_all(path, spaces=TWO, n_trials=1, data=data)
    assert fitted == []
    path.write_bytes(before)
    tune_all(path, spaces=TWO, n_trials=1, data=data)
    assert fitted == [] and path.read_bytes() == before


def test_other_code_is_searched_again(tmp_path, data, fitted, monkeypatch):
    """Trials of the models whose code changed; a docstring is no code."""
    path, source = tmp_path / "t.json", digests._source
    tune_all(path, spaces=TWO, n_trials=2, data=data)
    for more, models in (("# a note", []), ("X = 1", ["EASE"] * 4)):
        fitted.clear()

        def changed(module, more=more):
            text = source(module)
            return f"{text}\n{more}\n" if module.endswith(".neighbors") else text

        monkeypatch.setattr(digests, "_source", changed)
        tune_all(path, spaces=TWO, n_trials=2, data=data)
        assert fitted == models


def test_settings_are_told_apart_by_their_content(tmp_path, data, fitted):
    """Two values of a parameter whose ``repr`` abbreviates are two settings."""
    path = tmp_path / "t.json"
    features = [np.ones((data.n_items, 60)) for _ in range(2)]
    features[1][20, 30] = 5.0
    assert repr(features[0]) == repr(features[1])
    for n, F in enumerate([features[0], features[0].copy(), features[1]]):
        space = Space("ranking", "content.ContentBased", {"features": [F]})
        fitted.clear()
        tune_all(path, spaces={"Content": space}, n_trials=1, data=data)
        assert len(fitted) == [2, 0, 2][n]


# -- features, and a budget of their own -----------------------------------------------


def columns_of(dataset):
    return {"features": np.asarray(dataset.items[["a", "b"]], dtype=float)}


def with_items(data, seed=0):
    values = np.random.default_rng(seed).random((data.n_items, 2))
    return Dataset(data, pd.DataFrame(values, columns=["a", "b"]), None)


def content_space(**more):
    made = Made("content.ContentBased", columns_of)
    return Space("ranking", made, {"weighting": ["count", "rating"]}, **more)


def test_a_space_reads_its_features_off_the_data(data):
    space = content_space()
    with pytest.raises(ValueError, match="read off a Dataset first"):
        space.make(weighting="count")
    with pytest.raises(ValueError, match="not Interactions alone"):
        space.read(None)
    dataset = with_items(data)
    ready = space.read(dataset)
    model = ready.make(weighting="rating")
    assert type(model) is ContentBased and model.weighting == "rating"
    np.testing.assert_array_equal(model.features, columns_of(dataset)["features"])
    assert ready.kind() is space.kind() and ready.ranges is space.ranges
    assert SPACES["EASE"].read(None) is SPACES["EASE"], "nothing to read"


def test_what_is_searched_goes_before_what_is_given():
    space = Space("ranking", Made(EASE, None, reg=3.0, count_weight=2.0), {})
    model = space.make(reg=9.0)
    assert (model.reg, model.count_weight) == (9.0, 2.0)


def test_features_are_a_part_of_the_trial(tmp_path, data, fitted):
    """Searched again with other features, not with the same ones."""
    path, spaces = tmp_path / "t.json", {"Content": content_space()}
    for n, dataset in enumerate(
        [with_items(data), with_items(data), with_items(data, 1)]
    ):
        fitted.clear()
        tune_all(path, spaces=spaces, n_trials=1, data=dataset)
        assert len(fitted) == [2, 0, 2][n]
    before = path.read_bytes()
    with pytest.raises(ValueError, match="the space of 'Content' cannot .*Pass a Data"):
        tune_all(path, spaces=spaces, n_trials=1, data=data)
    assert path.read_bytes() == before


def test_a_space_may_have_fewer_trials(tmp_path, data, fitted):
    """They are the first of the longer search; nobody looks at their test scores."""
    spaces = {"few": TWO["EASE"]._replace(n_trials=2), "many": TWO["EASE"]}
    path = tmp_path / "t.json"
    tune_all(path, spaces={"few": spaces["few"]}, data=data)
    trials = tune_all(path, spaces={"many": spaces["many"]}, n_trials=3, data=data)
    few, many = (trials[trials.model == name] for name in spaces)
    assert len(few) == 2 and len(many) == 3 and fitted == ["EASE"] * (2 + 6)
    assert few.params.tolist() == many.params.tolist()[:2]
    assert few.score.tolist() == many.score.tolist()[:2]
    assert few.test.isna().all() and many.test.notna().all()
    path = tmp_path / "u.json"
    assert len(tune_all(path, spaces=spaces, n_trials=1, data=data)) == 2


# -- the command ---------------------------------------------------------------------


@pytest.fixture
def command(monkeypatch, tmp_path, data):
    """Calls of ``tune_all`` by the command line; a file of two models comes back."""
    trials = tune_all(tmp_path / "t.json", spaces=TWO, n_trials=2, data=data)
    calls = []

    def fake(path, *, spaces, n_trials):
        calls.append((path, list(spaces), n_trials))
        return trials

    monkeypatch.setattr(search, "tune_all", fake)
    return calls


def test_the_command_line(command, capsys):
    search.main([])
    search.main(["--out", "x.json", "--trials", "7", "--only", "PureSVD"])
    assert command == [
        (None, list(SPACES), None),
        ("x.json", ["PureSVD"], 7),
    ]
    printed = capsys.readouterr().out
    assert "EASE" in printed and "MF, ALS" in printed and "spent" in printed


def test_the_command_line_says_what_it_takes(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        search.main(["--help"])
    text = capsys.readouterr().out
    assert stopped.value.code == 0
    for option in ("--out", "--trials", "--only", "PureSVD"):
        assert option in text
    with pytest.raises(SystemExit) as stopped:
        search.main(["--only", "Magic"])
    assert stopped.value.code == 2 and "Magic" in capsys.readouterr().err
    assert command == []


# -- the file in the book ------------------------------------------------------------


@pytest.fixture(scope="module")
def book():
    return load_tuning()


def test_the_book_s_file_has_every_model_under_one_budget(book):
    counts = book.groupby("model").size()
    assert set(counts.index) == set(SPACES)
    for name, part in book.groupby("model"):
        assert counts[name] == SPACES[name].n_trials, name
        rng = np.random.default_rng(0)
        wanted = [sample(SPACES[name].ranges, rng) for _ in range(len(part))]
        for stored, drawn in zip(part.params, wanted, strict=True):
            stored = read(stored)
            assert list(stored) == list(drawn)
            for key, value in drawn.items():
                same = value if isinstance(value, tuple) else pytest.approx(value)
                assert stored[key] == same, (name, key)
        assert (part.seconds > 0).all()
        assert np.isfinite(part.score).sum() > len(part) / 2
        assert (part.test.isna() | part.test.between(-4, 1)).all()


@pytest.mark.parametrize("name, model", [("User-kNN", UserKNN), ("EASE", EASE)])
def test_trials_of_the_book_are_what_the_code_gives(book, ratings, name, model):
    """The first trial again, fitted and scored here."""
    row = book[(book.model == name) & (book.trial == 1)].iloc[0]
    outer = splits.item_stratified(ratings, random_state=42)
    inner = splits.item_stratified(outer.train, random_state=42)
    popular = evaluate(Popularity().fit(inner.train), inner.test).ndcg.mean()
    assert popular < book[book.model == name].score.max() - 0.05
    with threadpool_limits(1):
        for column, split in (("score", inner), ("test", outer)):
            fitted = model(**read(row.params)).fit(split.train)
            ndcg = evaluate(fitted, split.test).ndcg.mean()
            assert row[column] == pytest.approx(ndcg, abs=2e-3), column
