"""pyproject.toml, constraints.txt and environment.yml say the same; the tools work."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import notebooks
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib"}
EXACT = re.compile(r"^([A-Za-z0-9._-]+)\s*==?\s*([A-Za-z0-9._]+)$")


def canonical(name):
    name = re.sub(r"[-_.]+", "-", name.strip()).lower()
    return CONDA_NAMES.get(name, name)


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def direct_dependencies(config, without=()):
    """Canonical name -> requirement, of the core and of the extras but ``without``."""
    tables = [config["project"]["dependencies"]]
    extras = config["project"]["optional-dependencies"]
    tables += [extras[name] for name in extras if name not in without]
    found = {}
    for requirement in [item for table in tables for item in table]:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)[0]
        found[canonical(name)] = requirement
    return found


def constraints(text):
    pins = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            name, version = EXACT.match(line.strip()).groups()
            assert canonical(name) not in pins, f"{name} is pinned twice"
            pins[canonical(name)] = version
    return pins


def environment(text):
    """Canonical name -> version of environment.yml, and Python's version."""
    pins = {}
    for entry in yaml.safe_load(text)["dependencies"]:
        for item in entry["pip"] if isinstance(entry, dict) else [entry]:
            if item in ("pip", "-e .", "-c constraints.txt"):
                continue
            assert EXACT.match(item), f"environment.yml: {item!r} is no exact version"
            name, version = EXACT.match(item).groups()
            pins[canonical(name)] = version
    return pins, pins.pop("python")


PINS = constraints((ROOT / "constraints.txt").read_text("utf-8"))
CONDA, CONDA_PYTHON = environment((ROOT / "environment.yml").read_text("utf-8"))
DIRECT = direct_dependencies(project())


def test_every_direct_dependency_is_pinned():
    assert set(DIRECT) - set(PINS) == set()


def test_pins_satisfy_the_bounds():
    from packaging.requirements import Requirement

    for name, requirement in DIRECT.items():
        assert Requirement(requirement).specifier.contains(PINS[name]), requirement


def test_environment_has_every_direct_dependency():
    assert set(DIRECT) ^ set(CONDA) == set()


@pytest.mark.parametrize("name", sorted(CONDA))
def test_environment_equals_constraints(name):
    assert CONDA[name] == PINS[name]


def test_environment_python_is_supported():
    from packaging.specifiers import SpecifierSet

    assert SpecifierSet(project()["project"]["requires-python"]).contains(CONDA_PYTHON)


@pytest.mark.parametrize(
    "name", sorted(direct_dependencies(project(), without=("lab", "bench")))
)
def test_installed_versions_are_the_pinned_ones(name):
    """Stored outputs come from these versions (torch: any build of the version)."""
    assert importlib.metadata.version(name).split("+")[0] == PINS[name]


def test_build_backend_is_pinned_like_the_rest():
    (requirement,) = project()["build-system"]["requires"]
    assert requirement == f"setuptools=={PINS['setuptools']}"


def test_disagreement_is_noticed():
    text = "dependencies:\n  - python=3.11\n  - numpy=1.0\n  - pip:\n    - torch==2.0"
    assert environment(text) == ({"numpy": "1.0", "torch": "2.0"}, "3.11")
    with pytest.raises(AssertionError, match="no exact version"):
        environment("dependencies:\n  - numpy>=1.0")
    with pytest.raises(AssertionError, match="pinned twice"):
        constraints("a_b==1\nA-b==2")


def test_importing_the_package_loads_neither_torch_nor_matplotlib():
    check = (
        "import sys, recsys_tutor; print({'torch', 'matplotlib'} & set(sys.modules))"
    )
    run = [sys.executable, "-c", check]
    assert subprocess.run(run, capture_output=True, text=True).stdout == "set()\n"


# ------------------------------------------------------------------ tools/notebooks.py

TEXT = """# Title

```{code-cell} ipython3
import time
print("one")
print("two")
```

```{code-cell} ipython3
:tags: [nbval-ignore-output]
print(time.perf_counter())
```

```{code-cell} ipython3
---
mystnb:
  image:
    alt: "A sentence: with a colon."
---
1 + 1
```
"""


