"""The Gibbs sampler: grids over the joint density, the dense design, Geweke's test."""

import math

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.sparse import csc_array

from recsys_tutor.gibbs import (
    Block,
    HyperPrior,
    State,
    block_values,
    gibbs_factor,
    gibbs_sweep,
    gibbs_weights,
    log_ordinal,
    sample_cutpoints,
    sample_hyper,
    sample_latent,
)

PRIOR = HyperPrior(shape=3.0, rate=2.0, strength=1.5, center=0.7)
CUTS = np.array([-np.inf, -1.1, 0.2, 0.9, np.inf])
N_FACTORS = 2


class Told:
    """Stands in for a Generator: notes what is asked and gives prepared answers."""

    def __init__(self, **answers):
        self.answers, self.asked = answers, {}

    def _answer(self, name, arguments):
        self.asked.setdefault(name, []).append(arguments)
        return self.answers[name]

    def gamma(self, shape, scale):
        return self._answer("gamma", (shape, scale))

    def normal(self, loc=0.0, scale=1.0, size=None):
        return self._answer("normal", (loc, scale))

    def random(self, size=None):
        return self._answer("random", size)


def tiny(seed=0):
    """Three blocks: users with sets and a group of their own, items, days.

    User 2 has no rating; a set has up to three features of one row; values vary.
    """
    rng = np.random.default_rng(seed)
    users = np.hstack([np.eye(4), rng.uniform(0.3, 1, (4, 3)) * rng.integers(0, 2, 3)])
    users[0, 4:] = 0.5, 0.8, 0.6
    items = np.hstack([np.eye(3), [[1, 0], [0.7, 0.7], [0, 1]]])
    parts = [
        (users, [0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 3, 3, 3, 3]),
        (items, [0, 0, 0, 1, 1], [0, 1, 2, 0, 2, 0, 1, 2, 1]),
        (np.eye(2), [0, 0], [0, 0, 1, 1, 0, 0, 1, 1, 0]),
    ]
    return [
        Block(np.array(row), csc_array(X), np.array(group)) for X, group, row in parts
    ]


def dense(blocks):
    """The design with a row per rating, and the columns of each block."""
    X = np.hstack([block.X.toarray()[block.row] for block in blocks])
    ends = np.cumsum([0] + [block.X.shape[1] for block in blocks])
    return X, [range(a, b) for a, b in zip(ends[:-1], ends[1:], strict=True)]


def drawn(blocks, rng, prior=PRIOR, gaussian=True):
    """All unknowns and the ratings from the joint distribution: the state."""
    shapes = [(1 + N_FACTORS, block.group.max() + 1) for block in blocks]
    precision = [rng.gamma(prior.shape, 1 / prior.rate, shape) for shape in shapes]
    mean = [rng.normal(0, 1 / np.sqrt(prior.strength * lam)) for lam in precision]
    theta = [
        rng.normal(m[:, block.group], 1 / np.sqrt(lam[:, block.group]))
        for block, m, lam in zip(blocks, mean, precision, strict=True)
    ]
    w0 = rng.normal(prior.center, 1) if gaussian else 0.0
    alpha = rng.gamma(prior.shape, 1 / prior.rate) if gaussian else 1.0
    e = rng.normal(0, 1 / math.sqrt(alpha), len(blocks[0].row))
    return State(w0, alpha, theta, mean, precision, e)


def start(blocks, seed=1, **options):
    return drawn(blocks, np.random.default_rng(seed), **options)


def rule(blocks, state):
    return oracles.fm_rule(dense(blocks)[0], state.w0, np.hstack(state.theta))


def assert_states_equal(a, b, **tolerance):
    tolerance = tolerance or {"rtol": 1e-9, "atol": 1e-11}
    for name in ("theta", "mean", "precision"):
        for x, y in zip(getattr(a, name), getattr(b, name), strict=True):
            np.testing.assert_allclose(x, y, **tolerance)
    for name in ("w0", "alpha", "e"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), **tolerance)


# -- blocks and the dense design -------------------------------------------------------


