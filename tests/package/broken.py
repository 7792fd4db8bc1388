"""A toy model that keeps the contract, and one broken model or more per check."""

import copy
import weakref
from pathlib import Path
from unittest import mock

import numpy as np
from scipy.sparse import csr_array

from recsys_tutor import ranking
from recsys_tutor.base import FitDiverged, Recommender
from recsys_tutor.checks import check_number
from recsys_tutor.data import Interactions
from recsys_tutor.testing.cases import ModelCase, Stop, small


class Good(Recommender):
    """Scores by co-occurrence, keeps the contract; has epochs and a seed."""

    def __init__(self, *, shift=0.5, n_epochs=3, random_state=0):
        self.shift = shift
        self.n_epochs = n_epochs
        self.random_state = random_state

    def _check(self):
        check_number("shift", self.shift)
        check_number("n_epochs", self.n_epochs, low=1, whole=True)

    def _fit(self, train):
        rng = np.random.default_rng(self.random_state)
        # liked minus disliked; the unrated count as neither
        self.X_ = self._signs(train.csr).toarray()
        self.weight_ = rng.uniform(1, 2)
        self.B_ = np.zeros((train.n_items, train.n_items))
        for _ in range(self.n_epochs):
            with np.errstate(over="ignore"):
                self.B_ = self.B_ / 2 + self.weight_ * (self.X_.T @ self.X_)
                loss = self.shift * self.shift + 1 / (1 + len(self.history_))
            if self._end_epoch(loss):
                break

    def _signs(self, X):
        X = csr_array(X, copy=True)
        X.data = np.sign(X.data - 2.5)
        return X

    def _score_users(self, users):
        return self.X_[users] @ self.B_ + self.shift

    def _predict(self, users, items):
        rows = self.X_[users][:, None, :] @ self.B_.T[items][:, :, None]
        return rows[:, 0, 0] + self.shift

    def _score_history(self, X):
        return self._signs(X).toarray() @ self.B_ + self.shift

    def _similarities(self, items):
        return self.B_[items]

    def _explain(self, user, item):
        liked = np.flatnonzero(self.X_[user])
        return liked, self.X_[user, liked] * self.B_[liked, item], self.shift


def good_case(cls=Good, **changes):
    options = {
        "effects": {"shift": 1.0, "n_epochs": 4, "random_state": 1},
        "invalid": {"shift": (np.nan, "a"), "n_epochs": (0, 1.5)},
        "rating": True,
        "similar": True,
        "explains": True,
        "history": True,
        "iterative": True,
        "diverges": {"shift": 1e200},
    }
    return ModelCase(cls(), **{**options, **changes})


GOOD = good_case()


class WithFeatures(Good):
    """Adds a score per item that the constructor was given: data in an argument."""

    def __init__(self, *, extra=None, shift=0.5, n_epochs=3, random_state=0):
        self.extra = extra
        super().__init__(shift=shift, n_epochs=n_epochs, random_state=random_state)

    def _fit(self, train):
        if len(self.extra) != train.n_items:
            raise ValueError(f"extra has {len(self.extra)} rows, not {train.n_items}")
        super()._fit(train)

    def _score_users(self, users):
        return super()._score_users(users) + self.extra

    def _predict(self, users, items):
        return super()._predict(users, items) + self.extra[items]

    def _score_history(self, X):
        return super()._score_history(X) + self.extra

    def _explain(self, user, item):
        items, parts, rest = super()._explain(user, item)
        return items, parts, rest + self.extra[item]


WITH_FEATURES = good_case(
    WithFeatures,
    effects={**GOOD.effects, "extra": np.ones(7)},
    invalid={**GOOD.invalid, "extra": (np.ones(6),)},
    per_data=lambda data: {"extra": 1e-3 * np.asarray(data.item_ids)},
)


class PositionalArguments(Good):
    def __init__(self, shift=0.5, *, n_epochs=3, random_state=0):
        super().__init__(shift=shift, n_epochs=n_epochs, random_state=random_state)


