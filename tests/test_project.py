"""pyproject.toml, constraints.txt and environment.yml say the same; the tools work."""

import ast
import base64
import importlib.metadata
import io
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import nbformat
import notebooks
import numpy as np
import pytest
import yaml
from PIL import Image

import recsys_tutor

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


MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
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


def test_the_pinned_build_backend_is_new_enough():
    from packaging.requirements import Requirement

    (text,) = project()["build-system"]["requires"]
    requirement = Requirement(text)
    assert requirement.name == "setuptools" and "==" not in text
    assert requirement.specifier.contains(PINS["setuptools"])
    assert not requirement.specifier.contains("76"), "it does not know license texts"


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


# ------------------------------------------------------- what the package asks for

PACKAGE = ROOT / "recsys_tutor"


def imported(source):
    """Pairs (top-level name, extra or None) of all absolute imports of a module."""

    def walk(node, extra):
        if isinstance(node, ast.With):
            call = node.items[0].context_expr
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "extra":
                extra = call.args[0].value
        if isinstance(node, ast.Import):
            found.update((alias.name.split(".")[0], extra) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module.split(".")[0], extra))
        for child in ast.iter_child_nodes(node):
            walk(child, extra)

    found = set()
    walk(ast.parse(source), None)
    return found


def undeclared(source, config):
    """Third-party imports of a module that its core or its extra does not ask for."""
    tables = config["project"]["optional-dependencies"]
    everything = importlib.metadata.packages_distributions()
    core = set(direct_dependencies(config, without=tables))
    faults = []
    for name, extra in imported(source):
        if name in sys.stdlib_module_names or name == "recsys_tutor":
            continue
        owners = {canonical(owner) for owner in everything.get(name, [name])}
        others = [key for key in tables if key != extra]
        asked = direct_dependencies(config, without=others) if extra else core
        if not owners & set(asked):
            faults.append(f"{name} ({extra or 'core'})")
    return faults


MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path.read_text("utf-8")
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name != "__init__.py"
}
EXTRAS = {
    name: extra
    for name, source in MODULES.items()
    for _, extra in imported(source)
    if extra is not None
}


@pytest.mark.parametrize("name", MODULES)
def test_third_party_imports_are_declared(name):
    assert undeclared(MODULES[name], project()) == []


def test_undeclared_imports_are_noticed():
    inside = "with extra('{}'):\n    import torch.nn\nimport numpy, os"
    assert undeclared(inside.format("deep"), project()) == []
    assert undeclared(inside.format("plots"), project()) == ["torch (plots)"]
    assert undeclared("def f():\n    from torch import nn", project()) == [
        "torch (core)"
    ]
    assert undeclared("import yaml", project()) == ["yaml (core)"]


def test_extras_are_used_where_they_are_needed():
    assert EXTRAS["recsys_tutor.plots"] == "plots"
    assert "deep" in EXTRAS.values() and set(EXTRAS.values()) == {"deep", "plots"}


