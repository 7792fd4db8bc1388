"""The contract, checked for every model of the package.

The checks are those of ``recsys_tutor.testing``, the models those of ``cases.py``. The
second half of the file proves with the models of ``broken.py`` that each check notices.
"""

import inspect

import pytest
from broken import BROKEN, GOOD, OWN_FAULTS, WITH_FEATURES
from cases import MODELS, name_of

from recsys_tutor.base import Recommender
from recsys_tutor.baselines import BiasModel, Popularity, Random
from recsys_tutor.neural import NeuMF
from recsys_tutor.sequential import SASRec
from recsys_tutor.testing import CHECKS
from recsys_tutor.training import NetworkModel


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("case", MODELS, ids=name_of)
def test_contract(case, name):
    if name not in case.exempt:
        CHECKS[name](case)
    else:  # an exemption that is no longer needed must go
        with pytest.raises((AssertionError, TypeError, ValueError)):
            CHECKS[name](case)


def test_exemptions_name_checks_and_reasons():
    for case in [*MODELS, GOOD]:
        assert set(case.exempt) <= set(CHECKS), name_of(case)
        assert all(len(reason) > 10 for reason in case.exempt.values())


def test_every_model_of_the_package_is_in_the_list():
    """Public concrete Recommenders of all modules, so that none is forgotten."""
    import importlib
    import pkgutil

    import recsys_tutor

    found = set()
    for module in pkgutil.iter_modules(recsys_tutor.__path__):
        namespace = importlib.import_module(f"recsys_tutor.{module.name}")
        for value in vars(namespace).values():
            if inspect.isclass(value) and issubclass(value, Recommender):
                concrete = value._fit is not Recommender._fit
                if issubclass(value, NetworkModel):
                    concrete = value._network is not NetworkModel._network
                if concrete and not value.__name__.startswith("_"):
                    found.add(value)
    missing = found - {type(case.model) for case in MODELS}
    assert not missing, f"add a ModelCase for {sorted(c.__name__ for c in missing)}"
    assert {Random, Popularity, BiasModel, NeuMF, SASRec} <= found


# -- the checks can fail: one broken model per check -------------------------------


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("case", [GOOD, WITH_FEATURES], ids=name_of)
def test_the_good_toys_pass(case, name):
    CHECKS[name](case)


@pytest.mark.parametrize(
    "name, case", BROKEN, ids=[f"{name}-{name_of(case)}" for name, case in BROKEN]
)
def test_a_broken_model_is_noticed(name, case):
    with pytest.raises(OWN_FAULTS.get(type(case.model), AssertionError)):
        CHECKS[name](case)


def test_every_check_has_a_broken_model():
    assert {name for name, _ in BROKEN} == set(CHECKS)