def test_block_values_add_up_to_the_rule():
    """Two rows: what each adds and their dot product; within a row, all pairs.

    Checks eq-bayes-fm.
    """
    blocks = tiny()
    theta = start(blocks).theta
    values = [block_values(block.X, t) for block, t in zip(blocks, theta, strict=True)]
    for block, t, (a, Q) in zip(blocks, theta, values, strict=True):
        X = block.X.toarray()
        np.testing.assert_allclose(a, oracles.fm_rule(X, 0.0, t), rtol=1e-12)
        for n, f in np.ndindex(Q.shape):
            assert Q[n, f] == pytest.approx(oracles.dot(X[n], t[1 + f]), rel=1e-12)
    total = np.full(9, 0.25)
    for b, block in enumerate(blocks):
        total += values[b][0][block.row]
        for c in range(b):
            Q, other = values[b][1][block.row], values[c][1][blocks[c].row]
            total += np.sum(Q * other, axis=1)
    expected = oracles.fm_rule(dense(blocks)[0], 0.25, np.hstack(theta))
    np.testing.assert_allclose(total, expected, rtol=1e-11)


@pytest.mark.parametrize("gaussian", [True, False])
@pytest.mark.parametrize("n_blocks", [1, 2, 3])
def test_a_sweep_is_the_dense_sweep_a_parameter_at_a_time(n_blocks, gaussian):
    """Checks eq-bayes-block."""
    blocks = tiny()[:n_blocks]
    state = start(blocks, gaussian=gaussian)
    X, columns = dense(blocks)
    y = rule(blocks, state) + state.e
    slow = state.w0, state.alpha, np.hstack(state.theta), state.mean, state.precision
    rng, again = np.random.default_rng(5), np.random.default_rng(5)
    groups = [block.group for block in blocks]
    for _ in range(3):
        gibbs_sweep(blocks, state, rng, prior=PRIOR, gaussian=gaussian)
        slow = oracles.fm_sweep(again, X, y, columns, groups, slow, PRIOR, gaussian)
        theta = np.split(slow[2], np.cumsum([len(c) for c in columns])[:-1], axis=1)
        e = y - oracles.fm_rule(X, slow[0], slow[2])
        expected = State(slow[0], slow[1], theta, slow[3], slow[4], e)
        assert_states_equal(state, expected)
    assert rng.random() == again.random(), "as many draws"


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(1, 4))
def test_what_is_left_over_stays_the_ratings_minus_the_rule(seed, gaussian, n_sweeps):
    rng = np.random.default_rng(seed)
    blocks = tiny(seed)
    state = drawn(blocks, rng, gaussian=gaussian)
    y = rule(blocks, state) + state.e
    for _ in range(n_sweeps):
        gibbs_sweep(blocks, state, rng, prior=PRIOR, gaussian=gaussian)
        np.testing.assert_allclose(
            state.e, y - rule(blocks, state), rtol=1e-9, atol=1e-9
        )
    if not gaussian:
        assert (state.w0, state.alpha) == (0.0, 1.0)


@pytest.mark.parametrize("kernel", [gibbs_weights, gibbs_factor])
def test_the_compiled_loops_are_their_python(kernel):
    for b, block in enumerate(tiny()):
        results = []
        for run in (kernel, kernel.py_func):
            changed, arguments = of_block(tiny(), start(tiny()), b, kernel)
            run(*arguments)
            results.append(changed)
        before, _ = of_block(tiny(), start(tiny()), b, kernel)
        for name, ours, theirs, old in zip("eqrv", *results, before, strict=False):
            np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)
            assert np.abs(ours - old).max() > 1e-3, (name, block.X.shape)


def of_block(blocks, state, b, kernel, row=1, z=None):
    """(the arrays a kernel changes, its arguments) for block ``b`` of a state."""
    block, theta = blocks[b], state.theta[b]
    X = block.X
    count = np.bincount(block.row, minlength=X.shape[0]).astype(float)
    own = state.mean[b], state.precision[b]
    row = 0 if kernel in (gibbs_weights, gibbs_weights.py_func) else row
    mean, precision = (values[row][block.group] for values in own)
    z = np.random.default_rng(9).normal(size=X.shape[1]) if z is None else z
    rest = count, X.indptr, X.indices, X.data, theta[row]
    last = mean, precision, state.alpha, z
    if row == 0:
        return [state.e, theta[0]], (block.row, state.e, *rest, *last)
    q = X @ theta[row]
    q_all = sum((k.X @ t[row])[k.row] for k, t in zip(blocks, state.theta, strict=True))
    changed = [state.e, q_all, q, theta[row]]
    return changed, (block.row, state.e, q_all, q, *rest, *last)


# -- each conditional against a grid over the joint density ----------------------------


