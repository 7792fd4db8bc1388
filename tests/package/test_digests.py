"""Digests and files: equal content, equal digits; anything else, other digits."""

import os
import re
import subprocess
import sys
from copy import deepcopy
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array, csc_array, csr_array

from recsys_tutor.baselines import BiasModel, Popularity
from recsys_tutor.data import Interactions
from recsys_tutor.files import write_whole
from recsys_tutor.hybrid import RankFusion, Weighted
from recsys_tutor.mf import BiasedMF
from recsys_tutor.neighbors import EASE, ItemKNN
from recsys_tutor.study import digests
from recsys_tutor.study.digests import code_digest, digest
from recsys_tutor.study.files import ready

BIG = np.arange(6000.0).reshape(60, 100)


def one_changed(array):
    changed = array.copy()
    changed[30, 50] += 1e-9
    return changed


def same_length():
    """Values that are easily taken for each other."""
    return [
        *(None, True, False, 0, 1, 1.0, -0.0, 0.0, "1", b"1", "", "None", np.nan),
        *(np.int64(1), np.float64(1), np.array(1), np.array([1]), np.array([1.0])),
        *(np.array([1], np.int32), np.array([[1.0]]), [1], (1,), {1}, {1: 1}),
        *([], (), {}, [[]], [[], []], [1, [2]], [[1], 2], [1, 2], [2, 1], ["12"]),
        *(["1", "2"], np.array(["1", "2"]), np.array(["12"]), {"a": 1, "b": 2}),
        *({"a": 2, "b": 1}, {"b": "a"}, np.zeros((2, 3)), np.zeros((3, 2))),
        *(BIG, one_changed(BIG), BIG.astype(np.float32), BIG.T, BIG[::-1]),
        *(csr_array(BIG), csr_array(one_changed(BIG)), csr_array(BIG[:, :99])),
        *(pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"b": [1, 2]})),
        *(pd.DataFrame({"a": [1, 2]}, index=[1, 2]), pd.Series([1, 2])),
        *(EASE(), EASE(reg=299.0), ItemKNN(), EASE, Popularity, Popularity()),
        *(Weighted(models=(EASE(), Popularity())), RankFusion(models=(EASE(),))),
        *(Weighted(models=(EASE(), Popularity()), weights=(1, 2)),),
        *(np.random.default_rng(0), np.random.default_rng(1)),
        *(len, max, np.exp, lambda x: x + 1, lambda x: x + 2, lambda y: y),
    ]


def test_different_values_have_different_digests():
    values = same_length()
    for (m, a), (n, b) in combinations(enumerate(map(digest, values)), 2):
        assert a != b, (values[m], values[n])
        assert len(a) == 16 and int(a, 16) >= 0


def test_equal_values_have_equal_digests():
    for value, again in zip(same_length(), same_length(), strict=True):
        assert digest(value) == digest(again), value
        if not callable(value):
            assert digest(value) == digest(deepcopy(value)), value
    B = csr_array(BIG)
    for other in (csc_array(B), coo_array(B), csr_array(B.T).T):
        assert digest(other) == digest(B), "in any format"
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    digest(rng)
    assert rng.bit_generator.state == before
    twice = csr_array(([1.0, 2.0], [3, 3], [0, 2]), shape=(1, 5))
    assert digest(twice) == digest(csr_array(([3.0], [3], [0, 1]), shape=(1, 5)))
    assert twice.nnz == 2, "the value given is not touched"
    assert digest(np.asfortranarray(BIG)) == digest(BIG)
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


def test_digests_are_the_same_in_every_process():
    """Sets and dictionaries, too, whose order may depend on the process."""
    source = (
        "import numpy as np\n"
        "from recsys_tutor.study.digests import digest, code_digest\n"
        "from recsys_tutor.neighbors import EASE\n"
        "v = [{'a', 'b', 'c', 'd'}, {'x': 1}, 1.5, 'é', EASE(), np.arange(9)]\n"
        "print(digest(v), code_digest(EASE()))\n"
    )
    seen = set()
    for seed in ("1", "2"):
        env = os.environ | {"PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", source]
        seen.add(subprocess.check_output(command, env=env, text=True, cwd=ROOT))
    assert len(seen) == 1 and len(seen.pop().split()) == 2


ROOT = Path(__file__).parents[2]
NUMBERS = st.lists(st.integers(-3, 3), max_size=4)


