"""Interactions: numbering, checks, views and sequences."""

import copy
import datetime
import pickle
import subprocess
import sys
from collections import Counter
from dataclasses import FrozenInstanceError
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_tutor.data import Dataset, Interactions, Split


def build(**changes):
    columns = {
        "user": [0, 1, 1],
        "item": [0, 0, 3],
        "value": [1.0, 2.5, 4.0],
        "time": [30, 10, 20],
        "user_ids": ["b", "a", "c"],
        "item_ids": [7, 5, 9, 11],
    }
    return Interactions(**{**columns, **changes})


def frame(**changes):
    columns = {"user": ["x", "y"], "item": [3, 1], "value": [1.0, 2.0], "time": [5, 6]}
    return pd.DataFrame({**columns, **changes})


# -- the container ------------------------------------------------------------------


def test_columns_sizes_and_repr():
    data = build()
    assert (data.n_users, data.n_items, data.shape, len(data)) == (3, 4, (3, 4), 3)
    assert data.density == 3 / 12
    assert repr(data) == "Interactions(3 rows, 3 users, 4 items, density 25.00%)"
    assert [data.user.dtype, data.item.dtype, data.time.dtype] == [np.int64] * 3
    assert data.value.dtype == np.float64
    assert build(time=None).time is None
    assert isinstance(Split(data, None, data), tuple)
    assert Dataset(data, None, None).interactions is data


def test_arrays_are_copies_and_read_only():
    user = np.array([0, 1, 1])
    ids = np.array(["b", "a", "c"])
    data = build(user=user, user_ids=ids)
    user[0], ids[0] = 2, "z"
    assert data.user[0] == 0 and data.user_ids[0] == "b"
    again = pickle.loads(pickle.dumps(data))
    for one in (data, again, copy.deepcopy(data), data.subset([1, 2])):
        for name in ("user", "item", "value", "time", "user_ids", "item_ids"):
            with pytest.raises(ValueError, match="read-only"):
                getattr(one, name)[0] = getattr(one, name)[0]
    with pytest.raises(FrozenInstanceError):
        data.user = user


def test_pickle_keeps_everything():
    data = build()
    assert data.csr.nnz == 3  # cached before pickling
    again = pickle.loads(pickle.dumps(data))
    pd.testing.assert_frame_equal(again.to_frame(), data.to_frame())
    assert again.shape == data.shape
    assert pickle.loads(pickle.dumps(build(time=None))).time is None


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"value": [1, np.nan, 2]}, r"'value' must be finite; row 1 holds nan \(1 bad"),
        ({"value": [np.inf, 1, -np.inf]}, r"'value'.*row 0 holds inf \(2 bad"),
        ({"value": ["1", "two", "3"]}, "'value' must hold numbers"),
        ({"value": [1, None, 2]}, "'value' must not have missing entries; row 1"),
        ({"value": np.array([1, pd.NA, 2], object)}, "'value' must not.*row 1"),
        ({"value": [1j, 1, 2]}, "'value' must hold plain numbers, got complex"),
        ({"value": [[1, 2, 3]]}, r"value must be one-dimensional, got shape \(1, 3\)"),
        ({"value": [1, 2]}, "one length, got .*'value': 2"),
        ({"time": [1, 2]}, "one length, got .*'time': 2"),
        ({"time": [3, -1, 2]}, r"'time' must be >= 0; row 1 holds -1 \(1 bad"),
        ({"time": [3, 1.5, 2]}, "'time' must be a whole number; row 1 holds 1.5"),
        ({"time": [3, 1e300, 2]}, "'time' must be a whole number; row 1 holds 1e"),
        ({"time": [3, 1, np.nan]}, "'time' must be a whole number; row 2 holds nan"),
        (
            {"time": np.array(["2020-01-01"] * 3, "M8[ns]")},
            "'time' must hold plain numbers, got datetime64.*turn dates into seconds",
        ),
        ({"user": [0, 3, 1]}, r"'user' must be in 0\.\.2; row 1 holds 3"),
        ({"user": [0, -1, 1]}, r"'user' must be in 0\.\.2; row 1 holds -1"),
        ({"item": [0, 0, 4]}, r"'item' must be in 0\.\.3; row 2 holds 4"),
        ({"item": [0, 0.5, 1]}, "'item' must be a whole number; row 1 holds 0.5"),
        ({"user": [1, 0, 1], "item": [2, 2, 2]}, r"indices \(1, 2\) in row 2.*last"),
        ({"user_ids": ["a", "b", "a"]}, "user_ids must be unique; 'a' twice"),
        ({"item_ids": [[7, 5, 9, 11]]}, "item_ids must be one-dimensional"),
    ],
)
def test_bad_columns_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)


