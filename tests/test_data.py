"""Interactions: numbering, checks, views and sequences."""

import copy
import pickle
from dataclasses import FrozenInstanceError

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


@given(strategies.interactions(), st.integers(1, 9))
def test_sequences_against_a_loop(data, max_len):
    items, lengths = data.sequences(max_len)
    full, full_lengths = data.sequences()
    assert items.shape == (data.n_users, max_len) and items.dtype == np.int64
    longest = 0
    for u in range(data.n_users):
        rows = [row for row in data.chronological() if data.user[row] == u]
        history = [int(data.item[row]) for row in rows]
        longest = max(longest, len(history))
        recent = history[-max_len:]
        padding = [data.n_items] * (max_len - len(recent))
        assert items[u].tolist() == recent + padding, "padded on the right"
        assert lengths[u] == len(recent) and full_lengths[u] == len(history)
        assert full[u, : len(history)].tolist() == history
    assert full.shape == (data.n_users, longest)


def test_sequences_need_time_and_a_length():
    with pytest.raises(ValueError, match="carry no time"):
        build(time=None).sequences()
    with pytest.raises(ValueError, match="max_len must be at least 1, got 0"):
        build().sequences(0)


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
