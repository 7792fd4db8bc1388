"""The README for the package index: links and pictures with absolute addresses.

README.md names files of the repository, so that it reads well on GitHub, in a fork and
on disk. A page of the package index has no such files. All other metadata stand in
pyproject.toml, the repository's address among them.
"""

import re
import tomllib
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent


def absolute(text: str, repository: str) -> str:
    """Markdown whose relative links lead to the repository's main branch."""
    raw = repository.replace("//github.com/", "//raw.githubusercontent.com/")
    text = re.sub(r"(!\[[^]]*\]\()(?!\w+:|#)", rf"\1{raw}/main/", text)
    return re.sub(r"((?<!!)\[[^]]*\]\()(?!\w+:|#)", rf"\1{repository}/blob/main/", text)


if __name__ == "__main__":
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    setup(
        long_description=absolute(
            (ROOT / "README.md").read_text("utf-8"), project["urls"]["Repository"]
        ),
        long_description_content_type="text/markdown",
    )