def test_whole_floats_and_empty_columns_are_fine():
    assert build(user=[0.0, 1.0, 1.0]).user.tolist() == [0, 1, 1]
    empty = build(user=[], item=[], value=[], time=[])
    assert len(empty) == 0 and empty.shape == (3, 4) and empty.density == 0
    assert empty.csr.shape == (3, 4) and empty.csr.nnz == 0
    assert build(user=[], item=[], value=[], time=[], user_ids=[]).density == 0


# -- from_frame -----------------------------------------------------------------------


def test_ids_are_numbered_in_sorted_order_and_rows_keep_theirs():
    data = Interactions.from_frame(
        frame(user=["y", "x"]), user="user", item="item", value="value", time="time"
    )
    assert data.user_ids.tolist() == ["x", "y"] and data.item_ids.tolist() == [1, 3]
    assert data.user.tolist() == [1, 0] and data.item.tolist() == [1, 0]
    assert data.value.tolist() == [1, 2] and data.time.tolist() == [5, 6]


def test_other_column_names_events_and_absent_time():
    renamed = frame().rename(columns={"user": "who", "item": "what", "time": "when"})
    data = Interactions.from_frame(renamed, user="who", item="what", value=None)
    assert data.time is None and data.value.tolist() == [1, 1]
    timed = Interactions.from_frame(renamed, user="who", item="what", time="when")
    assert timed.time.tolist() == [5, 6]
    assert Interactions.from_frame(frame(), time=None).time is None


def test_row_labels_of_the_frame_do_not_matter():
    plain = Interactions.from_frame(frame())
    odd = Interactions.from_frame(frame().set_index(pd.Index([9, 9])))
    pd.testing.assert_frame_equal(odd.to_frame(), plain.to_frame())


def test_a_given_catalogue_fixes_numbers_and_shape():
    data = Interactions.from_frame(
        frame(), user_ids=["z", "y", "x"], item_ids=[9, 3, 2, 1]
    )
    assert data.shape == (3, 4)
    assert data.user.tolist() == [2, 1] and data.item.tolist() == [1, 3]
    with pytest.raises(KeyError, match="unknown item ids: 3"):
        Interactions.from_frame(frame(), item_ids=[1, 2])
    with pytest.raises(ValueError, match="user_ids must be unique"):
        Interactions.from_frame(frame(), user_ids=["x", "y", "x"])


@pytest.mark.parametrize(
    "changes, options, message",
    [
        ({}, {"user": "who"}, r"column 'who' is missing; the frame has \['user'"),
        ({}, {"duplicates": "first"}, "duplicates must be .* got 'first'"),
        ({"user": ["x", None]}, {}, "'user' must not have missing ids; row 1"),
        ({"item": [np.nan, 1]}, {}, "'item' must not have missing ids; row 0"),
        ({"value": [1, np.nan]}, {}, "'value' must be finite; row 1"),
        ({"time": [1, np.nan]}, {}, "'time' must be a whole number; row 1"),
        ({"value": ["good", "bad"]}, {}, "'value' must hold numbers"),
        ({"time": [1, -2]}, {"duplicates": "last"}, "'time' must be >= 0"),
        ({"user": ["x", "x"], "item": [1, 1]}, {}, "1 duplicate .*from_frame"),
    ],
)
def test_bad_frames_are_explained(changes, options, message):
    with pytest.raises(ValueError, match=message):
        Interactions.from_frame(frame(**changes), **options)