class ConvertsArguments(Good):
    def __init__(self, *, shift=0.5, n_epochs=3, random_state=0):
        super().__init__(shift=shift, n_epochs=n_epochs, random_state=[random_state])


class DerivesAttributes(Good):
    def __init__(self, *, shift=0.5, n_epochs=3, random_state=0):
        super().__init__(shift=shift, n_epochs=n_epochs, random_state=random_state)
        self.extra = 1


class ChangesItsArguments(Good):
    def _fit(self, train):
        super()._fit(train)
        self.shift = self.shift + 1


class CloneKeepsTheFit(Good):
    def clone(self, **changes):
        model = copy.copy(self)
        vars(model).update(changes)
        return model


class AnswersUnfitted(Good):
    def score(self, users):
        return np.zeros((len(users), 7))


class TakesAnything(Good):
    def fit(self, train, *, callback=None):
        good = isinstance(train, Interactions) and len(train)
        return super().fit(train if good else small(), callback=callback)


class FitReturnsNone(Good):
    def fit(self, train, *, callback=None):
        super().fit(train, callback=callback)


MEMORY = weakref.WeakKeyDictionary()  # what outlives a fit, per model


class Continues(Good):
    """The second fit starts from the first one's result."""

    def _fit(self, train):
        super()._fit(train)
        self.B_ = self.B_ + MEMORY.get(self, 0)
        MEMORY[self] = self.B_ if self.B_.shape == (7, 7) else 0


class CrashesOnNewShape(Good):
    def _fit(self, train):
        super()._fit(train)
        MEMORY[self] = MEMORY.get(self, np.zeros(train.shape)) + self.X_


class LeavesRemains(Good):
    def _fit(self, train):
        super()._fit(train)
        if MEMORY.setdefault(self, train.n_users) == 11:
            self.remains = 1


class WritesToItsInput(Good):
    def _fit(self, train):
        super()._fit(train)
        train.csr.data[0] += 1


class WritesToTheHistory(Good):
    def _score_history(self, X):
        scores = super()._score_history(X)
        X.data[:] = 0
        return scores


class SquareOnly(Good):
    """Takes the candidates from range(n_users)."""

    def _score_users(self, users):
        return super()._score_users(users)[:, : self.n_users_]


class IntegerScores(Good):
    def _score_users(self, users):
        return np.round(super()._score_users(users)).astype(int)


class GivesItsMemory(Good):
    def _score_users(self, users):
        if not hasattr(self, "cache_"):
            self.cache_ = super()._score_users(np.arange(self.n_users_))
        if len(users) == 1:
            return self.cache_[users[0] : users[0] + 1]
        return self.cache_[users]


class RecommendsSeen(Good):
    def recommend(self, users, k=10, *, exclude="seen", items=None):
        exclude = None if isinstance(exclude, str) else exclude
        return super().recommend(users, k, exclude=exclude, items=items)


class LaterIndexFirst(Good):
    """Breaks ties the wrong way round."""

    def _score_users(self, users):
        return np.round(super()._score_users(users), -2)

    def recommend(self, users, k=10, *, exclude="seen", items=None):
        lists = super().recommend(users, k, exclude=exclude, items=items)
        for b in range(len(lists.items)):
            order = np.lexsort((-lists.items[b], -lists.scores[b]))
            lists.items[b] = lists.items[b][order]
        return lists


class ShortLists(Good):
    def recommend(self, users, k=10, *, exclude="seen", items=None):
        k = min(k, self.n_items_)
        return super().recommend(users, k, exclude=exclude, items=items)


class DependsOnTheBatch(Good):
    def _score_users(self, users):
        scores = super()._score_users(users)
        return scores - scores.mean() if len(users) else scores


class LastUserForMinusOne(Good):
    def score(self, users):
        return self._score_users(np.asarray(users))


class ForgetsIds(Good):
    def _fit(self, train):
        super()._fit(train)
        ids = np.arange(train.n_users)
        self.train_ = Interactions(
            user=train.user,
            item=train.item,
            value=train.value,
            time=train.time,
            user_ids=ids,
            item_ids=train.item_ids,
        )


