"""Progress bars for what takes long, where somebody is there to see them.

The rule of :func:`is_watched`: a terminal, or a notebook that a person has open. A
notebook that a program executes (nbclient, nbval) has none of these, so a bar is never
part of a stored output.

Chapters: 02 Evaluation and every later one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator

__all__ = ["is_watched", "track"]

VARIABLE = "RECSYS_TUTOR_PROGRESS"
#: Set by JupyterLab and Notebook, and by Google Colab, for the kernels they start.
LIVE = ("JPY_SESSION_NAME", "COLAB_RELEASE_TAG")
#: A name that VS Code puts into the notebook's own.
VSCODE = "__vsc_ipynb_file__"


def is_watched() -> bool:
    """Whether a bar would be seen.

    The environment variable ``RECSYS_TUTOR_PROGRESS`` decides if it is set: 0 is no,
    anything else yes. Otherwise yes if stderr is a terminal, or if the kernel belongs
    to a front end (JupyterLab, Notebook, VS Code, Colab), each of which has its mark.
    """
    said = os.environ.get(VARIABLE)
    if said is not None:
        return said != "0"
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None and "ipykernel" in sys.modules:
        return VSCODE in shell.user_ns or any(name in os.environ for name in LIVE)
    return sys.stderr is not None and sys.stderr.isatty()


def track(
    steps: Iterable,
    text: str = "",
    *,
    total: int | None = None,
    progress: bool | None = None,
) -> Iterator:
    """The steps, one after the other, with a bar on stderr while they last.

    Parameters
    ----------
    steps : iterable
    text : what is going on, in front of the bar
    total : int, optional
        Number of steps, where ``len(steps)`` does not say it.
    progress : bool, optional
        True: always a bar; False: never. Default: where :func:`is_watched` says so, and
        only for what takes longer than a second; it goes away at the end.
    """
    from tqdm import tqdm

    asked = progress is not None
    shown = progress if asked else is_watched()
    yield from tqdm(
        steps,
        desc=text or None,
        total=total,
        disable=not shown,
        leave=asked,
        delay=0 if asked else 1,
    )
