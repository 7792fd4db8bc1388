"""Splits: literal oracles, scikit-surprise's folds, check values, edge shapes."""

from functools import partial

import numpy as np
import oracles
import pytest
import strategies
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from recsys_tutor import splits
from recsys_tutor.data import Dataset, Interactions, Split

COLUMNS = ("user", "item", "value", "time")


def rows(part):
    """A set of cells stands for rows, because a cell occurs once."""
    return list(zip(part.user.tolist(), part.item.tolist(), strict=True))


def same(a, b):
    return all(np.array_equal(getattr(a, c), getattr(b, c)) for c in COLUMNS)


def assert_partition(data, parts, ordered=True):
    """Disjoint parts, complete union, values with their cells, maps and shape kept."""
    cells = [cell for part in parts for cell in rows(part)]
    assert len(cells) == len(set(cells)), "disjoint"
    assert set(cells) == set(rows(data)), "complete"
    where = {cell: row for row, cell in enumerate(rows(data))}
    for part in parts:
        assert part.shape == data.shape
        np.testing.assert_array_equal(part.user_ids, data.user_ids)
        np.testing.assert_array_equal(part.item_ids, data.item_ids)
        position = [where[cell] for cell in rows(part)]
        np.testing.assert_array_equal(part.value, data.value[position])
        np.testing.assert_array_equal(part.time, data.time[position])
        if ordered:
            assert position == sorted(position), "rows keep the order of the input"


def full(n_users, n_items):
    user, item = np.indices((n_users, n_items)).reshape(2, -1)
    return Interactions(
        user=user,
        item=item,
        value=np.arange(len(user)),
        time=np.arange(len(user)) // 2,
        user_ids=np.arange(n_users),
        item_ids=np.arange(n_items),
    )


#: Each random splitter as (name, data, seed) -> parts, for the rules common to all.
RANDOM = {
    "item_stratified": lambda d, s: splits.item_stratified(d, random_state=s)[::2],
    "user_holdout": lambda d, s: splits.user_holdout(d, random_state=s)[::2],
    "k_fold": lambda d, s: splits.k_fold(d, n_folds=3, random_state=s)[1][::2],
    "cold_items": lambda d, s: splits.cold_items(d, random_state=s)[::2],
    "new_users": lambda d, s: splits.new_users(d, n_known=2, random_state=s)[:3],
    "carve_validation": lambda d, s: splits.carve_validation(
        splits.item_stratified(d), random_state=s
    ),
}


@pytest.mark.parametrize("name", RANDOM)
def test_random_splits_partition_repeat_and_obey_their_seed(name):
    split, data = RANDOM[name], full(10, 8)
    np.random.seed(5)  # noqa: NPY002
    np.random.random(3)  # noqa: NPY002
    before = np.random.get_state()  # noqa: NPY002
    parts = split(data, 1)
    after = np.random.get_state()  # noqa: NPY002
    assert before[2] == after[2] and (before[1] == after[1]).all()
    assert_partition(data, parts, ordered=name != "k_fold")
    assert all(len(part) for part in parts)
    assert all(same(a, b) for a, b in zip(parts, split(data, 1), strict=True))
    assert not all(same(a, b) for a, b in zip(parts, split(data, 2), strict=True))


# -- item_stratified, user_holdout, carve_validation ---------------------------------


@given(
    strategies.interactions(),
    st.sampled_from([0.1, 0.25, 0.5, 0.75, 0.9]),
    st.integers(0, 5),
)
def test_stratified_splits_against_the_literal_rule(data, ratio, seed):
    for split, group in (
        (splits.item_stratified, data.item),
        (splits.user_holdout, data.user),
    ):
        train, valid, test = split(data, ratio=ratio, random_state=seed)
        expected = oracles.stratified_train_rows(group, ratio, seed)
        chosen = np.isin(np.arange(len(data)), sorted(expected))
        assert valid is None
        assert same(train, data.subset(chosen)) and same(test, data.subset(~chosen))
        assert_partition(data, (train, test))