class DividesByTheCount(Good):
    def _score_users(self, users):
        counts = np.abs(self.X_[users]).sum(axis=1, keepdims=True)
        with np.errstate(all="ignore"):
            return super()._score_users(users) / counts

    def _check_scores(self, scores, n_rows):
        return scores


class UsesTheGlobalGenerator(Good):
    def _fit(self, train):
        super()._fit(train)
        np.random.random()  # noqa: NPY002


class SeedsTheGlobalGenerator(Good):
    def _fit(self, train):
        np.random.seed(0)  # noqa: NPY002
        super()._fit(train)


class IgnoresItsGenerator(Good):
    def _fit(self, train):
        kept, self.random_state = self.random_state, 0
        super()._fit(train)
        self.random_state = kept


class DrawsWhenScoring(Good):
    def _score_users(self, users):
        rng = np.random.default_rng()
        return super()._score_users(users) * rng.uniform(1, 2)


class Unpicklable(Good):
    def _fit(self, train):
        super()._fit(train)
        self.hook_ = lambda: None


class LosesItsScale(Good):
    def __getstate__(self):
        return {**vars(self), "shift": 0.0} if "B_" in vars(self) else vars(self)


class PrefersLowIndices(Good):
    def _score_users(self, users):
        return super()._score_users(users) - 0.1 * np.arange(self.n_items_)


class WrongSign(Good):
    """Recommends what a user's neighbours disliked."""

    def _score_users(self, users):
        return -super()._score_users(users)


class IgnoresAParameter(Good):
    def _score_users(self, users):
        return super()._score_users(users) - self.shift

    def _predict(self, users, items):
        return super()._predict(users, items) - self.shift


class NeverCallsBack(Good):
    def _end_epoch(self, loss, **logs):
        self._callback = None
        return super()._end_epoch(loss, **logs)


class NeverStops(Good):
    def _end_epoch(self, loss, **logs):
        super()._end_epoch(loss, **logs)
        return False


class StopsOnTruthy(Good):
    def _end_epoch(self, loss, **logs):
        callback, self._callback = self._callback, None
        super()._end_epoch(loss, **logs)
        last, self._callback = self.history_[-1], callback
        return bool(callback and callback(self, last["epoch"], last))


class KeepsNoHistory(Good):
    def _end_epoch(self, loss, **logs):
        stop = super()._end_epoch(loss, **logs)
        self.history_ = self.history_[-1:]
        return stop


class HidesDivergence(Good):
    def _end_epoch(self, loss, **logs):
        return super()._end_epoch(min(loss, 1e300), **logs)


class StaysFittedAfterDivergence(Good):
    def fit(self, train, *, callback=None):
        try:
            return super().fit(train, callback=callback)
        except FitDiverged:
            vars(self).update(vars(Good().fit(train)) | vars(self))
            raise


class ChecksNothing(Good):
    def _check(self):
        pass

    def _fit(self, train):
        kept, self.shift = self.shift, 0.5
        super()._fit(train)
        self.shift = kept


class ChecksInTheConstructor(Good):
    def __init__(self, *, shift=0.5, n_epochs=3, random_state=0):
        super().__init__(shift=shift, n_epochs=n_epochs, random_state=random_state)
        if isinstance(shift, (int, float)):
            check_number("shift", shift)


class BlamesAnotherParameter(Good):
    def _check(self):
        try:
            super()._check()
        except ValueError:
            raise ValueError("something is wrong") from None


class PredictsSomethingElse(Good):
    def _predict(self, users, items):
        return super()._predict(users, items) / self.weight_


class HistoryForgetsTheShift(Good):
    def _score_history(self, X):
        return super()._score_history(X) - self.shift


class UsesTime(Good):
    def _score_users(self, users):
        last = np.zeros(self.n_items_)
        np.maximum.at(last, self.train_.item, self.train_.time)
        return super()._score_users(users) + last


