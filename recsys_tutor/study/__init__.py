"""The book's own experiments: which models, measured how, with what result.

Nothing else in the package imports from here.

Chapters: 17 Tuning, 18 Leaderboard.
"""

__all__ = []
