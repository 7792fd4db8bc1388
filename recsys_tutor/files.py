"""Files that are whole or not there.

Chapters: 17 Tuning, 18 Leaderboard (what is stored); how a model is saved.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from recsys_tutor.checks import check_path

__all__ = ["write_whole"]


def write_whole(path: str | Path, content: str | bytes) -> None:
    """Write under a temporary name beside ``path``, then rename.

    ``path`` holds either what it held before or all of ``content``, whenever the
    program is stopped. Text is written as UTF-8.
    """
    path = check_path(path)
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
