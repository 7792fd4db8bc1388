"""The files at the top: versions, imports and addresses agree; what is published."""

import ast
import importlib.metadata
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml

import recsys_tutor

ROOT = Path(__file__).resolve().parents[2]
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