@pytest.mark.parametrize("dtype", ["Int64", "Float64"])
def test_missing_values_of_nullable_columns_are_named(dtype):
    for name in ("value", "time"):
        column = pd.Series([1, None], dtype=dtype)
        with pytest.raises(ValueError, match=f"'{name}' must.* row 1"):
            Interactions.from_frame(frame(**{name: column}))


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("how", ["last", "mean", "sum"])
@settings(max_examples=40)
@given(rows=st.lists(st.tuples(*[st.integers(0, 2)] * 2, *[st.integers(0, 3)] * 2)))
def test_duplicates_against_a_literal_merge(rows, how, timed):
    columns = pd.DataFrame(rows, columns=["user", "item", "value", "time"])
    data = Interactions.from_frame(
        columns, time="time" if timed else None, duplicates=how
    )
    groups = {}
    for n, (user, item, value, time) in enumerate(rows):
        groups.setdefault((user, item), []).append((time if timed else 0, n, value))
    expected = []
    for (user, item), group in groups.items():
        time, n, value = max(group)  # latest time, then latest row
        values = [value for _, _, value in group]
        value = {"last": value, "sum": sum(values), "mean": sum(values) / len(values)}
        expected.append((n, user, item, value[how], time))
    got = data.to_frame()
    expected.sort()  # the kept row stands where the latest one stood
    assert got[["user", "item"]].to_numpy().tolist() == [list(e[1:3]) for e in expected]
    np.testing.assert_allclose(got["value"], [e[3] for e in expected])
    if timed:
        assert got["time"].tolist() == [e[4] for e in expected]
    assert ("time" in got) == timed


# -- views ----------------------------------------------------------------------------


@given(strategies.interactions())
def test_csr_against_a_dense_loop(data):
    dense = np.zeros(data.shape)
    stored = np.zeros(data.shape, bool)
    for u, i, v in zip(data.user, data.item, data.value, strict=True):
        dense[u, i], stored[u, i] = v, True
    assert data.csr.shape == data.shape and data.csr.dtype == np.float64
    np.testing.assert_array_equal(data.csr.toarray(), dense)
    for u in range(data.n_users):
        row = data.csr.indices[data.csr.indptr[u] : data.csr.indptr[u + 1]]
        assert row.tolist() == np.flatnonzero(stored[u]).tolist(), "sorted columns"
    assert data.csr is data.csr, "built once"


def test_csr_keeps_explicit_zeros():
    data = build(value=[0.0, 1.0, 0.0])
    assert data.csr.nnz == 3 and data.csr.sum() == 1


@given(strategies.interactions(), st.data())
def test_subset_keeps_maps_shape_and_order(data, draw):
    mask = np.array(
        draw.draw(st.lists(st.booleans(), min_size=len(data), max_size=len(data))), bool
    )
    rows = np.flatnonzero(mask)
    reverse = rows[::-1]
    for chosen, wanted in ((mask, rows), (rows, rows), (reverse, reverse)):
        part = data.subset(chosen)
        assert part.shape == data.shape
        np.testing.assert_array_equal(part.user_ids, data.user_ids)
        np.testing.assert_array_equal(part.item_ids, data.item_ids)
        for name in ("user", "item", "value", "time"):
            assert getattr(part, name).tolist() == getattr(data, name)[wanted].tolist()


def test_subset_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="mask has 2 entries, expected 3"):
        build().subset([True, False])
    with pytest.raises(IndexError):
        build().subset([3])
    assert len(build().subset([])) == 0
    assert build(time=None).subset([1]).time is None


def test_binarize():
    assert build().binarize().value.tolist() == [1, 1, 1]
    liked = build().binarize(2.5)
    assert liked.value.tolist() == [1, 1] and liked.user.tolist() == [1, 1]
    assert liked.time.tolist() == [10, 20] and liked.shape == (3, 4)
    assert len(build().binarize(99)) == 0


@given(strategies.interactions())
def test_chronological_is_a_stable_sort(data):
    expected = sorted(range(len(data)), key=lambda row: (data.time[row], row))
    assert data.chronological().tolist() == expected


@given(strategies.interactions())
def test_the_timeline_is_each_user_s_rows_by_time_and_file(data):
    rows = []
    for u in range(data.n_users):
        own = [row for row in range(len(data)) if data.user[row] == u]
        rows += sorted(own, key=lambda row: (data.time[row], row))
    assert data.timeline().tolist() == rows
    assert data.timeline().dtype == np.int64


def test_ties_in_time_keep_the_order_of_the_rows():
    data = Interactions(
        [1, 0, 1, 1, 0], [3, 2, 1, 2, 0], np.ones(5), [5, 9, 5, 1, 9], [7, 8], range(4)
    )
    assert data.timeline().tolist() == [1, 4, 3, 0, 2]


