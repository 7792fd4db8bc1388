"""The one training loop of every network: seeded, in batches, with history and hooks.

A network is a plain ``torch.nn.Module`` with shapes on its lines and no data code; a
:class:`NetworkModel` beside it turns interactions into batches and scores into numpy.

Chapters: 12 Embeddings and MLPs, 13, 14, 15; 16 Training.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import numpy as np

from recsys_tutor import extra
from recsys_tutor.base import Recommender
from recsys_tutor.data import Interactions
from recsys_tutor.kernels import in_forked_process
from recsys_tutor.parameters import Seed, param

with extra("deep"):
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F
    from torch.overrides import TorchFunctionMode

__all__ = [
    "Draws",
    "NetworkModel",
    "check_device",
    "seeded",
    "train_epoch",
]

#: What a model's ``_network`` makes.
Network = TypeVar("Network", bound=nn.Module)


def _one_thread() -> None:
    """In a forked child: torch's threads stayed with its parent."""
    torch.set_num_threads(1)


if in_forked_process():
    _one_thread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_one_thread)


def check_device(device: str | torch.device) -> torch.device:
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


def _takes_generator(names: str, *places: Any) -> dict:
    return {getattr(p, n): n for p in places for n in names.split() if hasattr(p, n)}


#: Functions that draw, and take ``generator=``.
_DRAWS = {
    **_takes_generator("rand randn randint randperm", torch),
    **_takes_generator("normal bernoulli multinomial poisson", torch),
    **_takes_generator("bernoulli multinomial", Tensor),
    **_takes_generator("normal_ uniform_ random_ bernoulli_ exponential_", Tensor),
    **_takes_generator("cauchy_ geometric_ log_normal_", Tensor),
    **_takes_generator("normal_ uniform_ trunc_normal_ orthogonal_ sparse_", nn.init),
    **_takes_generator("kaiming_normal_ kaiming_uniform_", nn.init),
    **_takes_generator("xavier_normal_ xavier_uniform_", nn.init),
}


def _dropout(
    x: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: torch.Generator,
) -> Tensor:
    """``F.dropout``, which takes no generator."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, got {p}")
    if not training or p == 0:
        return x
    keep = torch.empty_like(x).bernoulli_(1 - p, generator=generator)
    factor = keep.div_(1 - p) if p < 1 else keep
    return x.mul_(factor) if inplace else x * factor


def _randn_like(x: Tensor, *, generator: torch.Generator, **options: Any) -> Tensor:
    return torch.empty_like(x, **options).normal_(generator=generator)


def _rand_like(x: Tensor, *, generator: torch.Generator, **options: Any) -> Tensor:
    return torch.empty_like(x, **options).uniform_(generator=generator)


#: Functions that draw and take none, and what does the same with one.
_REPLACED: dict[Callable, Callable] = {
    F.dropout: _dropout,
    torch.randn_like: _randn_like,
    torch.rand_like: _rand_like,
}


class Draws(TorchFunctionMode):
    """A context in which torch draws from generators of its own, one per device.

    Torch has one global generator for the whole process, so that what a thread draws
    depends on all others. Within this context a call that draws is given another one,
    which nobody else knows: initial values, ``torch.rand*``, tensors' own draws and
    dropout come out the same whatever the other threads do, and the global generator
    stays as it is. The context holds for the thread that entered it, and may be entered
    again: the draws go on. A generator given explicitly is used.

    Not covered, since torch has no generator for them: ``dropout=`` of ``nn.GRU`` and
    ``nn.LSTM``, of ``scaled_dot_product_attention``, and the rarer kinds of dropout.

    Parameters
    ----------
    seed : int
        The draws are those of torch's global generator with that seed.

    Notes
    -----
    Each call of torch takes about a microsecond longer within.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed
        self._generators: dict[torch.device, torch.Generator] = {}

    def __torch_function__(
        self,
        function: Callable,
        types: Any,
        args: tuple = (),
        kwargs: dict | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if function in _DRAWS:
            if kwargs.get("generator") is None:
                kwargs = {**kwargs, "generator": self._generator(args, kwargs)}
        elif function in _REPLACED:
            if kwargs.get("generator") is None:
                kwargs = {**kwargs, "generator": self._generator(args, kwargs)}
            return _REPLACED[function](*args, **kwargs)
        return function(*args, **kwargs)

    def _generator(self, args: tuple, kwargs: dict) -> torch.Generator:
        """That of the device on which the call draws."""
        tensors = [x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)]
        device = kwargs.get("device") or (
            tensors[0].device if tensors else torch.get_default_device()
        )
        device = torch.empty(0, device=device).device  # "cuda" is "cuda:0"
        if device not in self._generators:
            generator = torch.Generator(device).manual_seed(self._seed)
            self._generators[device] = generator
        return self._generators[device]


