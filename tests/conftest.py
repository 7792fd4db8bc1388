"""Shared by all tests: the real data, loaded once per process, and hypothesis."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("recsys_tutor.testing")

settings.register_profile(
    "book",
    deadline=None,  # the first call of a function may import or compile
    derandomize=True,  # the same examples on every machine
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("book")


@pytest.fixture(scope="session")
def movielens():
    """MovieLens 100K as a Dataset."""
    from recsys_tutor.datasets import load_movielens_100k

    return load_movielens_100k(progress=False)


@pytest.fixture(scope="session")
def ratings(movielens):
    """The 100,000 ratings, in file order."""
    return movielens.interactions


@pytest.fixture(params=["write", "replace"])
def full_disk(request, monkeypatch):
    """A function: from its call on no file can be written, or none be renamed."""

    def full(*args, **kwargs):
        raise OSError("disk full")

    places = {"write": (Path, "write_bytes"), "replace": (os, "replace")}
    return lambda: monkeypatch.setattr(*places[request.param], full)
