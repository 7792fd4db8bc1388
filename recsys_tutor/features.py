"""What is known about items and users as matrices: genres, terms, ages, occupations.

Chapters: 05 Content-based filtering (genres, terms, TF-IDF), 10 Bayesian factorization
(fields of users and items).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, diags_array

from recsys_tutor.checks import check_number
from recsys_tutor.data import Dataset

__all__ = ["RICH_FIELDS", "genre_matrix", "item_terms", "side_features", "tfidf"]

#: Everything MovieLens 100K knows about a film, see ``load_movielens_100k``.
RICH_FIELDS = (
    *("genres", "year", "actors", "directors", "writers", "producers", "companies"),
    *("countries", "languages", "subjects", "fine_genres", "awards", "nominations"),
)


def genre_matrix(items: pd.DataFrame) -> tuple[np.ndarray, tuple[str, ...]]:
    """Which item has which genre, as a 0/1 matrix (chapter 05).

    Parameters
    ----------
    items : DataFrame
        A column ``genres`` with a tuple (or list) of str per item.

    Returns
    -------
    matrix : (n_items, n_genres) float64
        1.0 where the item carries the genre. An item without genres is a row of zeros.
    names : tuple of str, length n_genres
        The genres that occur, sorted.

    Raises
    ------
    ValueError
        There is no column ``genres``, or a cell of it is text or missing.
    """
    if "genres" not in items.columns:
        raise ValueError(
            f"items must have a column 'genres'; it has {list(items.columns)}"
        )
    for row, genres in enumerate(items["genres"]):
        if isinstance(genres, str) or not np.iterable(genres):  # text: letters
            raise ValueError(
                f"column 'genres' must hold tuples of texts; row {row} holds "
                f"{genres!r}. Split text first: items.genres.str.split('|')"
            )
    names = tuple(sorted({genre for genres in items["genres"] for genre in genres}))
    place = {name: column for column, name in enumerate(names)}
    matrix = np.zeros((len(items), len(names)))
    for row, genres in enumerate(items["genres"]):
        matrix[row, [place[genre] for genre in genres]] = 1.0
    return matrix, names


def item_terms(
    items: pd.DataFrame,
    fields: Sequence[str] = ("genres", "year", "actors", "directors", "writers"),
    *,
    min_count: int = 2,
) -> tuple[csr_array, list[str]]:
    """Count matrix of terms such as "genres: Drama", "year: 1990-94".

    Parameters
    ----------
    items : DataFrame
        One row per item index. A field holds a sequence of strings per item, or a
        number (a year), which is put into a bin of five.
    fields : names of columns
    min_count : int
        Terms of fewer items are left out: alone, they connect nothing.

    Returns
    -------
    counts : (n_items, n_terms) csr_array of 0/1
    terms : list of str, sorted
    """
    check_number("min_count", min_count, low=1, whole=True)
    missing = [field for field in fields if field not in items.columns]
    if missing:
        raise ValueError(f"items has no column {missing[0]!r}; it has {list(items)}")
    rows = []
    for field in fields:
        for row, value in enumerate(items[field]):
            if isinstance(value, (list, tuple)):
                rows += [(row, f"{field}: {term}") for term in set(value)]
            elif isinstance(value, str) or not pd.api.types.is_scalar(value):
                raise ValueError(
                    f"field {field!r} must hold lists or tuples of strings, or "
                    f"numbers; row {row} holds {value!r}"
                )
            elif pd.notna(value):
                start = int(value) // 5 * 5
                rows.append((row, f"{field}: {start}-{start % 100 + 4:02d}"))
    frame = pd.DataFrame(rows, columns=["item", "term"])
    count = frame.term.value_counts()
    frame = frame[frame.term.isin(count.index[count >= min_count])]
    column, terms = pd.factorize(frame.term, sort=True)
    entries = (np.ones(len(frame)), (frame.item.to_numpy(), column))
    counts = csr_array(entries, shape=(len(items), len(terms)))
    counts.sort_indices()
    return counts, list(terms)


def tfidf(counts: csr_array, *, damping: float = 0.0) -> csr_array:
    """Weigh terms by rarity, then give every item length 1, or less if damped.

    ``w[i, t] = tf[i, t] · (ln((1 + n) / (1 + df[t])) + 1)``, with ``df[t]`` the number
    of the ``n`` items that have term ``t``; rows are divided by their Euclidean norm
    (chapter 05, eq-content-tfidf). Equal to scikit-learn's ``TfidfTransformer``.

    With ``damping`` a row is divided by ``sqrt(|row|² + damping)`` instead
    (eq-content-damped): an item with few terms stays short, so missing data earns
    nothing.

    Parameters
    ----------
    counts : (n_items, n_terms) csr_array, not negative
    damping : float >= 0
        In units of a squared length: 3,000 is about that of a film of MovieLens 100K
        with eighty terms.

    Returns
    -------
    (n_items, n_terms) csr_array
        Unit rows, shorter ones with ``damping``; a row without terms stays zero.
    """
    check_number("damping", damping, low=0)
    n, _ = counts.shape
    df = np.bincount(counts.indices[counts.data > 0], minlength=counts.shape[1])
    weighted = counts @ diags_array(np.log((1 + n) / (1 + df)) + 1)
    norm = np.sqrt(weighted.power(2).sum(axis=1) + damping)
    scale = np.divide(1.0, norm, out=np.zeros(n), where=norm > 0)
    return csr_array(diags_array(scale) @ weighted)


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
    genres = csr_array(genre_matrix(items)[0])
    size = np.maximum(genres.sum(axis=1), 1)
    share = csr_array(genres / np.sqrt(size)[:, None])
    of_users = (users.age // 5, users.sex, users.occupation)
    return {
        "user_features": tuple(map(_one_hot, of_users)),
        "item_features": (_one_hot(items.year.fillna(0) // 3), share),
    }


def _one_hot(column: pd.Series) -> csr_array:
    code, _ = pd.factorize(column, sort=True)
    places = np.arange(len(code)), code
    return csr_array((np.ones(len(code)), places), (len(code), code.max() + 1))