@pytest.mark.parametrize("name", EXTRAS)
def test_a_missing_extra_says_what_to_install(name):
    """In a process where the import is blocked, as where nothing is installed."""
    code = (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('torch', 'matplotlib'):\n"
        "            raise ModuleNotFoundError(f'no {name}', name=name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
        f"import {name}"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    last = run.stderr.strip().splitlines()[-1]
    assert run.returncode == 1 and last.startswith("ModuleNotFoundError"), last
    assert last.endswith(f"pip install 'recsys_tutor[{EXTRAS[name]}]'"), last


def test_extra_leaves_other_errors_alone():
    with pytest.raises(ZeroDivisionError), recsys_tutor.extra("deep"):
        _ = 1 / 0
    with pytest.raises(ModuleNotFoundError, match=r"'nope'.*\[deep\]") as caught:
        with recsys_tutor.extra("deep"):
            import nope  # noqa: F401
    assert caught.value.name == "nope"


# ---------------------------------------------------------------- what is published

SETUP = runpy.run_path(str(ROOT / "setup.py"), run_name="setup")
URLS = project()["project"]["urls"]
NOT_PUBLISHED = {".git", ".venv", ".ci", "_build", "build", "dist"}


def test_the_repository_has_one_address():
    repository = URLS["Repository"]
    assert all(
        url.startswith(repository) for url in (URLS["Issues"], URLS["Changelog"])
    )
    owner, name = repository.split("/")[-2:]
    assert URLS["Book"] == f"https://{owner}.github.io/{name}/"
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["repository-code"] == repository and citation["url"] == URLS["Book"]
    badges = re.findall(r"https://github\.com/[\w-]+/[\w-]+", README)
    assert badges and set(badges) == {repository}


def test_the_version_is_everywhere_the_same():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == recsys_tutor.__version__
    assert recsys_tutor.__version__ in (ROOT / "CHANGELOG.md").read_text("utf-8")
    page = (ROOT / "book" / "how_to_use.md").read_text("utf-8")
    assert f"version {recsys_tutor.__version__}" in page


def test_links_and_pictures_show_on_the_package_index():
    page = SETUP["absolute"](README, URLS["Repository"])
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert len(links) > 10 and all(link.startswith("https://") for link in links)
    raw = "https://raw.githubusercontent.com/recsys-tutor/recsys-tutor/main/"
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", page)
    ours = [link.removeprefix(raw) for link in pictures if link.startswith(raw)]
    assert len(ours) >= 5 and all((ROOT / path).is_file() for path in ours)
    text = "![a](b.png) [c](d.md) [e](#f) [g](https://h)"
    assert SETUP["absolute"](text, "https://github.com/o/r") == (
        "![a](https://raw.githubusercontent.com/o/r/main/b.png) "
        "[c](https://github.com/o/r/blob/main/d.md) [e](#f) [g](https://h)"
    )


@pytest.fixture(scope="module")
def source_distribution(tmp_path_factory):
    """The unpacked source distribution and the folder that it was built from."""
    folder = tmp_path_factory.mktemp("published")
    unwanted = shutil.ignore_patterns(*NOT_PUBLISHED, "*cache*", "*.egg-info", "*.pyc")
    shutil.copytree(ROOT, folder / "source", ignore=unwanted)
    code = "from setuptools import build_meta; build_meta.build_sdist('../dist')"
    run = [sys.executable, "-W", "error::DeprecationWarning:setuptools", "-c", code]
    done = subprocess.run(run, cwd=folder / "source", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (archive,) = (folder / "dist").iterdir()
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz"), folder / "source"


def test_the_source_distribution_is_the_repository(source_distribution):
    unpacked, source = source_distribution
    folders = ("recsys_tutor", "tests", "tools", "book", "benchmarks", ".github")
    wanted = {p for name in folders for p in (source / name).rglob("*") if p.is_file()}
    wanted = {path.relative_to(source) for path in wanted}
    wanted |= {
        Path(name) for name in "Makefile setup.py pyproject.toml LICENSE".split()
    }
    wanted |= {p.relative_to(source) for kind in ("md", "cff", "txt", "yml", "yaml")
               for p in source.glob(f"*.{kind}")}  # fmt: skip
    assert len(wanted) > 150
    missing = sorted(str(path) for path in wanted if not (unpacked / path).is_file())
    assert missing == []
    text = (unpacked / "PKG-INFO").read_text("utf-8")
    assert "](https://raw.githubusercontent.com/" in text and "](book/" not in text


def test_the_tests_run_in_the_source_distribution(source_distribution):
    unpacked, _ = source_distribution
    environment = os.environ | {"PYTHONPATH": str(unpacked)}

    def run(*arguments):
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=unpacked,
            env=environment,
            capture_output=True,
            text=True,
        ).stdout

    where = run("-c", "import recsys_tutor; print(recsys_tutor.__file__)")
    assert where.startswith(str(unpacked))
    (tests,) = (unpacked / "tests").rglob("test_metrics.py")
    options = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "by_hand"]
    passed = run(*options, str(tests))
    assert re.search(r"[1-9]\d* passed", passed) and "failed" not in passed, passed


