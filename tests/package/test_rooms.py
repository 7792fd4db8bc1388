"""The house: who may import whom, how large a room may be, what each says of itself."""

import ast
import io
import subprocess
import sys
import tokenize
from functools import cache
from pathlib import Path

import pytest

import recsys_tutor

PACKAGE = Path(recsys_tutor.__file__).parent

MODELS = {"baselines", "neighbors", "content", "mf", "implicit_mf", "gibbs"}
MODELS |= {"bayesian", "plsa", "transitions", "hybrid", "slim", "slope_one", "walks"}
MODELS |= {"neural", "towers", "sequential", "autoencoders", "graph", "filters"}
MODELS |= {"deep_dot", "crosses", "interest", "bert4rec", "timed"}
#: The floors, from the ground up: a room may use those below it. A package stands for
#: all its rooms that are not named themselves.
FLOORS = [
    # ground
    {"checks", "columns", "datasets.text_file", "datasets._later_ids"},
    {"callbacks", "data", "files", "kernels", "parameters", "progress", "ranking"},
    {"saving", "sampling"},
    {"base"},
    # data
    {"features", "datasets.movielens_files", "datasets.text_table", "datasets.worlds"},
    {"datasets.cells", "datasets.movielens_sources"},
    {"datasets.movielens", "datasets.ratings_csv"},
    {"datasets"},
    # protocol
    {"metrics"},
    {"parts"},
    {"splits", "evaluate"},
    {"compare"},
    {"protocol", "testing.cases"},
    {"testing.answers", "testing.fitting", "testing.lists"},
    {"testing"},
    # models
    {"similarity", "training", "sequence_losses"},
    MODELS,
    # search
    {"tuning"},
    # exercises
    {"exercises.hidden"},
    {"exercises.reading", "exercises.store"},
    {"exercises.deciding"},
    {"exercises"},
    # the book's own
    {"moving"},
    {"study", "study.process", "study.digests", "study.entries", "study.chains"},
    {"study.results", "study.search", "study.growth"},
    {"study.leaderboard"},
    {"study.starts"},
]
#: Rooms that are no floor: nothing but a drawing imports one; the last is the door.
APART = {"book", "drawing", "plots", ""}
#: Models may build on models of these rooms, without a circle.
BETWEEN_MODELS = {
    "neighbors": {"baselines"},
    "content": {"baselines"},
    "mf": {"baselines"},
    "bayesian": {"gibbs"},
    "plsa": {"baselines"},
    "hybrid": {"neighbors"},
    "towers": {"neural"},
    "crosses": {"neural", "towers"},
    "interest": {"crosses", "neural", "towers"},
    "bert4rec": {"sequential"},
    "timed": {"sequential"},
    "slim": {"neighbors"},
    "slope_one": {"neighbors"},
    "walks": {"neighbors"},
    "filters": {"neighbors"},
    "deep_dot": {"neural"},
}
#: Everything that the measurement of a model may rest on.
EVALUATION = {"base", "checks", "data", "metrics", "parts", "ranking"}
#: Rooms built on torch.
NETWORKS = {"training", "neural", "towers", "autoencoders", "graph", "sequential"}
NETWORKS |= {"deep_dot", "crosses", "interest"}
NETWORKS |= {"sequence_losses", "bert4rec", "timed"}


