"""The one training loop of every network: seeded, in batches, with history and hooks.

A network is a plain ``torch.nn.Module`` with shapes on its lines and no data code; a
:class:`NetworkModel` beside it turns interactions into batches and scores into numpy.

Chapters: 12 Embeddings and MLPs, 13, 14, 15; 16 Training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numba
import numpy as np
import torch
from torch import Tensor, nn

from recsys_tutor.base import Recommender, check_number

__all__ = [
    "NetworkModel",
    "check_device",
    "minibatches",
    "seeded",
    "train_epoch",
]


def _start_numba() -> None:
    """Start numba's threads and keep torch's number of them.

    Both run on OpenMP, and numba's start sets its number of threads for torch as well:
    small networks then wait for a second thread at every step, ten times as long.
    """
    threads = torch.get_num_threads()
    numba.get_num_threads()
    torch.set_num_threads(threads)


_start_numba()


def check_device(device) -> torch.device:
    """The torch device of that name, if it can hold a number and give it back.

    Raises
    ------
    ValueError
        No such device here: asked before any work is done.
    """
    try:
        checked = torch.device(device)
        torch.zeros(1, device=checked).item()
    except (RuntimeError, TypeError, AssertionError, NotImplementedError) as error:
        names = ["cpu", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))]
        raise ValueError(
            f"device={device!r} cannot be used here; there is {', '.join(names)}"
        ) from error
    return checked


@contextmanager
def seeded(seed: int, device: str | torch.device = "cpu"):
    """Within, torch draws from ``seed``; outside, as if nothing had been drawn."""
    gpu = [torch.device(device)] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(devices=gpu):
        torch.default_generator.manual_seed(seed)
        if gpu:
            with torch.cuda.device(gpu[0]):
                torch.cuda.manual_seed(seed)
        yield


def minibatches(n: int, batch_size: int, rng) -> Iterator[np.ndarray]:
    """``0 .. n - 1`` in random order, ``batch_size`` at a time, the last ones fewer."""
    order = rng.permutation(n)
    for start in range(0, n, batch_size):
        yield order[start : start + batch_size]


def train_epoch(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, ...]],
    loss: Callable,
    optimizer: torch.optim.Optimizer,
) -> float:
    """One pass of the optimizer over the batches.

    Parameters
    ----------
    network : nn.Module
        In training mode during the pass, in evaluation mode after it.
    batches : iterable of tuples of tensors
        The first tensor has one entry per example.
    loss : callable
        ``loss(network, *batch)``, the mean over the batch's examples.
    optimizer : torch optimizer of the network's parameters

    Returns
    -------
    float
        Mean loss per example, each batch's taken before its step.
    """
    network.train()
    total = count = 0
    for batch in batches:
        optimizer.zero_grad()
        value = loss(network, *batch)
        value.backward()
        optimizer.step()
        total += value.item() * len(batch[0])
        count += len(batch[0])
    network.eval()
    return total / max(count, 1)


class NetworkModel(Recommender):
    """Base of the models with a network.

    A subclass writes ``_network(train)``, which makes the ``nn.Module``;
    ``_batches(train, rng)``, one epoch's tuples of numpy arrays; ``_loss(network,
    *batch)`` of the same as tensors; and ``_score_users``. It may prepare things once
    in ``_prepare(train, rng)``, and store what serving needs in ``_after_epoch(train,
    network)``, which gets the network in training.

    Parameters
    ----------
    n_epochs, batch_size : int
    learning_rate : float
        Of Adam.
    weight_decay : float
        Adam's: ``weight_decay · parameter`` is added to the gradient at each step.
    device : str
        ``"cpu"`` or, where torch finds one, ``"cuda"``.
    random_state : int, Generator or None
        Batches are drawn by numpy, initial values and dropout by torch from one seed
        of it; no global generator is touched.

    Attributes
    ----------
    network_ : nn.Module, in evaluation mode after the fit

    Notes
    -----
    ``history_`` has the mean loss per example, :func:`train_epoch`. Parameters are
    float32.
    """

    def _check(self):
        check_number("n_epochs", self.n_epochs, low=1, whole=True)
        check_number("batch_size", self.batch_size, low=1, whole=True)
        check_number("learning_rate", self.learning_rate, low=0, strict=True)
        check_number("weight_decay", self.weight_decay, low=0)
        check_device(self.device)

    def _fit(self, train, callback):
        device = check_device(self.device)
        rng = np.random.default_rng(self.random_state)
        with seeded(int(rng.integers(2**31)), device):
            self._prepare(train, rng)
            network = self.network_ = self._network(train).to(device)
            optimizer = torch.optim.Adam(
                network.parameters(),
                lr=self.learning_rate,
                weight_decay=self.weight_decay,
                fused=True,
            )
            for _ in range(self.n_epochs):
                batches = (self._tensors(b) for b in self._batches(train, rng))
                loss = train_epoch(network, batches, self._loss, optimizer)
                with torch.no_grad():
                    self._after_epoch(train, network)
                if self._end_epoch(callback, loss):
                    break

    def _tensors(self, arrays) -> tuple[Tensor, ...]:
        """Numpy arrays as tensors on the model's device, floats as float32."""
        tensors = (torch.as_tensor(np.ascontiguousarray(a)) for a in arrays)
        return tuple(
            (t.float() if t.is_floating_point() else t).to(self.device) for t in tensors
        )

    def _prepare(self, train, rng) -> None:
        pass

    def _after_epoch(self, train, network) -> None:
        pass

    def _network(self, train) -> nn.Module:
        raise NotImplementedError

    def _batches(self, train, rng) -> Iterator[tuple[np.ndarray, ...]]:
        raise NotImplementedError

    def _loss(self, network, *batch) -> Tensor:
        raise NotImplementedError
