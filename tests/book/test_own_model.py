"""The page "A model of your own": its code runs, and prints what the page shows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from broken import ForgetsIds, PrefersLowIndices, good_case

from recsys_tutor.baselines import Popularity
from recsys_tutor.testing import CHECKS, check_model
from recsys_tutor.testing.cases import raises

PAGE = Path(__file__).parents[2] / "book" / "model_of_your_own.md"
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", re.M | re.S)
MARK = "-- end of a block --"


def test_the_page_runs_from_top_to_bottom(movielens, tmp_path):
    blocks = BLOCK.findall(PAGE.read_text("utf-8"))
    assert len(blocks) == PAGE.read_text("utf-8").count("```python") == 7
    assert sum(bool(shown) for _, shown in blocks) == 5
    program = tmp_path / "own.py"
    code = [f"{source}\nprint({MARK!r})\n" for source, _ in blocks]
    program.write_text("\n".join(code), "utf-8")
    done = subprocess.run(
        [sys.executable, "-X", "utf8", program],
        **{"cwd": tmp_path, "capture_output": True, "encoding": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout.split(f"{MARK}\n")
    assert printed == [shown for _, shown in blocks] + [""]
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {"own.py", "my_results.json", "co_occurrence.model"}


def facts_of(case):
    return {name: fact for name, fact in vars(case).items() if name != "model"}


def test_check_model_reports_check_rule_and_fault():
    exempt = {"predict_equals_score": "only scores are broken"}
    case = good_case(PrefersLowIndices, exempt=exempt)
    rule = CHECKS["relabelling"].__doc__
    with pytest.raises(AssertionError) as info:
        check_model(case.model, **facts_of(case))
    said = str(info.value)
    assert said.startswith(
        f"PrefersLowIndices breaks the contract.\nrelabelling: {rule}"
    )
    assert "Mismatched elements" in said, "what was found"
    assert info.value.__cause__ is not None
    case = good_case(ForgetsIds)
    with pytest.raises(AssertionError, match=r"\n\w+: .*\n(ValueError: )?\w+"):
        check_model(case.model, **facts_of(case))


def test_check_model_passes_a_model_of_the_package_and_wants_known_names():
    check_model(
        Popularity(),
        history=True,
        similar=False,
        exempt={"checkerboard_diagonal_is_first": "scores every user's items alike"},
    )
    with pytest.raises(ValueError, match="exempt names no check: \\['oops'\\]"):
        check_model(Popularity(), exempt={"oops": "no such check"})
    untold = good_case(similar=False)
    with pytest.raises(AssertionError, match="expected NotImplementedError, but noth"):
        check_model(untold.model, **facts_of(untold))


def test_check_model_refuses_to_run_without_assertions():
    code = "import recsys_tutor.testing as t; t.check_model(None)"
    done = subprocess.run(
        [sys.executable, "-O", "-c", code], capture_output=True, text=True
    )
    assert "RuntimeError: python -O leaves assertions out" in done.stderr


def test_raises_sees_the_kind_and_the_message():
    with raises(ValueError, match="fi.e") as found:
        raise ValueError("five")
    assert str(found.value) == "five"
    with pytest.raises(AssertionError, match="nothing was raised"):
        with raises(ValueError):
            pass
    with pytest.raises(AssertionError, match="with a message like 'six', got 'five'"):
        with raises(ValueError, match="six"):
            raise ValueError("five")
    with pytest.raises(KeyError):
        with raises(ValueError):
            raise KeyError("another kind goes on")
