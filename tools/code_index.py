"""What package, tests and chapters say in their source: names, labels, proofs.

Everything is read and nothing imported, so that a page can be made without torch, and a
module that was renamed is found under its new name.
"""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "recsys_tutor"
BOOK = ROOT / "book"
TESTS = ROOT / "tests"
LABEL = re.compile(r"\beq-\w+(?:-\w+)*")
_DEFINITIONS = (ast.FunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Module:
    """A module of the package; ``name`` leaves ``recsys_tutor.`` out."""

    name: str
    path: Path

    @functools.cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text("utf-8"))

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.tree) or ""

    @functools.cached_property
    def public(self) -> list[str]:
        """The names in ``__all__``, none if there is no such list."""
        for node in self.tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else ()
            if any(getattr(target, "id", None) == "__all__" for target in targets):
                return list(ast.literal_eval(node.value))
        return []

    @functools.cached_property
    def imported(self) -> dict[str, str]:
        """Module of each imported name: ``{"toy": "recsys_tutor.datasets.worlds"}``."""
        froms = [n for n in ast.walk(self.tree) if isinstance(n, ast.ImportFrom)]
        found = {a.asname or a.name: n.module for n in froms for a in n.names}
        plain = [n for n in ast.walk(self.tree) if isinstance(n, ast.Import)]
        return found | {a.asname or a.name: a.name for n in plain for a in n.names}

    def docstrings(self) -> dict[str, str]:
        """Docstrings of the public names defined here, and of their public methods."""
        found = {}
        for node in self.tree.body:
            if isinstance(node, _DEFINITIONS) and node.name in self.public:
                found[node.name] = _texts(node)
                for part in node.body if isinstance(node, ast.ClassDef) else ():
                    if isinstance(part, ast.FunctionDef) and part.name[0] != "_":
                        text = ast.get_docstring(part) or ""
                        found[f"{node.name}.{part.name}"] = text
        return found


def _texts(node) -> str:
    """The docstring, and what a class says about its declared parameters."""
    text = ast.get_docstring(node) or ""
    declared = [n.value for n in node.body if isinstance(n, ast.AnnAssign) and n.value]
    strings = [n for part in declared for n in ast.walk(part)]
    strings = [n.value for n in strings if isinstance(n, ast.Constant)]
    return "\n".join([text, *(s for s in strings if isinstance(s, str))])


@functools.cache
def modules() -> dict[str, Module]:
    """The public modules and sub-packages by name, sorted."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if parts and not any(part.startswith("_") for part in parts):
            found[".".join(parts)] = Module(".".join(parts), path)
    return dict(sorted(found.items()))


def split(name: str) -> tuple[str, str]:
    """``"datasets.worlds.World.mu"`` as its module and the rest, if any."""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        if ".".join(parts[:n]) in modules():
            return ".".join(parts[:n]), ".".join(parts[n:])
    return "", name


def origin(name: str) -> str:
    """The same object under the module that defines it."""
    module, rest = split(name)
    first = rest.split(".")[0]
    source = modules()[module].imported.get(first, "") if module else ""
    source = source.removeprefix("recsys_tutor.")
    return origin(f"{source}.{rest}") if source in modules() else name


def shown(name: str) -> str:
    """The same object under the module whose page has it: a package shows its own."""
    name = origin(name)
    module, rest = split(name)
    while "." in module:
        module = module.rpartition(".")[0]
        if rest.split(".")[0] in modules()[module].public:
            return f"{module}.{rest}"
    return name


def labels_of_code() -> dict[str, list[str]]:
    """Names whose docstrings have the label of an equation, by label."""
    found = {}
    for module in modules().values():
        for name, text in module.docstrings().items():
            for label in LABEL.findall(text):
                names = found.setdefault(label, [])
                names += {f"{module.name}.{name}"} - set(names)
    return found


def labels_of_tests() -> dict[str, list[tuple[str, str]]]:
    """(file, test) of each test whose docstring has the label, by label."""
    found = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for label in LABEL.findall(ast.get_docstring(node) or ""):
                    entry = (path.relative_to(ROOT).as_posix(), node.name)
                    found.setdefault(label, []).append(entry)
    return found


@functools.cache
def pages() -> dict[int, list[Path]]:
    """The notebooks of each chapter: 02_name.ipynb, then its section pages 02b_..."""
    found: dict[int, list[Path]] = {}
    for path in sorted(BOOK.glob("[0-9][0-9]*_*.ipynb")):
        found.setdefault(int(path.stem[:2]), []).append(path)
    for files in found.values():
        files.sort(key=lambda path: path.stem.partition("_")[0])
    return found


def chapters() -> dict[int, Path]:
    """The first notebook of each chapter, by number."""
    return {number: files[0] for number, files in pages().items()}


@functools.cache
def labels_of_chapters() -> dict[str, int]:
    """Number of the chapter that has the equation, by label."""
    found = {}
    places = [(number, path) for number, files in pages().items() for path in files]
    for number, path in places:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                written = re.findall(r"^\$\$ \((eq-[\w-]+)\)", cell.source, flags=re.M)
                found |= dict.fromkeys(written, number)
    return found


def tests_of(module: str) -> list[str]:
    """The test file named after the module, or else those that import it."""
    last = module.split(".")[-1]
    named = sorted(TESTS.rglob(f"test_{last}.py"))
    if not named:
        word = re.compile(rf"recsys_tutor\.{re.escape(module)}\b|\bimport {last}\b")
        files = sorted(TESTS.rglob("test_*.py"))
        named = [path for path in files if word.search(path.read_text("utf-8"))]
    return [path.relative_to(ROOT).as_posix() for path in named]
