"""Do the tests notice a wrong formula? One fault at a time, in a copy of the package.

``python tools/mutants.py [--only NAME] [--jobs N]`` takes each row of
``mutants_table.py``: copies the repository's code to a temporary folder, changes the
one text there, and runs the tests that the row names. The working tree is only read.

- killed: a test failed (or ran into the time limit);
- survived: all passed, so that nothing would have noticed the fault;
- broken: the mutant is no fair one. The text is not there once, or the module cannot
  be imported, or a test cannot be found.

First the same tests run on an unchanged copy, since a test that fails anyway proves
nothing. Exit code 1 unless every mutant is killed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mutants_table import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parent.parent
#: What the tests need; of the book only the files of measurements.
COPIED = ("recsys_tutor", "tests", "tools", "pyproject.toml")
LIMIT = 600  # seconds of one mutant's tests
#: Imports the module first, from the copy: what fails there is no failed test.
RUN = """
import importlib, sys
from pathlib import Path
try:
    module = importlib.import_module(sys.argv[1])
except Exception:
    sys.exit(70)
if not Path(module.__file__).resolve().is_relative_to(Path.cwd().resolve()):
    sys.exit(71)
import pytest
sys.exit(pytest.main(sys.argv[2:]))
"""


def copy(folder: Path) -> None:
    """The package and its tests, as they stand in the working tree."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy2(source, folder / name)
    (folder / "book").mkdir()
    for path in (ROOT / "book").glob("*.json"):
        shutil.copy2(path, folder / "book")


def run_tests(folder: Path, module: str, nodes: Iterable[str]) -> tuple[int, str]:
    """Exit code of pytest in the copy, and the end of what it printed."""
    env = os.environ | {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}
    env |= {"PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}
    options = ["-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=no"]
    command = [sys.executable, "-c", RUN, module, *options, *nodes]
    try:
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, timeout=LIMIT
        )
    except subprocess.TimeoutExpired:
        return 1, f"no end within {LIMIT} s"
    lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return done.returncode, (failed or lines or [""])[-1]


def judge(mutant: Mutant) -> tuple[str, str]:
    """ "killed", "survived" or "broken", and what pytest said."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        copy(folder)
        path = folder / mutant.path
        text = path.read_text(encoding="utf-8")
        if text.count(mutant.old) != 1:
            return "broken", f"the old text occurs {text.count(mutant.old)} times"
        path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        code, said = run_tests(folder, mutant.module, mutant.nodes)
    return {0: "survived", 1: "killed"}.get(code, "broken"), said


def unchanged(mutants: Iterable[Mutant]) -> tuple[int, str]:
    """The tests of these mutants on a copy without a fault."""
    nodes = dict.fromkeys(node for mutant in mutants for node in mutant.nodes)
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        copy(Path(name))
        return run_tests(Path(name), "recsys_tutor", nodes)


def report(mutants: list[Mutant], jobs: int = 1) -> dict[str, str]:
    """Judge them all, a line each as it ends: the verdict of each name."""
    verdicts = {}
    with ThreadPoolExecutor(jobs) as pool:
        for mutant, (verdict, said) in zip(
            mutants, pool.map(judge, mutants), strict=True
        ):
            verdicts[mutant.name] = verdict
            print(f"{verdict:8}  {mutant.file}, {mutant.name} | {said}", flush=True)
    return verdicts


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", help="mutants whose name or file has this text")
    parser.add_argument("--jobs", type=int, default=1, help="so many at a time")
    parser.add_argument(
        "--trust", action="store_true", help="do not run the unchanged package first"
    )
    options = parser.parse_args(arguments)
    wanted = options.only or ""
    mutants = [m for m in MUTANTS if wanted in m.name or wanted == m.file]
    if not mutants:
        parser.error(f"no mutant is called {wanted!r}")
    if not options.trust:
        code, said = unchanged(mutants)
        print(f"unchanged: {said}", flush=True)
        if code:
            print("the tests fail without a mutant; mend them first")
            return 1
    verdicts = report(mutants, options.jobs)
    counts = {
        v: list(verdicts.values()).count(v) for v in ("killed", "survived", "broken")
    }
    print(", ".join(f"{n} {verdict}" for verdict, n in counts.items()))
    return int(counts["killed"] < len(mutants))


if __name__ == "__main__":
    sys.exit(main())
