"""Declared parameters: each argument of a model is written down once.

``n_factors: int = param("Length of the vectors.", default=20, low=1)`` in the body of a
model is the constructor's argument and its default, the check in ``fit``, the entry in
the docstring and the type that an editor shows. Subclasses inherit all of it; one that
only starts from another value writes ``n_factors: int = 50``.

Chapter: 03 Baselines (the first models with parameters).
"""

from __future__ import annotations

import dataclasses
import re
import textwrap
from collections.abc import Collection, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from recsys_tutor.checks import check_number, check_random_state, check_sizes

__all__ = ["Seed", "Sizes", "check_declared", "declare", "param"]

#: What ``random_state`` may be: a whole number >= 0, a Generator, None (never alike).
Seed = int | np.random.Generator | None
#: Sizes of layers.
Sizes = tuple[int, ...]
_BOUNDS = {"low": ">=", "above": ">", "high": "<=", "below": "<"}
_INDENT: dict[str, Any] = {"initial_indent": "    ", "subsequent_indent": "    "}
_KINDS = {int: "int", float: "float", bool: "bool", str: "str", NoneType: "None"}


def param(
    doc: str,
    *,
    default: Any = dataclasses.MISSING,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    below: float | None = None,
) -> Any:
    """Declare an argument of a model's constructor.

    What it may be follows from its annotation: ``int``, ``float`` (any finite number),
    ``bool``, ``Literal["a", "b"]``, :data:`Seed`, :data:`Sizes`, each also ``| None``.
    Anything else is for the model's own ``_check``.

    Parameters
    ----------
    doc : str
        What it means.
    default : optional
        Immutable, for it is shared by all models. An argument without one must be
        given; the name of this keyword is the one that type checkers look for.
    low, above, high, below : float, optional
        Bounds of a number (of every number of a tuple): ``>=``, ``>``, ``<=``, ``<``.
    """
    bounds = {"low": low, "above": above, "high": high, "below": below}
    bounds = {name: bound for name, bound in bounds.items() if bound is not None}
    return dataclasses.field(default=default, metadata={"doc": doc, "bounds": bounds})


def declare(cls: type[Any]) -> None:
    """Give a class its constructor, and its docstring the entries, as declared."""
    inherited = getattr(cls, "__dataclass_fields__", {})
    for name in cls.__dict__.get("__annotations__", {}):
        value = cls.__dict__.get(name, dataclasses.MISSING)
        if name in inherited and not isinstance(value, dataclasses.Field):
            rules = inherited[name].metadata
            setattr(cls, name, dataclasses.field(default=value, metadata=rules))
    by_hand = cls.__init__ is not object.__init__ and not hasattr(cls.__init__, "ours")
    options = {"kw_only": True, "eq": False, "repr": False, "init": not by_hand}
    dataclasses.dataclass(**options)(cls)
    if not by_hand:
        cls.__init__.ours = True
    for field in dataclasses.fields(cls):
        if "doc" not in field.metadata:
            raise TypeError(
                f"{cls.__name__}.{field.name}: declare an argument with param(doc, "
                "default=...), and annotate what is none with ClassVar"
            )
    if cls.__dict__.get("__doc__") and dataclasses.fields(cls):
        cls.__doc__ = _documented(cls)


def check_declared(model: Any) -> None:
    """``ValueError`` unless every declared argument is of its type and in its bounds.

    An argument without a declaration, of a constructor written by hand, is not checked.
    """
    kinds = get_type_hints(type(model))
    for field in dataclasses.fields(model):
        value = getattr(model, field.name)
        _check(field.name, value, kinds[field.name], field.metadata["bounds"])


def _check(name: str, value: Any, kind: Any, bounds: Mapping[str, float]) -> None:
    options = _options(kind)
    if kind == Seed:
        check_random_state(value)
        return
    if value is None and NoneType in options:
        return
    first = options[0]
    if first is bool and not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be a bool, got {value!r}")
    if first in (int, float):
        check_number(name, value, **bounds, whole=first is int)
    elif first == Sizes:
        check_sizes(name, value, **bounds)
    elif get_origin(first) is Literal and not _is_one_of(value, get_args(first)):
        allowed = " or ".join(repr(option) for option in get_args(first))
        raise ValueError(f"{name} must be {allowed}, got {value!r}")


def _is_one_of(value: Any, options: Collection) -> bool:
    return isinstance(value, str) and value in options


def _options(kind: Any) -> tuple:
    """The parts of ``a | b``; one part of anything else."""
    union = get_origin(kind) in (Union, UnionType)
    return get_args(kind) if union else (kind,)


def _documented(cls: Any) -> str:
    """The docstring with a section "Parameters", before the first other section."""
    kinds, lines = get_type_hints(cls), ["Parameters", "----------"]
    for field in dataclasses.fields(cls):
        bounds = field.metadata["bounds"].items()
        limits = " and ".join(f"{_BOUNDS[how]} {bound}" for how, bound in bounds)
        lines.append(f"{field.name} : {_name(kinds[field.name])} {limits}".rstrip())
        lines += textwrap.wrap(field.metadata["doc"], 80, **_INDENT)
    text = "\n".join(line.rstrip() for line in cls.__doc__.strip().split("\n"))
    entries = "\n".join(f"    {line}" for line in lines) + "\n\n"
    place = re.search(r"(?m)^ *[A-Z]\w+\n *-{3,}$", text)
    before = text[: place.start()] if place else text + "\n\n"
    return before + entries + (text[place.start() :] if place else "")


def _name(kind: Any) -> str:
    """A type as a reader says it."""
    if kind == Seed:
        return "int, Generator or None"
    if kind == Sizes:
        return "tuple of int"
    if get_origin(kind) is Literal:
        return " or ".join(f'"{option}"' for option in get_args(kind))
    options = _options(kind)
    if len(options) > 1:
        return " or ".join(_name(option) for option in options)
    return _KINDS.get(kind, getattr(kind, "__name__", str(kind)))
