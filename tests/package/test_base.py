"""The machinery of the contract: ranking, masks, checks, epochs, early stopping."""

import io
import time
import tracemalloc

import numpy as np
import oracles
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from recsys_tutor.base import FitDiverged, NotFittedError, Recommender
from recsys_tutor.callbacks import EarlyStopping, progress
from recsys_tutor.checks import check_number
from recsys_tutor.data import Interactions
from recsys_tutor.datasets import toy
from recsys_tutor.ranking import cosines, mask_items, top_k

# -- top_k and mask_items -----------------------------------------------------------


@given(strategies.rankings())
def test_top_k_is_a_full_stable_sort(case):
    masked = mask_items(case.scores, csr_array(case.excluded.astype(float)))
    items, scores = top_k(masked, case.k)
    assert items.shape == scores.shape == (len(case.scores), case.k)
    assert items.dtype == np.int64
    for b in range(len(items)):
        expected = oracles.ranked_list(case.scores[b], case.excluded[b], case.k)
        assert items[b].tolist() == expected
        values = [case.scores[b][i] if i >= 0 else -np.inf for i in expected]
        assert scores[b].tolist() == values


def test_top_k_leaves_its_input_and_keeps_float32():
    scores = np.array([[1.0, 3.0, 3.0, 2.0]], dtype=np.float32)
    before = scores.copy()
    items, best = top_k(scores, 2)
    assert items.tolist() == [[1, 2]] and best.dtype == np.float32
    np.testing.assert_array_equal(scores, before)


def test_top_k_of_whole_numbers_and_lists():
    items, best = top_k([[1, 5, 5]], 4)
    assert items.tolist() == [[1, 2, 0, -1]]
    assert best.tolist() == [[5, 5, 1, -np.inf]]


def test_top_k_edges():
    assert top_k(np.empty((0, 4)), 3).items.shape == (0, 3)
    assert top_k(np.empty((2, 0)), 3).items.tolist() == [[-1] * 3] * 2
    assert top_k(np.full((1, 2), -np.inf), 1).items.tolist() == [[-1]]
    for k in (0, -1, 1.5, True, "3"):
        with pytest.raises(ValueError, match="k must be a whole number >= 1"):
            top_k(np.zeros((1, 2)), k)


def test_top_k_refuses_nan_and_vectors():
    for scores in ([[np.nan, 1.0, 2.0]], [[0.0, 1.0, 2.0], [1.0, np.nan, -np.inf]]):
        for k in (1, 2, 5):
            with pytest.raises(ValueError, match="NaN"):
                top_k(scores, k)
    with pytest.raises(ValueError, match=r"\(B, n_items\), got shape \(3,\)"):
        top_k(np.ones(3), 1)


def test_top_k_of_millions_of_ties_costs_a_few_passes_over_the_scores():
    scores = np.zeros((3, 2_000_000))
    spent = {top_k: [], np.partition: []}
    for _ in range(3):
        for work in spent:
            start = time.process_time()
            work(scores, 10)
            spent[work].append(time.process_time() - start)
    assert top_k(scores, 3).items.tolist() == [[0, 1, 2]] * 3
    assert min(spent[top_k]) < 10 * min(spent[np.partition])