@contextmanager
def seeded(seed: int, device: str | torch.device = "cpu") -> Iterator[None]:
    """Within, torch draws from ``seed``; outside, as if nothing had been drawn.

    See :class:`Draws`, which this enters.
    """
    with Draws(seed):
        yield


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


class NetworkModel(Recommender, Generic[Network]):
    """Base of the models with a network.

    A subclass writes ``_network(train)``, which makes the ``nn.Module``;
    ``_batches(data, rng)``, one epoch's tuples of numpy arrays; ``_loss(network,
    *batch)`` of the same as tensors (what is no array in a batch stays as it is); and
    ``_score_users``. ``data`` is what ``_prepare(train, rng)`` returns, once per fit:
    ``train`` itself, or what is made of it. What serving needs is stored in
    ``_after_epoch(network, data)``, which gets the network in training.

    Attributes
    ----------
    network_ : nn.Module, in evaluation mode after the fit

    Notes
    -----
    ``history_`` has the mean loss per example, :func:`train_epoch`. Parameters are
    float32.
    """

    n_epochs: int = param("Passes over the training data.", default=20, low=1)
    batch_size: int = param("Examples of a step.", default=512, low=1)
    learning_rate: float = param("Of Adam.", default=0.002, above=0)
    weight_decay: float = param(
        "Adam's: ``weight_decay · parameter`` is added to the gradient at each step.",
        default=0.0,
        low=0,
    )
    device: str = param(
        '``"cpu"`` or, where torch finds one, ``"cuda"``.', default="cpu"
    )
    random_state: Seed = param(
        "Batches are drawn by numpy, initial values and dropout by torch from one seed "
        "of it (:class:`Draws`); no global generator is touched, so that fits in "
        "several threads repeat.",
        default=0,
    )

    def _check(self) -> None:
        check_device(self.device)

    def _fit(self, train: Interactions) -> None:
        device = check_device(self.device)
        rng = np.random.default_rng(self.random_state)
        draws = Draws(int(rng.integers(2**31)))
        with draws:
            data = self._prepare(train, rng)
            network = self.network_ = self._network(train).to(device)

        def loss(network: Network, *batch: Any) -> Tensor:
            with draws:
                return self._loss(network, *batch)

        optimizer = torch.optim.Adam(
            network.parameters(),
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
            fused=True,
        )
        for _ in range(self.n_epochs):
            batches = (self._tensors(b) for b in self._batches(data, rng))
            mean = train_epoch(network, batches, loss, optimizer)
            with torch.no_grad():
                self._after_epoch(network, data)
            if self._end_epoch(mean):
                break

    def _tensors(self, batch: tuple) -> tuple:
        """Numpy arrays as tensors on the model's device, floats as float32."""
        return tuple(
            self._tensor(part) if isinstance(part, np.ndarray) else part
            for part in batch
        )

    def _tensor(self, array: np.ndarray) -> Tensor:
        tensor = torch.as_tensor(np.ascontiguousarray(array))
        return (tensor.float() if tensor.is_floating_point() else tensor).to(
            self.device
        )

    def _prepare(self, train: Interactions, rng: np.random.Generator) -> Any:
        return train

    def _after_epoch(self, network: Network, data: Any) -> None:
        pass

    def _network(self, train: Interactions) -> Network:
        raise NotImplementedError

    def _batches(self, data: Any, rng: np.random.Generator) -> Iterator[tuple]:
        raise NotImplementedError

    def _loss(self, network: Network, *batch: Any, **more: Any) -> Tensor:
        raise NotImplementedError