def test_a_second_run_changes_nothing(tmp_path):
    source = tmp_path / "01_page.md"
    source.write_text(TEXT)
    arguments = ["--folder", str(tmp_path)]
    notebooks.main(["--from-md", str(source), *arguments])
    first = (tmp_path / "01_page.ipynb").read_text()
    notebooks.main(["01", *arguments])
    notebooks.main(["--from-md", str(source), *arguments])
    assert (tmp_path / "01_page.ipynb").read_text() == first
    stored = nbformat.reads(first, as_version=4)
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, 3]
    assert [cell.id for cell in stored.cells] == [f"cell-00{i}" for i in (1, 2, 3, 4)]
    assert code[0].outputs[0].text == "one\ntwo\n"
    assert code[2].metadata.mystnb.image.alt == "A sentence: with a colon."
    assert code[2].outputs[0].data["text/plain"] == "2"
    assert first.endswith("}\n") and "execution" not in stored.cells[1].metadata
    assert "version" not in stored.metadata.language_info


def test_a_changed_timing_cell_is_measured_again(tmp_path):
    source = tmp_path / "01_page.md"
    source.write_text(TEXT)
    arguments = ["--from-md", str(source), "--folder", str(tmp_path)]
    notebooks.main(arguments)
    source.write_text(TEXT.replace("print(time", "print('new', time"))
    notebooks.main(arguments)
    stored = nbformat.read(tmp_path / "01_page.ipynb", as_version=4)
    assert stored.cells[2].outputs[0].text.startswith("new ")


def test_a_failing_cell_leaves_the_file(tmp_path):
    source = tmp_path / "01_page.md"
    source.write_text(TEXT)
    arguments = ["--from-md", str(source), "--folder", str(tmp_path)]
    notebooks.main(arguments)
    before = (tmp_path / "01_page.ipynb").read_text()
    source.write_text(TEXT.replace("1 + 1", "1 / 0"))
    with pytest.raises(SystemExit) as failure:
        notebooks.main(arguments)
    message = str(failure.value)
    for part in (
        "01_page.ipynb",
        "cell 4 of 4",
        "1 / 0",
        "ZeroDivisionError",
        "line 1",
    ):
        assert part in message
    assert (tmp_path / "01_page.ipynb").read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "01_page.ipynb",
        "01_page.md",
    ]


def test_an_unknown_chapter_is_named(tmp_path):
    with pytest.raises(SystemExit, match="no chapter starts with '77'"):
        notebooks.main(["77", "--folder", str(tmp_path)])


def test_a_lost_code_cell_is_noticed(tmp_path):
    source = tmp_path / "01_page.md"
    source.write_text("````{note} of {eq}`x`\ntext\n````\n\n" + TEXT)
    with pytest.raises(SystemExit, match="3 code-cell lines but 0 code cells"):
        notebooks.main(["--from-md", str(source), "--folder", str(tmp_path)])


# ------------------------------------------------------------------------------- nbval

CELL = {"cell_type": "code", "metadata": {}, "execution_count": 1, "outputs": []}
NBVAL = [
    "-m",
    "pytest",
    "--nbval",
    "--nbval-current-env",
    "-p",
    "no:cacheprovider",
    "-q",
]


def test_nbval_compares_and_knows_the_semicolon(tmp_path):
    """A stored output that is wrong by two units fails; a silenced value is none."""

    def stored(name, source, text):
        outputs = [{"output_type": "stream", "name": "stdout", "text": text}]
        return nbformat.from_dict(
            CELL | {"id": name, "source": source, "outputs": outputs}
        )

    cells = [stored("a", "print(0.25)", "0.27\n"), stored("b", "print(1)\n2;", "1\n")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.write(notebook, tmp_path / "page.ipynb")
    (tmp_path / "conftest.py").write_text((ROOT / "book" / "conftest.py").read_text())
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT / 'tests'}\n")
    run = [sys.executable, *NBVAL, "page.ipynb"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
    assert "1 failed, 1 passed" in done.stdout
    assert "Cell 0" in done.stdout and "'0.27' stored, '0.25' now" in done.stdout


def test_what_the_readme_links_is_there_and_its_targets_exist():
    text = (ROOT / "README.md").read_text("utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    local = [link for link in links if "://" not in link]
    assert len(local) >= 5 and all((ROOT / link).exists() for link in local), local
    assert all(alt for alt in re.findall(r"!\[([^]]*)\]", text)), "no empty alt text"
    targets = set(re.findall(r"`make ([\w-]+)", text))
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert targets and targets <= set(re.findall(r"^([\w-]+):", makefile, flags=re.M))