@pytest.mark.parametrize(
    "n, ratio, n_train", [(2, 0.75, 2), (1, 0.5, 0), (3, 0.5, 2), (5, 0.5, 2)]
)
def test_halves_are_rounded_to_even(n, ratio, n_train):
    data = full(n, 1)
    assert len(splits.item_stratified(data, ratio=ratio).train) == n_train


def test_check_values_on_movielens(ratings):
    train, _, test = splits.item_stratified(ratings)
    assert (len(train), len(test)) == (75_066, 24_934)
    expected = oracles.stratified_train_rows(ratings.item, 0.75, 42)
    chosen = np.isin(np.arange(len(ratings)), sorted(expected))
    assert same(train, ratings.subset(chosen))
    assert_partition(ratings, (train, test))
    assert not same(train, splits.item_stratified(ratings, random_state=43).train)


def test_validation_comes_out_of_train_by_the_same_rule(ratings):
    split = splits.item_stratified(ratings)
    carved = splits.carve_validation(split)
    assert same(carved.test, split.test)
    expected = splits.item_stratified(split.train)
    assert same(carved.train, expected.train) and same(carved.valid, expected.test)
    assert_partition(split.train, carved[:2])
    half = splits.carve_validation(split, ratio=0.5, random_state=7)
    assert same(
        half.valid, splits.item_stratified(split.train, ratio=0.5, random_state=7).test
    )


@pytest.mark.parametrize("ratio", [0, 1, -0.5, 1.5, np.nan, None, True])
def test_ratio_is_between_zero_and_one(ratio):
    for split in (splits.item_stratified, splits.user_holdout, splits.global_time):
        with pytest.raises(ValueError, match="ratio must be a number > 0 and < 1"):
            split(full(3, 2), ratio=ratio)


# -- k_fold --------------------------------------------------------------------------


def surprise_folds(data, n_folds, **options):
    """scikit-surprise's folds as lists of (user, item, rating), and train sets."""
    import pandas as pd
    import surprise
    from surprise.model_selection import KFold

    frame = pd.DataFrame({"u": data.user, "i": data.item, "r": data.value})
    loaded = surprise.Dataset.load_from_df(frame, surprise.Reader(rating_scale=(1, 5)))
    return KFold(n_splits=n_folds, **options).split(loaded)


def raw_rows(trainset):
    return [
        (trainset.to_raw_uid(u), trainset.to_raw_iid(i), r)
        for u, i, r in trainset.all_ratings()
    ]


def triples(part):
    return list(zip(part.user, part.item, part.value, strict=True))


@pytest.mark.parametrize(
    "options, ours",
    [
        ({"random_state": 0, "shuffle": True}, lambda d: splits.k_fold(d)),
        ({"shuffle": False}, splits.contiguous_folds),
    ],
)
def test_folds_are_surprise_s_on_movielens(ratings, options, ours):
    folds = ours(ratings)
    assert len(folds) == 5
    theirs = surprise_folds(ratings, 5, **options)
    for n, (fold, (train, test)) in enumerate(zip(folds, theirs, strict=True)):
        assert triples(fold.test) == test, "same rows in the same order"
        if n in (0, 3):
            assert sorted(triples(fold.train)) == sorted(raw_rows(train))
            # Surprise numbers users in order of appearance, so this is the row order
            appearance = list(dict.fromkeys(fold.train.user.tolist()))
            inner = [train.to_raw_uid(u) for u in range(train.n_users)]
            assert appearance == inner


