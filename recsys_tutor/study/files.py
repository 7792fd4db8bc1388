"""Files of measurements: where they go, how they are read, whose data they hold.

Chapters: 17 Tuning, 18 Leaderboard.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from recsys_tutor.checks import check_path
from recsys_tutor.data import Interactions

__all__ = [
    "GROWTH",
    "PEERS",
    "RESULTS",
    "STARTED",
    "TRIALS",
    "check_same_data",
    "interactions_of",
    "load_peers",
    "read_json",
    "ready",
    "to_ranges",
    "to_users",
]


_ROOT = Path(__file__).resolve().parents[2]
_DATA = Path(__file__).resolve().parent / "data"
#: The book's results file, part of the package.
RESULTS = _DATA / "results.json"
#: The book's file of trials.
TRIALS = _DATA / "tuning.json"
#: Networks that read sequences, from several starts.
STARTED = _DATA / "starts.json"
#: This package beside its peers, written by ``make bench``.
PEERS = _DATA / "peers.json"
#: Made worlds of growing size, written by ``make leaderboard``.
GROWTH = _DATA / "growth.json"


def load_peers() -> list[dict]:
    """The rows of the comparison with other packages, one per case and peer."""
    return json.loads(PEERS.read_text(encoding="utf-8"))["rows"]


def ready(path: str | Path | None, default: Path, given: bool) -> Path:
    """The path to write to, in a folder that exists; checked before any work.

    Parameters
    ----------
    path : str, Path or None
        A missing folder is made. None: the ``default``, the book's own file, which is
        written in the book's repository only, never in an installed package.
    given : bool
        Whether the caller brings data of their own: then None is refused.

    Raises
    ------
    ValueError, FileNotFoundError, IsADirectoryError, PermissionError
    """
    if path is None and given:
        raise ValueError(
            f"data= needs path=, the file for the results of your data; the default, "
            f"the package's {default.name}, is the book's own and holds MovieLens 100K"
        )
    chosen = check_path(default if path is None else path)
    folder = chosen.parent
    if path is None and not (_ROOT / "_toc.yml").is_file():
        raise ValueError(
            f"the package's {default.name} belongs to an installed copy, which no "
            "measurement changes: pass path=, or work in the book's repository"
        )
    folder.mkdir(parents=True, exist_ok=True)
    if chosen.is_dir():
        raise IsADirectoryError(f"{chosen} is a folder; path= names a file")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"the folder {folder} cannot be written to")
    return chosen


def read_json(path: str | Path, what: str, command: str, fields: set[str]) -> dict:
    """The content of a file of measurements: lists of rows by name.

    Parameters
    ----------
    path : str or Path
    what : what the file is; ``command`` : what makes it. Both for the message.
    fields : what each row must have.

    Raises
    ------
    FileNotFoundError, ValueError
        There is no such file, or it is something else.
    """
    path = check_path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no {what} {path} in {Path.cwd()}. Without a path the book's own "
            f"is read, a part of the package; `{command}` makes it anew"
        )
    reason = "its rows lack a field"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if all(fields <= set(row) for rows in content.values() for row in rows):
            return content
    except (ValueError, TypeError, AttributeError) as error:
        reason = str(error)
    raise ValueError(f"{path} is no {what} ({reason}); `{command}` makes one")


def check_same_data(path: Path, rows: Iterable[dict], ours: str, given: bool) -> None:
    """Refuse a file that holds a row of other data.

    A row without a digest may be the book's own of an earlier version; beside data
    that are ``given`` it is refused, too.
    """
    for row in rows:
        theirs = row.get("data")
        if theirs != ours and (given or theirs is not None):
            raise ValueError(
                f"{path} holds measurements of other data ({theirs or 'not said which'}"
                f"; yours are {ours}). Nothing was measured or changed: pass another "
                "path="
            )


def interactions_of(data: Any) -> Interactions:
    """The interactions of a Dataset, or those given."""
    found = getattr(data, "interactions", data)
    if not isinstance(found, Interactions):
        raise TypeError(
            f"data must be a Dataset or Interactions, got {type(data).__name__}; make "
            "them with load_ratings_csv or Interactions.from_frame"
        )
    return found


def to_ranges(users: Iterable[int]) -> list[list[int]]:
    """Rising user indices as half-open ranges: 0, 1, 2, 5 is ``[[0, 3], [5, 6]]``.

    Nearly every user has test rows, so that this is far shorter than the indices.
    """
    users = np.asarray(users, dtype=np.int64)
    runs = np.split(users, np.flatnonzero(np.diff(users) != 1) + 1)
    return [[int(run[0]), int(run[-1]) + 1] for run in runs if len(run)]


def to_users(ranges: Iterable[tuple[int, int]]) -> np.ndarray:
    """The user indices of :func:`to_ranges`."""
    parts = [np.arange(start, stop) for start, stop in ranges]
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])
