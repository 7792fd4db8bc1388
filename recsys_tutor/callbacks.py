"""What ``fit(train, callback=...)`` may call after each epoch.

A callback is any function ``callback(model, epoch, logs)``; returning True stops the
fit. ``logs`` is the epoch's entry of ``history_``, and what it adds stays there.

Chapters: 08 Matrix factorization in practice, 16 Training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from recsys_tutor.checks import check_number

__all__ = ["EarlyStopping", "progress"]


class EarlyStopping:
    """Callback that stops when a validation score has not improved for a while.

    Parameters
    ----------
    measure : callable
        ``measure(model) -> float``; larger is better (return ``-rmse`` for an error).
    patience : int
        Epochs without improvement before stopping.
    min_delta : float
        A gain must exceed this to count.

    Attributes
    ----------
    best, best_epoch : float, int
        Refit with ``n_epochs=best_epoch`` to get the model at its best.
    """

    def __init__(
        self, measure: Callable, *, patience: int = 3, min_delta: float = 0.0
    ) -> None:
        check_number("patience", patience, low=1, whole=True)
        self.measure, self.patience, self.min_delta = measure, patience, min_delta
        self.best, self.best_epoch = -np.inf, 0

    def __call__(self, model: Any, epoch: int, logs: dict) -> bool:
        logs["valid"] = float(self.measure(model))
        if epoch == 1:  # the callback may serve a second fit
            self.best, self.best_epoch = -np.inf, 0
        if logs["valid"] > self.best + self.min_delta:
            self.best, self.best_epoch = logs["valid"], epoch
        return epoch - self.best_epoch >= self.patience


def progress(n_epochs: int, **options: Any) -> Callable:
    """Callback that draws a tqdm bar over ``n_epochs`` epochs."""
    from tqdm.auto import tqdm

    bar = tqdm(total=n_epochs, unit="epoch", **options)

    def update(model: Any, epoch: int, logs: dict) -> None:
        bar.set_postfix(loss=f"{logs['loss']:.4f}")
        bar.update()
        if epoch >= n_epochs:
            bar.close()

    return update