@pytest.mark.parametrize("n_folds", [2, 3, 7])
def test_uneven_folds_are_surprise_s(n_folds):
    data = full(5, 4).subset(np.arange(17))
    theirs = surprise_folds(data, n_folds, random_state=3, shuffle=True)
    folds = splits.k_fold(data, n_folds=n_folds, random_state=3)
    for fold, (train, test) in zip(folds, theirs, strict=True):
        assert triples(fold.test) == test
        assert_partition(data, (fold.train, fold.test), ordered=False)
        assert sorted(triples(fold.train)) == sorted(raw_rows(train))
        assert fold.valid is None


@given(strategies.interactions(min_rows=2), st.data())
def test_every_row_is_tested_once(data, draw):
    assume(len(data) >= 2)
    n_folds = draw.draw(st.integers(2, len(data)))
    for folds in (
        splits.k_fold(data, n_folds=n_folds),
        splits.contiguous_folds(data, n_folds=n_folds),
    ):
        sizes = [len(fold.test) for fold in folds]
        assert len(sizes) == n_folds and max(sizes) - min(sizes) <= 1
        assert sorted(sum((rows(fold.test) for fold in folds), [])) == sorted(
            rows(data)
        )
        for fold in folds:
            assert_partition(data, (fold.train, fold.test), ordered=False)


def test_official_folds_are_consecutive_and_u1_has_459_users(ratings):
    folds = splits.contiguous_folds(ratings)
    for n, fold in enumerate(folds):
        part = np.arange(20_000 * n, 20_000 * (n + 1))
        assert same(fold.test, ratings.subset(part))
        assert same(fold.train, ratings.subset(np.delete(np.arange(100_000), part)))
    assert len(np.unique(folds[0].test.user)) == 459


@pytest.mark.parametrize("random_state", [0, 5, None])
def test_a_fold_alone_is_the_one_of_the_list(random_state):
    data = full(5, 4).subset(np.arange(17))
    options = {"n_folds": 3, "random_state": random_state}
    for n, wanted in enumerate(splits.k_fold(data, **options)):
        got = splits.fold(data, n, **options)
        assert same(got.train, wanted.train) and same(got.test, wanted.test)
        assert got.valid is None
    for n in (-1, 3, 1.0, None):
        with pytest.raises(ValueError, match="n must be a whole number >= 0 and <= 2"):
            splits.fold(data, n, **options)


@pytest.mark.parametrize("n_folds", [1, 0, 7, 2.0, None])
def test_number_of_folds(n_folds):
    with pytest.raises(ValueError, match="n_folds must be a whole number >= 2 and <="):
        splits.k_fold(full(3, 2), n_folds=n_folds)


# -- leave_last_out ------------------------------------------------------------------


@given(strategies.interactions(), st.booleans())
def test_leave_last_out_against_a_loop(data, valid):
    train, middle, test = splits.leave_last_out(data, valid=valid)
    n_last = 2 if valid else 1
    latest = oracles.last_rows(data.user, data.time, n_last, needed=n_last + 1)
    last = sorted(held[0] for held in latest.values())
    assert same(test, data.subset(last))
    held = set(last)
    if valid:
        before = sorted(held_rows[1] for held_rows in latest.values())
        assert same(middle, data.subset(before))
        held |= set(before)
    else:
        assert middle is None
    assert same(train, data.subset([n for n in range(len(data)) if n not in held]))
    if len(train):  # nobody loses the last training row
        assert set(data.user) == set(train.user)


def test_leave_last_out_on_movielens(ratings):
    train, _, test = splits.leave_last_out(ratings)
    assert len(test) == 943 and len(np.unique(test.user)) == 943
    held = oracles.last_rows(ratings.user, ratings.time, 1, needed=2)
    assert same(test, ratings.subset(sorted(h[0] for h in held.values())))
    three = splits.leave_last_out(ratings, valid=True)
    assert same(three.test, test) and len(three.valid) == 943
    assert_partition(ratings, (three.train, three.valid, three.test))


# -- global_time ---------------------------------------------------------------------


