"""MovieLens 100K: 943 users, 1,682 films, 100,000 ratings, and what is known of them.

The loader and its parsed copy in the cache directory;
:mod:`recsys_tutor.datasets.movielens_sources` fetches the files,
:mod:`recsys_tutor.datasets.movielens_files` reads them.

Chapters: 01 The recommendation problem, 05 Content-based filtering, appendix on data
and licences.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import platformdirs

from recsys_tutor.data import Dataset, Interactions
from recsys_tutor.datasets import movielens_files
from recsys_tutor.datasets.movielens_files import READ_ERRORS, RELATIONS, reason
from recsys_tutor.datasets.movielens_sources import WHEEL, DataNotAvailable, fetch
from recsys_tutor.files import write_whole

__all__ = ["DEMO_USERS", "load_movielens_100k"]

CACHE_NAME = "movielens-100k-v1.cache"

#: Ids of the three users whose lists every chapter shows (few, a median number of and
#: many ratings).
DEMO_USERS = (702, 316, 592)

LICENCE = (
    "MovieLens 100K (GroupLens, University of Minnesota): free for research, no "
    "redistribution, no commercial use without permission; cite Harper & Konstan "
    "(2015), doi:10.1145/2827872."
)


def load_movielens_100k(
    *, cache: str | os.PathLike | None = None, progress: bool = True
) -> Dataset:
    """MovieLens 100K: 943 users, 1,682 films, 100,000 ratings in file order.

    The ratings are taken from the first of these that works: the parsed copy in the
    cache directory; an ``ml-100k.zip``, a recbole wheel or an unpacked ``ml-100k``
    folder that somebody put into the cache directory; the official GroupLens archive;
    the wheel ``recbole==1.2.1``, fetched with pip, which carries the same table.
    Whatever the source, the table must match one known SHA-256, so every reader works
    on the same rows in the same order. The parsed copy is written to a temporary name
    and renamed, so no other process ever sees half of it.

    Parameters
    ----------
    cache : path, optional
        The cache directory; else the environment variable ``RECSYS_TUTOR_DATA``; else
        the user's cache directory of the platform.
    progress : bool
        Show a progress bar on the first load.

    Returns
    -------
    interactions : Interactions
        Shape (943, 1682); ``value`` in 1..5, ``time`` in seconds since 1970. User index
        ``u`` is MovieLens user ``u + 1`` and item index ``i`` is MovieLens item
        ``i + 1``. Row ``n`` is line ``n`` of ``u.data``.
    items : DataFrame, 1,682 rows
        ``item`` (MovieLens id), ``title`` as people read it ("The Usual Suspects"),
        ``year`` (Int64, missing for the one film without a name), ``genres`` (tuple of
        str, empty for the two films whose genre is unknown), ``freebase_id`` (str, ""
        where a film is not linked: 346 films), and one column of tuples per relation of
        the knowledge graph: ``actors``, ``directors``, ``writers``, ``producers``,
        ``cinematographers``, ``companies``, ``countries``, ``languages``,
        ``subjects``, ``fine_genres``, ``certificates``, ``awards``, ``nominations``,
        ``prequels``, ``sequels``. The tuples hold Freebase ids such as "m.0bln8",
        sorted; **no names** come with them, and the order says nothing about billing.
        ``items.attrs["knowledge_graph"]`` is True when these columns are filled. They
        come from the recbole wheel only: with the GroupLens archive alone (no pip, no
        wheel in the cache directory) they hold empty tuples and the attribute is False.
    users : DataFrame, 943 rows
        ``user`` (MovieLens id), ``age`` (int64), ``sex`` ("M", "F"), ``occupation``,
        ``zip`` (str).

    Raises
    ------
    DataNotAvailable
        No source works, or the cache cannot be written. The message lists each source
        with its reason, and how to put a file there by hand.

    Warns
    -----
    UserWarning
        A damaged copy in the cache (it is fetched again), or no knowledge graph.

    Notes
    -----
    18 films appear twice under two ids in the original; they are left as they are.
    The wheel links films to Freebase by the ids of the *later* MovieLens sets, although
    its column says ``item_id``; read literally, Titanic gets the cast of The Swan
    Princess. The loader translates with ``LATER_IDS``. Films
    without a partner there (many of 1997 and 1998) stay without graph features.

    The official archive and the wheel give equal titles, years, genres and users. The
    release dates and IMDb addresses of the archive are in neither frame.

    The first load takes a few seconds and prints the licence line to stderr; later
    loads take about a tenth of a second.

    References
    ----------
    Harper & Konstan (2015), The MovieLens Datasets: History and Context,
    doi:10.1145/2827872. Zhao et al. (2019), KB4Rec, doi:10.1162/dint_a_00008 (the links
    to Freebase). Chapter 01.
    """
    folder = _cache_folder(cache)
    stored = folder / CACHE_NAME
    tried = []
    if stored.is_file():
        try:
            return _dataset(_read_cache(stored))
        except READ_ERRORS as error:
            tried.append((f"the parsed copy {stored}", reason(error)))
            warnings.warn(
                f"the cached copy of MovieLens 100K is damaged ({reason(error)}); "
                f"fetching it again into {stored}",
                stacklevel=2,
            )
    _check_writable(folder)
    with tempfile.TemporaryDirectory(prefix="recsys_tutor-") as scratch:
        parsed = fetch(folder, Path(scratch), tried, progress)
    _write_cache(stored, parsed)
    print(LICENCE, file=sys.stderr)
    if not parsed["graph"]:
        warnings.warn(
            "MovieLens 100K was loaded without its knowledge graph (actors, directors, "
            f"...): {parsed['no_graph']}. To add it later, put the {WHEEL} wheel into "
            f"{folder}, delete {stored} and load again",
            stacklevel=2,
        )
    return _dataset(parsed)


# -- the parsed copy ----------------------------------------------------------------


def _cache_folder(cache: str | os.PathLike | None) -> Path:
    if cache is None:
        cache = os.environ.get("RECSYS_TUTOR_DATA") or None
    if cache is None:
        cache = platformdirs.user_cache_dir("recsys_tutor")
    return Path(cache).expanduser().absolute()


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise DataNotAvailable(_not_writable(folder, error)) from error


def _not_writable(folder: Path, error: OSError) -> str:
    return (
        f"the cache directory {folder} cannot be written ({reason(error)}). Make it "
        "writable, or name another directory: set the environment variable "
        "RECSYS_TUTOR_DATA, or pass load_movielens_100k(cache=...)"
    )


def _write_cache(stored: Path, parsed: dict) -> None:
    """Write the parsed copy, whole or not at all."""
    tables = {key: parsed[key] for key in ("items", "users", "graph")}
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        ratings=parsed["ratings"].astype(np.int32),
        tables=np.frombuffer(json.dumps(tables).encode(), dtype=np.uint8),
    )
    body = buffer.getvalue()
    try:
        write_whole(stored, _cache_head(body) + b"\n" + body)
    except OSError as error:
        raise DataNotAvailable(_not_writable(stored.parent, error)) from error


def _read_cache(stored: Path) -> dict:
    """The parsed copy, if its first line is right."""
    head, _, body = stored.read_bytes().partition(b"\n")
    if head != _cache_head(body):
        raise ValueError("its content does not match its SHA-256")
    with np.load(io.BytesIO(body)) as arrays:
        parsed = json.loads(arrays["tables"].tobytes())
        parsed["ratings"] = arrays["ratings"].astype(np.int64)
    return parsed


def _cache_head(body: bytes) -> bytes:
    """First line of the copy: which ratings it holds, and the hash of the rest."""
    ratings, rest = movielens_files.RATINGS_SHA256, hashlib.sha256(body).hexdigest()
    return f"{ratings} {rest}".encode()


def _dataset(parsed: dict) -> Dataset:
    ratings, graph = parsed["ratings"], parsed["graph"]
    n_users, n_items = len(parsed["users"]["age"]), len(parsed["items"]["title"])
    interactions = Interactions(
        user=ratings[:, 0] - 1,
        item=ratings[:, 1] - 1,
        value=ratings[:, 2].astype(np.float64),
        time=ratings[:, 3],
        user_ids=np.arange(1, n_users + 1),
        item_ids=np.arange(1, n_items + 1),
    )
    items = pd.DataFrame({"item": interactions.item_ids, **parsed["items"]})
    items["year"] = items["year"].astype("Int64")
    items["genres"] = _tuples(parsed["items"]["genres"])
    items["freebase_id"] = graph.get("freebase_id", [""] * n_items)
    for name in RELATIONS:
        items[name] = _tuples(graph.get(name, [()] * n_items))
    items.attrs["knowledge_graph"] = bool(graph)
    users = pd.DataFrame({"user": interactions.user_ids, **parsed["users"]})
    return Dataset(interactions, items, users)


def _tuples(rows: Iterable[Iterable]) -> pd.Series:
    return pd.Series([tuple(row) for row in rows], dtype=object)
