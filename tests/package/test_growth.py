"""Made worlds of growing size: the world by loops, the three ways, the measurement."""

import json

import numpy as np
import pytest
from scipy import stats

from recsys_tutor.study import chains, growth
from recsys_tutor.study.chains import Chain, count_pairs, hit_rate
from recsys_tutor.study.digests import code_digest
from recsys_tutor.study.growth import (
    SEEDS,
    WAYS,
    load_growth,
    measure_growth,
    student_interval,
)

SMALL = {"n_items": 12, "n_kinds": 4, "n_followers": 3}


# -- the world -------------------------------------------------------------------------


@pytest.mark.parametrize("back", [1, 2])
def test_chances_by_loops(back):
    world = Chain(single=0.3, pair=0.5, random_state=3, **SMALL)
    past = np.array([[0, 5, 7], [11, 2, 3], [4, 9, 1]])
    for row, walk in zip(world.chances(past, back=back), past):
        a, b = world.kind[walk[-2]], world.kind[walk[-1]]
        p = np.zeros(12)
        for j in range(12):
            kinds = range(4) if back == 1 else [a]
            own = np.mean([world.after_two[c, b] == world.kind[j] for c in kinds])
            follower = world.followers[walk[-1], j] > 0
            p[j] = 0.2 / 12 + 0.5 * own / 3 + 0.3 * follower / 3
            if j in walk:
                p[j] = 0
        np.testing.assert_allclose(row, p / p.sum(), rtol=1e-12)


def test_the_tables_of_a_world():
    world = Chain(**SMALL)
    assert np.bincount(world.kind).tolist() == [3, 3, 3, 3]
    assert (np.count_nonzero(world.followers, axis=1) == 3).all()
    np.testing.assert_allclose(world.followers.sum(axis=1), 1)
    assert not np.diag(world.followers).any(), "nobody follows itself"
    control = Chain(pair=0.0, **SMALL)
    for name in ("kind", "followers", "after_two"):
        assert np.array_equal(getattr(world, name), getattr(control, name)), name
    other = Chain(random_state=1, **SMALL)
    assert not np.array_equal(world.after_two, other.after_two)


def test_walks_repeat_and_no_item_comes_twice():
    world = Chain(**SMALL)
    walks = world.walks(50, 8)
    assert walks.shape == (50, 8) and walks.dtype == np.int64
    assert np.array_equal(walks, Chain(**SMALL).walks(50, 8))
    assert all(len(set(walk)) == 8 for walk in walks.tolist())
    assert sorted(world.walks(2, 12)[0]) == list(range(12)), "all of them"
    np.testing.assert_allclose(world.chances(np.array([[3]]))[0, 3], 0)


def test_walks_follow_the_chances():
    """Thirds of many walks against the probabilities of the pair before: chi square."""
    world = Chain(**SMALL)
    walks = world.walks(40_000, 3)
    start = walks[0, :2]
    third = walks[(walks[:, :2] == start).all(axis=1), 2]
    expected = world.chances(start[None])[0] * len(third)
    seen = np.bincount(third, minlength=12)
    allowed = expected > 0
    assert not seen[~allowed].any() and len(third) > 200
    assert stats.chisquare(seen[allowed], expected[allowed]).pvalue > 0.001
    first = np.bincount(walks[:, 0], minlength=12)
    assert stats.chisquare(first).pvalue > 0.001


@pytest.mark.parametrize(
    "wrong",
    [
        {"single": 0.7, "pair": 0.5},
        {"n_items": 13},
        {"n_kinds": 0},
        {"n_followers": 12},
        {"single": -0.1},
    ],
)
def test_worlds_that_cannot_be(wrong):
    with pytest.raises(ValueError, match=r"pair|n_items|n_kinds|n_followers|single"):
        Chain(**{**SMALL, **wrong})
    with pytest.raises(ValueError, match="back"):
        Chain(**SMALL).chances(np.array([[0, 1]]), back=3)


# -- three ways ------------------------------------------------------------------------


def test_hit_rate_by_sorting():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 4, (60, 9)).astype(float)  # many ties
    past = np.array([rng.permutation(9)[:3] for _ in range(60)])
    following = np.array([rng.choice(np.setdiff1d(range(9), row)) for row in past])
    before, hits = scores.copy(), []
    for row, seen, item in zip(scores, past, following):
        unseen = [i for i in range(9) if i not in seen]
        best = sorted(unseen, key=lambda i: (-row[i], i))[:2]
        hits.append(item in best)
    assert hit_rate(scores, past, following, k=2) == pytest.approx(np.mean(hits))
    assert np.array_equal(scores, before), "the scores stay as they are"


@pytest.mark.parametrize(("trust", "trust_single"), [(0.3, 3.0), (2.0, 30.0)])
def test_pairs_are_counted_and_backed_off(trust, trust_single):
    walks = Chain(**SMALL).walks(30, 6)
    scores = count_pairs(walks, 12, trust=trust, trust_single=trust_single)
    items = walks.ravel().tolist()
    for walk, row in zip(walks.tolist(), scores):
        a, b = walk[-2:]
        for j in range(12):
            p = (items.count(j) + 1) / (len(items) + 12)
            c_b = c_bj = c_ab = c_abj = 0
            for other in walks.tolist():
                for t in range(1, 6):
                    c_b += other[t - 1] == b
                    c_bj += other[t - 1 : t + 1] == [b, j]
                for t in range(2, 6):
                    c_ab += other[t - 2 : t] == [a, b]
                    c_abj += other[t - 2 : t + 1] == [a, b, j]
            p_single = (c_bj + trust_single * p) / (c_b + trust_single)
            expected = (c_abj + trust * p_single) / (c_ab + trust)
            assert row[j] == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(scores.sum(axis=1), 1)


