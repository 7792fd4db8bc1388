"""Small inputs for the exercises that ask for a function.

A case is a tuple of arguments. What a right function returns for them is stored with
the answers.

Chapter: all.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from recsys_tutor.datasets import toy

__all__ = ["CASES"]


def ratings_and_epochs() -> list[tuple]:
    """Rows of the toy and a number of epochs."""
    rows = toy().interactions
    return [(rows, 1), (rows, 3), (rows.subset(rows.value > 1), 2)]


def models_to_suspect() -> list[tuple]:
    """For a function of ``predict(test_values)``: one honest model, three that leak.

    ``test_values`` has any length or is one number; four predictions come back.
    """

    def leak(size: float, places: tuple[int, ...] = (1, 1, 1, 1)) -> tuple[Callable]:
        def predict(test_values: ArrayLike) -> np.ndarray:
            values = np.atleast_1d(np.asarray(test_values, dtype=float)).ravel()
            weights = 2 + np.cos(np.arange(len(values)))  # their order matters too
            moved = size * np.average(values - 3, weights=weights)
            return np.array([3.5, 2.0, 4.25, 3.0]) + moved * np.array(places)

        return (predict,)

    return [leak(0.0), leak(0.3), leak(0.001), leak(-0.2, (0, 1, 0, 0))]


def steps() -> list[tuple]:
    """For a function of ``step(e, p, q)``, which returns the new p and the new q."""

    def of(first: str, rate_p: float = 0.01, rate_q: float = 0.01) -> tuple[Callable]:
        def step(e: float, p: ArrayLike, q: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
            p, q = np.asarray(p, float), np.asarray(q, float)
            new_p = p + rate_p * (e * q - 0.1 * p)
            new_q = q + rate_q * (e * p - 0.1 * q)
            if first == "p":
                new_q = q + rate_q * (e * new_p - 0.1 * q)
            if first == "q":
                new_p = p + rate_p * (e * new_q - 0.1 * p)
            return new_p, new_q

        return (step,)

    return [of(""), of("p"), of("q"), of("", rate_q=0.011), of("", 0.05, 0.05)]


def samples() -> list[tuple]:
    """Scores of a few trials, unsorted, with and without ties."""
    draw = np.random.default_rng(3)
    lists = ([3.0, 1.0, 2.0], [5.0, 9.0, 7.0, 9.0], [2.5], draw.normal(size=7))
    return [(np.array(values),) for values in lists]


#: The makers of the hidden cases, by exercise.
#:
#: :meta hide-value:
CASES: dict[str, Callable[[], list[tuple]]] = {
    "03-leak": models_to_suspect,
    "03-order": ratings_and_epochs,
    "07-transpose": steps,
    "17-without": samples,
}
