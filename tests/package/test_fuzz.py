"""A small fixed share of ``tools/fuzz``, and the proof that each target has teeth.

The whole of it: ``python tools/fuzz`` (12,000 inputs, some minutes).
"""

import importlib
import time

import numpy as np
import pytest
from fuzz import core, evaluation, metrics, recommend, results
from fuzz.__main__ import TARGETS
from fuzz.core import BAD, Case, Verdict, generator, judge

from recsys_tutor import data, datasets, splits
from recsys_tutor import evaluate as evaluate_module
from recsys_tutor import metrics as metrics_module
from recsys_tutor.base import Recommender
from recsys_tutor.ranking import TopK
from recsys_tutor.study import leaderboard
from recsys_tutor.study.results import Results

SHARE = {
    "loader": 160,
    "containers": 120,
    "splitting": 80,
    "metrics": 100,
    "evaluation": 60,
    "recommend": 50,
    "ids": 40,
    "results": 3,
}


@pytest.fixture(autouse=True)
def few_models(monkeypatch):
    monkeypatch.setenv("FUZZ_MODELS", "cheap")
    recommend.cases.cache_clear()
    recommend.fitted.cache_clear()
    yield
    recommend.cases.cache_clear()
    recommend.fitted.cache_clear()


def judged(target, inputs, first=0):
    module = importlib.import_module(f"fuzz.{target}")
    numbers = range(first, first + inputs)
    return [judge(module.make(generator("tests", target, n))) for n in numbers]


@pytest.mark.parametrize("target", SHARE)
def test_no_wrong_value_unclear_error_or_crash(target):
    failed = [row for row in judged(target, SHARE[target]) if row.verdict in BAD]
    shown = "\n".join(f"{r.verdict}, {r.kind}: {r.text}\n  {r.detail}" for r in failed)
    assert not failed, f"{len(failed)} inputs, the first of them:\n{shown[:3000]}"


def test_every_target_has_its_share():
    assert SHARE.keys() == TARGETS.keys()


def test_an_input_is_the_same_whenever_it_is_made():
    for target in SHARE:
        module = importlib.import_module(f"fuzz.{target}")
        texts = [module.make(generator(3, target, 5)).text for _ in range(2)]
        assert texts[0] == texts[1]


# -- teeth: a package that is wrong in one way is found out ----------------------------


def wrong(where, name, change):
    """Replace ``where.name`` by ``change(the original)``."""

    def patch(monkeypatch):
        monkeypatch.setattr(where, name, change(getattr(where, name)))

    return patch


def drop_last_row(read):
    def worse(*arguments, **options):
        answer = read(*arguments, **options)
        rows = np.arange(max(1, len(answer.interactions)) - 1)
        return answer._replace(interactions=answer.interactions.subset(rows))

    return worse


def next_id(index):
    return lambda self, ids: np.roll(index(self, ids), 1)


def off_by(error):
    return lambda function: lambda *a, **o: function(*a, **o) + error


def reversed_lists(rank):
    def worse(self, *arguments, **options):
        items, scores = rank(self, *arguments, **options)
        return TopK(items[:, ::-1].copy(), scores[:, ::-1].copy())

    return worse


def swapped_parts(split):
    def worse(*arguments, **options):
        train, valid, test = split(*arguments, **options)
        return data.Split(test, valid, train)

    return worse


def other_metrics(load):
    def worse(*arguments):
        frame = load(*arguments).frame
        name = "ndcg" if "ndcg" in frame else "rmse"
        return Results(frame.assign(**{name: 0.5}))

    return worse


TEETH = {
    "loader": (wrong(datasets, "load_ratings_csv", drop_last_row), 40),
    "containers": (wrong(data.Interactions, "user_index", next_id), 150),
    "splitting": (wrong(splits, "leave_last_out", swapped_parts), 200),
    "metrics": (wrong(metrics_module, "ndcg", off_by(1e-6)), 200),
    "evaluation": (wrong(evaluate_module.metrics, "auc", off_by(1e-6)), 60),
    "recommend": (wrong(Recommender, "recommend", reversed_lists), 40),
    "ids": (wrong(data.Interactions, "user_index", next_id), 60),
    "results": (wrong(Results, "load", other_metrics), 1),
}