@cache
def rooms():
    """Path of every module, by its name below the package; a package has its own."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        found[".".join(parts)] = path
    return found


@cache
def tree(name):
    return ast.parse(rooms()[name].read_text(encoding="utf-8"))


def imported(name):
    """Modules that a room names in import statements, wherever they stand."""
    found = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {n for n in inner if n.removeprefix("recsys_tutor.") in rooms()}
            found |= modules or {node.module}
    return found


def used(name):
    """Rooms of the package that a room imports."""
    inside = {n for n in imported(name) if n.startswith("recsys_tutor.")}
    return {n.removeprefix("recsys_tutor.") for n in inside}


def floor(name):
    levels = {room: n for n, level in enumerate(FLOORS) for room in level}
    while name and name not in levels:
        name = name.rpartition(".")[0]
    return levels.get(name)


# -- imports ---------------------------------------------------------------------------


def test_every_room_has_a_floor():
    homeless = {name for name in rooms() if floor(name) is None} - APART
    assert not homeless, f"give {homeless} a floor"
    assert len(set().union(*FLOORS)) == sum(map(len, FLOORS)), "one floor each"


@pytest.mark.parametrize("name", sorted(rooms()))
def test_imports_go_down(name):
    for other in used(name):
        assert other in rooms(), f"{other} is no room"
        if name in APART or floor(other) < floor(name):
            continue
        beside = floor(other) == floor(name)
        within = name.partition(".")[0] == other.partition(".")[0] == "study"
        assert beside and (within or other in BETWEEN_MODELS.get(name, ())), other


def test_imports_make_no_circle():
    done, open_ = set(), []

    def visit(name):
        assert name not in open_, f"a circle: {[*open_, name]}"
        if name not in done:
            open_.append(name)
            for other in used(name):
                visit(other)
            done.add(open_.pop())

    for name in rooms():
        visit(name)


def test_a_room_that_looks_up_is_found(monkeypatch):
    """The rule has teeth: a floor taken away, an import turned round, a circle."""
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules[__name__], "FLOORS", FLOORS[::-1])
        with pytest.raises(AssertionError):
            test_imports_go_down("evaluate")
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules[__name__], "FLOORS", FLOORS[:3])
        with pytest.raises(AssertionError, match="base"):
            test_every_room_has_a_floor()
    circle = {"a": {"b"}, "b": {"c"}, "c": {"a"}}
    monkeypatch.setattr(sys.modules[__name__], "used", circle.__getitem__)
    monkeypatch.setattr(sys.modules[__name__], "rooms", lambda: circle)
    with pytest.raises(AssertionError, match="a circle"):
        test_imports_make_no_circle()


def test_what_the_measurement_rests_on():
    assert used("evaluate") == EVALUATION
    assert used("compare") == EVALUATION - {"ranking"} | {"evaluate", "progress"}
    assert used("metrics") == {"checks"}
    assert used("data") == {"columns"}
    assert used("features") == {"checks", "data"}


def test_nothing_uses_plots_or_the_study_and_only_plots_draws():
    for name in rooms():
        draws = any(n.split(".")[0] == "matplotlib" for n in imported(name))
        assert draws == (name in {"plots", "drawing"}), name
        assert not {"book", "drawing"} & used(name), name
        assert name == "drawing" or "plots" not in used(name), name
        inside = name.partition(".")[0] == "study"
        assert inside or not any(n.startswith("study") for n in used(name)), name
    assert used("drawing") == {"plots"} and used("plots") == {"moving"}
    assert used("moving") == {"data"}, "no model"


def loaded_after(statement):
    code = f"{statement}\nimport sys\nprint(*sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


def test_importing_the_package_loads_neither_torch_nor_matplotlib():
    light = sorted(set(rooms()) - APART - NETWORKS)
    everything = "; ".join(f"import recsys_tutor.{name}" for name in light)
    assert not {"torch", "matplotlib"} & loaded_after(
        f"import recsys_tutor; {everything}"
    )
    assert "matplotlib" in loaded_after("import recsys_tutor.plots"), "it would show"


@pytest.mark.parametrize("rooms", ["compare, recsys_tutor.datasets", "testing"])
def test_measuring_and_checking_load_no_model_and_no_compiler(rooms):
    loaded = loaded_after(f"import recsys_tutor.{rooms}")
    assert not loaded & {f"recsys_tutor.{name}" for name in MODELS}
    assert not loaded & {"torch", "numba", "matplotlib", "pytest"}


# -- sizes -----------------------------------------------------------------------------


@cache
def code_lines(name):
    """Numbers of the lines that hold code: no comment, docstring or blank line."""
    source, lines = rooms()[name].read_text(encoding="utf-8"), set()
    empty = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT}
    empty |= {tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in empty:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree(name)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            if ast.get_docstring(node) is not None:
                text = node.body[0]
                lines -= set(range(text.lineno, text.end_lineno + 1))
    return lines


@pytest.mark.parametrize("name", sorted(rooms()))
def test_a_room_can_be_read_in_one_sitting(name):
    assert len(code_lines(name)) <= 350


def long_functions(most=40):
    return {
        f"{name}.{node.name}"
        for name in rooms()
        for node in ast.walk(tree(name))
        if isinstance(node, ast.FunctionDef)
        and len(code_lines(name) & set(range(node.lineno, node.end_lineno + 1))) > most
    }


def test_a_function_fits_on_a_screen():
    assert long_functions() == set(), "divide them"
    assert "compare.compare" in long_functions(most=30), "lines are counted"


# -- what a room says of itself --------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(rooms()) - {""}))
def test_every_room_says_what_it_is_and_what_it_offers(name):
    text = ast.get_docstring(tree(name))
    assert text and "\nChapter" in text, "names its chapter"
    public = next(
        [element.value for element in node.value.elts]
        for node in tree(name).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
    )
    assert public == sorted(public), "__all__ is sorted"
    for node in tree(name).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name in public:
            assert ast.get_docstring(node), node.name