def test_workflows_are_make_targets():
    """A workflow runs what a reader can run, and names its actions by version."""
    targets = set(re.findall(r"^([\w-]+):", MAKEFILE, flags=re.M))
    paths = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    assert [path.stem for path in paths] == ["book", "pages", "unit"]
    for path in paths:
        workflow = yaml.safe_load(path.read_text("utf-8"))
        assert {"push"} <= set(workflow[True])  # YAML reads the key `on` as true
        for job in workflow["jobs"].values():
            assert job["timeout-minutes"] <= 90
            for step in job["steps"]:
                if "uses" in step:
                    assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"])
                else:
                    (target,) = re.fullmatch(r"make ([\w-]+)", step["run"]).groups()
                    assert target in targets, step
    versions = yaml.safe_load(paths[2].read_text("utf-8"))["jobs"]["unit"]
    versions = versions["strategy"]["matrix"]["python"]
    names = project()["project"]["classifiers"]
    assert versions == [name.split(" :: ")[-1] for name in names if "3." in name]


def test_forms_of_issues_ask_for_something():
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    assert [path.stem for path in forms] == ["bug", "idea", "wrong_number"]
    for path in forms:
        form = yaml.safe_load(path.read_text("utf-8"))
        assert {"name", "description", "body"} <= set(form)
        ids = [field["id"] for field in form["body"]]
        assert len(ids) == len(set(ids)) >= 2
        assert any(
            field.get("validations", {}).get("required") for field in form["body"]
        )


def test_hooks_agree_with_the_pins_and_the_files():
    text = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    hooks = {
        repo["repo"].split("/")[-1]: repo for repo in yaml.safe_load(text)["repos"]
    }
    assert hooks["ruff-pre-commit"]["rev"] == f"v{PINS['ruff']}"
    (large,) = [
        hook
        for hook in hooks["pre-commit-hooks"]["hooks"]
        if hook["id"] == "check-added-large-files"
    ]
    limit = 1024 * int(large["args"][0].split("=")[1])
    sizes = {
        path.name: path.stat().st_size
        for path in (ROOT / "book").rglob("*.*")
        if path.is_file() and not re.search(large["exclude"], f"book/{path.name}")
    }
    assert max(sizes.values()) < limit, max(sizes, key=sizes.get)


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


CELL = {"cell_type": "code", "metadata": {}, "execution_count": 1, "outputs": []}


@pytest.mark.parametrize(
    ("tag", "folded"),
    [
        ("hide-input", {"source_hidden": True}),
        ("hide-cell", {"outputs_hidden": True, "source_hidden": True}),
        ("full-width", None),
    ],
)
def test_what_the_page_folds_is_folded_in_jupyterlab(tag, folded):
    cell = nbformat.v4.new_code_cell("1", metadata={"tags": [tag]})
    stale = nbformat.v4.new_code_cell("1", execution_count=1)
    stale.metadata = nbformat.from_dict({"jupyter": {"source_hidden": True}})
    notebook = nbformat.v4.new_notebook(cells=[cell, stale])
    notebooks.normalise(notebook)
    assert notebook.cells[0].metadata.get("jupyter") == folded
    assert "jupyter" not in notebook.cells[1].metadata, "an open cell is open"


def picture(color):
    """PNG bytes of a drawing with more colours than the palette has."""
    ramp = np.zeros((60, 300, 4), "uint8") + np.uint8(255)
    ramp[:, :, 0] = np.arange(300) % 256
    ramp[5:9, 5:9] = color  # 16 of 18,000 pixels
    file = io.BytesIO()
    Image.fromarray(ramp).save(file, "PNG", compress_level=0)
    return file.getvalue()


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), int)