class IgnoresCandidates(Good):
    def recommend(self, users, k=10, *, exclude="seen", items=None):
        return super().recommend(users, k, exclude=exclude)


class CandidatesInTheirOrder(Good):
    """Ties go to the candidate that was named first."""

    def _check_items(self, items):
        return None if items is None else np.asarray(items, dtype=np.int64)


class GivesIndicesForIds(Good):
    def recommend_ids(self, ids, k=10, **options):
        table = super().recommend_ids(ids, k, **options)
        return table.assign(item=self.train_.item_index(table["item"]))


class RecommendsWhatNewUsersHave(Good):
    def recommend_history(self, X, k=10, *, exclude="seen", items=None):
        exclude = None if isinstance(exclude, str) else exclude
        return super().recommend_history(X, k, exclude=exclude, items=items)


class AddsRepeats(Good):
    def score_history(self, X):
        return super().score_history(csr_array(X).toarray())

    def recommend_history(self, X, k=10, **options):
        return super().recommend_history(csr_array(X).toarray(), k, **options)


class SortsTheGivenHistory(Good):
    def score_history(self, X):
        if hasattr(X, "sort_indices"):
            X.sort_indices()
        return super().score_history(X)


class FarthestFirst(Good):
    def _similarities(self, items):
        return -self.B_[items]


class ListsItself(Good):
    def similar_items(self, items, k=10):
        items = np.asarray(items)
        return ranking.top_k(self.B_[items].astype(float), k)


class ExplainsHalf(Good):
    def _explain(self, user, item):
        items, parts, rest = super()._explain(user, item)
        return items[1:], parts[1:], rest


class ForgetsWhenSaved(Good):
    def save(self, path):
        kept, self.weight_ = self.B_, 0.0
        self.B_ = np.round(kept)
        super().save(path)
        self.B_ = kept


class LeavesATemporaryFile(Good):
    def save(self, path):
        super().save(path)
        Path(f"{path}.tmp").write_text("")


class AnswersAfterAnInterruption(Good):
    def fit(self, train, *, callback=None):
        try:
            return super().fit(train, callback=callback)
        except Stop:
            self.train_ = train
            raise


class AsksForAllAtOnce(Good):
    def recommend(self, users, k=10, *, exclude="seen", items=None):
        with mock.patch.object(ranking, "CELLS_PER_BATCH", 10**9):
            return super().recommend(users, k, exclude=exclude, items=items)


class ForgetsItsScale(Good):
    def _fit(self, train):
        super()._fit(train)
        self.train_ = train.binarize()


class BlamesItsLearningRate(Good):
    def _remedies(self):
        return "a smaller learning_rate"