@pytest.mark.parametrize("row", [0, 1, 2])
@pytest.mark.parametrize("b", [0, 1, 2])
def test_weights_and_factors_follow_the_grid(b, row):
    """Feature after feature: z = 0 gives a conditional's mean, z = 1 its deviation.

    Checks eq-bayes-conditional.
    """
    blocks, state = tiny(), start(tiny())
    X, columns = dense(blocks)
    r = rule(blocks, state) + state.e
    group = np.concatenate([2 * n + k.group for n, k in enumerate(blocks)])

    def joint(theta):
        wide = [np.pad(m, ((0, 0), (0, 2 - m.shape[1]))) for m in state.mean]
        tall = [
            np.pad(m, ((0, 0), (0, 2 - m.shape[1])), constant_values=1.0)
            for m in state.precision
        ]
        return oracles.fm_log_joint(
            X, r, state.w0, theta, state.alpha,
            np.hstack(wide), np.hstack(tall), group, PRIOR,
        )  # fmt: skip

    z = np.random.default_rng(4).normal(size=len(columns[b]))
    theta = np.hstack(state.theta)
    for n, j in enumerate(columns[b]):

        def along(value, j=j):
            moved = theta.copy()
            moved[row, j] = value
            return joint(moved)

        mean, sd, skewness, kurtosis = oracles.grid_moments(along)
        assert abs(skewness) < 1e-6 and abs(kurtosis) < 1e-6, "it is a normal"
        theta[row, j] = mean + sd * z[n]
    kernel = gibbs_factor if row else gibbs_weights
    changed, arguments = of_block(blocks, state, b, kernel, row, z)
    kernel(*arguments)
    np.testing.assert_allclose(
        changed[-1], theta[row, columns[b]], rtol=1e-7, atol=1e-8
    )


def test_noise_precision_and_w0_follow_the_grid():
    blocks, state = tiny(), start(tiny())
    X, r = dense(blocks)[0], rule(blocks, state) + state.e
    theta = np.hstack(state.theta)

    def joint(w0, alpha):
        none = np.zeros((3, 1)), np.ones((3, 1)), np.zeros(theta.shape[1], int)
        return oracles.fm_log_joint(X, r, w0, theta, alpha, *none, PRIOR)

    told = Told(gamma=1.7, normal=0.0)
    kept = state.w0
    gibbs_sweep([], state, told, prior=PRIOR)  # no blocks: these two alone
    shape, scale = told.asked["gamma"][0]
    mean, sd, skewness, _ = oracles.grid_moments(
        lambda alpha: joint(kept, alpha), 1e-9, 60
    )
    assert shape * scale == pytest.approx(mean, rel=1e-6)
    assert math.sqrt(shape) * scale == pytest.approx(sd, rel=1e-6)
    assert 2 / math.sqrt(shape) == pytest.approx(skewness, rel=1e-4)
    center, deviation = told.asked["normal"][0]
    mean, sd, *higher = oracles.grid_moments(lambda w0: joint(w0, 1.7))
    assert np.abs(higher).max() < 1e-6
    assert center == pytest.approx(mean, rel=1e-8)
    assert deviation == pytest.approx(sd, rel=1e-8)


def test_priors_follow_the_grid():
    """lambda with mu summed out over a grid, then mu given lambda, group by group.

    Checks eq-bayes-hyper.
    """
    theta = np.array([[0.4, -1.0, 2.2, 0.3, 0.1], [1.5, 1.1, 0.2, -0.9, -0.7]])
    group = np.array([0, 1, 0, 0, 1])
    answer = np.array([[1.3, 0.6], [2.0, 0.9]])
    told = Told(gamma=answer, normal="a mean")
    mean, precision = sample_hyper(told, theta, group, 2, PRIOR)
    assert mean == "a mean" and precision is answer
    shape, scale = np.broadcast_arrays(*told.asked["gamma"][0])
    center, deviation = told.asked["normal"][0]
    grid = np.linspace(-15, 15, 1501)
    for row, g in np.ndindex(2, 2):
        own = theta[row, group == g]

        def joint(mu, lam, own=own):
            values = sum(oracles.normal_log_density(v, mu, lam) for v in own)
            before = oracles.normal_log_density(mu, 0, PRIOR.strength * lam)
            return values + before + oracles.gamma_log_density(lam, 3.0, 2.0)

        moments = oracles.grid_moments(
            lambda lam: np.logaddexp.reduce(joint(grid, lam)),
            1e-6,
            40,  # noqa: B023
        )
        wanted = stats.gamma(shape[row, g], scale=scale[row, g]).stats("mvsk")
        assert moments[0] == pytest.approx(wanted[0], rel=1e-5)
        assert moments[1] == pytest.approx(math.sqrt(wanted[1]), rel=1e-5)
        assert moments[2] == pytest.approx(wanted[2], rel=1e-3)
        mu, sd, *_ = oracles.grid_moments(
            lambda mu: joint(mu, answer[row, g])  # noqa: B023
        )
        assert center[row, g] == pytest.approx(mu, rel=1e-8, abs=1e-10)
        assert deviation[row, g] == pytest.approx(sd, rel=1e-8)