@given(NUMBERS, NUMBERS)
def test_digests_are_equal_if_and_only_if_the_values_are(a, b):
    assert (digest(a) == digest(b)) == (a == b)
    assert (digest([a, b]) == digest([b, a])) == (a == b)
    x, y = np.array(a, np.int64), np.array(b, np.int64)
    assert (digest(x) == digest(y)) == np.array_equal(x, y)


def test_a_value_that_cannot_be_told_from_another_is_refused():
    with pytest.raises(TypeError, match="of type generator cannot be told"):
        digest({"rows": (n for n in range(3))})


# -- data ----------------------------------------------------------------------------


def interactions(**changes):
    columns = {
        "user": [0, 1, 1],
        "item": [1, 0, 2],
        "value": [3.0, 4.0, 5.0],
        "time": [7, 8, 9],
        "user_ids": ["a", "b"],
        "item_ids": [10, 20, 30],
    }
    return Interactions(**{**columns, **changes})


def test_data_are_told_apart():
    different = [
        interactions(),
        interactions(user=[1, 0, 0]),
        interactions(item=[0, 1, 2]),
        interactions(value=[3.0, 4.0, 4.5]),
        interactions(time=[7, 8, 8]),
        interactions(time=None),
        interactions(user_ids=["a", "c"]),
        interactions(user_ids=["a", "b", "c"]),
        interactions(item_ids=[10, 20, 31]),
        interactions(item_ids=["10", "20", "30"]),
        interactions().subset([0, 1]),
        interactions().subset([1, 0, 2]),
    ]
    digests = [data.digest for data in different]
    assert len(set(digests)) == len(digests)
    assert len({digest(data) for data in different}) == len(digests)
    assert interactions().digest == digests[0]
    wide = interactions(user_ids=np.array(["a", "b"], dtype="U99"))
    assert wide.digest == digests[0], "how text is stored does not count"
    assert interactions().subset([0, 1, 2]).digest == digests[0]


# -- code ----------------------------------------------------------------------------


def with_source(monkeypatch, module, change):
    source = digests._source
    monkeypatch.setattr(
        digests, "_source", lambda m: change(source(m)) if m == module else source(m)
    )


def changed_by(monkeypatch, module, change, *models):
    """For each model whether a change of the module is a change of its code."""
    before = [code_digest(model) for model in models]
    with monkeypatch.context() as patch:
        with_source(patch, module, change)
        return [a != code_digest(m) for a, m in zip(before, models, strict=True)]


def more(text):
    return f"{text}\nNEW = 1\n"


MODELS = EASE(), Weighted(models=(EASE(),)), Popularity(), BiasedMF()


@pytest.mark.parametrize(
    "module, whose",
    [
        ("neighbors", [True, True, False, False]),
        ("hybrid", [False, True, False, False]),
        ("mf", [False, False, False, True]),
        ("kernels", [True] * 4),
        ("similarity", [True, True, False, False]),
        ("base", [True] * 4),
        ("data", [True] * 4),
        ("metrics", [True] * 4),
        ("splits", [True] * 4),
        ("evaluate", [True] * 4),
        ("plots", [False] * 4),
        ("protocol", [True] * 4),
        ("study.leaderboard", [False] * 4),
        ("study.entries", [False] * 4),
        ("datasets", [False] * 4),
    ],
)
def test_the_modules_that_count(monkeypatch, module, whose):
    """Its own, its parents' and parts', what these import, and what scores."""
    name = f"recsys_tutor.{module}"
    assert changed_by(monkeypatch, name, more, *MODELS) == whose


def test_a_model_among_the_parameters_counts():
    alone = Weighted(models=(Popularity(),))
    assert code_digest(alone) != code_digest(Weighted(models=(BiasedMF(),)))
    assert code_digest(EASE()) == code_digest(EASE(reg=1.0)) == code_digest(EASE)
    assert code_digest(BiasModel(), {"x": [EASE()]}) == code_digest(EASE, BiasModel)


@pytest.mark.parametrize(
    "change, counts",
    [
        (lambda text: text.replace('"""', '"""Better. ', 1), False),
        (lambda text: re.sub('"""([A-Z])', r'"""Better. \1', text), False),
        (lambda text: "# a note\n\n\n" + text, False),
        (lambda text: text.replace("\n\n", "\n\n# so\n\n"), False),
        (lambda text: text.replace("return self.X_", "return -self.X_", 1), True),
        (lambda text: text.replace("0.0", "0.5", 1), True),
        (lambda text: text + "\ndel EASE.score\n", True),
        (lambda text: text + "\nimport recsys_tutor.plots\n", True),
    ],
    ids="docstring docstrings lines comments sign number statement import".split(),
)
def test_what_counts_as_code(monkeypatch, change, counts):
    source = digests._source("recsys_tutor.neighbors")
    assert change(source) != source
    got = changed_by(monkeypatch, "recsys_tutor.neighbors", change, EASE())
    assert got == [counts]


