"""Where MovieLens 100K comes from: files put by hand, GroupLens, the recbole wheel.

Chapter: appendix on data and licences.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tqdm import tqdm

from recsys_tutor.datasets.movielens_files import (
    READ_ERRORS,
    parse,
    parse_graph,
    read_files,
    reason,
)

__all__ = ["DataNotAvailable", "WHEEL"]

ARCHIVE_URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
ARCHIVE_MD5 = "0e33842e24a9c977be4e0107933c0723"
#: The package whose wheel carries the data, as pip is asked for it.
WHEEL = "recbole==1.2.1"


class DataNotAvailable(RuntimeError):
    """A data set could not be fetched, read or stored; the message says what to do."""


def fetch(
    folder: Path, scratch: Path, tried: list[tuple[str, str]], progress: bool
) -> dict:
    """The parsed data from the first source that works, with the graph if possible."""
    by_hand = [folder / "ml-100k.zip", *sorted(folder.glob("recbole-*.whl"))]
    by_hand.append(folder / "ml-100k")
    found = [path for path in by_hand if path.exists()]
    sources: list[tuple[str, Callable[[], Path]]]
    sources = [(str(path), partial(Path, path)) for path in found]
    if not sources:
        tried.append((f"files put by hand into {folder}", "there are none"))
    sources += [
        (ARCHIVE_URL, lambda: download_archive(scratch, progress)),
        (f"pip download {WHEEL}", lambda: download_wheel(scratch)),
    ]
    parsed = graph = None
    why: list[tuple[str, str]] = []
    with tqdm(total=4, desc="MovieLens 100K", disable=not progress) as bar:
        for name, get in sources:
            bar.set_postfix_str(name.rsplit("/", 1)[-1])
            if parsed is not None and name == ARCHIVE_URL:
                continue  # it holds no graph
            try:
                files = read_files(get())
                if parsed is None:
                    parsed = parse(files)
                    bar.update(2)
                graph = parse_graph(files)
            except READ_ERRORS as error:
                (tried if parsed is None else why).append((name, reason(error)))
            if graph is not None:
                bar.update(2)
                break
    if parsed is None:
        raise DataNotAvailable(_help(folder, tried))
    parsed["graph"] = graph or {}
    parsed["no_graph"] = "; ".join(f"{name}: {reason}" for name, reason in why)
    return parsed


def download_archive(scratch: Path, progress: bool) -> Path:
    """The official archive, checked against its MD5. Fails within seconds offline."""
    import pooch

    check_reachable(ARCHIVE_URL)
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


def check_reachable(url: str, seconds: float = 8.0) -> None:
    """Ask for the headers of ``url``; give up after ``seconds``, name look-up included.

    A time limit of the request covers connecting and reading, but not the resolver,
    which may hang for a minute; so the question runs in a thread that can be left.
    """
    import requests

    answer: list[Exception | None] = []

    def ask() -> None:
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


def download_wheel(scratch: Path) -> Path:
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


def _help(folder: Path, tried: list[tuple[str, str]]) -> str:
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


def _innermost(error: BaseException) -> str:
    """The first cause of a chain of exceptions: the line that says something."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return reason(error)
