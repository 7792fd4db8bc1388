"""Digests: a stored measurement says what was measured.

A number in a file is worth something only as long as one can tell where it is from.
Every row that :mod:`recsys_tutor.study.leaderboard` and
:mod:`recsys_tutor.study.search` write carries three digests, sixteen hexadecimal digits
each:

``data``
    :attr:`.Interactions.digest`: the interactions, with their ids and their order.
``code``
    :func:`code_digest`: the model's code, and the code that splits and scores.
``params_digest``
    :func:`digest` of the model's parameters by their *content*: the ``repr`` of a large
    array or of a sparse matrix leaves out most of it, so two feature matrices read
    alike.

A row of other data makes the whole file another one, which is refused. A row of other
code or parameters is *stale*: it can be read, and it is measured again when asked for.

Chapter: 18 The leaderboard.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import pickle
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, issparse

from recsys_tutor.base import Recommender
from recsys_tutor.data import Interactions

__all__ = ["code_digest", "digest"]

PACKAGE = __name__.partition(".")[0]
#: The code that every measurement needs, whatever the model.
SCORING = (f"{PACKAGE}.protocol",)


def digest(value: Any) -> str:
    """Sixteen hexadecimal digits of a value's content.

    Equal content gives equal digits in every process: numbers, text, containers, numpy
    arrays, sparse matrices (in any format), data frames, models (their class and their
    parameters), functions (:func:`code_digest`'s rule) and what else can be pickled.
    """
    total = hashlib.sha256()
    for part in _pieces(value):
        total.update(len(part).to_bytes(8, "little") + part)
    return total.hexdigest()[:16]


def _pieces(value: Any) -> Iterator[bytes]:
    """The content of a value as bytes, each kind with its own name in front."""
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        yield f"array {value.dtype.str} {value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, np.ndarray):
        yield f"objects {value.shape}".encode()
        yield from _pieces(value.ravel().tolist())
    elif issparse(value):
        matrix = csr_array(value, copy=True)
        matrix.sum_duplicates()
        yield f"sparse {matrix.shape}".encode()
        for part in (matrix.indptr, matrix.indices):
            yield from _pieces(part.astype(np.int64))
        yield from _pieces(matrix.data)
    elif isinstance(value, Recommender):
        yield f"model {_name(type(value))}".encode()
        yield from _pieces(value.get_params())
    elif isinstance(value, list | tuple):
        yield f"{_name(type(value))} {len(value)}".encode()
        for part in value:
            yield from _pieces(part)
    elif isinstance(value, Mapping | set | frozenset):
        pairs = value.items() if isinstance(value, Mapping) else value
        yield f"{_name(type(value))} {len(value)}".encode()
        yield from sorted(digest(pair).encode() for pair in pairs)
    elif isinstance(value, pd.DataFrame):
        yield from _pieces([value.index, *value.items()])
    elif isinstance(value, pd.Series | pd.Index):
        yield from _pieces([value.name, np.asarray(value)])
    elif isinstance(value, Interactions):
        yield f"data {value.digest}".encode()
    elif isinstance(value, np.random.Generator):
        yield from _pieces(value.bit_generator.state)
    elif isinstance(value, type | FunctionType):
        yield from _pieces([_name(value), *_compiled(value, value.__module__, set())])
    else:
        yield from _plain(value)


def _plain(value: Any) -> Iterator[bytes]:
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        yield f"{_name(type(value))} {value!r}".encode()
        return
    try:
        yield f"{_name(type(value))}".encode()
        yield pickle.dumps(value, protocol=4)
    except Exception as error:
        raise TypeError(
            f"a parameter of type {type(value).__name__} cannot be told from another "
            f"one: it cannot be pickled ({error})"
        ) from error


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"


def code_digest(*things: Any) -> str:
    """Digest of the code behind a measurement of these models.

    What counts, for each model or class given and for every model among its parameters:

    - the modules of the package that define the class and its parents, and the modules
      of the package that they import, and so on; likewise those that split and score,
      from :mod:`~recsys_tutor.protocol` on. A module in a folder counts with the
      ``__init__`` of that folder. Read as syntax trees: docstrings, comments, line
      breaks and positions do not count;
    - a class from elsewhere (a script, a notebook, the console): its compiled code,
      with the functions, classes and constants of its own module that it names.

    Other packages do not count; their versions stand in the row.
    """
    parents = {c for thing in things for kind in _models(thing) for c in kind.__mro__}
    inside = {c.__module__ for c in parents if _of_package(c.__module__)}
    outside = [c for c in parents if not _of_package(c.__module__) and c is not object]
    modules = sorted(_reached({*inside, *SCORING}))
    trees = [(name, _tree(_source(name))) for name in modules]
    own = sorted(digest(c) for c in outside)
    return digest([trees, own])


def _models(value: Any) -> Iterator[type]:
    """The classes of all models in a value."""
    if isinstance(value, type):
        yield value
    elif isinstance(value, Recommender):
        yield type(value)
        yield from _models(value.get_params())
    elif isinstance(value, Mapping):
        yield from _models(list(value.values()))
    elif isinstance(value, list | tuple | set | frozenset):
        for part in value:
            yield from _models(part)


def _of_package(module: str) -> bool:
    return module.partition(".")[0] == PACKAGE


def _reached(modules: Iterable[str]) -> set[str]:
    """The given modules and those of the package that they import, transitively."""
    found, waiting = set(), list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [*_imports(name, _source(name)), *_folders(name)]
    return found


def _folders(module: str) -> list[str]:
    """The sub-packages that a module stands in: importing it runs their code."""
    parts = module.split(".")
    return [".".join(parts[:n]) for n in range(2, len(parts))]


def _source(module: str) -> str:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ImportError(f"the source of {module} is not to be found")
    return Path(spec.origin).read_text(encoding="utf-8")


@cache
def _imports(module: str, source: str) -> tuple[str, ...]:
    """Modules of the package that a module imports, at its top or in its functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:  # relative
                spec = find_spec(module)
                parts = (spec.parent if spec and spec.parent else "").split(".")
                parts = parts[: len(parts) - node.level + 1]
                start = ".".join([*parts, *filter(None, [start])])
            names.add(start)
            names.update(f"{start}.{alias.name}" for alias in node.names)
    return tuple(n for n in sorted(names) if n != PACKAGE and _is_module(n))


def _is_module(name: str) -> bool:
    if not _of_package(name):
        return False
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # a name inside of a module
        return False


@cache
def _tree(source: str) -> str:
    return repr(_shape(ast.parse(source)))


def _shape(node: Any) -> Any:
    """A syntax tree as nested tuples, without docstrings and empty fields."""
    if isinstance(node, list):
        return tuple(_shape(part) for part in node)
    if not isinstance(node, ast.AST):
        return node
    fields = dict(ast.iter_fields(node))
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
        first = node.body[0] if node.body else None
        text = first.value if isinstance(first, ast.Expr) else None
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            fields["body"] = node.body[1:]
    parts = [(k, _shape(v)) for k, v in fields.items() if v is not None and v != []]
    return (type(node).__name__, *parts)


#: What a class holds beside its code.
_LABELS = {
    *("__doc__", "__module__", "__dict__", "__weakref__", "__qualname__"),
    *("__firstlineno__", "__static_attributes__", "__annotations__"),
}


def _compiled(thing: Any, home: str, seen: set) -> Iterator:
    """What a class or function does, from its compiled code, in hashable parts."""
    for wrapper in ("py_func", "__func__", "func"):  # numba, classmethod, cached
        thing = getattr(thing, wrapper, thing)
    thing = inspect.unwrap(thing)
    if isinstance(thing, property):
        for part in (thing.fget, thing.fset):
            yield from _compiled(part, home, seen)
    elif isinstance(thing, type | FunctionType):
        own = thing.__module__ == home and id(thing) not in seen
        yield _name(thing)
        seen.add(id(thing))
        if own and isinstance(thing, type):
            for name in sorted(set(vars(thing)) - _LABELS):
                yield name
                yield from _compiled(vars(thing)[name], home, seen)
        elif own and isinstance(thing, FunctionType):
            yield _bytecode(thing.__code__, thing.__doc__)
            cells = [cell.cell_contents for cell in thing.__closure__ or ()]
            known = thing.__globals__
            names = [known[n] for n in _names(thing.__code__) if n in known]
            for part in (thing.__defaults__, thing.__kwdefaults__, *cells, *names):
                yield from _compiled(part, home, seen)
    elif not isinstance(thing, ModuleType) and not callable(thing):
        try:
            yield digest(thing)
        except TypeError:  # a slot, a lock
            yield _name(type(thing))


def _bytecode(code: CodeType, doc: str | None) -> list:
    parts = [code.co_code, code.co_names, code.co_varnames]
    for part in code.co_consts:
        if isinstance(part, CodeType):
            parts.append(_bytecode(part, None))
        elif part != doc or doc is None:
            parts.append(part)
    return parts


def _names(code: CodeType) -> list[str]:
    inner = [part for part in code.co_consts if isinstance(part, CodeType)]
    return sorted({*code.co_names, *(n for part in inner for n in _names(part))})