def test_pictures_get_a_palette():
    png = picture([0, 158, 115, 255])
    small = notebooks.with_palette(png)
    assert len(small) < len(png) / 4
    assert Image.open(io.BytesIO(small)).mode == "P"
    assert pixels(small).shape == pixels(png).shape == (60, 300, 3)
    assert np.abs(pixels(small) - pixels(png)).max() <= 4, (
        "small marks keep their colour"
    )
    assert notebooks.with_palette(small) == small, "a second call changes nothing"
    assert notebooks.with_palette(png) == small, "it is the same every time"


def test_pictures_that_a_palette_would_spoil_stay():
    through = picture([0, 158, 115, 90])
    assert notebooks.with_palette(through) == through
    file = io.BytesIO()  # one grey pixel: nothing to gain
    Image.new("L", (1, 1)).save(file, "PNG")
    assert notebooks.with_palette(file.getvalue()) == file.getvalue()


def test_stored_pictures_shrink_without_a_run(tmp_path, capsys):
    data = {"image/png": base64.b64encode(picture([0, 0, 0, 255])).decode()}
    output = {"output_type": "display_data", "data": data, "metadata": {}}
    cell = CELL | {"id": "cell-001", "source": "1 / 0", "outputs": [output]}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.from_dict(cell)])
    path = tmp_path / "01_page.ipynb"
    notebooks.store(notebooks.normalise(notebook), path)
    assert notebooks.faults(path) == []
    expected = path.read_text()
    notebook.cells[0].outputs[0].data["image/png"] = data["image/png"]
    notebooks.store(notebook, path)
    assert notebooks.faults(path) == ["it is not normalised"]
    arguments = ["--folder", str(tmp_path), "--pictures"]
    notebooks.main(arguments)
    assert path.read_text() == expected
    assert "01_page.ipynb: pictures of" in capsys.readouterr().out
    notebooks.main(["01", *arguments])
    assert path.read_text() == expected


def test_notebooks_not_made_by_the_tool_are_named(tmp_path):
    failed = nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])
    cells = [nbformat.v4.new_code_cell("1"), nbformat.v4.new_code_cell("2")]
    cells[1].execution_count, cells[1].outputs = 1, [failed]
    notebook = notebooks.normalise(nbformat.v4.new_notebook(cells=cells))
    notebooks.store(notebook, tmp_path / "01_page.ipynb")
    with pytest.raises(SystemExit) as failure:
        notebooks.main(["book/01_page.ipynb", "--check", "--folder", str(tmp_path)])
    assert str(failure.value).splitlines()[:2] == [
        "01_page.ipynb: cell 1 was not executed",
        "01_page.ipynb: cell 2 ended with an error",
    ]
    cells[0].execution_count, cells[1].outputs = 1, []
    notebooks.store(notebooks.normalise(notebook), tmp_path / "01_page.ipynb")
    assert notebooks.main(["--check", "--folder", str(tmp_path)]) == 0


# ------------------------------------------------------------------------------- nbval

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


def test_what_the_pages_at_the_top_link_is_there_and_their_targets_exist():
    targets = set(re.findall(r"^([\w-]+):", MAKEFILE, flags=re.M))
    for path in sorted(ROOT.glob("*.md")):
        text = path.read_text("utf-8")
        local = [x for x in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in x]
        assert all((ROOT / link).exists() for link in local), (path.name, local)
        assert all(alt for alt in re.findall(r"!\[([^]]*)\]", text)), (
            "no empty alt text"
        )
        named = set(re.findall(r"(?:`|^)make ([\w-]+)", text, flags=re.M))
        assert named <= targets, (path.name, named - targets)
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert (
        len(links) >= 10 and len(re.findall(r"^make |`make ", README, flags=re.M)) > 8
    )
