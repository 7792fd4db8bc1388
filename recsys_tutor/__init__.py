"""recsys_tutor: the tested companion package of the book.

One module per topic, one public pure function per update step, one contract for all
models (:class:`recsys_tutor.base.Recommender`). Import from the modules, so that the
import line tells which file to open::

    from recsys_tutor.baselines import Popularity
"""

from collections.abc import Iterator
from contextlib import contextmanager

__version__ = "0.1.0"


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Imports in this block need the extra ``name``; a missing one says what to do.

    Raises
    ------
    ModuleNotFoundError
        With the ``pip`` command that installs the extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error.msg}. It is part of an extra of this package: "
            f"pip install 'recsys_tutor[{name}]'",
            name=error.name,
            path=error.path,
        ) from error
