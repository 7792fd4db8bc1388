"""recsys_tutor: the tested companion package of the book.

One module per topic, one public pure function per update step, one contract for all
models (:class:`recsys_tutor.base.Recommender`). Import from the modules, so that the
import line tells which file to open::

    from recsys_tutor.baselines import Popularity
"""

__version__ = "0.1.0"
