"""The one contract: every model of the book is a :class:`Recommender`.

A model writes two methods, ``_fit`` and ``_score_users``. Everything a reader calls,
``fit``, ``score``, ``recommend``, ``predict``, exists once, here: checks, masking of
seen items, ranking and padding are the same for all.

Chapters: 02 Evaluation (ranking and ties), 03 Baselines (the first three models).
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, dataclass_transform

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from recsys_tutor.checks import (
    check_exclude,
    check_history,
    check_index,
    check_number,
    check_random_state,
)
from recsys_tutor.data import Interactions
from recsys_tutor.parameters import check_declared, declare, param
from recsys_tutor.ranking import (
    TopK,
    batches,
    cosines,
    rank,
    top_k,
)
from recsys_tutor.saving import read_model, write_model

__all__ = [
    "FitDiverged",
    "NotFittedError",
    "Recommender",
]


class NotFittedError(RuntimeError):
    """The model was asked for an answer before ``fit``."""


class FitDiverged(RuntimeError):
    """Training produced a loss that is not finite."""


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(param,))
class Recommender:
    """Base of all models.

    A subclass declares its arguments (:func:`~recsys_tutor.parameters.param`), all of
    them keyword-only and stored untouched, and writes

    ``_fit(self, train)``
        Learn from ``train``; learned attributes end in ``_``. A model that learns in
        epochs calls ``self._end_epoch(loss)`` after each and stops when it says so.
    ``_score_users(self, users) -> (B, n_items) float``
        Scores of all items; finite for every user, also one without training rows.

    and, where the model can,

    ``_check(self)``
        What the declarations cannot say of the arguments; called by ``fit``.
    ``_predict(self, users, items) -> (n,) float``
        Ratings of single pairs.
    ``_predict_at(self, users, items, time) -> (n,) float``
        The same for a model with ``uses_time``: ratings given at ``time``.
    ``_score_history(self, X) -> (B, n_items) float``
        Scores for users known only by their rows of a rating matrix.
    ``_item_vectors(self) -> (n_items, d)``
        What :meth:`similar_items` compares, by the cosine.
    ``_similarities(self, items) -> (B, n_items) float``
        The similarities themselves, in a model with weights from item to item.
    ``_explain(self, user, item) -> (items, contributions, rest)``
        The score as ``rest`` plus one contribution per item of the user.
    ``_data_attributes``
        Names of the learned attributes that hold the users' own rows.

    Attributes
    ----------
    train_ : Interactions
        What the model was fitted to.
    n_users_, n_items_ : int
    history_ : list of dict
        One entry per epoch: ``epoch`` (from 1), ``loss`` (the stated objective),
        ``seconds`` since the start of the fit, and whatever the model adds.
    """

    #: Learned attributes that hold the users' own rows: data, not parameters.
    _data_attributes: ClassVar[tuple[str, ...]] = ()

    # -- constructor arguments ----------------------------------------------------

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        declare(cls)

    @classmethod
    def _param_names(cls) -> list[str]:
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        keyword_only = inspect.Parameter.KEYWORD_ONLY
        return [p.name for p in parameters if p.kind is keyword_only]

    def get_params(self) -> dict[str, Any]:
        """The constructor's arguments, by name."""
        return {name: getattr(self, name) for name in self._param_names()}

    def clone(self, **changes: Any) -> Self:
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

        Notes
        -----
        A fit that ends by an exception, ``KeyboardInterrupt`` too, leaves an unfitted
        model: nothing learned is left of it but ``history_``, which says how far it
        came.
        """
        if not isinstance(train, Interactions):
            raise TypeError(
                f"fit expects Interactions, got {type(train).__name__}; make them with "
                "Interactions.from_frame(df) or pass dataset.interactions"
            )
        if len(train) == 0:
            raise ValueError("fit needs at least one interaction, got none")
        check_declared(self)
        given = self.get_params()
        if "random_state" in given:
            check_random_state(given["random_state"])
        self._check()
        self._forget()
        self.train_ = train
        self.n_users_, self.n_items_ = train.shape
        self.history_: list[dict[str, Any]] = []
        self._started, self._callback = time.perf_counter(), callback
        try:
            self._fit(train)
        except BaseException:
            self._forget(but=("history_",))
            raise
        del self._started, self._callback
        return self

    def _forget(self, but: Collection[str] = ()) -> None:
        """Delete what was learned: names that begin or end with an underscore."""
        arguments = {*self._param_names(), *but}
        for name in set(vars(self)) - arguments:
            if name.endswith("_") or name.startswith("_"):
                delattr(self, name)

    def _check(self) -> None:
        pass

    def _fit(self, train: Interactions) -> None:
        raise NotImplementedError

    def _end_epoch(self, loss: float, **logs: Any) -> bool:
        """Record an epoch, check its loss, ask the callback; True means stop."""
        epoch = len(self.history_) + 1
        seconds = time.perf_counter() - self._started
        logs = {"epoch": epoch, "loss": float(loss), "seconds": seconds, **logs}
        self.history_.append(logs)
        if not np.isfinite(loss):
            raise FitDiverged(
                f"{type(self).__name__}: the loss is {loss} after epoch {epoch}. Try "
                + self._remedies()
            )
        callback = self._callback
        stop = callback(self, epoch, logs) if callback is not None else False
        return isinstance(stop, (bool, np.bool_)) and bool(stop)

    def _remedies(self) -> str:
        """What may help against an overflow, in this model's own parameters."""
        known = self._param_names()
        tries = [
            f"{change} {name}"
            for change, names in (
                ("a smaller", ("learning_rate", "init_scale")),
                ("a larger", ("reg", "weight_decay")),
            )
            for name in names
            if name in known
        ]
        largest = np.abs(self.train_.value).max()
        if largest > 1e6 or not tries:
            tries.insert(0, f"values closer to 1 (the largest is {largest:.3g})")
        return " or ".join(tries)

    # -- answers ------------------------------------------------------------------

    def score(self, users: ArrayLike) -> np.ndarray:
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
        users = check_index("users", users, self.n_users_)
        return self._check_scores(self._score_users(users), len(users))

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def recommend(
        self,
        users: ArrayLike,
        k: int = 10,
        *,
        exclude: str | csr_array | None = "seen",
        items: ArrayLike | None = None,
    ) -> TopK:
        """The ``k`` best items of each user.

        Parameters
        ----------
        users : (B,) int array
        k : int
        exclude : "seen", None or csr_array (n_users, n_items)
            Items to leave out: those of the training data, none, or the stored entries
            of the given matrix.
        items : (n,) int array, optional
            Rank these items only; default: all. The order does not matter.

        Returns
        -------
        TopK
            Higher score first, then lower index; padded with -1 and -inf.

        Notes
        -----
        Users are scored in parts of 64 MB, so that all of them can be asked for at
        once: memory O(B · k) beyond one part.
        """
        self._check_fitted()
        users = check_index("users", users, self.n_users_)
        excluded, items = self.excluded(exclude), self._check_items(items)

        def ranked(part: slice) -> TopK:
            rows = None if excluded is None else excluded[users[part]]
            return rank(self.score(users[part]), rows, items, k)

        return self._in_parts(ranked, len(users))

    def recommend_history(
        self,
        X: csr_array | ArrayLike,
        k: int = 10,
        *,
        exclude: str | csr_array | None = "seen",
        items: ArrayLike | None = None,
    ) -> TopK:
        """The ``k`` best items for users who were not in the training data.

        Parameters
        ----------
        X : (B, n_items) csr_array or array
            Their rows, as :meth:`score_history` takes them.
        k, items : as in :meth:`recommend`
        exclude : "seen", None or csr_array (B, n_items)
            Items to leave out: the stored entries of ``X``, none, or those of the given
            matrix.
        """
        self._check_fitted()
        X, items = check_history(X, self.n_items_), self._check_items(items)
        seen = X if isinstance(exclude, str) else exclude
        excluded = check_exclude(exclude, seen, X.shape)

        def ranked(part: slice) -> TopK:
            rows = None if excluded is None else excluded[part]
            return rank(self.score_history(X[part]), rows, items, k)

        return self._in_parts(ranked, X.shape[0])

    def recommend_ids(
        self,
        ids: Any,
        k: int = 10,
        *,
        exclude: str | csr_array | None = "seen",
        items: Any = None,
        titles: Sequence | np.ndarray | pd.Series | None = None,
    ) -> pd.DataFrame:
        """Ids in, ids out: the lists of :meth:`recommend` as a table.

        Parameters
        ----------
        ids : sequence of user ids
        k, exclude : as in :meth:`recommend`
        items : sequence of item ids, optional
            Rank these items only.
        titles : (n_items,) sequence, optional
            A title per item index, such as ``data.items.title``; adds a column.

        Returns
        -------
        DataFrame
            A row per recommendation: ``user``, ``item`` (ids), ``title`` if given,
            ``rank`` (from 1), ``score``. A list shorter than ``k`` has fewer rows.

        Raises
        ------
        KeyError
            The training data hold no such user or item.
        """
        self._check_fitted()
        if titles is not None and len(titles) != self.n_items_:
            raise ValueError(
                f"titles must name all {self.n_items_} items in the order of their "
                f"indices, got {len(titles)}"
            )
        users = self.train_.user_index(ids)
        chosen = None if items is None else self.train_.item_index(items)
        lists = self.recommend(users, k, exclude=exclude, items=chosen)
        row, place = np.nonzero(lists.items >= 0)
        item = lists.items[row, place]
        columns = {
            "user": self.train_.user_ids[users[row]],
            "item": self.train_.item_ids[item],
            "title": None if titles is None else np.asarray(titles, object)[item],
            "rank": place + 1,
            "score": lists.scores[row, place],
        }
        return pd.DataFrame({n: c for n, c in columns.items() if c is not None})

    def similar_items(self, items: ArrayLike, k: int = 10) -> TopK:
        """The ``k`` items nearest to each of ``items``, itself left out.

        In a model with a vector per item, nearness is the cosine of the vectors; in one
        with weights from item to item, the weight that having the item gives to each
        other one. The training data do not matter beyond that: ties go to the lower
        index, items without data come last.

        Raises ``NotImplementedError`` for a model that has neither.
        """
        self._check_fitted()
        items = check_index("items", items, self.n_items_)

        def nearest(part: slice) -> TopK:
            scores = self._check_scores(
                np.array(self._similarities(items[part])), len(items[part])
            )
            scores[np.arange(len(scores)), items[part]] = -np.inf
            return top_k(scores, k)

        return self._in_parts(nearest, len(items))

    def _similarities(self, items: np.ndarray) -> np.ndarray:
        return cosines(self._item_vectors(), items)

    def _item_vectors(self) -> np.ndarray | csr_array:
        raise NotImplementedError(
            f"{type(self).__name__} has no vectors or weights of items to compare"
        )

    def explain(self, user: int, item: int, k: int = 3) -> pd.DataFrame:
        """Which items of the user gave ``item`` its score.

        For a model whose score is a sum over the user's items: the sum of all
        contributions and ``attrs["rest"]`` (what the model adds whoever asks, such as a
        mean) *is* the score.

        Parameters
        ----------
        user, item : int
            Indices.
        k : int
            Contributions to show.

        Returns
        -------
        DataFrame
            ``item`` (index), ``contribution``, the largest first, then the lower index.
            ``attrs``: ``score`` and ``rest``.

        Raises ``NotImplementedError`` for a model whose score is no such sum.
        """
        self._check_fitted()
        check_number("k", k, low=1, whole=True)
        u = int(check_index("users", [user], self.n_users_)[0])
        i = int(check_index("items", [item], self.n_items_)[0])
        items, contributions, rest = self._explain(u, i)
        order = np.lexsort((items, -contributions))[:k]
        columns = {"item": items[order], "contribution": contributions[order]}
        frame = pd.DataFrame(columns)
        score = float(rest + contributions.sum())
        frame.attrs = {"score": score, "rest": float(rest)}
        return frame

    def _explain(self, user: int, item: int) -> tuple[np.ndarray, np.ndarray, float]:
        raise NotImplementedError(
            f"the score of {type(self).__name__} is no sum over the user's items"
        )

    def _in_parts(self, ranked: Callable[[slice], TopK], n_rows: int) -> TopK:
        """The lists of all parts under each other; an empty question is answered too"""
        parts = list(batches(n_rows, self.n_items_)) or [slice(0, 0)]
        lists = [ranked(part) for part in parts]
        return TopK(*(np.concatenate(arrays) for arrays in zip(*lists, strict=True)))

    def excluded(self, exclude: str | csr_array | None) -> csr_array | None:
        """The matrix of items that ``recommend(..., exclude=exclude)`` leaves out."""
        seen = self.train_.csr if isinstance(exclude, str) else exclude
        return check_exclude(exclude, seen, (self.n_users_, self.n_items_))

    def predict(
        self, users: ArrayLike, items: ArrayLike, *, time: ArrayLike | None = None
    ) -> np.ndarray:
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

    @property
    def uses_time(self) -> bool:
        """Whether :meth:`predict` accepts the times of the ratings."""
        return False

    def _check_pairs(
        self, users: ArrayLike, items: ArrayLike, time: ArrayLike | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """The arguments of :meth:`predict` as arrays, ``time`` None or one per pair."""
        self._check_fitted()
        users = check_index("users", users, self.n_users_)
        items = check_index("items", items, self.n_items_)
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

    def _predict_at(
        self, users: np.ndarray, items: np.ndarray, time: np.ndarray
    ) -> np.ndarray:
        raise NotImplementedError

    def _predict_from_scores(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """The scores of the pairs, for a ``_predict`` that has no shorter way.

        The users asked for are scored in parts of 64 MB, each user once.
        """
        result = np.empty(len(users))
        asked, row = np.unique(users, return_inverse=True)
        for part in batches(len(asked), self.n_items_):
            scores = self._score_users(asked[part])
            here = np.flatnonzero((row >= part.start) & (row < part.stop))
            result[here] = scores[row[here] - part.start, items[here]]
        return result

    def score_history(self, X: csr_array | ArrayLike) -> np.ndarray:
        """Scores for users who were not in the training data.

        Parameters
        ----------
        X : (B, n_items) csr_array or array
            One row of ratings per user; a missing entry (or 0 in a dense array) means
            "not rated". Not changed.

        Returns
        -------
        (B, n_items) float array, finite

        Raises
        ------
        ValueError
            ``X`` has another number of columns, is no matrix of finite numbers, or has
            an item twice in a row.
        """
        self._check_fitted()
        X = check_history(X, self.n_items_)
        return self._check_scores(self._score_history(X), X.shape[0])

    def _score_history(self, X: csr_array) -> np.ndarray:
        raise NotImplementedError(
            f"{type(self).__name__} cannot score users it was not trained on"
        )

    # -- keeping ------------------------------------------------------------------

    def _kept(self) -> Sequence:
        """What was learned, the users' own rows left out: a model's parameters."""
        names = {"train_", "history_", "n_users_", "n_items_", *self._data_attributes}
        return [
            value
            for name, value in vars(self).items()
            if name.endswith("_") and name not in names
        ]

    def save(self, path: str | Path) -> None:
        """Write the fitted model, its training data included, to one file.

        The first line names the class, its parameters and the package's version; the
        rest is a pickle. Never half-written: :func:`~recsys_tutor.files.write_whole`.

        Raises
        ------
        NotFittedError
        ValueError
            An attribute of the model cannot be pickled.
        """
        self._check_fitted()
        write_model(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The model that :meth:`save` wrote.

        Call it on the class that was saved or on :class:`Recommender`. Load files that
        you trust only: a pickle can run any code.

        Raises
        ------
        FileNotFoundError
        ValueError
            The file is no saved model, is damaged, or comes from another version of the
            package or of the model's parameters.
        TypeError
            The file holds a model of another class.
        """
        return read_model(path, cls)

    # -- checks -------------------------------------------------------------------

    def _check_items(self, items: ArrayLike | None) -> np.ndarray | None:
        """Candidates as distinct indices in ascending order; None means all."""
        if items is None:
            return None
        return np.unique(check_index("items", items, self.n_items_))

    def _check_fitted(self) -> None:
        if "train_" not in vars(self):
            raise NotFittedError(
                f"this {type(self).__name__} is not fitted yet; call fit(train) first"
            )

    def _check_scores(self, scores: np.ndarray, n_rows: int) -> np.ndarray:
        expected = (n_rows, self.n_items_)
        if scores.shape != expected:
            raise RuntimeError(
                f"{type(self).__name__} returned scores of shape {scores.shape}, "
                f"expected {expected}"
            )
        if not np.isfinite(scores).all():
            raise RuntimeError(f"{type(self).__name__} returned scores not finite")
        return scores
