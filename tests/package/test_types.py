"""Annotations: complete, and what a type checker makes of a model's arguments."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import recsys_tutor

PACKAGE = Path(recsys_tutor.__file__).parent
ROOMS = {
    str(path.relative_to(PACKAGE)): path.read_text("utf-8")
    for path in sorted(PACKAGE.rglob("*.py"))
}

# -- every public function says what it takes and gives --------------------------------


def public_names(body):
    """What ``__all__`` lists; a module without one has no public names of its own."""
    for node in body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def public_functions(source):
    """The functions in ``__all__`` and the methods of the classes there."""
    body = ast.parse(source).body
    for node in body:
        if getattr(node, "name", None) not in public_names(body):
            continue
        for part in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(part, ast.FunctionDef):
                special = part.name.startswith("__")
                if special or not part.name.startswith("_"):
                    yield part


def incomplete(source):
    """Names of public functions that lack the type of an argument or of the result."""
    found = []
    for function in public_functions(source):
        a = function.args
        arguments = [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg]
        bare = {x.arg for x in arguments if x is not None and x.annotation is None}
        if bare - {"self", "cls"} or function.returns is None:
            found.append(function.name)
    return found


@pytest.mark.parametrize("name", ROOMS)
def test_public_functions_are_annotated(name):
    assert incomplete(ROOMS[name]) == []


def test_what_is_not_annotated_is_noticed():
    assert sum(len(list(public_functions(text))) for text in ROOMS.values()) > 300
    for bare in ("def f(x: int): ...", "def f(x) -> int: ...", "def f(*x) -> int: ..."):
        assert incomplete(f"__all__ = ['f']\n{bare}") == ["f"]
        assert incomplete(f"__all__ = ['C']\nclass C:\n {bare}") == ["f"]
        assert incomplete(f"__all__ = []\n{bare}") == []
    assert incomplete("__all__ = ['f']\ndef f(x: int) -> int: ...") == []


# -- what a checker says of a reader's script ------------------------------------------

SCRIPT = """\
from recsys_tutor.datasets import toy
from recsys_tutor.hybrid import Weighted
from recsys_tutor.mf import BiasedMF, SVDpp
from recsys_tutor.neighbors import ItemKNN

train = toy().interactions
ItemKNN(n_neighbors=3).fit(train).recommend([0, 1], 5).items.sum()
ItemKNN(n_neighbors="a")  # arg-type
ItemKNN(neighbours=3)  # call-arg
ItemKNN(3)  # call-arg
Weighted(models=[ItemKNN(), BiasedMF(reg=0.1)])
Weighted()  # call-arg
SVDpp(n_factors=8, reg_y=0.1, random_state=None).clone(reg=0.2).fit(train)
SVDpp(n_factors=None)  # arg-type
BiasedMF().fit(train).b_u_.sum()
BiasedMF().fit([1, 2])  # arg-type
"""


def test_a_checker_knows_the_arguments_of_models(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    settings = ["--config-file", str(PACKAGE.parent / "pyproject.toml")]
    run = subprocess.run(
        [sys.executable, "-m", "mypy", *settings, "--hide-error-context", str(script)],
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
    )
    said = {}
    for line in run.stdout.splitlines():
        if ": error: " in line:
            path, row, text = line.split(":", 2)
            assert Path(path).name == "script.py", run.stdout
            said.setdefault(int(row), set()).add(text.rpartition("[")[2].rstrip("]"))
    expected = {
        row: {line.partition("  # ")[2]}
        for row, line in enumerate(SCRIPT.splitlines(), 1)
        if "  # " in line
    }
    assert said == expected, run.stdout + run.stderr