@pytest.mark.parametrize(
    "line",
    [
        "import recsys_tutor.plots",
        "from recsys_tutor.plots import COLORS",
        "from recsys_tutor import plots",
        "from . import plots",
        "from .plots import COLORS",
        "def late():\n    from recsys_tutor.plots import COLORS",
    ],
)
def test_every_way_to_import_is_seen(line):
    names = digests._imports("recsys_tutor.neighbors", line)
    assert names == ("recsys_tutor.plots",)
    assert digests._imports("recsys_tutor.neighbors", "import numpy, os.path") == ()


def test_the_init_of_a_folder_counts_with_its_modules():
    """Importing a module of a sub-package runs the sub-package's own code, too."""
    reached = digests._reached({"recsys_tutor.study.results"})
    assert {"recsys_tutor.study", "recsys_tutor.study.files"} <= reached
    assert "recsys_tutor.evaluate" in reached and "recsys_tutor" not in reached


@pytest.mark.parametrize(
    "line, used",
    [
        ("from .files import ready", "files"),
        ("from . import files", "files"),
        ("from recsys_tutor.study.files import ready", "files"),
        ("from recsys_tutor.study import files", "files"),
    ],
)
@pytest.mark.parametrize("module", ["study", "study.results"])
def test_imports_inside_a_folder_are_seen(module, line, used):
    """From its ``__init__`` and from a module of it, relative or in full."""
    names = digests._imports(f"recsys_tutor.{module}", line)
    assert f"recsys_tutor.study.{used}" in names


def test_no_model_needs_the_book_s_own_part():
    reached = digests._reached(
        {f"recsys_tutor.{path.stem}" for path in (ROOT / "recsys_tutor").glob("*.py")}
        - {"recsys_tutor.__init__"}
    )
    assert "recsys_tutor.neighbors" in reached
    assert not [name for name in reached if name.startswith("recsys_tutor.study")]


OWN = """
from recsys_tutor.baselines import Popularity
WEIGHT = 2
def helper(x):
    return deeper(x) * WEIGHT
def deeper(x):
    return -x
def unused(x):
    return x
class Parent(Popularity):
    def _score_users(self, users):
        return helper(super()._score_users(users))
class Own(Parent):
    extra = 1
"""


def own(text=OWN):
    space = {"__name__": "elsewhere"}
    exec(compile(text, "<cell>", "exec"), space)
    return code_digest(space["Own"]())


@pytest.mark.parametrize(
    "old, new, counts",
    [
        ("return -x", "return x", True),
        ("WEIGHT = 2", "WEIGHT = 3", True),
        ("* WEIGHT", "+ WEIGHT", True),
        ("helper(super", "deeper(super", True),
        ("extra = 1", "extra = 2", True),
        ("Parent(Popularity)", "Parent(Popularity, object)", False),
        ("def unused(x):\n    return x", "def unused(x):\n    return 2", False),
        ("return deeper", "# why\n    return deeper", False),
    ],
)
def test_code_of_a_class_from_a_script_or_notebook(old, new, counts):
    """Its own methods, and the functions and constants of its module that they name."""
    assert OWN.count(old) == 1 and own() == own()
    assert (own(OWN.replace(old, new)) != own()) == counts


# -- files ---------------------------------------------------------------------------


def test_write_whole(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_whole(path, "é\n")
    assert path.read_text("utf-8") == "é\n" and os.listdir(tmp_path) == ["a.json"]

    def full(*args):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, "other")
    assert path.read_text("utf-8") == "é\n" and os.listdir(tmp_path) == ["a.json"]


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    assert ready(tmp_path / "a.json", "b", False) == tmp_path / "a.json"
    monkeypatch.setattr(os, "access", lambda *args: False)
    with pytest.raises(PermissionError, match="cannot be written to"):
        ready(tmp_path / "a.json", "b", False)


@pytest.mark.parametrize("name", ["results.json", "tuning.json"])
def test_the_book_s_files_are_written_whole_only(name):
    """No module of the package, its tools or benchmarks writes a result in place."""
    for folder in ("recsys_tutor", "benchmarks", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text("utf-8")
            assert f'"{name}").write_text' not in text and "json.dump(" not in text
