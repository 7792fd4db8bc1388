"""The three tasks: their splits by name, their inner parts, what they score."""

from functools import partial

import numpy as np
import pytest
from sklearn.metrics import root_mean_squared_error

from recsys_tutor import splits
from recsys_tutor.baselines import BiasModel, Popularity
from recsys_tutor.bayesian import BayesianFM
from recsys_tutor.data import Interactions
from recsys_tutor.datasets import make_world
from recsys_tutor.evaluate import evaluate, summarize
from recsys_tutor.metrics import mae, rmse
from recsys_tutor.neighbors import EASE
from recsys_tutor.protocol import SEEDS, TASKS, ListTask, get_task


@pytest.fixture(scope="module")
def data():
    return make_world(n_users=30, n_items=40, n_ratings=600, stars=True).interactions


# -- splits by name ------------------------------------------------------------------


def same(ours, theirs):
    for part in ("train", "test"):
        a, b = getattr(ours, part), getattr(theirs, part)
        for column in ("user", "item", "value", "time"):
            np.testing.assert_array_equal(getattr(a, column), getattr(b, column))


def test_the_splits_of_the_book(data):
    seeds = (42, 43, 44, 45, 46)
    assert seeds == SEEDS
    wanted = {
        "ranking": {
            f"seed {s}": splits.item_stratified(data, random_state=s) for s in seeds
        },
        "rating": {f"fold {n}": f for n, f in enumerate(splits.k_fold(data), 1)}
        | {f"u{n}": f for n, f in enumerate(splits.contiguous_folds(data), 1)},
        "sequence": {"last": splits.leave_last_out(data)},
    }
    assert list(TASKS) == list(wanted)
    for name, task in TASKS.items():
        assert task.name == name and list(task.split_names) == list(wanted[name])
        for split, parts in wanted[name].items():
            same(task.split(data, split), parts)
        same(task.split(data), next(iter(wanted[name].values())))
    with pytest.raises(ValueError, match="no split 'seed 42'; it has fold 1"):
        TASKS["rating"].split(data, "seed 42")


def test_one_split_is_made_without_the_others(data, monkeypatch):
    made = []
    subset = Interactions.subset

    def counted(self, rows):
        made.append(len(rows))
        return subset(self, rows)

    monkeypatch.setattr(Interactions, "subset", counted)
    for task in TASKS.values():
        for name in task.split_names:
            made.clear()
            task.split(data, name)
            assert len(made) == 2, (task.name, name)


def test_a_task_is_found_by_its_name():
    assert get_task("rating") is TASKS["rating"]
    own = ListTask("own", ("hit",), {"all": splits.leave_last_out}, splits.k_fold)
    assert get_task(own) is own


def test_a_task_of_ones_own(data):
    """Other splits, the same rules of scoring."""
    weeks = ListTask(
        name="weeks",
        columns=("hit", "ndcg"),
        splits={f"{r}": partial(splits.global_time, ratio=r) for r in (0.6, 0.8)},
        validation=splits.global_time,
    )
    split = weeks.split(data, "0.8")
    same(split, splits.global_time(data, ratio=0.8))
    inner, outer = weeks.parts(data)
    same(outer, splits.global_time(data, ratio=0.6))
    assert inner.valid.time.min() > inner.train.time.max()
    model = Popularity().fit(split.train)
    hits = evaluate(model, split.test).hit.mean()
    assert weeks.quality(model, split.test) == pytest.approx(hits)


# -- scores --------------------------------------------------------------------------


def test_lists_are_judged_by_all_metrics(data):
    split = TASKS["ranking"].split(data, "seed 44")
    model = EASE().fit(split.train)
    frame = evaluate(model, split.test, k=5)
    means, per_user = TASKS["ranking"].judge(model, split.test, k=5)
    assert means == pytest.approx(dict(summarize(frame)))
    assert all(type(value) is float for value in means.values())
    assert per_user.equals(frame.ndcg) and per_user.index.name == "user"


def test_ratings_are_judged_by_their_errors(data):
    """A model that uses the day is told it the second time."""
    split = TASKS["rating"].split(data, "fold 2")
    test = split.test
    model = BayesianFM(n_factors=2, n_epochs=6, burn_in=2, day=True).fit(split.train)
    plain, told = (
        np.clip(model.predict(test.user, test.item, time=when), 1, 5)
        for when in (None, test.time)
    )
    means, per_user = TASKS["rating"].judge(model, test)
    assert per_user is None and means == pytest.approx(
        {
            "rmse": rmse(test.value, plain),
            "mae": mae(test.value, plain),
            "rmse_own_time": rmse(test.value, told),
        }
    )
    assert means["rmse"] != means["rmse_own_time"]
    bias = BiasModel().fit(split.train)
    assert list(TASKS["rating"].judge(bias, test).means) == ["rmse", "mae"]


def test_what_is_served(data):
    """Every user and item for lists, the test pairs for stars, and nothing else."""
    asked = []

    class Spy(BiasModel):
        def _score_users(self, users):
            asked.extend(users.tolist())
            return super()._score_users(users)

        def _predict(self, users, items):
            asked.extend(zip(users.tolist(), items.tolist(), strict=True))
            return super()._predict(users, items)

    split = TASKS["rating"].split(data)
    model = Spy().fit(split.train)
    asked.clear()
    TASKS["ranking"].serve(model, split.test)
    assert asked == list(range(data.n_users))
    asked.clear()
    TASKS["rating"].serve(model, split.test)
    pairs = zip(split.test.user.tolist(), split.test.item.tolist(), strict=True)
    assert asked == list(pairs)


