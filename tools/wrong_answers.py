"""Mistakes that take more than a line: tools/exercises.toml names them ``wrong.…``."""

import numpy as np

from recsys_tutor.datasets import toy
from recsys_tutor.tuning import expected_best

REG_U, REG_I = 5.0, 2.0


def _half_step(rest, index, n, reg):
    return np.bincount(index, rest, n) / (np.bincount(index, minlength=n) + reg)


def _biases(rows, n_epochs, order):
    """Biases after some epochs; ``order`` is "users", "items" or "both"."""
    u, i = rows.user, rows.item
    rest = rows.value - rows.value.mean()
    b_u, b_i = np.zeros(rows.n_users), np.zeros(rows.n_items)
    for _ in range(n_epochs):
        if order == "items":
            b_i = _half_step(rest - b_u[u], i, rows.n_items, REG_I)
            b_u = _half_step(rest - b_i[i], u, rows.n_users, REG_U)
            continue
        new = _half_step(rest - b_i[i], u, rows.n_users, REG_U)
        used = b_u if order == "both" else new
        b_i = _half_step(rest - used[u], i, rows.n_items, REG_I)
        b_u = new
    return b_u, b_i, np.sum((rest - b_u[u] - b_i[i]) ** 2)


def items_first(rows, n_epochs):
    """The objective when films are updated first."""
    b_u, b_i, error = _biases(rows, n_epochs, "items")
    return error + REG_U * np.sum(b_u**2) + REG_I * np.sum(b_i**2)


def without_penalty(rows, n_epochs):
    """The squared error alone, users first."""
    return _biases(rows, n_epochs, "users")[2]


def both_from_old(rows, n_epochs):
    """The objective when both sides move at once."""
    b_u, b_i, error = _biases(rows, n_epochs, "both")
    return error + REG_U * np.sum(b_u**2) + REG_I * np.sum(b_i**2)


def pairs_of(side):
    """Pairs of the toy's ratings that differ in user, or in item."""
    index = getattr(toy().interactions, side)
    return np.sum(index[:, None] < index[None, :])


def with_replacement(values):
    """Expected best of n draws with replacement."""
    return expected_best(values)


def in_order_given(values):
    """The best so far."""
    return np.maximum.accumulate(values)