def test_transitions_count_what_followed():
    walks = np.array([[0, 1, 2], [3, 1, 4], [5, 1, 2], [2, 3, 1]])
    scores = chains.transitions(walks, 6, {"window": 1, "recency": 0.0})
    np.testing.assert_allclose(scores[3], np.array([0, 0, 2, 0, 1, 0]) / 4)


def test_a_network_learns_what_the_pair_says():
    """Beyond every model that sees one item back, and not beyond the truth."""
    world = Chain(single=0.0, pair=0.9, n_items=24, n_kinds=4, n_followers=1)
    walks = world.walks(800, 6)
    past, following = walks[:, :-1], walks[:, -1]
    setting = {"n_factors": 32, "dropout": 0.0, "n_epochs": 12}
    scores = chains.network(past, 24, setting, seed=0)
    hit = hit_rate(scores, past, following, k=5)
    one = hit_rate(world.chances(past, back=1), past, following, k=5)
    both = hit_rate(world.chances(past), past, following, k=5)
    assert one + 0.05 < hit < both + 0.02
    again = chains.network(past, 24, setting, seed=0)
    assert np.array_equal(scores, again)


# -- the measurement -------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch):
    """The network replaced by a constant, its calls noted."""
    calls = []

    def network(walks, n_items, setting, *, seed, callback=None):
        calls.append((walks.shape, setting, seed))
        if callback is not None:
            callback.best, callback.best_epoch = setting["dropout"], 7
        return np.zeros((len(walks), n_items))

    monkeypatch.setattr(chains, "network", network)
    return calls


def test_points_are_measured_once_and_an_interrupted_run_goes_on(
    quick, tmp_path, monkeypatch
):
    path = tmp_path / "growth.json"
    few = {"sizes": [40, 30], "pairs": [0.5]}
    points = measure_growth(path, seeds=[1], **few)
    assert len(points) == 2 * len(WAYS) and len(quick) == 2 * 3  # two chosen, one test
    assert points.equals(load_growth(path))
    longer = measure_growth(path, seeds=[1, 2], **few)
    assert len(longer) == 4 * len(WAYS) and len(quick) == 2 * 4
    monkeypatch.setattr(growth, "code_digest", lambda *_: "another")
    again = measure_growth(path, seeds=[1], **few)
    assert len(again) == 2 * len(WAYS), "measured by other code: all are stale"
    assert again.equals(points.assign(seconds=again.seconds))
    assert [file.name for file in tmp_path.iterdir()] == ["growth.json"]


def test_the_choice_sees_neither_the_test_item_nor_a_world_that_is_scored(
    quick, tmp_path
):
    measure_growth(tmp_path / "g.json", sizes=[30], seeds=[4], pairs=[0.5])
    choices, (test,) = quick[:2], quick[2:]
    assert [(shape, seed) for shape, _, seed in choices] == [((30, 10), 0)] * 2
    assert test[0] == (30, 11) and test[2] == 4
    assert test[1] == {"n_factors": 64, "dropout": 0.5, "n_epochs": 7}, "the better"
    walks = Chain(random_state=0).walks(30)
    other = np.column_stack([walks[:, :-1], np.zeros(30, int)])
    for way in WAYS:
        assert growth._choose(way, walks, 240) == growth._choose(way, other, 240)


def test_a_point_by_hand(quick, tmp_path):
    points = measure_growth(
        tmp_path / "g.json", sizes=[50], seeds=[2], pairs=[0.5], ways=["Pairs counted"]
    )
    row = points.iloc[0]
    world = Chain(pair=0.5, random_state=2)
    walks = world.walks(50)
    past, following = walks[:, :-1], walks[:, -1]
    setting = json.loads((tmp_path / "g.json").read_text())["chosen"][0]["setting"]
    scores = count_pairs(past, 240, **setting)
    assert row.hit == pytest.approx(hit_rate(scores, past, following))
    best, single = world.chances(past), world.chances(past, back=1)
    assert row.ceiling == pytest.approx(hit_rate(best, past, following))
    assert row.ceiling_single == pytest.approx(hit_rate(single, past, following))
    assert row.setting == repr(setting) and row.way == "Pairs counted"


def test_what_is_refused(tmp_path):
    with pytest.raises(ValueError, match="ways are Transitions"):
        measure_growth(tmp_path / "g.json", ways=["Markov"])
    (tmp_path / "other.json").write_text('{"points": [{"hit": 1}]}')
    with pytest.raises(ValueError, match="growing worlds"):
        load_growth(tmp_path / "other.json")
    with pytest.raises(FileNotFoundError, match="study.growth"):
        load_growth(tmp_path / "gone.json")


def test_the_command_prints_means(quick, tmp_path, capsys):
    path = tmp_path / "g.json"
    growth.main(["--out", str(path), "--sizes", "30", "--seeds", "1", "2"])
    assert "Pairs counted" in capsys.readouterr().out and path.exists()


def test_students_interval():
    values = [0.1, 0.3, 0.2, 0.6]
    mean, half = student_interval(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval()
    assert (mean - half, mean + half) == pytest.approx((low, high))


def test_the_books_own_points_are_complete_and_of_this_code():
    points = load_growth()
    counted = points.groupby(["pair", "n_users"]).size()
    assert (counted == len(WAYS) * len(SEEDS)).all()
    assert not points.isna().any().any()
    large = points[points.n_users >= 4000]
    assert (large.hit < large.ceiling + 0.02).all(), "nobody knows more than the truth"
    rows = json.loads(growth.GROWTH.read_text())
    codes = {row["code"] for part in rows.values() for row in part}
    assert codes == {code_digest(Chain)}, "run `make leaderboard`"
