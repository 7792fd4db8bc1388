"""Declared parameters: constructor, checks, documentation and inheritance."""

import dataclasses
import importlib
import inspect
import pkgutil
import re
from typing import ClassVar, Literal

import numpy as np
import pytest

import recsys_tutor
from recsys_tutor.base import Recommender
from recsys_tutor.datasets import toy
from recsys_tutor.parameters import Seed, Sizes, param


class Plain(Recommender):
    """Scores nothing, but has an argument of every kind.

    Notes
    -----
    The end.
    """

    kinds: ClassVar[int] = 3

    size: int = param("How many.", default=3, low=1)
    rate: float = param(
        "How fast: " + "a long story " * 9, default=0.5, above=0, below=1
    )
    half: float | None = param("Maybe.", default=None, above=0)
    flag: bool = param("Yes or no.", default=False)
    how: Literal["a", "b"] = param("Which.", default="a")
    hidden: Sizes = param("Layers.", default=(4, 2), low=1)
    random_state: Seed = param("Draws.", default=0)

    def _fit(self, train):
        pass


class Child(Plain):
    """Starts from another size."""

    size: int = 7
    more: float = param("More.", default=1.0)


class Needs(Recommender):
    """Has no default."""

    what: list = param("Anything.")


def test_the_constructor_takes_keywords_and_stores_them_untouched():
    hidden = [8, 4]
    model = Plain(hidden=hidden, rate=0.25)
    assert model.hidden is hidden and model.rate == 0.25 and model.size == 3
    assert vars(model) == model.get_params()
    assert list(model.get_params()) == [
        field.name for field in dataclasses.fields(Plain)
    ]
    with pytest.raises(TypeError, match="positional"):
        Plain(3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'sise'"):
        Plain(sise=3)
    with pytest.raises(TypeError, match="'what'"):
        Needs()


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"size": 0}, "size must be a whole number >= 1, got 0"),
        ({"size": 2.0}, "size must be a whole number >= 1, got 2.0"),
        ({"rate": 1}, "rate must be a number > 0 and < 1, got 1"),
        ({"half": 0}, "half must be a number > 0, got 0"),
        ({"flag": 1}, "flag must be a bool, got 1"),
        ({"how": "c"}, "how must be 'a' or 'b', got 'c'"),
        ({"how": ["a"]}, r"how must be 'a' or 'b', got \['a'\]"),
        ({"how": np.zeros(2)}, "how must be 'a' or 'b', got array"),
        ({"hidden": 3}, "hidden must be a tuple of layer sizes, got 3"),
        ({"hidden": (4, 0)}, r"hidden\[1\] must be a whole number >= 1, got 0"),
        ({"random_state": -1}, "random_state must be"),
    ],
)
def test_a_wrong_argument_is_refused_in_fit(wrong, message):
    model = Plain(**wrong)
    with pytest.raises(ValueError, match=message):
        model.fit(toy().interactions)
    Plain(half=None, rate=np.float32(0.5), flag=np.True_).fit(toy().interactions)
    Plain(random_state=np.random.default_rng(0)).fit(toy().interactions)


def test_a_child_inherits_rules_and_words_and_changes_a_default():
    assert Child().size == 7 and Child().rate == 0.5 and Plain().size == 3
    with pytest.raises(ValueError, match="size must be a whole number >= 1, got 0"):
        Child(size=0).fit(toy().interactions)
    assert "size : int >= 1\n        How many." in Child.__doc__
    assert repr(Child()).startswith("Child(size=7, rate=0.5, half=None")


def test_the_docstring_lists_every_argument_before_the_other_sections():
    text = inspect.getdoc(Plain)
    for line in (
        "Parameters\n----------\nsize : int >= 1\n    How many.",
        "rate : float > 0 and < 1\n    How fast: a long story",
        "half : float or None > 0\n",
        "flag : bool\n",
        'how : "a" or "b"\n',
        "hidden : tuple of int >= 1\n",
        "random_state : int, Generator or None\n",
    ):
        assert line in text
    assert text.index("random_state") < text.index("Notes\n-----\nThe end.")
    assert max(map(len, text.split("\n"))) <= 88
    assert Recommender.__doc__.count("Parameters\n") == 0


def test_what_is_not_declared_is_refused_when_the_class_is_made():
    with pytest.raises(TypeError, match=r"Odd\.size: declare .* ClassVar"):

        class Odd(Recommender):
            """Has an annotated attribute."""

            size: int = 3


def test_a_constructor_written_by_hand_stays_and_is_inherited():
    class ByHand(Recommender):
        def __init__(self, *, size=2):
            self.size = size

        def _fit(self, train):
            pass

    class Younger(ByHand):
        pass

    assert Younger(size=5).get_params() == {"size": 5}
    assert repr(ByHand().clone(size=4)) == "ByHand(size=4)"
    Younger().fit(toy().interactions)


def models():
    for module in pkgutil.iter_modules(recsys_tutor.__path__):
        importlib.import_module(f"recsys_tutor.{module.name}")
    found, todo = set(), [Recommender]
    while todo:
        for child in todo.pop().__subclasses__():
            todo.append(child)
            if child.__module__.startswith(recsys_tutor.__name__):
                found.add(child)
    return sorted(found, key=lambda c: c.__name__)


def test_every_model_documents_every_argument():
    assert len(models()) > 25
    for model in models():
        assert "__init__" not in vars(model) or hasattr(model.__init__, "ours"), model
        for name in model._param_names():
            entry = rf"    {name} : \S"
            assert re.search(entry, model.__doc__), (model, name)