# -- ordered probit --------------------------------------------------------------------


def test_latent_values_are_scipy_s_truncated_normals():
    """For the same uniform number, scipy's quantile; also five deviations away.

    Checks eq-bayes-latent.
    """
    u = np.random.default_rng(0).random(400)
    level = np.arange(400) % 4
    y_hat = np.linspace(-4, 4, 400)
    y = sample_latent(Told(random=u), level, y_hat, CUTS)
    a, b = CUTS[level] - y_hat, CUTS[level + 1] - y_hat
    expected = stats.truncnorm.ppf(u, a, b, loc=y_hat)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-8)
    assert ((CUTS[level] < y) & (y < CUTS[level + 1])).all()


def test_latent_values_have_the_right_distribution():
    rng = np.random.default_rng(1)
    for level, y_hat in ((0, 0.4), (1, 0.4), (2, -1.5), (3, -1.5)):
        many = np.full(4000, level), np.full(4000, y_hat)
        y = sample_latent(rng, *many, CUTS)
        a, b = CUTS[level] - y_hat, CUTS[level + 1] - y_hat
        law = stats.truncnorm(a, b, loc=y_hat)
        assert stats.kstest(y, law.cdf).pvalue > 0.001
        assert stats.kstest(y, stats.norm(y_hat).cdf).pvalue < 1e-6


def literal_log_ordinal(level, y_hat, cuts):
    total = 0.0
    for n, y in zip(level, y_hat, strict=True):
        p = stats.norm.cdf(cuts[n + 1], loc=y) - stats.norm.cdf(cuts[n], loc=y)
        total += math.log(p)
    return total


def probit_data():
    rng = np.random.default_rng(3)
    return rng.integers(0, 4, 12), rng.normal(0, 1, 12)


def test_log_ordinal_against_a_loop():
    level, y_hat = probit_data()
    expected = literal_log_ordinal(level, y_hat, CUTS)
    assert log_ordinal(level, y_hat, CUTS) == pytest.approx(expected, rel=1e-12)
    impossible = log_ordinal(np.array([0]), np.array([60.0]), CUTS)
    assert np.isfinite(impossible) and impossible < -600


@pytest.mark.parametrize("change", [[-0.1, 0.2, -0.05], [-0.3, 0.4, 0.2]])
def test_cutpoints_move_with_the_ratio_of_the_posteriors(change):
    """The uniform number just under the ratio moves, just over it stays."""
    level, y_hat = probit_data()
    moved_to = CUTS.copy()
    moved_to[1:-1] += change
    gain = literal_log_ordinal(level, y_hat, moved_to)
    gain -= literal_log_ordinal(level, y_hat, CUTS)
    ratio = math.exp(gain)
    assert ratio < 0.99
    for u, expected in ((ratio * 0.999, True), (ratio * 1.001, False)):
        told = Told(normal=np.array(change), random=u)
        before = CUTS.copy()
        cuts, moved = sample_cutpoints(told, level, y_hat, before, 0.25)
        assert moved is expected and told.asked["normal"] == [(0, 0.25)]
        np.testing.assert_array_equal(cuts, moved_to if moved else CUTS)
        np.testing.assert_array_equal(before, CUTS)


def test_cutpoints_never_cross():
    level, y_hat = probit_data()
    told = Told(normal=np.array([2.0, 0.0, 0.0]), random=1e-300)
    cuts, moved = sample_cutpoints(told, level, y_hat, CUTS, 0.25)
    assert moved is False and cuts is CUTS


