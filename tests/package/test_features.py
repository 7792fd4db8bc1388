"""Features: published counts of genres, scikit-learn's TF-IDF, loops over films."""

import math
import warnings

import numpy as np
import oracles
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array, hstack
from sklearn.feature_extraction.text import TfidfTransformer

from recsys_tutor.datasets import movielens_files
from recsys_tutor.features import (
    RICH_FIELDS,
    genre_matrix,
    item_terms,
    side_features,
    tfidf,
)

# -- genres ------------------------------------------------------------------------


def test_real_genre_matrix(movielens):
    matrix, names = genre_matrix(movielens.items)
    assert matrix.shape == (1682, 18) and set(np.unique(matrix)) == {0.0, 1.0}
    # counts published with the data set
    count = dict(zip(names, matrix.sum(axis=0), strict=True))
    assert count["Drama"] == 725 and count["Comedy"] == 505 and count["Fantasy"] == 22
    assert matrix.sum() == sum(len(genres) for genres in movielens.items.genres)
    assert names == tuple(sorted(movielens_files.GENRES))


def test_genre_matrix_small_and_errors():
    items = pd.DataFrame({"genres": [("b",), (), ["a", "b"]]})
    matrix, names = genre_matrix(items)
    assert names == ("a", "b")
    assert matrix.tolist() == [[0, 1], [0, 0], [1, 1]]
    with pytest.raises(ValueError, match=r"column 'genres'; it has \['title'\]"):
        genre_matrix(pd.DataFrame({"title": ["x"]}))
    for cell in ("a|b", None, float("nan")):
        with pytest.raises(ValueError, match="tuples of texts; row 1 holds"):
            genre_matrix(pd.DataFrame({"genres": [("b",), cell]}))


# -- terms -------------------------------------------------------------------------


def films():
    return pd.DataFrame(
        {
            "genres": [("Drama", "War"), ["Drama"], (), ("War", "War"), ("Noir",)],
            "year": pd.array([1994, 1990, None, 1995, 2003], dtype="Int64"),
            "title": list("abcde"),
        }
    )


def test_terms_of_five_films():
    counts, terms = item_terms(films(), ("genres", "year"), min_count=1)
    assert terms == [
        "genres: Drama",
        "genres: Noir",
        "genres: War",
        "year: 1990-94",
        "year: 1995-99",
        "year: 2000-04",
    ]
    assert counts.toarray().tolist() == [
        [1, 0, 1, 1, 0, 0],
        [1, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0],  # no genre, no year
        [0, 0, 1, 0, 1, 0],  # named twice, counted once
        [0, 1, 0, 0, 0, 1],
    ]
    assert isinstance(counts, csr_array) and counts.has_sorted_indices
    shared, terms = item_terms(films(), ("genres", "year"))
    assert terms == ["genres: Drama", "genres: War", "year: 1990-94"]
    np.testing.assert_array_equal(
        shared.toarray(), counts.toarray()[:, [0, 2, 3]], "lone terms are left out"
    )
    assert item_terms(films(), ["genres"], min_count=3)[0].shape == (5, 0)


def test_years_are_put_into_bins_of_five():
    years = [1899, 1900, 1904, 1905, 1999, 2000.0, 2004, np.nan]
    counts, terms = item_terms(pd.DataFrame({"year": years}), ["year"], min_count=1)
    bins = [terms[row.argmax()] if row.any() else None for row in counts.toarray()]
    assert bins == [
        "year: 1895-99",
        "year: 1900-04",
        "year: 1900-04",
        "year: 1905-09",
        "year: 1995-99",
        "year: 2000-04",
        "year: 2000-04",
        None,
    ]


def test_wrong_fields_are_named():
    with pytest.raises(ValueError, match=r"no column 'actors'; it has \['genres'"):
        item_terms(films(), ("genres", "actors"))
    with pytest.raises(ValueError, match="field 'title'.*row 0 holds 'a'"):
        item_terms(films(), ["title"])
    odd = pd.DataFrame({"genres": [("a",), np.array(["a", "b"])]})
    with pytest.raises(ValueError, match="field 'genres'.*row 1 holds"):
        item_terms(odd, ["genres"])
    for wrong in (0, 1.5, None):
        with pytest.raises(ValueError, match="min_count"):
            item_terms(films(), ["genres"], min_count=wrong)


