"""A fitted model in one file: one line of JSON that says what it is, then a pickle.

Used by :meth:`.Recommender.save` and :meth:`.Recommender.load`.

Chapter: 18 Leaderboard.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import pickle
from pathlib import Path
from typing import Any

from recsys_tutor import __version__
from recsys_tutor.checks import check_path
from recsys_tutor.files import write_whole

__all__ = ["read_model", "write_model"]

FORMAT = "recsys_tutor model 1"


def write_model(model: Any, path: str | Path) -> None:
    """Write ``model``; see :meth:`.Recommender.save`."""
    try:
        body = pickle.dumps(model, protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"{type(model).__name__} cannot be saved: it or a part of it cannot be "
            f"pickled ({error})"
        ) from error
    head = {
        "format": FORMAT,
        "version": __version__,
        "model": f"{type(model).__module__}.{type(model).__qualname__}",
        "parameters": model._param_names(),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    write_whole(path, json.dumps(head).encode() + b"\n" + body)


def read_model(path: str | Path, expected: type) -> Any:
    """The model in the file, an ``expected``; see :meth:`.Recommender.load`."""
    line, _, body = check_path(path).read_bytes().partition(b"\n")
    head = _read_head(path, line)
    kind = _find_class(path, head)
    if not issubclass(kind, expected):
        raise TypeError(
            f"{path}: holds a {kind.__name__}, not a {expected.__name__}; load it with "
            f"{kind.__name__}.load or Recommender.load"
        )
    now = kind._param_names()
    if head["version"] != __version__ or head["parameters"] != now:
        raise ValueError(
            f"{path}: saved by recsys_tutor {head['version']} with the parameters "
            f"{head['parameters']}; this is {__version__}, where {kind.__name__} has "
            f"{now}. Fit the model again, or install the version that saved it"
        )
    if hashlib.sha256(body).hexdigest() != head["sha256"]:
        raise ValueError(
            f"{path}: the file is damaged or incomplete (its content does not match "
            "its SHA-256); save the model again"
        )
    return pickle.loads(body)


def _read_head(path: str | Path, line: bytes) -> dict:
    """The first line of a saved model."""
    try:
        head = json.loads(line)
    except ValueError:
        head = None
    wanted = {"format", "version", "model", "parameters", "sha256"}
    whole = isinstance(head, dict) and wanted <= set(head)
    if not whole or head["format"] != FORMAT:
        raise ValueError(f"{path}: this is no model that Recommender.save wrote")
    return head


def _find_class(path: str | Path, head: dict) -> Any:
    module, _, name = head["model"].rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{path}: holds a {head['model']}, saved by recsys_tutor "
            f"{head['version']}; there is no such class here ({error}). Import what "
            "defines it, or fit the model again"
        ) from error
