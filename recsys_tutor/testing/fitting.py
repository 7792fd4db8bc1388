"""Checks of the constructor and of ``fit``.

Each takes a :class:`~recsys_tutor.testing.cases.ModelCase` and raises an error if the
model breaks the rule that the first line of its docstring states.

Chapter: 03 Baselines (the contract).
"""

from __future__ import annotations

import copy
import inspect
import pickle
import random
import re
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from recsys_tutor import saving
from recsys_tutor.base import FitDiverged, NotFittedError, Recommender
from recsys_tutor.data import Interactions
from recsys_tutor.testing.cases import (
    ModelCase,
    Stop,
    answers,
    assert_same,
    everyone,
    fingerprint,
    frozen,
    other,
    raises,
    single,
    small,
)

__all__ = [
    "an_interrupted_fit_leaves_nothing",
    "constructor_only_stores",
    "divergence",
    "epochs_history_and_callback",
    "every_parameter_changes_the_result",
    "fit_twice_is_fit_once",
    "inputs_are_unchanged",
    "invalid_arguments_are_refused",
    "pickle_round_trip",
    "refit_on_another_shape",
    "repr_and_clone",
    "save_and_load",
    "seeds_and_global_generators",
    "unfitted_is_said",
    "wrong_input_is_refused",
]


def constructor_only_stores(case: ModelCase) -> None:
    """The constructor takes keywords and stores them untouched, no more."""
    cls = type(case.model)
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    if cls.__init__ is object.__init__:
        parameters = []
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters), "keyword-only arguments"
    values = {p.name: object() for p in parameters}
    model = cls(**values)
    assert set(vars(model)) == set(values), "attributes are the arguments, no more"
    for name, value in values.items():
        assert getattr(model, name) is value, f"{name} is stored untouched"


def repr_and_clone(case: ModelCase) -> None:
    """``repr`` is a call that makes the model; ``clone`` is new and unfitted."""
    model = case.new()
    params = model.get_params()
    written = ", ".join(f"{name}={value!r}" for name, value in params.items())
    assert repr(model) == f"{type(model).__name__}({written})"
    fitted = model.clone()
    fitted.fit(small())
    for name, value in params.items():
        assert getattr(fitted, name) is value, f"fit left {name} alone"
    copied = fitted.clone()
    assert type(copied) is type(model) and copied is not fitted
    assert set(vars(copied)) == set(params), "a clone is unfitted"
    assert all(getattr(copied, name) is value for name, value in params.items())
    for name, value in case.effects.items():
        changed = fitted.clone(**{name: value}).get_params()
        assert set(changed) == set(params)
        for other_name in params:
            expected = value if other_name == name else params[other_name]
            assert changed[other_name] is expected
        assert getattr(fitted, name) is params[name], "the original is untouched"


def wrong_input_is_refused(case: ModelCase) -> None:
    """``fit`` refuses what is no ``Interactions``, and one without rows."""
    data = small()
    wrongs: tuple[Any, ...] = (data.csr, data.to_frame(), None, [(0, 0, 1.0)])
    for wrong in wrongs:
        with raises(TypeError, match="Interactions"):
            case.new().fit(wrong)
    with raises(ValueError, match="at least one"):
        case.new().fit(data.subset(np.zeros(len(data), bool)))


def unfitted_is_said(case: ModelCase) -> None:
    """Before ``fit`` every question ends in a ``NotFittedError``."""
    model = case.new()
    for ask in (
        lambda: model.score([0]),
        lambda: model.recommend([0]),
        lambda: model.predict([0], [0]),
        lambda: model.score_history(np.ones((1, 7))),
    ):
        with raises(NotFittedError, match=type(model).__name__):
            ask()


def invalid_arguments_are_refused(case: ModelCase) -> None:
    """``fit``, not the constructor, refuses wrong values by name."""
    params = case.model.get_params()
    invalid = dict(case.invalid)
    if "random_state" in params:
        invalid.setdefault("random_state", ("seed", -1, 1.5, True))
    assert set(invalid) == set(params), "invalid must name every parameter"
    for name, values in invalid.items():
        for value in values:
            model = case.new(**{name: value})  # the constructor accepts it
            with raises(ValueError, match=rf"\b{name}\b"):
                model.fit(small())
            with raises(NotFittedError):
                model.score([0])


