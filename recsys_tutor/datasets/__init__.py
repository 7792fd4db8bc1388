"""Data sets: MovieLens 100K, the reader's own ratings, the toy and the made world.

The one door to all of them. Every loader returns a
:class:`~recsys_tutor.data.Dataset`: the interactions, a frame with one row per item
index and a frame with one row per user index.

Chapters: 01 The recommendation problem, 05 Content-based filtering, appendix on data
and licences.
"""

from recsys_tutor.datasets._later_ids import LATER_IDS
from recsys_tutor.datasets.movielens import DEMO_USERS, load_movielens_100k
from recsys_tutor.datasets.movielens_files import RELATIONS
from recsys_tutor.datasets.movielens_sources import DataNotAvailable
from recsys_tutor.datasets.ratings_csv import load_ratings_csv
from recsys_tutor.datasets.worlds import World, make_world, toy

__all__ = [
    "DEMO_USERS",
    "DataNotAvailable",
    "LATER_IDS",
    "RELATIONS",
    "World",
    "load_movielens_100k",
    "load_ratings_csv",
    "make_world",
    "toy",
]
