"""Factorization machines with a posterior instead of a point.

A rating is a row of features. With one-hot users and items the machine is matrix
factorization with biases; with the set of rated items among the user's features it is
SVD++; age, genre or day are more columns. The sampler is :mod:`recsys_tutor.gibbs`.

Chapter: 10 Bayesian factorization.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import prange
from numpy.typing import ArrayLike
from scipy.sparse import csc_array, csr_array, eye_array, hstack
from scipy.special import ndtr, ndtri

from recsys_tutor.base import Recommender
from recsys_tutor.checks import check_feature_fields, check_squares
from recsys_tutor.data import Interactions
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
from recsys_tutor.kernels import parallel
from recsys_tutor.parameters import Seed, param
from recsys_tutor.ranking import cosines

__all__ = ["BayesianFM", "Gaussian", "OrdinalProbit", "PosteriorDraws"]

DAY = 86_400  # seconds


# -- likelihoods ---------------------------------------------------------------------


class Gaussian:
    """``r ~ N(r_hat, 1/alpha)``: the sweep sees the ratings themselves."""

    gaussian, n_cutpoints, cutpoints = True, 0, None

    def __init__(self, rating: np.ndarray) -> None:
        self.rating, self.center = rating, float(rating.mean())

    def start(self, state: State, y_hat: np.ndarray) -> None:
        state.e = self.rating - y_hat

    def augment(self, state: State, rng: np.random.Generator, *, adapt: bool) -> None:
        """Nothing to draw: every value is observed."""

    def loss(self, state: State) -> float:
        """Minus the log-likelihood of the ratings."""
        cost = np.log(2 * np.pi / state.alpha) * len(self.rating)
        return 0.5 * float(cost + state.alpha * (state.e @ state.e))


class OrdinalProbit:
    """A level is where a latent ``y ~ N(r_hat, 1)`` falls between cutpoints.

    Given the latent values a cutpoint is uniform between the largest of its level and
    the smallest of the next (Albert and Chib, 1993): with many ratings that gap is so
    narrow that draws from it hardly move. So the latent values are integrated out
    (Cowles, 1996): before each sweep a Metropolis step moves the cutpoints, then the
    latent values are drawn anew; the sweep sees those. While it may ``adapt`` (in the
    burn-in), the step is made larger or smaller every ten times, so that about one move
    in four is taken.
    """

    gaussian, center = False, 0.0

    def __init__(self, rating: np.ndarray) -> None:
        _, self.level = np.unique(rating, return_inverse=True)
        share = np.cumsum(np.bincount(self.level))[:-1] / len(self.level)
        self.cutpoints = np.array([-np.inf, *ndtri(share), np.inf])
        self.n_cutpoints = len(self.cutpoints)
        self.step, self.steps, self.moves = 0.01, 0, 0

    def start(self, state: State, y_hat: np.ndarray) -> None:
        self.y, state.e = y_hat, np.zeros(len(y_hat))

    def augment(self, state: State, rng: np.random.Generator, *, adapt: bool) -> None:
        """Draw cutpoints and latent values given the rule; ``state.e`` follows."""
        y_hat = self.y - state.e
        self.cutpoints, moved = sample_cutpoints(
            rng, self.level, y_hat, self.cutpoints, self.step
        )
        self.steps, self.moves = self.steps + 1, self.moves + moved
        if adapt and self.steps % 10 == 0:
            self.step *= 1.5 if self.moves > 3 else 0.7 if self.moves < 2 else 1.0
            self.moves = 0
        self.y = sample_latent(rng, self.level, y_hat, self.cutpoints)
        state.e = self.y - y_hat

    def loss(self, state: State) -> float:
        """Minus the log-likelihood of the levels, latent values integrated out."""
        return -log_ordinal(self.level, self.y - state.e, self.cutpoints)


LIKELIHOODS: dict[str, type[Gaussian] | type[OrdinalProbit]] = {
    "gaussian": Gaussian,
    "ordinal": OrdinalProbit,
}


# -- draws ---------------------------------------------------------------------------


@dataclass
class PosteriorDraws:
    """The kept draws of a :class:`BayesianFM`, one after the other.

    Attributes
    ----------
    user, item : (n, n_users or n_items, 1 + f) float32
        What the row adds by itself, and its sum of factors.
    day : (n, n_days + 1, 1 + f) float32
        The same; last row: a day without ratings. Zeros in a model without days.
    w0, alpha : (n,) float64
    cutpoints : (n, L + 1) float64 or None
        From -inf to inf; None in a model without levels.
    n : int
        How many there are; during a fit the arrays are longer.
    """

    user: np.ndarray
    item: np.ndarray
    day: np.ndarray
    w0: np.ndarray
    alpha: np.ndarray
    cutpoints: np.ndarray | None
    n: int = 0

    def keep(
        self,
        draw: int,
        blocks: Sequence[Block],
        state: State,
        cutpoints: np.ndarray | None,
    ) -> None:
        """Store the state in place ``draw``, the last one so far."""
        stores = self.user, self.item, self.day
        for block, theta, store in zip(blocks, state.theta, stores, strict=False):
            a, Q = block_values(block.X, theta)
            store[draw, : len(a), 0], store[draw, : len(a), 1:] = a, Q
        if len(blocks) == 3:  # an unknown day is what the days' prior expects
            self.day[draw, -1] = state.mean[2][:, 0]
        self.w0[draw], self.alpha[draw] = state.w0, state.alpha
        if self.cutpoints is not None:
            self.cutpoints[draw] = cutpoints
        self.n = draw + 1

    def cut(self) -> None:
        """Drop the places that no draw was stored in."""
        for name in ("user", "item", "day", "w0", "alpha", "cutpoints"):
            array = getattr(self, name)
            setattr(self, name, None if array is None else array[: self.n])


# -- the model -----------------------------------------------------------------------


class BayesianFM(Recommender):
    """Ratings by a factorization machine, averaged over draws from its posterior.

    Likelihood: ``r ~ N(r_hat, 1/alpha)``, or an ordered probit of the star levels. All
    parameters are drawn by :func:`~recsys_tutor.gibbs.gibbs_sweep`; a prediction is the
    mean over the sweeps after the burn-in. Nothing needs tuning but size and time.

    Attributes
    ----------
    draws_ : PosteriorDraws
        What is kept of the sweeps after the burn-in.
    levels_ : (L,)
        The star levels that occur in training.
    days_ : (n_days,) int64
        Days with ratings, counted from 1970; empty without ``day``.

    Notes
    -----
    ``history_``: ``loss`` is minus the log-likelihood of the training ratings.
    Cost O(n_epochs · f · (n_blocks · n_ratings + nnz of the blocks)); memory 4 (1 + f)
    (n_users + n_items + n_days) bytes per draw. Sources: Salakhutdinov and Mnih (2008);
    Rendle (2012); Freudenthaler, Schmidt-Thieme and Rendle (2011); Rendle (2013) for
    the blocks. Chapter 10, eq-bayes-fm.
    """

    n_factors: int = param("Length of the vectors.", default=16, low=1)
    n_epochs: int = param("Sweeps.", default=500, low=1)
    burn_in: int = param(
        "Sweeps at the start that are thrown away.", default=150, low=0
    )
    implicit: bool = param(
        "Give a user the set of the items rated in training, each "
        "``1/sqrt(set size)``, and an item the set of its users.",
        default=False,
    )
    user_features: Sequence[csr_array] | None = param(
        "More columns for users, (n_users, p) each; a prior per matrix.", default=None
    )
    item_features: Sequence[csr_array] | None = param(
        "More columns for items, (n_items, p) each; a prior per matrix.", default=None
    )
    day: bool = param(
        "A block for the day (UTC) of the rating. ``predict(..., time=)`` takes the "
        "rating's own; without it, the average over the user's days in training.",
        default=False,
    )
    likelihood: Literal["gaussian", "ordinal"] = param(
        "Of a rating, given ``r_hat``.", default="gaussian"
    )
    init_scale: float = param(
        "Standard deviation of the factors' start.", default=0.1, above=0
    )
    random_state: Seed = param("Draws the start and the sweeps.", default=0)

    def _check(self) -> None:
        if self.burn_in >= self.n_epochs:
            raise ValueError(
                f"burn_in must be less than n_epochs, or nothing is left; got "
                f"burn_in={self.burn_in}, n_epochs={self.n_epochs}"
            )

    # -- training ---------------------------------------------------------------------

    def _fit(self, train: Interactions) -> None:
        check_squares("ratings", train.value)
        rng = np.random.default_rng(self.random_state)
        order = np.lexsort((train.item, train.user))  # neighbours in memory
        blocks = [b._replace(row=b.row[order]) for b in self._blocks(train)]
        rating = train.value[order]
        self.levels_ = np.unique(rating)
        likelihood = LIKELIHOODS[self.likelihood](rating)
        state = self._initial_state(blocks, rng, likelihood.center)
        likelihood.start(state, _rule_of_blocks(blocks, state))
        self.draws_ = self._empty_draws(likelihood.n_cutpoints)
        for epoch in range(self.n_epochs):
            likelihood.augment(state, rng, adapt=epoch < self.burn_in)
            gibbs_sweep(
                blocks,
                state,
                rng,
                prior=HyperPrior(center=likelihood.center),
                gaussian=likelihood.gaussian,
            )
            draw = max(epoch - self.burn_in, 0)  # of the burn-in only the last is kept
            self.draws_.keep(draw, blocks, state, likelihood.cutpoints)
            if self._end_epoch(likelihood.loss(state)):
                break
        self.draws_.cut()  # if the callback stopped early

    def _blocks(self, train: Interactions) -> list[Block]:
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
            if more is not None:
                parts += check_feature_fields(name, more, mask.shape[0])
            blocks.append(_block(row, parts))
        self.days_ = np.zeros(0, dtype=np.int64)
        if self.day:
            if train.time is None:
                raise ValueError("day=True needs the times of the ratings, got none")
            self.days_, row = np.unique(train.time // DAY, return_inverse=True)
            blocks.append(_block(row, [eye_array(len(self.days_))]))
            self.user_days_ = _mean_of_rows(train.user, row, train.n_users)
        return blocks

    def _initial_state(
        self, blocks: Sequence[Block], rng: np.random.Generator, w0: float
    ) -> State:
        shapes = [(1 + self.n_factors, b.X.shape[1]) for b in blocks]
        theta = [rng.normal(0, self.init_scale, shape) for shape in shapes]
        for values in theta:
            values[0] = 0.0
        hyper = [(1 + self.n_factors, b.group.max() + 1) for b in blocks]
        means, precisions = [np.zeros(x) for x in hyper], [np.ones(x) for x in hyper]
        return State(w0, 1.0, theta, means, precisions, np.zeros(len(blocks[0].row)))

    def _empty_draws(self, n_cutpoints: int) -> PosteriorDraws:
        n, width = self.n_epochs - self.burn_in, 1 + self.n_factors
        sizes = self.n_users_, self.n_items_, len(self.days_) + 1
        user, item, day = (np.zeros((n, size, width), np.float32) for size in sizes)
        cutpoints = np.zeros((n, n_cutpoints)) if n_cutpoints else None
        return PosteriorDraws(user, item, day, np.zeros(n), np.zeros(n), cutpoints)

    def _kept(self) -> Sequence:  # user_days_ has the users' own times
        draws = self.draws_
        kept = draws.user, draws.item, draws.day, draws.w0
        ordinal = draws.cutpoints is not None
        return (*kept, draws.cutpoints, self.levels_) if ordinal else kept

    @property
    def uses_time(self) -> bool:
        return bool(self.day)

    # -- answers ----------------------------------------------------------------------

    def draws(
        self, users: ArrayLike, items: ArrayLike, *, time: ArrayLike | None = None
    ) -> np.ndarray:
        """``r_hat`` of each pair in every kept sweep, (n_draws, n): no noise, no stars.

        ``time`` (n,) in seconds as in :meth:`.Recommender.predict`.
        """
        return np.array(list(self._each_draw(*self._check_pairs(users, items, time))))

    def _each_draw(
        self, users: np.ndarray, items: np.ndarray, time: np.ndarray | None
    ) -> Iterator[np.ndarray]:
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
        draws = self.draws_
        for s in range(draws.n):
            D = draws.day[s]
            if self.day and time is None:
                D = self.user_days_ @ D
            pairs = _rule_of_rows(draws.user[s], draws.item[s], D, users, items, day)
            yield draws.w0[s] + pairs

    def _stars(
        self, users: np.ndarray, items: np.ndarray, time: np.ndarray | None
    ) -> np.ndarray:
        total, cutpoints = np.zeros(len(users)), self.draws_.cutpoints
        for s, r_hat in enumerate(self._each_draw(users, items, time)):
            if cutpoints is not None:
                r_hat = _expected_level(r_hat, cutpoints[s], self.levels_)
            total += r_hat
        return total / self.draws_.n

    def _predict(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self._stars(users, items, None)

    def _predict_at(
        self, users: np.ndarray, items: np.ndarray, time: np.ndarray | None
    ) -> np.ndarray:
        return self._stars(users, items, time)

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        n = self.n_items_
        pairs = np.repeat(users, n), np.tile(np.arange(n), len(users))
        return self._predict(*pairs).reshape(len(users), n)

    def _similarities(self, items: np.ndarray) -> np.ndarray:
        """Cosines averaged over the draws: factors of two draws may be rotated."""
        n = self.draws_.n
        each = (cosines(V[:, 1:], items) for V in self.draws_.item[:n])
        return sum(each, start=np.zeros(())) / n

    def level_probabilities(
        self, users: ArrayLike, items: ArrayLike, *, time: ArrayLike | None = None
    ) -> np.ndarray:
        """Probability of each star level, (n, L); ordinal likelihood only."""
        pairs, cutpoints = self._check_pairs(users, items, time), self.draws_.cutpoints
        if cutpoints is None:
            raise ValueError(
                "level_probabilities needs likelihood='ordinal', got "
                f"{self.likelihood!r}"
            )
        total = np.zeros((len(pairs[0]), len(self.levels_)))
        for s, r_hat in enumerate(self._each_draw(*pairs)):
            total += np.diff(ndtr(cutpoints[s] - r_hat[:, None]), axis=1)
        return total / self.draws_.n


def _block(row: np.ndarray, parts: Sequence[csr_array]) -> Block:
    group = np.repeat(np.arange(len(parts)), [part.shape[1] for part in parts])
    return Block(row, csc_array(hstack(parts), dtype=np.float64), group)


def _rule_of_blocks(blocks: Sequence[Block], state: State) -> np.ndarray:
    """``r_hat`` of the training ratings."""
    out, total, squares = np.full(len(state.e), state.w0), 0.0, 0.0
    for block, theta in zip(blocks, state.theta, strict=True):
        a, Q = block_values(block.X, theta)
        out += a[block.row]
        total = total + Q[block.row]
        squares = squares + Q[block.row] ** 2
    return out + 0.5 * np.sum(total**2 - squares, axis=1)


def _mean_of_rows(user: np.ndarray, day: np.ndarray, n_users: int) -> csr_array:
    """(n_users, n_days + 1): averages over a user's ratings; last column if none."""
    count = np.bincount(user, minlength=n_users)
    cold = np.flatnonzero(count == 0)
    n_days = int(day.max()) + 1
    rows, columns = np.append(user, cold), np.append(day, np.full(len(cold), n_days))
    values = 1 / np.maximum(count, 1)[rows]
    return csr_array((values, (rows, columns)), shape=(n_users, n_days + 1))


@parallel
def _rule_of_rows(
    U: np.ndarray,
    V: np.ndarray,
    D: np.ndarray,
    user: np.ndarray,
    item: np.ndarray,
    day: np.ndarray,
) -> np.ndarray:
    """``a_u + a_i + a_d + q_u · q_i + q_u · q_d + q_i · q_d`` for each pair."""
    out = np.empty(len(user))
    for n in prange(len(user)):
        u, i, d = U[user[n]], V[item[n]], D[day[n]]
        total = np.float64(u[0] + i[0] + d[0])
        for f in range(1, len(u)):
            total += u[f] * i[f] + (u[f] + i[f]) * d[f]
        out[n] = total
    return out


def _expected_level(
    r_hat: np.ndarray, cutpoints: np.ndarray, levels: np.ndarray
) -> np.ndarray:
    """``sum over levels of level · P(level)``, by the gaps between levels."""
    out = np.full(len(r_hat), float(levels[0]))
    for cut, gap in zip(cutpoints[1:-1], np.diff(levels), strict=True):
        out += gap * ndtr(r_hat - cut)
    return out