def test_an_order_needs_times():
    for ask in (build(time=None).timeline, build(time=None).chronological):
        with pytest.raises(ValueError, match="carry no time"):
            ask()


@given(strategies.interactions())
def test_to_frame_and_back(data):
    again = Interactions.from_frame(
        data.to_frame(), user_ids=data.user_ids, item_ids=data.item_ids
    )
    for name in ("user", "item", "value", "time", "user_ids", "item_ids"):
        np.testing.assert_array_equal(getattr(again, name), getattr(data, name))
    assert list(build(time=None).to_frame()) == ["user", "item", "value"]


# -- ids ------------------------------------------------------------------------------


def test_ids_to_indices():
    data = build()
    index = data.user_index(["c", "b", "c"])
    assert index.tolist() == [2, 0, 2] and index.dtype == np.int64
    assert data.item_index(np.array([11, 7])).tolist() == [3, 0]
    assert data.user_index("a").tolist() == [1], "one id gives one index"
    assert data.user_index([]).tolist() == []


def test_unknown_ids_are_listed():
    with pytest.raises(KeyError, match=r"unknown user ids: 'zoe', 0 \(2 of 3\)"):
        build().user_index(["a", "zoe", 0])
    with pytest.raises(KeyError, match=r"item ids: 0, 1, 2, 3, 4 … \(6 of 6\)"):
        build().item_index([0, 1, 2, 3, 4, 6])
    with pytest.raises(KeyError, match=r"ids: '7' \(1 of 1\); ids are int64"):
        build().item_index(["7"])  # a text is not a number


def ids_of(texts):
    """The same ids as data frames and arrays bring them."""
    yield texts
    yield tuple(texts)
    yield pd.Series(texts, dtype=object)
    yield pd.Index(texts, dtype=object)
    yield pd.Categorical(texts) if len({type(t) for t in texts}) == 1 else texts
    yield np.array([*texts, None], dtype=object)[:-1]


@given(st.lists(strategies.WHOLE_OR_TEXT, min_size=1, max_size=6, unique=True))
def test_ids_stay_what_they_are(ids):
    """Constructor, numbering and look-up agree on mixtures of numbers and texts."""
    whole = all(isinstance(i, int) for i in ids)
    for given_ids in ids_of(ids):
        data = Interactions([0], [0], [1.0], None, given_ids, [7])
        assert data.user_ids.tolist() == ids
        assert data.user_ids.dtype == (np.int64 if whole else object)
        assert data.user_index(given_ids).tolist() == list(range(len(ids)))
        for row, one in enumerate(ids):
            assert data.user_index(one).tolist() == [row]
            other = int(one) if isinstance(one, str) and one.isdigit() else str(one)
            if other not in ids:
                with pytest.raises(KeyError, match="unknown user ids"):
                    data.user_index([one, other])
    table = pd.DataFrame({"user": pd.Series(ids * 2, dtype=object), "item": 0})
    table["item"] = range(len(table))
    data = Interactions.from_frame(table, value=None)
    expected = sorted(ids, key=lambda i: (isinstance(i, str), i))
    assert data.user_ids.tolist() == expected, "numbers first, each kind sorted"
    assert data.to_frame().user.tolist() == ids * 2
    again = Interactions.from_frame(data.to_frame(), user_ids=ids)
    assert again.user.tolist() == list(range(len(ids))) * 2


@given(strategies.NO_IDS, st.sampled_from([[], [1], ["a"], [1, "a"]]))
def test_what_is_no_id_is_refused_everywhere(wrong, before):
    ids = [*before, wrong]
    column = np.empty(len(ids), dtype=object)
    for row, one in enumerate(ids):
        column[row] = one
    row = len(before)
    for given_ids in (ids, column):
        with pytest.raises(ValueError, match=f"user_ids.* row {row} "):
            Interactions([0], [0], [1.0], None, given_ids, [7])
    table = pd.DataFrame({"user": column, "item": 1, "value": 1.0})
    with pytest.raises(ValueError, match=f"'user' must .* row {row} "):
        Interactions.from_frame(table)
    data = Interactions([0], [0], [1.0], None, [*before, "z"], [7])
    with pytest.raises(KeyError, match="unknown user ids"):
        data.user_index(column)