def test_terms_of_movielens(movielens):
    counts, terms = item_terms(movielens.items, RICH_FIELDS)
    assert counts.shape == (1682, len(terms)) and set(counts.data) == {1.0}
    assert terms == sorted(terms) and counts.sum(axis=0).min() >= 2
    drama = counts[:, [terms.index("genres: Drama")]].toarray()[:, 0]
    expected = ["Drama" in genres for genres in movielens.items.genres]
    np.testing.assert_array_equal(drama, expected)


# -- TF-IDF ------------------------------------------------------------------------

count_tables = st.tuples(st.integers(1, 7), st.integers(1, 6)).flatmap(
    lambda shape: st.lists(
        st.lists(st.integers(0, 3), min_size=shape[1], max_size=shape[1]),
        min_size=shape[0],
        max_size=shape[0],
    )
)


@given(count_tables)
def test_tfidf_is_scikit_learn_s_and_the_loop(rows):
    """Empty rows and terms that no item has are among the examples.

    Checks eq-content-tfidf.
    """
    counts = csr_array(np.array(rows, dtype=float))
    before = counts.copy()
    got = tfidf(counts)
    theirs = TfidfTransformer().fit_transform(counts).toarray()
    np.testing.assert_allclose(got.toarray(), theirs, rtol=0, atol=1e-12)
    np.testing.assert_allclose(got.toarray(), oracles.tfidf(rows), atol=1e-12)
    norms = np.sqrt((got.toarray() ** 2).sum(axis=1))
    np.testing.assert_allclose(norms, np.array(rows).any(axis=1), atol=1e-12)
    assert (counts != before).nnz == 0 and isinstance(got, csr_array)


@given(count_tables, st.floats(1e-3, 1e4))
def test_a_damped_row_is_divided_by_more_than_its_length(rows, damping):
    """Each row is its unit row, times its length over the damped one.

    Checks eq-content-damped.
    """
    counts = csr_array(np.array(rows, dtype=float))
    n, df = counts.shape[0], (np.array(rows) > 0).sum(axis=0)
    raw = np.array(rows) * (np.log((1 + n) / (1 + df)) + 1)
    want = [row / math.sqrt(sum(x * x for x in row) + damping) for row in raw]
    np.testing.assert_allclose(
        tfidf(counts, damping=damping).toarray(), want, rtol=1e-12, atol=1e-15
    )
    with pytest.raises(ValueError, match="damping must be a number >= 0"):
        tfidf(counts, damping=-1.0)


def test_tfidf_of_stored_zeros_is_zero():
    """A term that is stored with count 0 is not there."""
    counts = csr_array(([0.0, 2.0, 0.0], ([0, 1, 1], [1, 0, 1])), shape=(2, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = tfidf(counts).toarray()
    np.testing.assert_array_equal(got, [[0.0, 0.0], [1.0, 0.0]])


def test_tfidf_of_movielens_is_scikit_learn_s(movielens):
    counts, _ = item_terms(movielens.items, RICH_FIELDS)
    theirs = TfidfTransformer().fit_transform(counts)
    assert abs(tfidf(counts) - theirs).max() < 1e-12


# -- fields of users and items -----------------------------------------------------


def test_side_features_of_movielens(movielens):
    made = side_features(movielens)
    users, items = movielens.users, movielens.items
    ages, sexes, occupations = made["user_features"]
    years, genres = made["item_features"]
    for matrix in (ages, sexes, occupations):
        assert matrix.shape[0] == 943
        np.testing.assert_array_equal(matrix.sum(axis=1), 1)
    for matrix, label in (
        (ages, [age // 5 for age in users.age]),
        (sexes, list(users.sex)),
        (occupations, list(users.occupation)),
        (
            years,
            [0 if year != year else year // 3 for year in items.year.astype(float)],
        ),
    ):
        names = sorted(set(label))
        expected = [names.index(name) for name in label]
        assert matrix.shape[1] == len(names)
        np.testing.assert_array_equal(matrix.toarray().argmax(axis=1), expected)
        np.testing.assert_array_equal(matrix.sum(axis=1), 1)
    size = [len(g) for g in items.genres]
    np.testing.assert_array_equal(np.diff(genres.indptr), size)
    squares = genres.power(2).sum(axis=1)
    np.testing.assert_allclose(squares, np.minimum(size, 1))
    together = hstack(made["item_features"]).tocsr()[[0]].toarray()
    assert sorted(together[together > 0]) == pytest.approx([1 / math.sqrt(3)] * 3 + [1])