def fit_twice_is_fit_once(case: ModelCase) -> None:
    """``fit`` returns the model; a second fit on the same data changes nothing."""
    once = case.new()
    assert once.fit(small()) is once, "fit returns self"
    twice = case.refit(case.fit(), small())
    assert_same(case, once, twice)
    assert len(once.history_) == len(twice.history_)


def refit_on_another_shape(case: ModelCase) -> None:
    """A fit on data of another shape leaves nothing of the first."""
    for first, second in ((small(), other()), (other(), small()), (small(), single())):
        model, fresh = case.refit(case.fit(first), second), case.fit(second)
        assert_same(case, model, fresh)
        assert set(vars(model)) == set(vars(fresh)), "nothing is left of the first fit"
        assert model.train_ is second
        assert (model.n_users_, model.n_items_) == second.shape


def inputs_are_unchanged(case: ModelCase) -> None:
    """Neither the data nor any argument of a question is changed."""
    data = small()
    before = fingerprint(data)
    model = case.fit(data)
    users = everyone(data)
    X, seen = data.csr.copy(), data.csr.copy()
    model.score(users), model.recommend(users, 3), model.recommend(users, exclude=seen)
    if case.rating:
        model.predict(users, frozen(users % data.n_items))
    if case.history:
        model.score_history(X)
    assert fingerprint(data) == before
    for matrix in (X, seen):
        assert (matrix != data.csr).nnz == 0


def seeds_and_global_generators(case: ModelCase) -> None:
    """Equal seeds, equal results; the global generators are left alone."""
    assert_same(case, case.fit(), case.fit())
    random.random(), np.random.random(3)  # noqa: NPY002 (away from a seed's start)
    before = _rng_states()
    model = case.fit()
    answers(case, model), model.recommend([0, 1])
    assert _rng_states() == before, "a global generator was used or seeded"
    if "random_state" not in case.model.get_params():
        return
    first, second = (case.fit(random_state=np.random.default_rng(7)) for _ in range(2))
    assert_same(case, first, second)
    assert_same(case, first, first)
    assert np.isfinite(case.fit(random_state=None).score([0])).all()
    fresh = (case.fit(random_state=None) for _ in range(2))
    assert _differ(case, *fresh), "None means fresh randomness"
    generator = np.random.default_rng(7)
    start = generator.bit_generator.state
    case.fit(random_state=generator)
    assert generator.bit_generator.state != start, "draws come from the generator"


def _rng_states() -> list:
    states = [random.getstate(), pickle.dumps(np.random.get_state())]  # noqa: NPY002
    torch = sys.modules.get("torch")
    return states + ([] if torch is None else [torch.get_rng_state().tolist()])


def every_parameter_changes_the_result(case: ModelCase) -> None:
    """Every parameter changes the result, as ``effects`` says."""
    names = set(case.model.get_params())
    expected = names - set(case.same_result)
    assert set(case.effects) == expected, "effects must name every parameter"
    assert set(case.same_result) <= names, "same_result names parameters"
    base = case.fit()
    for name, value in case.same_result.items():
        assert_same(case, base, case.fit(**{name: value}))
    for name, value in case.effects.items():
        assert value is not getattr(case.model, name)
        changed = case.fit(**{name: value})
        assert _differ(case, base, changed), f"{name}={value!r} changes nothing"


def _differ(case: ModelCase, first: Recommender, second: Recommender) -> bool:
    """Whether two models answer anything in two ways."""
    pairs = zip(answers(case, first), answers(case, second), strict=True)
    return any(not np.array_equal(a, b) for a, b in pairs)


def epochs_history_and_callback(case: ModelCase) -> None:
    """``history_`` and the callback see each epoch; a callback that says True stops."""
    calls = []

    def record(model: Recommender, epoch: int, logs: dict) -> None:
        calls.append((model, epoch, dict(logs)))

    model = case.new()
    model.fit(small(), callback=record)
    if not case.iterative:
        assert model.history_ == [] and calls == []
        return
    n = len(model.history_)
    assert n >= 3, "a case needs at least three epochs"
    assert [epoch for _, epoch, _ in calls] == list(range(1, n + 1))
    assert all(who is model for who, _, _ in calls)
    assert [logs for _, _, logs in calls] == model.history_
    assert [row["epoch"] for row in model.history_] == list(range(1, n + 1))
    assert all(type(row["loss"]) is float for row in model.history_)
    assert np.isfinite([row["loss"] for row in model.history_]).all()
    seconds = [row["seconds"] for row in model.history_]
    assert 0 <= seconds[0] and seconds == sorted(seconds)
    assert_same(case, model, case.fit())
    _true_stops(case)
    _truthy_goes_on(case, n)