@pytest.mark.parametrize(
    "column, expected",
    [
        (pd.Series([2.0, 1.0]), [1, 2]),
        (pd.Series([2, 1], dtype="Int64"), [1, 2]),
        (pd.Series([2, 1], dtype="uint64"), [1, 2]),
        (pd.Series(["b", "a"], dtype="string"), ["a", "b"]),
        (pd.Series(["b", "a"], dtype="category"), ["a", "b"]),
        (pd.Series(pd.Categorical([2, 1], [9, 2, 1])), [1, 2]),
        (pd.Series(["10", "9"]), ["10", "9"]),
        (pd.Series(["a\0", "a"]), ["a", "a\0"]),
        (pd.Series(["nan", ""]), ["", "nan"]),
    ],
)
def test_columns_of_any_kind_are_sorted_alike(column, expected):
    data = Interactions.from_frame(frame(user=column))
    assert data.user_ids.tolist() == expected
    assert data.to_frame().user.tolist() == column.tolist()


@pytest.mark.parametrize(
    "column, advice",
    [
        ([1.5, 2.0], "astype"),
        ([True, False], "astype"),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), "astype"),
        ([b"a", b"b"], "decode"),
        ([(1, 2), (1, 3)], "join its parts"),
        (pd.Series([1, None], dtype="Int64"), "missing ids; row 1"),
        (pd.Series(["a", None], dtype="string"), "missing ids; row 1"),
        (pd.Categorical(["a", None]), "missing ids; row 1"),
        ([2**63, 1], "astype"),
    ],
)
def test_columns_that_hold_no_ids(column, advice):
    with pytest.raises(ValueError, match=f"column 'user' must .*{advice}"):
        Interactions.from_frame(frame(user=column))


def test_containers_of_ids():
    for wrong in ({"a", "b", "c"}, frozenset("abc"), {"a": 1, "b": 2, "c": 3}):
        with pytest.raises(TypeError, match="user_ids in a .* have no order"):
            build(user_ids=wrong)
        with pytest.raises(TypeError, match="have no order; pass a list"):
            build().user_index(wrong)
    hidden = np.ma.array([1, 2, 3], mask=[0, 1, 0])
    with pytest.raises(ValueError, match="user_ids hold masked entries"):
        build(user_ids=hidden)
    with pytest.raises(ValueError, match="'value' holds masked entries"):
        build(value=hidden)
    assert build(value=np.ma.array([1, 2, 3])).value.tolist() == [1, 2, 3]
    data = build()
    assert data.item_index(np.int32(5)).tolist() == [1]
    assert data.item_index(5.0).tolist() == [1], "a whole float is that number"
    assert data.item_index(np.array(9)).tolist() == [2]
    assert data.item_index(i for i in (9, 7)).tolist() == [2, 0]
    assert data.item_index(pd.Series([], dtype=float)).tolist() == []
    with pytest.raises(ValueError, match="one-dimensional"):
        data.item_index(np.array([[7, 5]]))


def test_the_kind_of_the_ids_is_said():
    with pytest.raises(KeyError, match=r"'17' \(1 of 1\); ids are int64"):
        build().item_index(["17"])
    with pytest.raises(KeyError, match=r"ids: 17 \(1 of 1\); ids are text"):
        build().user_index(17)
    with pytest.raises(KeyError, match=r"ids: 17 \(1 of 1\)\W*$"):
        build().item_index(17)


# -- exact numbers --------------------------------------------------------------------


