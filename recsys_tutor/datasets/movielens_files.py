"""MovieLens 100K as it is packed: the official archive and the recbole wheel.

Both hold the same ratings, titles, genres and users, in two layouts; the wheel adds a
knowledge graph. Whatever is read is checked against one known SHA-256.

Chapter: appendix on data and licences.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from recsys_tutor.datasets._later_ids import LATER_IDS

__all__ = ["GENRES", "RATINGS_SHA256", "RELATIONS"]

#: SHA-256 of the official u.data: lines "user TAB item TAB rating TAB time LF".
#:
#: :meta hide-value:
RATINGS_SHA256 = "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"
N_USERS, N_ITEMS, N_RATINGS = 943, 1682, 100_000

#: The order of the genre flags in the official u.item; the first flag, "unknown", says
#: that no genre is known and gives an empty tuple.
#:
#: :meta hide-value:
GENRES = (
    *("Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical"),
    *("Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)

#: Column of the items frame -> relation in the knowledge graph (film on the left).
#:
#: :meta hide-value:
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
READ_ERRORS: tuple[type[Exception], ...] = (ValueError, OSError, EOFError)
READ_ERRORS += (RuntimeError, zipfile.BadZipFile, zlib.error)


def read_files(path: Path) -> dict[str, bytes]:
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
            message = f"damaged or incomplete archive ({reason(error)})"
            raise ValueError(message) from error
    for names in (_OFFICIAL, _RECBOLE):
        if all(name in files for name in names):
            return files
    raise ValueError(
        f"holds neither {', '.join(_OFFICIAL)} nor {', '.join(_RECBOLE)}; "
        f"found {', '.join(sorted(files)) or 'none of them'}"
    )


def parse(files: dict[str, bytes]) -> dict:
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
        words = [text.split() for text in items[3]]
        genres = [tuple(g for g in GENRES if g in known) for known in words]
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


def _table(
    files: dict[str, bytes],
    name: str,
    sep: str,
    width: int,
    encoding: str = "utf-8",
    header: bool = False,
) -> pd.DataFrame:
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


def parse_graph(files: dict[str, bytes]) -> dict | None:
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
        columns[name] = [tuple(tails.get(i, ())) for i in ids]
    return columns


def reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if text else type(error).__name__
