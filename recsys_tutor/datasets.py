"""Data sets: MovieLens 100K, the reader's own ratings, the toy and the made world.

Every loader returns a :class:`~recsys_tutor.data.Dataset`: the interactions, a frame
with one row per item index and a frame with one row per user index.

Chapters: 01 The recommendation problem, 05 Content-based filtering, appendix on data
and licences.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import warnings
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import platformdirs
from tqdm import tqdm

from recsys_tutor.data import Dataset, Interactions
from recsys_tutor.movielens_ids import LATER_IDS
from recsys_tutor.ratings_csv import load_ratings_csv
from recsys_tutor.worlds import World, make_world, toy

__all__ = [
    "DEMO_USERS",
    "DataNotAvailable",
    "World",
    "genre_matrix",
    "load_movielens_100k",
    "load_ratings_csv",
    "make_world",
    "toy",
]


class DataNotAvailable(RuntimeError):
    """A data set could not be fetched, read or stored; the message says what to do."""


# -- MovieLens 100K: what is known about it -----------------------------------------

ARCHIVE_URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
ARCHIVE_MD5 = "0e33842e24a9c977be4e0107933c0723"
WHEEL = "recbole==1.2.1"
# SHA-256 of the official u.data: lines "user TAB item TAB rating TAB time LF".
RATINGS_SHA256 = "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"
CACHE_NAME = "movielens-100k-v1.cache"
N_USERS, N_ITEMS, N_RATINGS = 943, 1682, 100_000

#: Ids of the three users whose lists every chapter shows (few, a median number of and
#: many ratings).
DEMO_USERS = (702, 316, 592)

LICENCE = (
    "MovieLens 100K (GroupLens, University of Minnesota): free for research, no "
    "redistribution, no commercial use without permission; cite Harper & Konstan "
    "(2015), doi:10.1145/2827872."
)

# The order of the genre flags in the official u.item; the first flag, "unknown", says
# that no genre is known and gives an empty tuple.
GENRES = (
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)

# Column of the items frame -> relation in the knowledge graph (film on the left).
RELATIONS = {
    "actors": "film.film.actor",
    "directors": "film.film.directed_by",
    "writers": "film.film.written_by",
    "producers": "film.film.produced_by",
    "cinematographers": "film.film.cinematography",
    "companies": "film.film.production_companies",
    "countries": "film.film.country",
    "languages": "film.film.language",
    "subjects": "film.film.subjects",
    "fine_genres": "film.film.genre",
    "certificates": "film.film.rating",
    "awards": "film.film.award_won",
    "nominations": "film.film.award_nomination",
    "prequels": "film.film.prequel",
    "sequels": "film.film.sequel",
}

_OFFICIAL = ("u.data", "u.item", "u.user")
_RECBOLE = ("ml-100k.inter", "ml-100k.item", "ml-100k.user")
_GRAPH = ("ml-100k.kg", "ml-100k.link")
_READ_ERRORS = (
    ValueError,
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
)


# -- MovieLens 100K: the loader -----------------------------------------------------


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
    Princess. The loader translates with :mod:`recsys_tutor.movielens_ids`. Films
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
        except _READ_ERRORS as error:
            tried.append((f"the parsed copy {stored}", _reason(error)))
            warnings.warn(
                f"the cached copy of MovieLens 100K is damaged ({_reason(error)}); "
                f"fetching it again into {stored}",
                stacklevel=2,
            )
    _check_writable(folder)
    with tempfile.TemporaryDirectory(prefix="recsys_tutor-") as scratch:
        parsed = _fetch(folder, Path(scratch), tried, progress)
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


# -- MovieLens 100K: fetching -------------------------------------------------------


def _fetch(folder, scratch, tried, progress) -> dict:
    """The parsed data from the first source that works, with the graph if possible."""
    by_hand = [folder / "ml-100k.zip", *sorted(folder.glob("recbole-*.whl"))]
    by_hand.append(folder / "ml-100k")
    sources = [(str(path), lambda path=path: path) for path in by_hand if path.exists()]
    if not sources:
        tried.append((f"files put by hand into {folder}", "there are none"))
    sources += [
        (ARCHIVE_URL, lambda: _download_archive(scratch, progress)),
        (f"pip download {WHEEL}", lambda: _download_wheel(scratch)),
    ]
    parsed = graph = None
    why = []
    with tqdm(total=4, desc="MovieLens 100K", disable=not progress) as bar:
        for name, get in sources:
            bar.set_postfix_str(name.rsplit("/", 1)[-1])
            if parsed is not None and name == ARCHIVE_URL:
                continue  # it holds no graph
            try:
                files = _read_files(get())
                if parsed is None:
                    parsed = _parse(files)
                    bar.update(2)
                graph = _parse_graph(files)
            except _READ_ERRORS as error:
                (tried if parsed is None else why).append((name, _reason(error)))
            if graph is not None:
                bar.update(2)
                break
    if parsed is None:
        raise DataNotAvailable(_help(folder, tried))
    parsed["graph"] = graph or {}
    parsed["no_graph"] = "; ".join(f"{name}: {reason}" for name, reason in why)
    return parsed


def _download_archive(scratch: Path, progress: bool) -> Path:
    """The official archive, checked against its MD5. Fails within seconds offline."""
    import pooch

    _check_reachable(ARCHIVE_URL)
    pooch.get_logger().setLevel("WARNING")
    return Path(
        pooch.retrieve(
            ARCHIVE_URL,
            known_hash=f"md5:{ARCHIVE_MD5}",
            fname="ml-100k.zip",
            path=scratch,
            downloader=pooch.HTTPDownloader(progressbar=progress, timeout=(5, 30)),
        )
    )


def _check_reachable(url: str, seconds: float = 8.0) -> None:
    """Ask for the headers of ``url``; give up after ``seconds``, name look-up included.

    A time limit of the request covers connecting and reading, but not the resolver,
    which may hang for a minute; so the question runs in a thread that can be left.
    """
    import requests

    answer = []

    def ask():
        try:
            requests.head(url, timeout=(5, 5), allow_redirects=True).close()
            answer.append(None)
        except requests.RequestException as error:
            answer.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    if not answer:
        raise OSError(f"no answer within {seconds:g} seconds")
    if answer[0] is not None:
        raise OSError(f"cannot be reached ({_innermost(answer[0])})")


def _download_wheel(scratch: Path) -> Path:
    """The recbole wheel from the package index that the reader's pip is set to."""
    target = scratch / "wheel"
    command = [sys.executable, "-m", "pip", "download", WHEEL, "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(target), "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--retries", "1", "--timeout", "10"]
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=180, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise OSError("pip was not ready within 180 seconds") from error
    if run.returncode:
        lines = [line for line in run.stderr.splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else "no message"
        if "connection broken" in run.stderr:
            reason += " (no connection to the package index)"
        raise OSError(f"pip failed: {reason}")
    wheels = sorted(target.glob("*.whl"))
    if not wheels:
        raise OSError("pip ended well but left no wheel")
    return wheels[0]


def _help(folder: Path, tried) -> str:
    lines = ["MovieLens 100K could not be loaded. Tried, in this order:"]
    lines += [f"  - {name}: {reason}" for name, reason in tried]
    lines += [
        "By hand: put one of these into the cache directory and load again",
        f"  {folder}",
        f"  - ml-100k.zip, from {ARCHIVE_URL}",
        f"  - the wheel that `pip download --no-deps {WHEEL}` saves (recbole-*.whl)",
        "  - the unpacked folder ml-100k of either",
        "Another directory: set the environment variable RECSYS_TUTOR_DATA.",
    ]
    return "\n".join(lines)


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if text else type(error).__name__


def _innermost(error: BaseException) -> str:
    """The first cause of a chain of exceptions: the line that says something."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return _reason(error)


# -- MovieLens 100K: reading the two formats ----------------------------------------


def _read_files(path: Path) -> dict[str, bytes]:
    """The known files of an archive or a folder, by name."""
    wanted = {*_OFFICIAL, *_RECBOLE, *_GRAPH}
    if path.is_dir():
        files = {p.name: p.read_bytes() for p in path.iterdir() if p.name in wanted}
    else:
        try:
            with zipfile.ZipFile(path) as archive:
                files = {
                    PurePosixPath(name).name: archive.read(name)
                    for name in archive.namelist()
                    if PurePosixPath(name).name in wanted
                    and PurePosixPath(name).parent.name in ("", "ml-100k")
                }
        except (zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise ValueError(
                f"damaged or incomplete archive ({_reason(error)})"
            ) from error
    for names in (_OFFICIAL, _RECBOLE):
        if all(name in files for name in names):
            return files
    raise ValueError(
        f"holds neither {', '.join(_OFFICIAL)} nor {', '.join(_RECBOLE)}; "
        f"found {', '.join(sorted(files)) or 'none of them'}"
    )


def _parse(files: dict[str, bytes]) -> dict:
    """Ratings, items and users in one form, from either format; checked."""
    if "u.data" in files:
        ratings = _table(files, "u.data", "\t", 4)
        items = _table(files, "u.item", "|", 24, "latin-1")
        titles = items[1]
        flags = items[list(range(6, 24))].to_numpy() == "1"
        genres = [tuple(np.array(GENRES)[row].tolist()) for row in flags]
        users = _table(files, "u.user", "|", 5)
    else:
        ratings = _table(files, "ml-100k.inter", "\t", 4, header=True)
        items = _table(files, "ml-100k.item", "\t", 4, header=True)
        titles = items[1] + " (" + items[2] + ")"
        genres = [
            tuple(genre for genre in GENRES if genre in text.split())
            for text in items[3]
        ]
        users = _table(files, "ml-100k.user", "\t", 5, header=True)
    try:
        ratings = ratings.astype("int64").to_numpy()
    except ValueError as error:
        raise ValueError(f"the ratings are not whole numbers: {error}") from error
    _check_ratings(ratings)
    for name, frame, n in (("items", items, N_ITEMS), ("users", users, N_USERS)):
        if frame[0].tolist() != [str(i) for i in range(1, n + 1)]:
            raise ValueError(f"the {name} are not numbered 1 to {n}; damaged file")
    names = [_title_and_year(title) for title in titles]
    return {
        "ratings": ratings,
        "items": {
            "title": [title for title, _ in names],
            "year": [year for _, year in names],
            "genres": genres,
        },
        "users": {
            "age": [int(age) for age in users[1]],
            "sex": users[2].tolist(),
            "occupation": users[3].tolist(),
            "zip": users[4].tolist(),
        },
    }


def _table(files, name, sep, width, encoding="utf-8", header=False) -> pd.DataFrame:
    """A small text table, every cell a string, columns numbered from 0."""
    text = files[name].decode(encoding).replace("\r\n", "\n")
    rows = [line.split(sep) for line in text.split("\n")]
    rows = [row for row in rows[1 if header else 0 :] if row != [""]]
    for number, row in enumerate(rows, start=2 if header else 1):
        if len(row) != width:
            raise ValueError(
                f"{name}, line {number}: {len(row)} fields instead of {width}"
            )
    return pd.DataFrame(rows, columns=range(width), dtype=str)


def _check_ratings(ratings: np.ndarray) -> None:
    found = _ratings_sha256(ratings)
    if found != RATINGS_SHA256:
        raise ValueError(
            f"the ratings are not MovieLens 100K: {len(ratings):,} rows (expected "
            f"{N_RATINGS:,}), SHA-256 {found[:12]}... (expected "
            f"{RATINGS_SHA256[:12]}...)"
        )


def _ratings_sha256(ratings: np.ndarray) -> str:
    """SHA-256 of the (n, 4) table user, item, rating, time, written like u.data."""
    lines = [f"{u}\t{i}\t{r}\t{t}\n" for u, i, r, t in ratings.tolist()]
    return hashlib.sha256("".join(lines).encode("ascii")).hexdigest()


_YEAR = re.compile(r"^(.*?)\s*\((\d{4})\)(?:\s*\((?:V|TV)\))?\s*$")
_ARTICLE = re.compile(
    r"^(.+), (The|A|An|La|Le|Les|L'|Il|Das|Der|Die|Det|O)(?= \(|$)", re.IGNORECASE
)


def _title_and_year(text: str) -> tuple[str, int | None]:
    """ "Usual Suspects, The (1995)" -> ("The Usual Suspects", 1995)."""
    match = _YEAR.match(text)
    if match is None:
        return "unknown", None  # item 267, the only one without a year
    title, year = match.groups()
    outer, bracket, inner = title.partition(" (")
    title = _article_first(outer.strip())
    if bracket:
        title += f" ({_article_first(inner.removesuffix(')'))})"
    return title, int(year)


def _article_first(title: str) -> str:
    match = _ARTICLE.match(title)
    if match is None:
        return title
    name, article = match.groups()
    return f"{article}{'' if article.endswith(chr(39)) else ' '}{name}"


def _parse_graph(files: dict[str, bytes]) -> dict | None:
    """For each column the tuple of Freebase ids per item; None if there is no graph."""
    if not all(name in files for name in _GRAPH):
        return None
    links = _table(files, "ml-100k.link", "\t", 2, header=True)
    # The first column is headed item_id, but holds the ids of the later MovieLens sets.
    entity = dict(zip(links[0].astype("int64"), links[1], strict=True))
    edges = _table(files, "ml-100k.kg", "\t", 3, header=True)
    ids = [entity.get(later, "") for later in LATER_IDS[:N_ITEMS]]
    columns = {"freebase_id": ids}
    for name, relation in RELATIONS.items():
        tails = edges[edges[1] == relation].groupby(0)[2].agg(lambda t: sorted(set(t)))
        tails = tails.to_dict()
        columns[name] = [tuple(tails.get(i, ())) for i in ids]
    return columns


# -- MovieLens 100K: the parsed copy ------------------------------------------------


def _cache_folder(cache) -> Path:
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
        f"the cache directory {folder} cannot be written ({_reason(error)}). Make it "
        "writable, or name another directory: set the environment variable "
        "RECSYS_TUTOR_DATA, or pass load_movielens_100k(cache=...)"
    )


def _write_cache(stored: Path, parsed: dict) -> None:
    """Write under a temporary name in the same directory, then rename."""
    tables = {key: parsed[key] for key in ("items", "users", "graph")}
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        ratings=parsed["ratings"].astype(np.int32),
        tables=np.frombuffer(json.dumps(tables).encode(), dtype=np.uint8),
    )
    body = buffer.getvalue()
    part = stored.with_name(f"{stored.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with open(part, "xb") as file:
            file.write(_cache_head(body) + b"\n" + body)
        os.replace(part, stored)
    except OSError as error:
        raise DataNotAvailable(_not_writable(stored.parent, error)) from error
    finally:
        part.unlink(missing_ok=True)


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
    return f"{RATINGS_SHA256} {hashlib.sha256(body).hexdigest()}".encode()


def _dataset(parsed: dict) -> Dataset:
    ratings = parsed["ratings"]
    interactions = Interactions(
        user=ratings[:, 0] - 1,
        item=ratings[:, 1] - 1,
        value=ratings[:, 2].astype(np.float64),
        time=ratings[:, 3],
        user_ids=np.arange(1, N_USERS + 1),
        item_ids=np.arange(1, N_ITEMS + 1),
    )
    items = pd.DataFrame({"item": interactions.item_ids, **parsed["items"]})
    items["year"] = items["year"].astype("Int64")
    items["genres"] = _tuples(parsed["items"]["genres"])
    graph = parsed["graph"]
    items["freebase_id"] = graph.get("freebase_id", [""] * N_ITEMS)
    for name in RELATIONS:
        items[name] = _tuples(graph.get(name, [()] * N_ITEMS))
    items.attrs["knowledge_graph"] = bool(graph)
    users = pd.DataFrame({"user": interactions.user_ids, **parsed["users"]})
    return Dataset(interactions, items, users)


def _tuples(rows) -> pd.Series:
    return pd.Series([tuple(row) for row in rows], dtype=object)
