"""The contract as checks for anybody's model.

``check_model(model, **facts)`` fits a model many times on small data and says which
rule of the contract it breaks, if any. The facts are those of a
:class:`~recsys_tutor.testing.cases.ModelCase`:
what each parameter changes, which values are wrong, what the model can do. The checks
need no test tool; with pytest, run :data:`CHECKS` one by one::

    @pytest.mark.parametrize("name", CHECKS)
    def test_contract(name):
        CHECKS[name](ModelCase(MyModel(), effects=..., invalid=...))

Chapter: 03 Baselines (the contract).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from recsys_tutor.base import Recommender
from recsys_tutor.testing import answers, fitting, lists
from recsys_tutor.testing.cases import ModelCase  # noqa: F401

__all__ = ["CHECKS", "check_model"]

#: Every check by name, from the constructor to the evaluation of lists. A check takes a
#: :class:`~recsys_tutor.testing.cases.ModelCase` and raises an error if the model
#: breaks the rule, which is the first line of the check's docstring.
#:
#: :meta hide-value:
CHECKS: dict[str, Callable[[ModelCase], None]] = {
    name: check
    for module in (fitting, answers, lists)
    for name, check in vars(module).items()
    if name in module.__all__
}


def check_model(model: Recommender, **facts: Any) -> None:
    """Run all checks on a model, in order; the first that fails is reported.

    Parameters
    ----------
    model : Recommender
        Unfitted, with settings small enough for a second of fitting.
    facts
        The other fields of :class:`~recsys_tutor.testing.cases.ModelCase`.
        ``effects`` and ``invalid`` name every
        parameter; what the model can do beyond scores (``rating``, ``history``,
        ``similar``, ``explains``, ``iterative``, ``sequential``) is False unless told.
        ``exempt`` maps a check that does not apply to the reason.

    Raises
    ------
    AssertionError
        The check, its rule and what was found; the error behind it is its cause.
    ValueError
        ``exempt`` names no check.
    RuntimeError
        Python runs with ``-O``, which leaves assertions out.

    Notes
    -----
    About a hundred fits on 11 x 7 and 18 x 12 data.
    """
    if not __debug__:
        raise RuntimeError("python -O leaves assertions out; run without -O")
    case = ModelCase(model, **facts)
    unknown = sorted(set(case.exempt) - set(CHECKS))
    if unknown:
        raise ValueError(f"exempt names no check: {unknown}; there are {list(CHECKS)}")
    for name, check in CHECKS.items():
        if name not in case.exempt:
            try:
                check(case)
            except Exception as error:
                raise AssertionError(_report(case, check, error)) from error


def _report(case: ModelCase, check: Callable, error: Exception) -> str:
    """Model, check and rule, then the error's own words or the line that failed."""
    rule = (check.__doc__ or "").partition("\n")[0]
    line = traceback.extract_tb(error.__traceback__)[-1].line
    found = str(error).strip() or f"this does not hold: {line}"
    if not isinstance(error, AssertionError):
        found = f"{type(error).__name__}: {found}"
    return (
        f"{type(case.model).__name__} breaks the contract.\n"
        f"{check.__name__}: {rule}\n{found}"
    )