def test_cutpoints_reach_the_grid_posterior():
    """Three levels: moments of 20,000 steps against a 2-D grid."""
    rng = np.random.default_rng(6)
    level, y_hat = np.array([0, 0, 1, 1, 1, 2, 2, 0]), rng.normal(0, 0.5, 8)
    grid = np.linspace(-5, 5, 141)
    log_p = np.full((141, 141), -np.inf)
    low, high = np.meshgrid(grid, grid, indexing="ij")
    total = np.zeros_like(low)
    with np.errstate(divide="ignore", invalid="ignore"):
        for n, y in zip(level, y_hat, strict=True):
            p = [stats.norm.cdf(low - y), 1 - stats.norm.cdf(high - y)]
            p.insert(1, 1 - p[0] - p[1])
            total += np.log(p[n])
    log_p = np.where(low < high, total, -np.inf)
    p = np.exp(log_p - log_p[np.isfinite(log_p)].max())
    p /= p.sum()
    wanted = [np.sum(p * low), np.sum(p * high), np.sum(p * low * high)]
    cuts, seen = np.array([-np.inf, -0.5, 0.5, np.inf]), []
    for _ in range(20_000):
        cuts, _ = sample_cutpoints(rng, level, y_hat, cuts, 0.6)
        seen.append([cuts[1], cuts[2], cuts[1] * cuts[2]])
    batches = np.mean(np.reshape(seen, (40, 500, 3)), axis=1)
    z = (batches.mean(axis=0) - wanted) / (batches.std(axis=0, ddof=1) / math.sqrt(40))
    assert np.abs(z).max() < 4, z


# -- Geweke: the sampler leaves the joint distribution alone ---------------------------


def functionals(state):
    """Numbers whose means a faulty conditional would shift."""
    theta = np.concatenate([t.ravel() for t in state.theta])
    first, second = state.theta[0], state.theta[1]
    lam = np.concatenate([p.ravel() for p in state.precision])
    mu = np.concatenate([m.ravel() for m in state.mean])
    return [
        state.w0, state.w0**2, state.alpha, state.alpha**2,
        first[0].mean(), first[0, 0] ** 2, first[0, 5] ** 2, second[0, 3] ** 2,
        first[1, 0] ** 2, first[2, 5] ** 2, second[1, 1] ** 2, second[2, 4] ** 2,
        first[1, 0] * second[1, 0], first[1, 0] * first[1, 4], np.abs(theta).mean(),
        lam.mean(), (lam**2).mean(), mu.mean(), (mu**2).mean(),
        state.e.mean(), (state.e**2).mean(),
        np.log(lam).mean(), np.log(state.alpha), first[0, 0] * state.w0,
    ]  # fmt: skip


@pytest.mark.parametrize("gaussian", [True, False])
def test_geweke_s_joint_test(gaussian):
    """Draw everything, redraw ratings and unknowns in turn: nothing may shift.

    Runs are independent, so z-scores are exact: the means of the functionals before
    and after three rounds differ by chance alone.
    """
    rng = np.random.default_rng(20)
    blocks = tiny()[:2]
    before, after = [], []
    for _ in range(2500):
        before.append(functionals(drawn(blocks, rng, gaussian=gaussian)))
        state = drawn(blocks, rng, gaussian=gaussian)
        for _ in range(3):
            e = rng.normal(0, 1 / math.sqrt(state.alpha), len(state.e))
            state.e = e if gaussian else probit_error(rng, blocks, state, e)
            gibbs_sweep(blocks, state, rng, prior=PRIOR, gaussian=gaussian)
        after.append(functionals(state))
    before, after = np.array(before), np.array(after)
    variance = before.var(axis=0, ddof=1) + after.var(axis=0, ddof=1)
    moving = variance > 0
    assert moving.sum() == (24 if gaussian else 18)  # a probit has no w0, no alpha
    z = (after.mean(axis=0) - before.mean(axis=0))[moving]
    z /= np.sqrt(variance[moving] / 2500)
    assert np.abs(z).max() < 3.5, np.round(z, 1)
    assert np.sqrt(np.mean(z**2)) < 1.5


def probit_error(rng, blocks, state, e):
    """What is left of latent values drawn anew from levels that ``e`` decides."""
    y_hat = 0.0
    total = 0.0
    for block, theta in zip(blocks, state.theta, strict=True):
        a, Q = block_values(block.X, theta)
        y_hat = y_hat + a[block.row] + np.sum(total * Q[block.row], axis=1)
        total = total + Q[block.row]
    level = np.searchsorted(CUTS[1:-1], y_hat + e)
    return sample_latent(rng, level, y_hat, CUTS) - y_hat