@pytest.mark.parametrize("target", TEETH)
def test_a_wrong_function_is_noticed(target, monkeypatch):
    """The verdict "wrong value", on inputs that are right without the change."""
    patch, inputs = TEETH[target]
    first = 3 if target == "results" else 0  # its inputs take a second each
    before = judged(target, inputs, first)
    patch(monkeypatch)
    after = judged(target, inputs, first)
    noticed = [
        row
        for fine, row in zip(before, after, strict=True)
        if fine.verdict == Verdict.RIGHT and row.verdict == Verdict.WRONG
    ]
    assert noticed


def verdict(call, check=core.nothing, **options):
    return judge(Case("kind", "text", call, check, **options), seconds=0.2).verdict


def fail(error):
    raise error


def test_verdicts_of_errors():
    clear = {"words": ("n_folds",)}
    three = range(3)
    good = data.Interactions(three, three, [1.0] * 3, None, list("abc"), list("xyz"))
    call = lambda: splits.k_fold(good, n_folds=1)  # noqa: E731
    assert verdict(call, **clear) == Verdict.CLEAR
    assert verdict(call, words=("ratio",)) == Verdict.UNCLEAR
    assert verdict(call, every=("n_folds.*1",)) == Verdict.CLEAR
    assert verdict(call, every=("line 3",)) == Verdict.UNCLEAR
    assert verdict(call, refuse="never") == Verdict.WRONG
    assert verdict(lambda: fail(ValueError("n_folds"))) == Verdict.UNCLEAR
    assert verdict(lambda: np.ones(3)[[0.5]]) == Verdict.UNCLEAR
    assert verdict(lambda: good.nobody) == Verdict.UNCLEAR


def test_verdicts_of_answers():
    assert verdict(lambda: 1) == Verdict.RIGHT
    assert verdict(lambda: 1, refuse="must") == Verdict.WRONG
    assert verdict(lambda: 1, lambda one: f"{one}, should be 2") == Verdict.WRONG
    assert verdict(lambda: 1, lambda one: one.missing) == Verdict.WRONG
    assert verdict(lambda: np.float64(1) / 0) == Verdict.UNCLEAR  # a bare warning
    assert verdict(None) == Verdict.ABSENT


def test_verdicts_of_crashes(tmp_path):
    assert verdict(lambda: time.sleep(5)) == Verdict.CRASH
    half = tmp_path / "r.json"
    half.write_text('{"rows": [{"task"')
    assert verdict(lambda: results.written(half)) == Verdict.CRASH
    assert verdict(lambda: results.only_whole_files(tmp_path)) == Verdict.RIGHT
    (tmp_path / ".r.json.123").write_text("")
    assert verdict(lambda: results.only_whole_files(tmp_path)) == Verdict.CRASH


def test_a_write_that_is_cut_off_is_noticed(monkeypatch):
    """A writer that does not go through a temporary name leaves a torn file."""
    saved = leaderboard.write_whole

    def torn(path, text):
        path.write_text(text[: len(text) // 2], encoding="utf-8")
        raise OSError("No space left on device")

    monkeypatch.setattr(leaderboard, "write_whole", torn)
    step = {"data": 0, "file": "a.json", "names": ["P"], "only": None}
    step["event"] = "disk full"

    def call():
        with results.Folder() as folder:
            return results.step(step, folder)

    assert verdict_in_time(call) == Verdict.CRASH
    monkeypatch.setattr(leaderboard, "write_whole", saved)
    assert verdict_in_time(call) == Verdict.RIGHT


def verdict_in_time(call):
    return judge(Case("kind", "text", call)).verdict


def test_oracles_of_the_fuzz_itself():
    assert metrics.hit_metric("recall", [True, False], 4) == 0.25
    assert metrics.hit_metric("ndcg", [True], 1) == 1.0
    assert evaluation.Fixed(scores=[[1.0]]).scores == [[1.0]]
    assert core.close(float("nan"), float("nan")) and not core.close(1, 1.001)
    assert core.differ("x", [1, 2], [1, 3]) and core.differ("x", [1], [1]) is None