def test_everybody_s_list_takes_the_memory_of_one_part():
    class Cheap(Recommender):
        def _fit(self, train):
            pass

        def _score_users(self, users):
            return np.zeros((len(users), self.n_items_), dtype=np.float32)

    n_users, n_items = 4_000, 20_000
    index = np.arange(n_users)
    every = Interactions(index, index, np.ones(n_users), None, index, range(n_items))
    model = Cheap().fit(every)
    model.recommend(index[:2])
    tracemalloc.start()
    lists = model.recommend(index, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert lists.items[:2].tolist() == [[1, 2, 3], [0, 2, 3]]
    assert peak < 0.75 * 4 * n_users * n_items, "the whole matrix was made"


def test_cosines_by_hand():
    V = np.array([[3.0, 4.0], [6.0, 8.0], [-4.0, 3.0], [0.0, 0.0]])
    expected = [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    for vectors in (V, csr_array(V), V.astype(np.float32)):
        np.testing.assert_array_equal(cosines(vectors, np.array([0, 2, 3])), expected)


def test_a_file_of_another_program_or_class_is_refused(tmp_path, data):
    path = tmp_path / "model"
    Stub().fit(data).save(path)
    path.write_bytes(path.read_bytes().replace(b"Stub", b"Gone", 1))
    with pytest.raises(ValueError, match="no such class here"):
        Recommender.load(path)


def test_a_class_that_cannot_be_found_again_is_not_saved(tmp_path, data):
    class Local(Stub):
        pass

    with pytest.raises(ValueError, match="Local cannot be saved"):
        Local().fit(data).save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_pickled_leaves_the_old_file(tmp_path, data):
    path = tmp_path / "model"
    path.write_text("old")
    model = Stub().fit(data)
    model.hook_ = lambda: None
    with pytest.raises(ValueError, match="Stub cannot be saved"):
        model.save(path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_mask_items_copies_and_counts_explicit_zeros():
    scores = np.array([[1, 2, 3], [4, 5, 6]])  # whole numbers: -inf must still fit
    floats = scores.astype(float)
    stored = csr_array((np.array([0.0, 7.0]), ([0, 1], [2, 0])), shape=(2, 3))
    masked = mask_items(scores, stored)
    assert masked.tolist() == [[1, 2, -np.inf], [-np.inf, 5, 6]]
    assert mask_items(floats, stored).tolist() == masked.tolist()
    assert scores.tolist() == floats.tolist() == [[1, 2, 3], [4, 5, 6]]


# -- check_number ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, bounds",
    [
        (0, {"low": 0}),
        (1.0, {"low": 0, "high": 1}),
        (np.float32(0.5), {"above": 0, "below": 1}),
        (np.int64(3), {"whole": True}),
        (-5.5, {}),
    ],
)
def test_good_numbers(value, bounds):
    assert check_number("x", value, **bounds) is None


@pytest.mark.parametrize(
    "value, bounds, message",
    [
        (-1, {"low": 0}, "reg must be a number >= 0, got -1"),
        (0, {"above": 0}, "reg must be a number > 0, got 0"),
        (2, {"high": 1}, "reg must be a number <= 1, got 2"),
        (1, {"above": 0, "below": 1}, "number > 0 and < 1, got 1"),
        (2, {"low": 0, "high": 1}, "number >= 0 and <= 1, got 2"),
        (1.0, {"whole": True}, "reg must be a whole number, got 1.0"),
        (np.nan, {}, "reg must be a number, got nan"),
        (-np.inf, {"high": 1}, "got -inf"),
        (True, {"low": 0}, "got True"),
        (np.True_, {"low": 0}, "got .*True"),
        ("1", {}, "got '1'"),
        (None, {}, "got None"),
        ([1], {}, r"got \[1\]"),
    ],
)
def test_bad_numbers(value, bounds, message):
    with pytest.raises(ValueError, match=message):
        check_number("reg", value, **bounds)


# -- fit: order of events -----------------------------------------------------------


class Stub(Recommender):
    """Plays back a list of losses; every user scores items by their index."""

    def __init__(self, *, losses=(3.0, 2.0, 1.0), nap=0.0, random_state=None):
        self.losses = losses
        self.nap = nap
        self.random_state = random_state

    def _fit(self, train):
        self.learned_ = 0
        for loss in self.losses:
            time.sleep(self.nap)
            self.learned_ += 1
            if self._end_epoch(loss, extra=self.learned_):
                break

    def _score_users(self, users):
        return np.tile(np.arange(self.n_items_, dtype=float), (len(users), 1))


@pytest.fixture(scope="module")
def data():
    return toy().interactions


def test_history_rows(data):
    model = Stub(nap=0.001).fit(data)
    assert [(h["epoch"], h["loss"], h["extra"]) for h in model.history_] == [
        (1, 3.0, 1),
        (2, 2.0, 2),
        (3, 1.0, 3),
    ]
    assert 0.001 <= model.history_[0]["seconds"] < model.history_[2]["seconds"] < 5


@pytest.mark.parametrize("loss", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_stops_the_fit(data, loss):
    model, asked = Stub(losses=[1.0, loss, 0.5]), []
    with pytest.raises(FitDiverged, match=r"Stub: the loss is .* after epoch 2\. Try"):
        model.fit(data, callback=lambda m, e, logs: asked.append(e))
    assert asked == [1], "nobody is asked about a broken epoch"
    assert len(model.history_) == 2, "the history shows where it went wrong"
    for ask in (model.score, model.recommend):
        with pytest.raises(NotFittedError):
            ask([0])


def test_an_error_in_training_leaves_no_half_fitted_model(data):
    def fail(model, epoch, logs):
        raise KeyError("mine")

    model = Stub().fit(data)
    with pytest.raises(KeyError, match="mine"):
        model.fit(data, callback=fail)
    with pytest.raises(NotFittedError):
        model.score([0])
    assert model.fit(data).score([0]).shape == (1, 6)


def test_a_second_fit_forgets_what_the_first_learned(data):
    class Grows(Stub):
        def _fit(self, train):
            super()._fit(train)
            self.sum_ = getattr(self, "sum_", 0) + 1
            if len(train) == 18:
                self.whole_ = True

    model = Grows().fit(data)
    assert model.whole_
    model.fit(data.subset([0, 1]))
    assert model.sum_ == 1 and not hasattr(model, "whole_")
    assert len(model.history_) == 3


def test_a_rejected_argument_leaves_the_earlier_fit(data):
    model = Stub().fit(data)
    with pytest.raises(TypeError):
        model.fit("nonsense")
    assert model.score([0]).shape == (1, 6)


@pytest.mark.parametrize("seed", [0, np.int64(7), None, np.random.default_rng(1)])
def test_random_state_is_an_integer_a_generator_or_none(data, seed):
    assert Stub(random_state=seed).fit(data).random_state is seed


@pytest.mark.parametrize("seed", [-1, 1.0, "1", True, [1]])
def test_other_random_states_are_refused(data, seed):
    with pytest.raises(ValueError, match="random_state must be a whole number >= 0"):
        Stub(random_state=seed).fit(data)


@pytest.mark.parametrize(
    "answer, epochs",
    [(None, 3), (False, 3), (1, 3), ("stop", 3), (True, 1), (np.True_, 1)],
)
def test_only_true_stops(data, answer, epochs):
    model = Stub().fit(data, callback=lambda m, e, logs: answer)
    assert len(model.history_) == epochs


@pytest.mark.parametrize(
    "scores, message",
    [
        (np.zeros((1, 5)), r"returned scores of shape \(1, 5\), expected \(1, 6\)"),
        (np.array([[0, 0, 0, np.nan, 0, 0]]), "returned scores not finite"),
        (np.array([[0, 0, 0, np.inf, 0, 0]]), "returned scores not finite"),
    ],
)
def test_bad_scores_of_a_model_do_not_get_out(data, scores, message):
    class Bad(Stub):
        def _score_users(self, users):
            return scores

        def _score_history(self, X):
            return scores

    model = Bad().fit(data)
    for ask in (model.score, model.recommend):
        with pytest.raises(RuntimeError, match=message):
            ask([0])
    with pytest.raises(RuntimeError, match=message):
        model.score_history(np.ones((1, 6)))


# -- predict: the time of a rating --------------------------------------------------


class Clock(Stub):
    """Rates by the time it is told, else by the item."""

    uses_time = True

    def _predict(self, users, items):
        return items.astype(float)

    def _predict_at(self, users, items, time):
        return users + 10.0 * items + 100.0 * time


def test_predict_hands_the_time_on(data):
    model = Clock().fit(data)
    assert model.predict([1, 0], [2, 3]).tolist() == [2, 3]
    told = model.predict([1, 0], [2, 3], time=np.array([4, 5]))
    assert told.tolist() == [421, 530]
    assert model.predict([1], [2], time=[4]).tolist() == [421]
    with pytest.raises(IndexError, match="users: index -1"):
        model.predict([-1], [0], time=[0])


@pytest.mark.parametrize("wrong", [4, [4], [4, 5, 6], [[4, 5]], [4.0, 5.0], ["4", "5"]])
def test_predict_refuses_times_that_are_no_seconds(data, wrong):
    with pytest.raises(ValueError, match="time must hold 2 whole seconds"):
        Clock().fit(data).predict([1, 0], [2, 3], time=wrong)


def test_a_model_that_does_not_use_the_time_refuses_it(data):
    assert Recommender().uses_time is False
    with pytest.raises(ValueError, match="Stub .*does not use the time.*leave out"):
        Stub().fit(data).predict([1], [2], time=[4])


# -- EarlyStopping and progress -----------------------------------------------------


def literal_stop(values, patience, min_delta):
    """(epoch after which it stops or None, best value, best epoch)."""
    best, best_epoch = -np.inf, 0
    for epoch, value in enumerate(values, 1):
        if value > best + min_delta:
            best, best_epoch = value, epoch
        if epoch - best_epoch >= patience:
            return epoch, best, best_epoch
    return None, best, best_epoch


runs = st.lists(st.integers(-3, 3), min_size=1, max_size=12)


@given(runs, runs, st.integers(1, 4), st.sampled_from([0.0, 1.0]))
def test_early_stopping_against_a_loop(first, second, patience, min_delta):
    queue = []
    stopping = EarlyStopping(
        lambda model: queue.pop(0), patience=patience, min_delta=min_delta
    )
    for values in (first, second):  # one callback may serve two fits
        queue[:] = values
        model = Stub(losses=[1.0] * len(values))
        model.fit(toy().interactions, callback=stopping)
        stop, best, best_epoch = literal_stop(values, patience, min_delta)
        assert len(model.history_) == (stop or len(values))
        assert (stopping.best, stopping.best_epoch) == (best, best_epoch)
        seen = [row["valid"] for row in model.history_]
        assert seen == values[: len(seen)], "the history keeps the validation scores"


def test_early_stopping_needs_patience():
    with pytest.raises(ValueError, match="patience must be a whole number >= 1"):
        EarlyStopping(len, patience=0)


def test_progress_bar_counts_epochs(data):
    stream = io.StringIO()
    model = Stub().fit(data, callback=progress(3, file=stream, mininterval=0))
    assert len(model.history_) == 3, "the bar never stops the fit"
    assert "3/3" in stream.getvalue() and "loss=1.0000" in stream.getvalue()
