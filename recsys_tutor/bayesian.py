"""Factorization machines with a posterior instead of a point.

A rating is a row of features. With one-hot users and items the machine is matrix
factorization with biases; with the set of rated items among the user's features it is
SVD++; age, genre or day are more columns. The sampler is :mod:`recsys_tutor.gibbs`.

Chapter: 10 Bayesian factorization.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numba import prange
from scipy.sparse import csc_array, csr_array, eye_array, hstack, issparse
from scipy.special import ndtr, ndtri

from recsys_tutor.base import Recommender
from recsys_tutor.data import Dataset
from recsys_tutor.datasets import genre_matrix
from recsys_tutor.gibbs import (
    Block,
    HyperPrior,
    State,
    block_values,
    gibbs_sweep,
    log_ordinal,
    sample_cutpoints,
    sample_latent,
)
from recsys_tutor.kernels import check_squares, parallel
from recsys_tutor.parameters import Seed, param
from recsys_tutor.ranking import cosines

__all__ = ["BayesianFM", "side_features"]

DAY = 86_400  # seconds


def side_features(data: Dataset) -> dict[str, tuple[csr_array, ...]]:
    """MovieLens's age, sex, occupation, year and genres as 0/1 columns.

    Returns
    -------
    dict
        ``user_features``: ages in steps of five years, sexes, occupations;
        ``item_features``: years in steps of three, genres (each ``1/sqrt`` of the
        film's number of genres). To be passed on: ``BayesianFM(**side_features(d))``.
    """
    users, items = data.users, data.items
    genres = csr_array(genre_matrix(items)[0].astype(np.float64))
    size = np.maximum(genres.sum(axis=1), 1)
    return {
        "user_features": (
            _one_hot(users.age // 5),
            _one_hot(users.sex),
            _one_hot(users.occupation),
        ),
        "item_features": (
            _one_hot(items.year.fillna(0) // 3),
            csr_array(genres / np.sqrt(size)[:, None]),
        ),
    }


def _one_hot(column) -> csr_array:
    code, _ = pd.factorize(column, sort=True)
    places = np.arange(len(code)), code
    return csr_array((np.ones(len(code)), places), (len(code), code.max() + 1))


# -- the model -----------------------------------------------------------------------


class BayesianFM(Recommender):
    """Ratings by a factorization machine, averaged over draws from its posterior.

    Likelihood: ``r ~ N(r_hat, 1/alpha)``, or an ordered probit of the star levels. All
    parameters are drawn by :func:`~recsys_tutor.gibbs.gibbs_sweep`; a prediction is the
    mean over the sweeps after the burn-in. Nothing needs tuning but size and time.

    Attributes
    ----------
    user_draws_, item_draws_ : (n_draws, n_users or n_items, 1 + f) float32
        Per draw: what the row adds by itself, and its sum of factors.
    day_draws_ : (n_draws, n_days + 1, 1 + f) float32
        Last row: a day without ratings. Zeros without ``day``.
    w0_draws_, alpha_draws_ : (n_draws,)
    levels_ : (L,)
        The star levels that occur in training.
    cutpoint_draws_ : (n_draws, L + 1)
        From -inf to inf; ordinal likelihood only.

    Notes
    -----
    ``history_``: ``loss`` is minus the log-likelihood of the training ratings.
    Cost O(n_epochs · f · (n_blocks · n_ratings + nnz of the blocks)); memory 4 (1 + f)
    (n_users + n_items + n_days) bytes per draw. Sources: Salakhutdinov and Mnih (2008);
    Rendle (2012); Freudenthaler, Schmidt-Thieme and Rendle (2011); Rendle (2013) for
    the blocks. Chapter 10, eq-bayes-fm.
    """

    n_factors: int = param(16, "Length of the vectors.", low=1)
    n_epochs: int = param(500, "Sweeps.", low=1)
    burn_in: int = param(20, "Sweeps at the start that are thrown away.", low=0)
    implicit: bool = param(
        False,
        "Give a user the set of the items rated in training, each "
        "``1/sqrt(set size)``, and an item the set of its users.",
    )
    user_features: Sequence[csr_array] | None = param(
        None, "More columns for users, (n_users, p) each; a prior per matrix."
    )
    item_features: Sequence[csr_array] | None = param(
        None, "More columns for items, (n_items, p) each; a prior per matrix."
    )
    day: bool = param(
        False,
        "A block for the day (UTC) of the rating. ``predict(..., time=)`` takes the "
        "rating's own; without it, the average over the user's days in training.",
    )
    likelihood: Literal["gaussian", "ordinal"] = param(
        "gaussian", "Of a rating, given ``r_hat``."
    )
    init_scale: float = param(0.1, "Standard deviation of the factors' start.", above=0)
    random_state: Seed = param(0, "Draws the start and the sweeps.")

    def _check(self):
        if self.burn_in >= self.n_epochs:
            raise ValueError(
                f"burn_in must be less than n_epochs, or nothing is left; got "
                f"burn_in={self.burn_in}, n_epochs={self.n_epochs}"
            )

    # -- training ---------------------------------------------------------------------

    def _fit(self, train):
        check_squares("ratings", train.value)
        rng = np.random.default_rng(self.random_state)
        blocks = self._blocks(train)
        order = np.lexsort((train.item, train.user))  # neighbours in memory
        blocks = [b._replace(row=b.row[order]) for b in blocks]
        rating = train.value[order]
        gaussian = self.likelihood == "gaussian"
        prior = HyperPrior(center=float(rating.mean()) if gaussian else 0.0)
        state = self._start(blocks, rng, prior.center)
        self.levels_, level = np.unique(rating, return_inverse=True)
        self._allocate(blocks)
        y_hat = self._rule(blocks, state)
        if gaussian:
            state.e = rating - y_hat
        else:
            share = np.cumsum(np.bincount(level))[:-1] / len(level)
            cuts, step, moves = np.array([-np.inf, *ndtri(share), np.inf]), 0.01, 0
            y = y_hat
        for epoch in range(self.n_epochs):
            if not gaussian:
                cuts, moved = sample_cutpoints(rng, level, y_hat, cuts, step)
                moves += moved
                if epoch < self.burn_in and epoch % 10 == 9:  # aim at one move in four
                    step *= 1.5 if moves > 3 else 0.7 if moves < 2 else 1.0
                    moves = 0
                y = sample_latent(rng, level, y_hat, cuts)
                state.e = y - y_hat
            gibbs_sweep(blocks, state, rng, prior=prior, gaussian=gaussian)
            if gaussian:
                cost = np.log(2 * np.pi / state.alpha) * len(rating)
                loss = 0.5 * float(cost + state.alpha * (state.e @ state.e))
            else:
                y_hat = y - state.e
                loss = -log_ordinal(level, y_hat, cuts)
                self.cutpoint_draws_[max(epoch - self.burn_in, 0)] = cuts
            self._keep(max(epoch - self.burn_in, 0), blocks, state)
            if self._end_epoch(loss):
                break
        for name, values in list(vars(self).items()):  # if the callback stopped early
            if name.endswith("_draws_") and name != "n_draws_":
                setattr(self, name, values[: self.n_draws_])

    def _blocks(self, train):
        """The user's, the item's and, if asked for, the day's block."""
        X = train.binarize().csr
        blocks = []
        for name, row, mask in (
            ("user_features", train.user, X),
            ("item_features", train.item, X.T.tocsr()),
        ):
            parts = [eye_array(mask.shape[0])]
            if self.implicit:
                size = np.maximum(np.diff(mask.indptr), 1)
                parts.append(mask / np.sqrt(size)[:, None])
            more = getattr(self, name)
            parts += [] if more is None else check_features(name, more, mask.shape[0])
            blocks.append(_block(row, parts))
        self.days_ = np.zeros(0, dtype=np.int64)
        if self.day:
            if train.time is None:
                raise ValueError("day=True needs the times of the ratings, got none")
            self.days_, row = np.unique(train.time // DAY, return_inverse=True)
            blocks.append(_block(row, [eye_array(len(self.days_))]))
            self.user_days_ = _mean_of_rows(train.user, row, train.n_users)
        return blocks

    def _start(self, blocks, rng, w0):
        shapes = [(1 + self.n_factors, b.X.shape[1]) for b in blocks]
        theta = [rng.normal(0, self.init_scale, shape) for shape in shapes]
        for values in theta:
            values[0] = 0.0
        hyper = [(1 + self.n_factors, b.group.max() + 1) for b in blocks]
        means, precisions = [np.zeros(x) for x in hyper], [np.ones(x) for x in hyper]
        return State(w0, 1.0, theta, means, precisions, np.zeros(len(blocks[0].row)))

    def _rule(self, blocks, state):
        """``r_hat`` of the training ratings."""
        out, total, squares = np.full(len(state.e), state.w0), 0.0, 0.0
        for block, theta in zip(blocks, state.theta, strict=True):
            a, Q = block_values(block.X, theta)
            out += a[block.row]
            total = total + Q[block.row]
            squares = squares + Q[block.row] ** 2
        return out + 0.5 * np.sum(total**2 - squares, axis=1)

    def _allocate(self, blocks):
        n, width = self.n_epochs - self.burn_in, 1 + self.n_factors
        shape = (n, self.n_users_, width), (n, self.n_items_, width)
        self.user_draws_, self.item_draws_ = (np.zeros(s, np.float32) for s in shape)
        self.day_draws_ = np.zeros((n, len(self.days_) + 1, width), np.float32)
        self.w0_draws_, self.alpha_draws_ = np.zeros(n), np.zeros(n)
        if self.likelihood == "ordinal":
            self.cutpoint_draws_ = np.zeros((n, len(self.levels_) + 1))
        self.n_draws_ = 0

    def _keep(self, draw, blocks, state):
        """Store the state; during the burn-in each one replaces the last."""
        stores = self.user_draws_, self.item_draws_, self.day_draws_
        for block, theta, store in zip(blocks, state.theta, stores, strict=False):
            a, Q = block_values(block.X, theta)
            store[draw, : len(a), 0], store[draw, : len(a), 1:] = a, Q
        if self.day:
            self.day_draws_[draw, -1] = state.mean[2][:, 0]
        self.w0_draws_[draw], self.alpha_draws_[draw] = state.w0, state.alpha
        self.n_draws_ = draw + 1

    def _kept(self):  # user_days_ has the users' own times
        rows = self.user_draws_, self.item_draws_, self.day_draws_, self.w0_draws_
        ordinal = self.likelihood == "ordinal"
        return (*rows, self.cutpoint_draws_, self.levels_) if ordinal else rows

    @property
    def uses_time(self):
        return bool(self.day)

    # -- answers ----------------------------------------------------------------------

    def draws(self, users, items, *, time=None) -> np.ndarray:
        """``r_hat`` of each pair in every kept sweep, (n_draws, n): no noise, no stars.

        ``time`` (n,) in seconds as in :meth:`.Recommender.predict`.
        """
        return np.array(list(self._each_draw(*self._check_pairs(users, items, time))))

    def _each_draw(self, users, items, time):
        """The rule for the pairs, a draw after the other.

        A day without training ratings takes the last row of the day's draws; without
        ``time`` the days are those of the users' own training ratings, averaged.
        """
        day = np.zeros(len(users), dtype=np.int64)
        if time is not None:
            wanted = np.asarray(time) // DAY
            day = np.searchsorted(self.days_, wanted)
            day[np.append(self.days_, -1)[day] != wanted] = len(self.days_)
        elif self.day:
            day = users
        for s in range(self.n_draws_):
            D = self.day_draws_[s]
            if self.day and time is None:
                D = self.user_days_ @ D
            rows = self.user_draws_[s], self.item_draws_[s], D
            yield self.w0_draws_[s] + _rule_of_rows(*rows, users, items, day)

    def _stars(self, users, items, time):
        total = np.zeros(len(users))
        for s, r_hat in enumerate(self._each_draw(users, items, time)):
            if self.likelihood == "ordinal":
                r_hat = _expected_level(r_hat, self.cutpoint_draws_[s], self.levels_)
            total += r_hat
        return total / self.n_draws_

    def _predict(self, users, items):
        return self._stars(users, items, None)

    def _predict_at(self, users, items, time):
        return self._stars(users, items, time)

    def _score_users(self, users):
        pairs = (
            np.repeat(users, self.n_items_),
            np.tile(np.arange(self.n_items_), len(users)),
        )
        return self._predict(*pairs).reshape(len(users), self.n_items_)

    def _similarities(self, items):
        """Cosines averaged over the draws: factors of two draws may be rotated."""
        draws = self.item_draws_[: self.n_draws_, :, 1:]
        return sum(cosines(V, items) for V in draws) / self.n_draws_

    def level_probabilities(self, users, items, *, time=None) -> np.ndarray:
        """Probability of each star level, (n, L); ordinal likelihood only."""
        pairs = self._check_pairs(users, items, time)
        if self.likelihood != "ordinal":
            raise ValueError(
                "level_probabilities needs likelihood='ordinal', got "
                f"{self.likelihood!r}"
            )
        total = np.zeros((len(users), len(self.levels_)))
        for s, r_hat in enumerate(self._each_draw(*pairs)):
            total += np.diff(ndtr(self.cutpoint_draws_[s] - r_hat[:, None]), axis=1)
        return total / self.n_draws_


def check_features(name, matrices, n_rows):
    """The list of the given matrices, or ValueError."""
    if not isinstance(matrices, (tuple, list)):
        raise ValueError(
            f"{name} must be a tuple or list of sparse matrices, got "
            f"{type(matrices).__name__}; write ({name},) for a single one"
        )
    for F in matrices:
        shape = getattr(F, "shape", type(F).__name__)
        if not issparse(F) or F.ndim != 2 or F.shape[0] != n_rows or not F.shape[1]:
            raise ValueError(
                f"{name} must hold sparse matrices with {n_rows} rows and some "
                f"columns, got {shape}"
            )
        if not np.isfinite(F.sum()):
            raise ValueError(f"{name} holds NaN or infinite values")
    return list(matrices)


def _block(row, parts):
    group = np.repeat(np.arange(len(parts)), [part.shape[1] for part in parts])
    return Block(row, csc_array(hstack(parts), dtype=np.float64), group)


def _mean_of_rows(user, day, n_users):
    """(n_users, n_days + 1): averages over a user's ratings; last column if none."""
    count = np.bincount(user, minlength=n_users)
    cold = np.flatnonzero(count == 0)
    n_days = int(day.max()) + 1
    rows, columns = np.append(user, cold), np.append(day, np.full(len(cold), n_days))
    values = 1 / np.maximum(count, 1)[rows]
    return csr_array((values, (rows, columns)), shape=(n_users, n_days + 1))


@parallel
def _rule_of_rows(U, V, D, user, item, day):
    """``a_u + a_i + a_d + q_u · q_i + q_u · q_d + q_i · q_d`` for each pair."""
    out = np.empty(len(user))
    for n in prange(len(user)):
        u, i, d = U[user[n]], V[item[n]], D[day[n]]
        total = np.float64(u[0] + i[0] + d[0])
        for f in range(1, len(u)):
            total += u[f] * i[f] + (u[f] + i[f]) * d[f]
        out[n] = total
    return out


def _expected_level(r_hat, cutpoints, levels):
    """``sum over levels of level · P(level)``, by the gaps between levels."""
    out = np.full(len(r_hat), float(levels[0]))
    for cut, gap in zip(cutpoints[1:-1], np.diff(levels), strict=True):
        out += gap * ndtr(r_hat - cut)
    return out
