"""The one contract: every model of the book is a :class:`Recommender`.

A model writes two methods, ``_fit`` and ``_score_users``. Everything a reader calls,
``fit``, ``score``, ``recommend``, ``predict``, exists once, here: checks, masking of
seen items, ranking and padding are the same for all.

Chapters: 02 Evaluation (ranking and ties), 03 Baselines (the first three models).
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
from scipy.sparse import csr_array, issparse

from recsys_tutor.data import Interactions

__all__ = [
    "EarlyStopping",
    "FitDiverged",
    "NotFittedError",
    "Recommender",
    "TopK",
    "check_number",
    "mask_items",
    "progress",
    "top_k",
]


class NotFittedError(RuntimeError):
    """The model was asked for an answer before ``fit``."""


class FitDiverged(RuntimeError):
    """Training produced a loss that is not finite."""


class TopK(NamedTuple):
    """Ranked lists. ``items`` (B, k) int64, ``scores`` (B, k) float, best first.

    A list shorter than ``k`` is padded with item -1 and score -inf.
    """

    items: np.ndarray
    scores: np.ndarray


def top_k(scores: np.ndarray, k: int) -> TopK:
    """The ``k`` largest scores of each row: higher score first, then lower index.

    Parameters
    ----------
    scores : (B, n_items) float
        -inf marks an item that must not appear.
    k : int
        Length of the lists; may exceed ``n_items``.

    Notes
    -----
    Cost O(B · n_items) to find each row's k-th value, plus a sort of the few candidates
    that reach it. The result equals a full stable sort.
    """
    check_number("k", k, low=1, whole=True)
    scores = _as_float(scores)
    n_rows, n_items = scores.shape
    items = np.full((n_rows, k), -1, dtype=np.int64)
    best = np.full((n_rows, k), -np.inf, dtype=scores.dtype)
    m = min(k, n_items)
    if n_rows == 0 or m == 0:
        return TopK(items, best)
    kth = np.partition(scores, n_items - m, axis=1)[:, n_items - m]  # (B,)
    row, col = np.nonzero((scores >= kth[:, None]) & (scores > -np.inf))
    value = scores[row, col]
    order = np.lexsort((col, -value, row))
    row, col, value = row[order], col[order], value[order]
    first = np.searchsorted(row, np.arange(n_rows))
    rank = np.arange(len(row)) - first[row]
    keep = rank < m
    items[row[keep], rank[keep]] = col[keep]
    best[row[keep], rank[keep]] = value[keep]
    return TopK(items, best)


def mask_items(scores: np.ndarray, excluded: csr_array) -> np.ndarray:
    """A copy of ``scores`` (B, n_items), -inf at the stored entries of ``excluded``."""
    masked = np.array(_as_float(scores))
    row = np.repeat(np.arange(excluded.shape[0]), np.diff(excluded.indptr))
    masked[row, excluded.indices] = -np.inf
    return masked


def _as_float(scores) -> np.ndarray:
    """Floating point, so that -inf fits; float32 stays float32."""
    scores = np.asarray(scores)
    return scores if scores.dtype.kind == "f" else scores.astype(np.float64)


def check_number(name, value, *, low=None, high=None, strict=False, whole=False):
    """Raise ``ValueError`` unless ``value`` is a finite number within the bounds.

    ``strict`` excludes the bounds themselves.
    """
    kind = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    good = isinstance(value, kind) and not isinstance(value, bool)
    good = good and np.isfinite(value)
    if good and low is not None:
        good = value > low if strict else value >= low
    if good and high is not None:
        good = value < high if strict else value <= high
    if not good:
        more, less = (">", "<") if strict else (">=", "<=")
        bounds = "" if low is None else f" {more} {low}"
        bounds += "" if high is None else f"{' and' if bounds else ''} {less} {high}"
        noun = "a whole number" if whole else "a number"
        raise ValueError(f"{name} must be {noun}{bounds}, got {value!r}")


def _check_random_state(value) -> None:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if value is None or isinstance(value, np.random.Generator) or whole and value >= 0:
        return
    raise ValueError(
        "random_state must be a whole number >= 0, a numpy.random.Generator or None, "
        f"got {value!r}"
    )


class Recommender:
    """Base of all models.

    A subclass stores its keyword-only arguments untouched in ``__init__`` and writes

    ``_fit(self, train, callback)``
        Learn from ``train``; learned attributes end in ``_``.
    ``_score_users(self, users) -> (B, n_items) float``
        Scores of all items; finite for every user, also one without training rows.

    and, where the model can,

    ``_check(self)``
        Validate the constructor's arguments; called by ``fit``.
    ``_predict(self, users, items) -> (n,) float``
        Ratings of single pairs.
    ``_predict_at(self, users, items, time) -> (n,) float``
        The same for a model with ``uses_time``: ratings given at ``time``.
    ``_score_history(self, X) -> (B, n_items) float``
        Scores for users known only by their rows of a rating matrix.

    Attributes
    ----------
    train_ : Interactions
        What the model was fitted to.
    n_users_, n_items_ : int
    history_ : list of dict
        One entry per epoch: ``epoch`` (from 1), ``loss`` (the stated objective),
        ``seconds`` since the start of the fit, and whatever the model adds.
    """

    #: Whether ``predict`` accepts the times of the ratings.
    uses_time = False

    # -- constructor arguments ----------------------------------------------------

    @classmethod
    def _param_names(cls) -> list[str]:
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        keyword_only = inspect.Parameter.KEYWORD_ONLY
        return [p.name for p in parameters if p.kind is keyword_only]

    def get_params(self) -> dict:
        """The constructor's arguments, by name."""
        return {name: getattr(self, name) for name in self._param_names()}

    def clone(self, **changes) -> Self:
        """A new unfitted model with the same arguments, some of them changed."""
        return type(self)(**{**self.get_params(), **changes})

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_params().items())
        return f"{type(self).__name__}({arguments})"

    # -- training -----------------------------------------------------------------

    def fit(self, train: Interactions, *, callback: Callable | None = None) -> Self:
        """Learn from ``train``, starting from nothing.

        Parameters
        ----------
        train : Interactions
            Not changed.
        callback : callable, optional
            ``callback(model, epoch, logs)`` after each epoch; returning True stops.

        Raises
        ------
        TypeError
            ``train`` is not an :class:`~recsys_tutor.data.Interactions`.
        ValueError
            A constructor argument is out of its range, or ``train`` has no rows.
        FitDiverged
            The loss is not finite.

        After an error in training the model counts as not fitted.
        """
        if not isinstance(train, Interactions):
            raise TypeError(
                f"fit expects Interactions, got {type(train).__name__}; make them with "
                "Interactions.from_frame(df) or pass dataset.interactions"
            )
        if len(train) == 0:
            raise ValueError("fit needs at least one interaction, got none")
        if "random_state" in self._param_names():
            _check_random_state(self.random_state)
        self._check()
        for name in [n for n in vars(self) if n.endswith("_")]:
            delattr(self, name)
        self.train_ = train
        self.n_users_, self.n_items_ = train.shape
        self.history_ = []
        self._started = time.perf_counter()
        try:
            self._fit(train, callback)
        except Exception:
            del self.train_
            raise
        return self

    def _check(self) -> None:
        pass

    def _fit(self, train: Interactions, callback: Callable | None) -> None:
        raise NotImplementedError

    def _end_epoch(self, callback: Callable | None, loss: float, **logs) -> bool:
        """Record an epoch, check its loss, ask the callback; True means stop."""
        epoch = len(self.history_) + 1
        seconds = time.perf_counter() - self._started
        logs = {"epoch": epoch, "loss": float(loss), "seconds": seconds, **logs}
        self.history_.append(logs)
        if not np.isfinite(loss):
            raise FitDiverged(
                f"{type(self).__name__}: the loss is {loss} after epoch {epoch}. Try a "
                "smaller learning_rate, more regularisation or a smaller initial scale"
            )
        stop = callback(self, epoch, logs) if callback is not None else False
        return isinstance(stop, (bool, np.bool_)) and bool(stop)

    # -- answers ------------------------------------------------------------------

    def score(self, users) -> np.ndarray:
        """Scores of all items for each of ``users``.

        Parameters
        ----------
        users : (B,) int array

        Returns
        -------
        (B, n_items) float array, finite

        Raises
        ------
        NotFittedError, IndexError, ValueError
        """
        self._check_fitted()
        users = _check_index("users", users, self.n_users_)
        return self._check_scores(self._score_users(users), len(users))

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def recommend(self, users, k: int = 10, *, exclude="seen") -> TopK:
        """The ``k`` best items of each user.

        Parameters
        ----------
        users : (B,) int array
        k : int
        exclude : "seen", None or csr_array (n_users, n_items)
            Items to leave out: those of the training data, none, or the stored entries
            of the given matrix.

        Returns
        -------
        TopK
            Higher score first, then lower index; padded with -1 and -inf.
        """
        scores = self.score(users)
        excluded = self.excluded(exclude)
        if excluded is not None:
            scores = mask_items(scores, excluded[np.asarray(users, dtype=np.int64)])
        return top_k(scores, k)

    def excluded(self, exclude) -> csr_array | None:
        """The matrix of items that ``recommend(..., exclude=exclude)`` leaves out."""
        if exclude is None:
            return None
        if isinstance(exclude, str):
            if exclude == "seen":
                return self.train_.csr
            raise ValueError(
                f"exclude must be 'seen', None or a matrix, got {exclude!r}"
            )
        if not issparse(exclude):
            raise TypeError(f"exclude must be sparse, got {type(exclude).__name__}")
        if exclude.shape != (self.n_users_, self.n_items_):
            raise ValueError(
                f"exclude has shape {exclude.shape}, expected "
                f"{(self.n_users_, self.n_items_)}"
            )
        return csr_array(exclude)

    def predict(self, users, items, *, time=None) -> np.ndarray:
        """Predicted ratings of the pairs ``(users[n], items[n])``, not clipped.

        ``time`` (n,) int, in seconds: when each rating was given, for a model that can
        use it. It is known only after the rating, so a score that used it must say so.

        Raises ``NotImplementedError`` for a model that ranks without predicting
        ratings, ``ValueError`` for a ``time`` that a model without ``uses_time`` gets.
        """
        users, items, time = self._check_pairs(users, items, time)
        if time is None:
            return self._predict(users, items)
        return self._predict_at(users, items, time)

    def _check_pairs(self, users, items, time):
        """The arguments of :meth:`predict` as arrays, ``time`` None or one per pair."""
        self._check_fitted()
        users = _check_index("users", users, self.n_users_)
        items = _check_index("items", items, self.n_items_)
        if users.shape != items.shape:
            raise ValueError(f"got {len(users)} users but {len(items)} items")
        if time is None:
            return users, items, None
        time = np.asarray(time)
        if time.shape != users.shape or not np.issubdtype(time.dtype, np.integer):
            raise ValueError(
                f"time must hold {len(users)} whole seconds, got {time.dtype} of shape "
                f"{time.shape}"
            )
        if not self.uses_time:
            raise ValueError(
                f"{type(self).__name__} with these parameters does not use the time of "
                "a rating: leave out time"
            )
        return users, items, time

    def _predict(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        raise NotImplementedError(
            f"{type(self).__name__} ranks items and does not predict ratings; "
            "use score or recommend"
        )

    def score_history(self, X) -> np.ndarray:
        """Scores for users who were not in the training data.

        Parameters
        ----------
        X : (B, n_items) csr_array or array
            One row of ratings per user; a missing entry (or 0 in a dense array) means
            "not rated".

        Returns
        -------
        (B, n_items) float array, finite
        """
        self._check_fitted()
        X = csr_array(X)
        if X.ndim != 2 or X.shape[1] != self.n_items_:
            raise ValueError(f"X has shape {X.shape}, expected (B, {self.n_items_})")
        if not np.isfinite(X.data).all():
            raise ValueError("X holds NaN or infinite values")
        return self._check_scores(self._score_history(X), X.shape[0])

    def _score_history(self, X: csr_array) -> np.ndarray:
        raise NotImplementedError(
            f"{type(self).__name__} cannot score users it was not trained on"
        )

    # -- checks -------------------------------------------------------------------

    def _check_fitted(self) -> None:
        if "train_" not in vars(self):
            raise NotFittedError(
                f"this {type(self).__name__} is not fitted yet; call fit(train) first"
            )

    def _check_scores(self, scores, n_rows) -> np.ndarray:
        expected = (n_rows, self.n_items_)
        if scores.shape != expected:
            raise RuntimeError(
                f"{type(self).__name__} returned scores of shape {scores.shape}, "
                f"expected {expected}"
            )
        if not np.isfinite(scores).all():
            raise RuntimeError(f"{type(self).__name__} returned scores not finite")
        return scores


def _check_index(name: str, index, n: int) -> np.ndarray:
    array = np.asarray(index)
    if array.size == 0 and array.ndim == 1:
        return array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(
            f"{name} must be a 1-D array of integers, got shape {array.shape} and "
            f"dtype {array.dtype}; for one index write [{index!r}]"
            if array.ndim == 0
            else f"{name} must be a 1-D array of integers, got shape {array.shape} and "
            f"dtype {array.dtype}"
        )
    bad = (array < 0) | (array >= n)
    if bad.any():
        raise IndexError(
            f"{name}: index {int(array[np.argmax(bad)])} is out of range for "
            f"0..{n - 1}; turn ids into indices with train.{name[:-1]}_index(ids)"
        )
    return array.astype(np.int64)


class EarlyStopping:
    """Callback that stops when a validation score has not improved for a while.

    Parameters
    ----------
    measure : callable
        ``measure(model) -> float``; larger is better (return ``-rmse`` for an error).
    patience : int
        Epochs without improvement before stopping.
    min_delta : float
        A gain must exceed this to count.

    Attributes
    ----------
    best, best_epoch : float, int
        Refit with ``n_epochs=best_epoch`` to get the model at its best.
    """

    def __init__(self, measure: Callable, *, patience: int = 3, min_delta: float = 0.0):
        check_number("patience", patience, low=1, whole=True)
        self.measure, self.patience, self.min_delta = measure, patience, min_delta
        self.best, self.best_epoch = -np.inf, 0

    def __call__(self, model, epoch, logs) -> bool:
        logs["valid"] = float(self.measure(model))
        if epoch == 1:  # the callback may serve a second fit
            self.best, self.best_epoch = -np.inf, 0
        if logs["valid"] > self.best + self.min_delta:
            self.best, self.best_epoch = logs["valid"], epoch
        return epoch - self.best_epoch >= self.patience


def progress(n_epochs: int, **options) -> Callable:
    """Callback that draws a tqdm bar over ``n_epochs`` epochs."""
    from tqdm.auto import tqdm

    bar = tqdm(total=n_epochs, unit="epoch", **options)

    def update(model, epoch, logs):
        bar.set_postfix(loss=f"{logs['loss']:.4f}")
        bar.update()
        if epoch >= n_epochs:
            bar.close()

    return update