@given(strategies.interactions(min_rows=2), st.sampled_from([0.25, 0.5, 0.75]))
def test_global_time_separates_the_times(data, ratio):
    times = sorted(data.time)
    assume(len(times) and times[int(ratio * len(times))] > times[0])
    train, valid, test = splits.global_time(data, ratio=ratio)
    assert valid is None
    assert_partition(data, (train, test))
    assert train.time.max() < test.time.min()
    assert test.time.min() == times[int(ratio * len(times))]
    given_cut = splits.global_time(data, cut=int(test.time.min()))
    assert same(given_cut.train, train) and same(given_cut.test, test)


def test_global_time_on_movielens(ratings):
    split = splits.global_time(ratings)
    assert split.train.time.max() < split.test.time.min()
    assert abs(len(split.train) - 75_000) < 50
    warm = splits.warm_users(split)
    expected = set(split.train.user.tolist()) & set(split.test.user.tolist())
    assert warm.tolist() == sorted(expected)
    assert 80 < len(warm) < 130, "about a hundred users"


def test_global_time_needs_two_moments():
    data = full(2, 2)  # times 0, 0, 1, 1
    assert len(splits.global_time(data, cut=1).train) == 2
    for cut in (0, 2, -5):
        with pytest.raises(ValueError, match="leaves one part empty; times run from 0"):
            splits.global_time(data, cut=cut)
    with pytest.raises(ValueError, match="one part empty"):
        splits.global_time(full(1, 1))
    with pytest.raises(ValueError, match="at least two rows"):
        splits.global_time(data.subset([]))


# -- cold items, new users -----------------------------------------------------------


@given(strategies.interactions(), st.sampled_from([0.2, 0.5, 0.7]), st.integers(0, 3))
def test_cold_items_lose_all_rows(data, fraction, seed):
    present = set(data.item.tolist())
    n = round(fraction * len(present))
    assume(0 < n < len(present))
    split = splits.cold_items(data, fraction=fraction, random_state=seed)
    assert_partition(data, (split.train, split.test))
    cold, warm = set(split.test.item.tolist()), set(split.train.item.tolist())
    assert not cold & warm and len(cold) == n


@settings(max_examples=50)
@given(strategies.interactions(), st.sampled_from([0.2, 0.5, 0.7]), st.integers(0, 3))
def test_new_users_and_their_nested_histories(data, fraction, seed):
    present = set(data.user.tolist())
    n = round(fraction * len(present))
    assume(0 < n < len(present))
    parts = [
        splits.new_users(data, fraction=fraction, n_known=k, random_state=seed)
        for k in range(8)
    ]
    before = set()
    for k, (train, history, test, users) in enumerate(parts):
        assert_partition(data, (train, history, test))
        assert users.tolist() == sorted(present - set(train.user.tolist()))
        assert len(users) == n and same(train, parts[0].train)
        assert set(test.user) | set(history.user) == set(users)
        for u in users:
            total = np.sum(data.user == u)
            assert np.sum(history.user == u) == min(k, total)
        assert before <= set(rows(history)), "a larger history holds the smaller"
        before = set(rows(history))


def test_new_users_reveal_a_random_choice():
    data = full(4, 200)
    first = splits.new_users(data, fraction=0.5, n_known=20, random_state=0).history
    items = [first.item[first.user == u] for u in np.unique(first.user)]
    assert set(items[0]) != set(items[1])
    assert all(i.max() > 100 and i.min() < 100 for i in items), "not the first rows"


@pytest.mark.parametrize("split", [splits.cold_items, splits.new_users])
def test_fraction_must_hide_and_keep(split):
    for fraction in (0, 1, -1, 2, None):
        with pytest.raises(ValueError, match="fraction must be a number > 0 and < 1"):
            split(full(5, 5), fraction=fraction)
    with pytest.raises(ValueError, match="fraction 0.05 of 5 .* is 0; need at least"):
        split(full(5, 5), fraction=0.05)
    with pytest.raises(ValueError, match="need at least one hidden and one kept"):
        split(full(1, 1), fraction=0.5)