# -- parts and scores ----------------------------------------------------------------


def cells(part):
    """Sorted (user, item) pairs; a rating stands once."""
    pairs = sorted(zip(part.user.tolist(), part.item.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    return pairs


@pytest.mark.parametrize("task", TASKS)
def test_inner_parts_are_cut_from_the_training_part(task, data):
    inner, outer = TASKS[task].parts(data)
    assert cells(outer.train) == sorted(cells(inner.train) + cells(inner.valid))
    assert cells(data) == sorted(cells(outer.train) + cells(outer.test))
    assert not set(cells(inner.valid)) & set(cells(inner.train))
    assert len(inner.valid) > 0 and outer.valid is None
    assert cells(inner.test) == cells(outer.test), "the test part is the same"
    for part in (inner.train, inner.valid, outer.train, outer.test):
        assert part.shape == data.shape


def test_outer_parts_are_the_first_splits_of_the_book(data):
    first = {
        "ranking": splits.item_stratified(data, random_state=42),
        "rating": splits.k_fold(data, n_folds=5, random_state=0)[0],
        "sequence": splits.leave_last_out(data),
    }
    for task, split in first.items():
        _, outer = TASKS[task].parts(data)
        for part in ("train", "test"):
            ours, theirs = getattr(outer, part), getattr(split, part)
            np.testing.assert_array_equal(ours.user, theirs.user)
            np.testing.assert_array_equal(ours.item, theirs.item)


def test_inner_parts_follow_the_rule_of_the_outer_ones(data):
    inner, outer = TASKS["ranking"].parts(data)
    of_item = np.bincount(outer.train.item, minlength=data.n_items)
    kept = np.bincount(inner.train.item, minlength=data.n_items)
    assert kept.tolist() == [round(0.75 * n) for n in of_item.tolist()]
    inner, outer = TASKS["rating"].parts(data)
    assert len(inner.valid) == -(-len(outer.train) // 5)
    inner, outer = TASKS["sequence"].parts(data)
    for u in range(data.n_users):
        last = outer.train.time[outer.train.user == u].max()
        assert inner.valid.time[inner.valid.user == u].tolist() == [last]


def test_a_user_of_two_rows_keeps_the_test_row_out_of_the_inner_parts():
    rows = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 2)]
    user, item = np.array(rows).T
    ids = np.arange(3)
    data = Interactions(user, item, np.ones(6), np.arange(6), ids, ids)
    inner, outer = TASKS["sequence"].parts(data)
    assert cells(outer.test) == [(0, 1), (1, 2)]
    assert cells(inner.train) == [(0, 0), (1, 0), (2, 2)]
    assert cells(inner.valid) == [(1, 1)]


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match="'ranking', 'rating' or 'sequence', got 'x'"):
        get_task("x")


def test_quality_of_ratings_is_minus_the_rmse(data):
    inner, _ = TASKS["rating"].parts(data)
    model = BiasModel().fit(inner.train)
    guess = np.clip(model.predict(inner.valid.user, inner.valid.item), 1, 5)
    wanted = -root_mean_squared_error(inner.valid.value, guess)
    assert TASKS["rating"].quality(model, inner.valid) == pytest.approx(
        wanted, abs=1e-12
    )


@pytest.mark.parametrize("task", ["ranking", "sequence"])
def test_quality_of_lists_is_the_ndcg(task, data):
    """Counted with loops: the mean over users with test rows."""
    inner, _ = TASKS[task].parts(data)
    model = EASE().fit(inner.train)
    gain = 1 / np.log2(np.arange(2, 12))
    per_user = []
    for u in np.unique(inner.valid.user):
        wanted = set(inner.valid.item[inner.valid.user == u].tolist())
        listed = model.recommend([u]).items[0].tolist()
        hits = [item in wanted for item in listed]
        per_user.append((gain * hits).sum() / gain[: len(wanted)].sum())
    got = TASKS[task].quality(model, inner.valid)
    assert type(got) is float and got == pytest.approx(np.mean(per_user), abs=1e-12)


@pytest.mark.parametrize("task, model", [("ranking", EASE), ("rating", BiasModel)])
def test_a_scorer_fits_on_its_own_part(task, model, data):
    inner, outer = TASKS[task].parts(data)
    score = TASKS[task].scorer(inner.train, inner.valid)
    got = score(model())
    assert got == TASKS[task].quality(model().fit(inner.train), inner.valid)
    if task == "rating":
        assert got != TASKS[task].quality(model().fit(outer.train), inner.valid)
    else:  # the validation rows are training rows of that fit
        with pytest.raises(ValueError, match="training rows"):
            TASKS[task].quality(model().fit(outer.train), inner.valid)


def test_options_of_a_score(data):
    """``clip`` and the rest reach the evaluation."""
    inner, _ = TASKS["rating"].parts(data)
    model = BiasModel().fit(inner.train)
    guess = model.predict(inner.valid.user, inner.valid.item)
    for clip in ((2.5, 3.0), None):
        wanted = -root_mean_squared_error(
            inner.valid.value, guess if clip is None else np.clip(guess, *clip)
        )
        assert TASKS["rating"].quality(model, inner.valid, clip=clip) == pytest.approx(
            wanted
        )
        score = TASKS["rating"].scorer(inner.train, inner.valid, clip=clip)
        assert score(BiasModel()) == pytest.approx(wanted)
    inner, _ = TASKS["ranking"].parts(data)
    model = Popularity().fit(inner.train)
    wanted = evaluate(model, inner.valid, k=3).ndcg.mean()
    assert TASKS["ranking"].quality(model, inner.valid, k=3) == pytest.approx(wanted)