BROKEN = [
    ("constructor_only_stores", good_case(PositionalArguments)),
    ("constructor_only_stores", good_case(ConvertsArguments)),
    ("constructor_only_stores", good_case(DerivesAttributes)),
    ("repr_and_clone", good_case(ChangesItsArguments)),
    ("repr_and_clone", good_case(CloneKeepsTheFit)),
    ("unfitted_is_said", good_case(AnswersUnfitted)),
    ("wrong_input_is_refused", good_case(TakesAnything)),
    ("fit_twice_is_fit_once", good_case(FitReturnsNone)),
    ("fit_twice_is_fit_once", good_case(Continues)),
    ("refit_on_another_shape", good_case(CrashesOnNewShape)),
    ("refit_on_another_shape", good_case(LeavesRemains)),
    ("inputs_are_unchanged", good_case(WritesToItsInput)),
    ("inputs_are_unchanged", good_case(WritesToTheHistory)),
    ("scores_have_shape_and_type", good_case(SquareOnly)),
    ("scores_have_shape_and_type", good_case(IntegerScores)),
    ("scores_have_shape_and_type", good_case(GivesItsMemory)),
    ("recommendations_are_sound", good_case(RecommendsSeen)),
    ("recommendations_are_sound", good_case(LaterIndexFirst)),
    ("recommendations_are_sound", good_case(ShortLists)),
    ("batch_equals_one_by_one", good_case(DependsOnTheBatch)),
    ("bad_indices_are_refused", good_case(LastUserForMinusOne)),
    ("unknown_ids_are_refused", good_case(ForgetsIds)),
    ("empty_rows_and_columns_are_finite", good_case(DividesByTheCount)),
    ("seeds_and_global_generators", good_case(UsesTheGlobalGenerator)),
    ("seeds_and_global_generators", good_case(SeedsTheGlobalGenerator)),
    ("seeds_and_global_generators", good_case(IgnoresItsGenerator)),
    ("seeds_and_global_generators", good_case(DrawsWhenScoring)),
    ("pickle_round_trip", good_case(Unpicklable)),
    ("pickle_round_trip", good_case(LosesItsScale)),
    ("relabelling", good_case(PrefersLowIndices)),
    ("checkerboard_diagonal_is_first", good_case(WrongSign)),
    ("every_parameter_changes_the_result", good_case(IgnoresAParameter)),
    ("every_parameter_changes_the_result", good_case(effects={"shift": 1.0})),
    ("epochs_history_and_callback", good_case(NeverCallsBack)),
    ("epochs_history_and_callback", good_case(NeverStops)),
    ("epochs_history_and_callback", good_case(StopsOnTruthy)),
    ("epochs_history_and_callback", good_case(KeepsNoHistory)),
    ("epochs_history_and_callback", good_case(iterative=False)),
    ("divergence", good_case(HidesDivergence)),
    ("divergence", good_case(StaysFittedAfterDivergence)),
    ("divergence", good_case(diverges=None)),
    ("invalid_arguments_are_refused", good_case(ChecksNothing)),
    ("invalid_arguments_are_refused", good_case(ChecksInTheConstructor)),
    ("invalid_arguments_are_refused", good_case(BlamesAnotherParameter)),
    ("invalid_arguments_are_refused", good_case(invalid={"shift": (np.nan,)})),
    ("predict_equals_score", good_case(PredictsSomethingElse)),
    ("history_equals_training", good_case(HistoryForgetsTheShift)),
    ("time_matters_only_to_sequential_models", good_case(UsesTime)),
    ("time_matters_only_to_sequential_models", good_case(sequential=True)),
    ("divergence", good_case(BlamesItsLearningRate)),
    ("only_a_test_part_of_the_same_ids_is_judged", good_case(ForgetsIds)),
    (
        "ratings_are_cut_to_the_range_of_the_training_ratings",
        good_case(ForgetsItsScale),
    ),
    ("only_candidates_are_listed", good_case(IgnoresCandidates)),
    ("only_candidates_are_listed", good_case(CandidatesInTheirOrder)),
    ("ids_in_ids_out", good_case(GivesIndicesForIds)),
    ("new_users_get_lists", good_case(RecommendsWhatNewUsersHave)),
    ("an_item_twice_in_a_history_is_refused", good_case(AddsRepeats)),
    ("an_item_twice_in_a_history_is_refused", good_case(SortsTheGivenHistory)),
    ("near_items_are_of_the_same_side", good_case(FarthestFirst)),
    ("near_items_are_of_the_same_side", good_case(ListsItself)),
    ("an_explanation_adds_up", good_case(ExplainsHalf)),
    ("save_and_load", good_case(ForgetsWhenSaved)),
    ("save_and_load", good_case(LeavesATemporaryFile)),
    ("an_interrupted_fit_leaves_nothing", good_case(AnswersAfterAnInterruption)),
    ("large_questions_are_asked_in_parts", good_case(AsksForAllAtOnce)),
]

#: A check fails by an assertion or because nothing was raised that should be. These
#: broken models fail by themselves, when the check asks for what they cannot do.
OWN_FAULTS = {
    CrashesOnNewShape: ValueError,
    SquareOnly: RuntimeError,
    Unpicklable: AttributeError,
    ChecksInTheConstructor: ValueError,
    ForgetsIds: (ValueError, AssertionError),
}