@given(
    st.lists(
        st.one_of(
            st.integers(-(2**64), 2**64),
            st.integers(0, 9).map(float),
            st.sampled_from([Decimal(3), Fraction(4), np.int64(5), np.float32(6)]),
            st.sampled_from(["1", "1_0", "１", None, True, 0.5, 1j, b"1", 2.0**60]),
            st.sampled_from([datetime.date(2020, 1, 1), pd.Timestamp(0), pd.NaT]),
            st.sampled_from([Decimal("NaN"), Decimal("Infinity"), 10**400, (1,)]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_whole_numbers_are_exact_or_refused(numbers):
    def good(number):
        real = isinstance(number, (int, float, Decimal, Fraction, np.number))
        if not real or isinstance(number, bool) or isinstance(number, complex):
            return False
        if abs(float("inf") if number != number else number) >= 2**63:
            return False
        return number == int(number) and number >= 0

    n = len(numbers)
    column = np.empty(n, dtype=object)
    for row, number in enumerate(numbers):
        column[row] = number
    args = ([1.0] * n, column, ["u"], list(range(n)))
    if all(map(good, numbers)):
        data = Interactions([0] * n, range(n), *args)
        assert data.time.tolist() == [int(number) for number in numbers]
    else:
        with pytest.raises(ValueError, match="^column 'time' .* row "):
            Interactions([0] * n, range(n), *args)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"value": ["1_000", "1", "2"]}, "'value' must hold numbers, not text.*1_000"),
        ({"value": ["１", "1", "2"]}, "'value' must hold numbers, not text"),
        ({"value": [10**400, 1, 1]}, "'value' must hold numbers that a float"),
        ({"value": [[1, 2], [3], [4]]}, "value must be one-dimensional"),
        ({"value": "123"}, r"value must be one-dimensional, got shape \(\)"),
        ({"time": np.array([2**63, 1, 1], dtype=np.uint64)}, "'time' must be a whole"),
        ({"time": [2.0**60, 1.0, 2.0]}, "'time' must be a whole number"),
        ({"time": pd.to_datetime(["2020-01-01"] * 3, utc=True)}, "tz_convert"),
        ({"time": [datetime.date(2020, 1, 1)] * 3}, "tz_convert"),
        ({"user": [True, False, True]}, "'user' must hold whole numbers that are not"),
        ({"user": ["0", "1", "1"]}, "'user' must hold whole numbers that are not text"),
    ],
)
def test_numbers_that_are_none(changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)


def test_the_advice_for_dates_works():
    for dates in (
        pd.Series(pd.to_datetime(["2020-01-01"])),
        pd.Series(pd.to_datetime(["2020-01-01T01:00+01:00"])),
        pd.Series([datetime.datetime(2020, 1, 1)], dtype=object),
    ):
        seconds = (
            pd.to_datetime(dates, utc=True)
            .dt.tz_convert(None)
            .astype("datetime64[s]")
            .astype("int64")
        )
        assert seconds.tolist() == [1577836800]


# -- frames that are none -------------------------------------------------------------


def test_frames_that_are_none():
    for wrong in ({"user": ["a"]}, np.ones((2, 3)), [("a", "b", 1)], None):
        with pytest.raises(TypeError, match="needs a pandas DataFrame, got"):
            Interactions.from_frame(wrong)
    twice = pd.DataFrame(
        [["a", "b", "x", 1]], columns=["user", "user", "item", "value"]
    )
    with pytest.raises(ValueError, match="'user' comes more than once"):
        Interactions.from_frame(twice)
    with pytest.raises(ValueError, match="column 'tiem' is missing"):
        Interactions.from_frame(frame(), time="tiem")
    assert Interactions.from_frame(frame().drop(columns="time")).time is None


def test_rows_thresholds_and_lengths_that_are_none():
    data = build()
    for rows, message in (([3], "row 3 is out of range for 0..2"), ([-1], "row -1")):
        with pytest.raises(IndexError, match=message):
            data.subset(rows)
    for rows in ([0.5], ["a"], [[0]], 0):
        with pytest.raises(ValueError, match="one mask or integer positions"):
            data.subset(rows)
    for threshold in ("3", np.nan, True):
        with pytest.raises(ValueError, match="threshold must be a number"):
            data.binarize(threshold)


# -- at_least -------------------------------------------------------------------------


@given(strategies.interactions(), st.integers(1, 4), st.integers(1, 4))
def test_at_least_against_a_loop(data, user, item):
    rows = list(zip(*data.to_frame().T.to_numpy().tolist(), strict=True))
    while True:
        users, items = Counter(r[0] for r in rows), Counter(r[1] for r in rows)
        kept = [r for r in rows if users[r[0]] >= user and items[r[1]] >= item]
        if kept == rows:
            break
        rows = kept
    core = data.at_least(user=user, item=item)
    assert list(map(tuple, core.to_frame().to_numpy().tolist())) == rows
    for ids, old, place in (
        (core.user_ids, data.user_ids, 0),
        (core.item_ids, data.item_ids, 1),
    ):
        used = {row[place] for row in rows}
        assert ids.tolist() == [one for one in old.tolist() if one in used]
    assert core.at_least(user=user, item=item).digest == core.digest
    timeless = Interactions.from_frame(data.to_frame().drop(columns="time"))
    assert timeless.at_least(user=user, item=item).time is None


