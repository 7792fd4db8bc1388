"""The book holds on another computer: the second profile, and sorts with a stated rule.

`make test-portable` runs the cells under the profile; here is what it rests on.
"""

import ast
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import nbformat
import portable
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))

# -- the profile -----------------------------------------------------------------------

PROBE = """
import json, numba, torch, numpy, scipy.linalg
from numpy._core import _multiarray_umath as umath
from threadpoolctl import threadpool_info
print(json.dumps({
    "numpy": [n for n in umath.__cpu_dispatch__ if umath.__cpu_features__[n]],
    "blas": [x.get("architecture") for x in threadpool_info()
             if x["internal_api"] == "openblas"],
    "threads": sorted({x["num_threads"] for x in threadpool_info()}
                      | {numba.config.NUMBA_NUM_THREADS, torch.get_num_threads()}),
    "torch": torch.backends.cpu.get_cpu_capability(),
    "numba": numba.config.CPU_NAME,
}))
"""


def probe(*prefix):
    """What a process says of its kernels; a warning of numpy's is an error."""
    command = [*prefix, sys.executable, "-W", "error::RuntimeWarning", "-c", PROBE]
    unset = {k: v for k, v in os.environ.items() if k not in portable.environment(1)}
    run = subprocess.run(command, capture_output=True, text=True, env=unset)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("threads", [1, 2])
def test_the_profile_reaches_every_library(threads):
    there = probe(sys.executable, portable.__file__, "--threads", str(threads))
    assert there["numpy"] == []
    assert there["torch"] == "DEFAULT"
    assert there["numba"] == "generic"
    assert there["threads"] == [threads]


@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="names of x86 kernels"
)
def test_the_profile_is_another_computer_than_this():
    here, there = probe(), probe(sys.executable, portable.__file__)
    assert here["blas"] and not set(here["blas"]) & set(there["blas"])
    assert here["numpy"] == portable.numpy_features()


def test_numba_keeps_no_compiled_code_of_another_profile():
    """`cache=True` would carry machine code from one profile into the next."""
    options = []
    for path in (ROOT / "recsys_tutor").glob("**/*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and "jit" in ast.unparse(node.func):
                options += [option.arg for option in node.keywords]
    assert options and "cache" not in options


# -- sorts -----------------------------------------------------------------------------


def unstated(source):
    """Sorts in `source` that leave the order of equal values to the library.

    numpy and pandas then take the fastest way there is, another one on another
    processor, unless ``kind="stable"`` says: equal values in the order they stand.
    """
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        kind = [k.value for k in node.keywords if k.arg == "kind"]
        stable = any(isinstance(k, ast.Constant) and k.value == "stable" for k in kind)
        if node.func.attr == "argpartition":
            yield ast.unparse(node)
        if node.func.attr in ("argsort", "sort_values") and not stable:
            yield ast.unparse(node)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_sorts_in_cells_say_what_happens_to_ties(path):
    cells = nbformat.read(path, as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    assert [sort for source in code for sort in unstated(source)] == []


@pytest.mark.parametrize(
    "source",
    [
        "np.argsort(x)",
        "x.argsort(axis=1)",
        "frame.sort_values('a')",
        "np.argsort(x, kind='quicksort')",
        "np.argpartition(x, 3)[:3]",
        "np.argsort(np.argsort(x, kind='stable'))",
    ],
)
def test_an_unstated_sort_is_found(source):
    assert len(list(unstated(source))) == 1
    assert list(unstated("np.argsort(x, kind='stable')")) == []
