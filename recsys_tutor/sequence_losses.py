"""How wrong a position's scores are, when some of the items are compared, not all.

Pure functions of scores: those of the item that came next, ``yes`` (N,), and those of
the items drawn for the same position, ``no`` (N, n_negatives).

Chapter: 14 Sequences.
"""

from __future__ import annotations

from recsys_tutor import extra

with extra("deep"):
    import torch
    from torch import Tensor
    from torch.nn import functional as F

__all__ = ["binary", "calibrated_power", "powered_binary", "sampled_softmax"]


def sampled_softmax(yes: Tensor, no: Tensor) -> Tensor:
    """``-ln(e^yes / (e^yes + Σ e^no))``, the mean over positions.

    Parameters
    ----------
    yes : (N,) float
    no : (N, n_negatives) float

    Returns
    -------
    () float

    Notes
    -----
    Negatives drawn uniformly need no correction: their log-probabilities are alike.
    Cost O(N · n_negatives). Chapter 14, eq-sequence-loss.
    """
    scores = torch.cat([yes.unsqueeze(1), no], dim=1)  # (N, 1 + n_negatives)
    return (scores.logsumexp(dim=1) - yes).mean()


def binary(yes: Tensor, no: Tensor) -> Tensor:
    """``-ln σ(yes)`` minus the mean of ``ln σ(-no)``, the mean over positions.

    Parameters, result and cost as in :func:`sampled_softmax`. Chapter 14,
    eq-sequence-loss.
    """
    return F.softplus(-yes).mean() + F.softplus(no).mean()


def powered_binary(yes: Tensor, no: Tensor, power: float) -> Tensor:
    """``-power · ln σ(yes)`` minus the *sum* of ``ln σ(-no)``, the mean over positions.

    The generalised binary cross-entropy (gBCE) of Petrov and Macdonald (2023) with
    their β as ``power``. Parameters, result and cost else as in
    :func:`sampled_softmax`. Chapter 14, eq-gbce.
    """
    return power * F.softplus(-yes).mean() + F.softplus(no).sum(dim=1).mean()


def calibrated_power(n_negatives: int, n_items: int, t: float = 0.75) -> float:
    """``β = α (t (1 - 1/α) + 1/α)`` with ``α = n_negatives / (n_items - 1)``.

    ``t=1`` gives ``α``, with which the best ``σ(s)`` are the probabilities themselves;
    ``t=0`` gives 1, plain binary cross-entropy. Source: Petrov and Macdonald (2023),
    whose default for ``t`` is 0.75. Chapter 14, eq-gbce.
    """
    share = n_negatives / max(n_items - 1, 1)
    return share * (t * (1 - 1 / share) + 1 / share)