@given(strategies.interactions(min_rows=1, max_users=3, max_items=3))
@settings(max_examples=25)
def test_no_larger_part_of_the_rows_has_the_property(data):
    n = len(data)
    core = {
        tuple(r) for r in data.at_least(user=2, item=2).to_frame().to_numpy()[:, :2]
    }
    pairs = data.to_frame().to_numpy()[:, :2].tolist()
    for chosen in range(2**n):
        part = [pairs[i] for i in range(n) if chosen >> i & 1]
        users, items = Counter(r[0] for r in part), Counter(r[1] for r in part)
        if min([*users.values(), *items.values()], default=2) >= 2:
            assert {tuple(r) for r in part} <= core


def test_at_least_with_titles_and_wrong_bounds():
    data = Dataset(
        build(),
        pd.DataFrame({"title": ["seven", "five", "nine", "eleven"]}),
        pd.DataFrame({"name": ["b", "a", "c"]}),
    )
    core = data.at_least(user=2)
    assert core.interactions.user_ids.tolist() == core.users.name.tolist() == ["a"]
    assert core.interactions.item_ids.tolist() == [7, 11]
    assert core.items.title.tolist() == ["seven", "eleven"]
    assert core.items.index.tolist() == [0, 1]
    assert data.at_least(user=9).interactions.shape == (0, 0)
    for wrong in (0, -1, 1.5, "2", True, None):
        with pytest.raises(ValueError, match="item must be a whole number of at least"):
            build().at_least(item=wrong)


# -- digest ---------------------------------------------------------------------------

CHANGES = [
    {"user": [0, 1, 2]},
    {"item": [0, 1, 3]},
    {"value": [1.0, 2.5, np.nextafter(4.0, 5.0)]},
    {"time": [30, 10, 21]},
    {"time": None},
    {"time": [0, 0, 0]},
    {"user_ids": ["b", "a", "d"]},
    {"user_ids": ["a", "b", "c"]},
    {"user_ids": ["b", "a", "c", "d"]},
    {"item_ids": ["7", "5", "9", "11"]},
    {"item_ids": [7, 5, 9, "11"]},
    {"item_ids": [7, 5, 9, 11, 12]},
    {"user": [1, 0, 1], "item": [0, 0, 3], "value": [2.5, 1, 4], "time": [10, 30, 20]},
]


def test_digest_tells_data_apart():
    digests = [build(**changes).digest for changes in ({}, *CHANGES)]
    assert len(set(digests)) == len(digests)
    assert all(len(d) == 16 and int(d, 16) >= 0 for d in digests)
    same = build(user=np.array([0, 1, 1], dtype=np.int8), value=[1, 2.5, 4])
    assert same.digest == build().digest == pickle.loads(pickle.dumps(build())).digest
    data = build()
    assert data.digest is data.digest, "computed once"
    with pytest.raises(FrozenInstanceError):
        data.digest = "0"
    zero = build(value=[0.0, 2.5, 4.0])
    assert zero.digest == build(value=[-0.0, 2.5, 4.0]).digest


def test_digest_is_the_same_elsewhere():
    """Another process, another hash seed; the literal guards the rule itself."""
    code = (
        "from recsys_tutor.data import Interactions\n"
        "rows = [0, 1], [1, 0], [1.0, 2.0], [3, 4]\n"
        "print(Interactions(*rows, ['é', 1], [5, 6]).digest)"
    )
    run = [sys.executable, "-c", code]
    env = {"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)}
    told = subprocess.run(run, capture_output=True, text=True, check=True, env=env)
    here = Interactions([0, 1], [1, 0], [1.0, 2.0], [3, 4], ["é", 1], [5, 6]).digest
    assert told.stdout.strip() == here == "f6a97b31b06f5be8"


@given(strategies.interactions(min_rows=1), st.data())
def test_digest_sees_every_cell(data, draw):
    column = draw.draw(st.sampled_from(["value", "time"]))
    row = draw.draw(st.integers(0, len(data) - 1))
    changed = np.array(getattr(data, column))
    changed[row] += 1
    columns = {n: getattr(data, n) for n in ("user", "item", "value", "time")}
    ids = {"user_ids": data.user_ids, "item_ids": data.item_ids}
    assert Interactions(**{**columns, column: changed}, **ids).digest != data.digest