def test_known_rows_are_counted():
    with pytest.raises(ValueError, match="n_known must be a whole number >= 0"):
        splits.new_users(full(5, 5), n_known=-1)


# -- edge shapes ---------------------------------------------------------------------

EDGES = {
    "one user": full(1, 9),
    "one item": full(9, 1),
    "one row": full(1, 1),
    "one row each": Interactions(
        user=[0, 1, 2],
        item=[2, 0, 1],
        value=[1, 2, 3],
        time=[5, 5, 5],
        user_ids=list("abc"),
        item_ids=list("xyz"),
    ),
    "no rows": full(2, 2).subset([]),
}
ALWAYS = {
    "item_stratified": splits.item_stratified,
    "user_holdout": splits.user_holdout,
    "leave_last_out": splits.leave_last_out,
    "leave_last_out, valid": lambda d: splits.leave_last_out(d, valid=True),
    "carve_validation": lambda d: Split(
        *splits.carve_validation(Split(d, None, d.subset([])))
    ),
}


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("name", ALWAYS)
def test_edge_shapes_are_split(edge, name):
    data = EDGES[edge]
    parts = [part for part in ALWAYS[name](data) if part is not None]
    assert_partition(data, parts)
    if "last" in name and edge in ("one item", "one row", "one row each"):
        assert len(parts[0]) == len(data), "users with one row stay in train"
    if "last" in name and edge == "one user":
        assert [len(part) for part in parts] == [10 - len(parts), *[1] * len(parts[1:])]


@pytest.mark.parametrize("edge", ["one user", "one item", "one row each"])
def test_edge_shapes_that_can_be_cut(edge):
    data = EDGES[edge]
    for fold in splits.k_fold(data, n_folds=3):
        assert_partition(data, (fold.train, fold.test), ordered=False)
    users, items = len(np.unique(data.user)), len(np.unique(data.item))
    for split, n in ((splits.cold_items, items), (splits.new_users, users)):
        if n > 1:
            assert_partition(data, split(data, fraction=0.4)[::2])
        else:
            with pytest.raises(ValueError, match="need at least one hidden"):
                split(data, fraction=0.4)


def test_splits_by_time_need_time():
    data = full(3, 3)
    timeless = Interactions.from_frame(data.to_frame().drop(columns="time"))
    for split in (splits.leave_last_out, splits.global_time):
        with pytest.raises(ValueError, match="carry no time"):
            split(timeless)


# -- arguments -------------------------------------------------------------------------

BY_DATA = {
    "item_stratified": splits.item_stratified,
    "user_holdout": splits.user_holdout,
    "k_fold": splits.k_fold,
    "contiguous_folds": splits.contiguous_folds,
    "fold": partial(splits.fold, n=0),
    "leave_last_out": splits.leave_last_out,
    "global_time": splits.global_time,
    "cold_items": splits.cold_items,
    "new_users": splits.new_users,
}
BY_SPLIT = {
    "carve_validation": splits.carve_validation,
    "warm_users": splits.warm_users,
}


def test_every_splitter_is_listed_here():
    public = set(splits.__all__) - {"NewUsers"}
    assert public == {*BY_DATA, *BY_SPLIT}


@pytest.mark.parametrize("name", BY_DATA)
@pytest.mark.parametrize("kind", ["Dataset", "NoneType", "DataFrame", "csr_array", "s"])
def test_a_splitter_takes_interactions(name, kind):
    data = full(4, 4)
    other = {
        "Dataset": Dataset(data, None, None),
        "DataFrame": data.to_frame(),
        "csr_array": data.csr,
        "s": Split(data, None, data),
    }.get(kind)
    with pytest.raises(TypeError, match=f"^{name} expects Interactions as data, got "):
        BY_DATA[name](other)
    with pytest.raises(TypeError, match="or pass dataset.interactions"):
        BY_DATA[name](other)