def _true_stops(case: ModelCase) -> None:
    for true in (True, np.True_):
        stopped = case.new()
        stopped.fit(small(), callback=lambda m, epoch, logs: epoch == 2 and true)  # noqa: B023
        assert len(stopped.history_) == 2, "returning True stops"
        if "n_epochs" in case.model.get_params():
            assert_same(case, stopped, case.fit(n_epochs=2))


def _truthy_goes_on(case: ModelCase, n: int) -> None:
    asked = []

    def use(
        model: Recommender, epoch: int, logs: dict
    ) -> int:  # what early stopping does; truthy is not True
        asked.append(model.score([0]).shape)
        return 1

    model = case.new()
    model.fit(small(), callback=use)
    assert len(model.history_) == n, "only True stops"
    assert asked == [(1, 7)] * n, "the callback may ask the model"


def divergence(case: ModelCase) -> None:
    """A loss that overflows ends in ``FitDiverged``, with advice; then fit again."""
    if not case.iterative:
        return
    assert case.diverges is not None, "name parameters that overflow, or exempt"
    model = case.new(**case.diverges)
    with np.errstate(all="ignore"):
        with raises(FitDiverged, match="after epoch") as info:
            model.fit(small())
    assert not np.isfinite(model.history_[-1]["loss"])
    advice = str(info.value).partition("Try ")[2]
    pairs = re.findall(r"(?:smaller|larger) (\w+)|(\w+_\w+)", advice)
    named = {name for pair in pairs for name in pair if name}
    assert advice and named <= set(model.get_params()), "advice it can follow"
    with raises(NotFittedError):
        model.score([0])
    vars(model).update(case.new().get_params())
    assert_same(case, case.fit(), model.fit(small()))  # and it can be fitted again


def an_interrupted_fit_leaves_nothing(case: ModelCase) -> None:
    """A fit that is interrupted leaves an unfitted model."""
    fit = type(case.model)._fit

    def half(self: Recommender, train: Interactions) -> None:
        fit(self, train)
        raise Stop

    model = case.fit()
    with mock.patch.object(type(model), "_fit", half), raises(Stop):
        model.fit(small())
    left = set(vars(model)) - {"history_"}
    assert left == set(model.get_params()), "what was learned is forgotten"
    for ask in (lambda: model.score([0]), lambda: model.recommend([0])):
        with raises(NotFittedError):
            ask()
    assert_same(case, model.fit(small()), case.fit())


def pickle_round_trip(case: ModelCase) -> None:
    """A model that was pickled or copied gives the same answers."""
    model = case.fit()
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert_same(case, model, again)
        assert repr(again) == repr(model)
        lists = again.recommend([0, 5], 3)
        np.testing.assert_array_equal(lists.items, model.recommend([0, 5], 3).items)
    unfitted = pickle.loads(pickle.dumps(case.new()))
    assert_same(case, unfitted.fit(small()), model)


def save_and_load(case: ModelCase) -> None:
    """``load`` gives back what was saved, and refuses what is damaged."""
    model, version = case.fit(), re.escape(saving.__version__)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        model.save(path)
        assert [p.name for p in Path(folder).iterdir()] == ["model"]
        for door in (type(model), Recommender):
            again = door.load(path)
            assert type(again) is type(model) and repr(again) == repr(model)
            assert_same(case, again, model)
            np.testing.assert_array_equal(
                again.recommend([0, 5], 3).items, model.recommend([0, 5], 3).items
            )
        with raises(TypeError, match=type(model).__name__):
            _Another.load(path)
        with mock.patch.object(saving, "__version__", "9.9"):
            with raises(ValueError, match=rf"{version} .* 9\.9"):
                Recommender.load(path)
        head, _, body = path.read_bytes().partition(b"\n")
        for damaged in (body, head, head + b"\n" + body[:-1], b"", head[:40]):
            path.write_bytes(damaged)
            with raises(ValueError, match="no model|damaged"):
                Recommender.load(path)
        with raises(NotFittedError):
            case.new().save(path)


class _Another(Recommender):
    """A model of another class."""