@pytest.mark.parametrize("name", BY_SPLIT)
def test_a_split_is_wanted(name):
    data = full(4, 4)
    for other in (data, None, (data, None, data), Dataset(data, None, None)):
        with pytest.raises(TypeError, match=f"^{name} expects a Split, got"):
            BY_SPLIT[name](other)
    with pytest.raises(TypeError, match=f"{name} expects .* as split.train, got None"):
        BY_SPLIT[name](Split(None, None, data))


SEEDED = {
    **{n: BY_DATA[n] for n in ("item_stratified", "user_holdout", "k_fold")},
    **{n: BY_DATA[n] for n in ("fold", "cold_items", "new_users")},
    "carve_validation": lambda data, **options: splits.carve_validation(
        Split(data, None, data), **options
    ),
}
BAD_SEEDS = [-1, 2**32, 1.0, "1", True, np.nan, [1], np.random.default_rng(0), None]


@pytest.mark.parametrize("name", SEEDED)
def test_seeds_are_checked_by_name(name):
    for seed in BAD_SEEDS:
        if name in ("k_fold", "fold") and seed is None:
            continue  # no shuffle
        with pytest.raises(ValueError, match=r"random_state of a split .* 2\*\*32 - 1"):
            SEEDED[name](full(5, 5), random_state=seed)
    for seed in (np.int64(7), np.uint8(7)):
        one = SEEDED[name](full(5, 5), random_state=seed)
        two = SEEDED[name](full(5, 5), random_state=7)
        one, two = (x[0] if name == "k_fold" else x for x in (one, two))
        assert same(one.train, two.train)
    SEEDED[name](full(5, 5), random_state=2**32 - 1)


@pytest.mark.parametrize("value", ["0.5", [0.5], np.inf, 1j])
def test_shares_are_numbers(value):
    for name in ("item_stratified", "user_holdout", "global_time"):
        with pytest.raises(ValueError, match="ratio must be a number > 0 and < 1"):
            BY_DATA[name](full(4, 4), ratio=value)
    for name in ("cold_items", "new_users"):
        with pytest.raises(ValueError, match="fraction must be a number > 0 and < 1"):
            BY_DATA[name](full(4, 4), fraction=value)


@pytest.mark.parametrize("value", ["3", np.nan, np.inf, [3], True])
def test_counts_and_cuts_are_numbers(value):
    with pytest.raises(ValueError, match="cut must be a number"):
        splits.global_time(full(4, 4), cut=value)
    with pytest.raises(ValueError, match="n_known must be a whole number >= 0"):
        splits.new_users(full(4, 4), n_known=value)
    for split in (splits.k_fold, splits.contiguous_folds):
        with pytest.raises(ValueError, match="n_folds must be a whole number"):
            split(full(4, 4), n_folds=value)
    with pytest.raises(ValueError, match="ratio must be"):
        splits.global_time(full(4, 4), cut=3, ratio=value)


@pytest.mark.parametrize("value", [None, 1, "yes", 0.0])
def test_valid_is_yes_or_no(value):
    with pytest.raises(ValueError, match="valid must be True or False"):
        splits.leave_last_out(full(4, 4), valid=value)


@pytest.mark.parametrize("split", [splits.k_fold, splits.contiguous_folds])
def test_folds_of_too_little(split):
    for data in (full(1, 1), full(1, 1).subset([])):
        with pytest.raises(ValueError, match=f"at least two rows, got {len(data)}"):
            split(data)
    with pytest.raises(ValueError, match="n_folds must be .* <= 4, got 5"):
        split(full(2, 2))
    assert [len(f.test) for f in split(full(2, 2), n_folds=4)] == [1] * 4


def test_a_second_validation_part_takes_the_place_of_the_first():
    split = splits.carve_validation(splits.item_stratified(full(8, 8)))
    again = splits.carve_validation(split)
    assert_partition(split.train, again[:2])
