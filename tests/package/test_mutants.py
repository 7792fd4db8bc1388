"""The list of mutants is fair and complete, and the runner tells a survivor."""

import ast
from pathlib import Path

import mutants
import pytest
import test_rooms
from mutants_table import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
EACH = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)


def test_there_are_enough_and_their_names_differ():
    assert len(MUTANTS) >= 60
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@EACH
def test_the_old_text_is_there_once_and_the_new_one_is_python(mutant):
    text = (ROOT / mutant.path).read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1
    changed = ast.parse(text.replace(mutant.old, mutant.new))
    assert ast.dump(changed) != ast.dump(ast.parse(text)), "it changes the code"


@EACH
def test_the_tests_that_should_notice_exist(mutant):
    assert mutant.nodes
    for node in mutant.nodes:
        path, name = node.split("::")
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert name in {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}


def test_every_room_with_a_formula_is_hit():
    start = test_rooms.FLOORS.index({"metrics"})
    end = test_rooms.FLOORS.index(test_rooms.MODELS)
    rooms = set().union(*test_rooms.FLOORS[start : end + 1])
    missed = rooms - {mutant.file for mutant in MUTANTS}
    assert {"metrics", "protocol", "training", "plsa"} <= rooms
    checks = {room for room in missed if room.split(".")[0] == "testing"}
    assert missed == checks, "a fault for each, please"  # broken models test those


#: A comment instead of a formula; a name that is not there; a text that is not there.
HARMLESS = Mutant(
    "a comment", "ranking", "# more ties than places", "#", "base::bad_numbers"
)
UNIMPORTABLE = Mutant(
    "no import", "ranking", "CELLS_PER_BATCH = 2**23", "1 / 0", "base::bad_numbers"
)
ABSENT = Mutant("absent", "ranking", "no such text", "", "base::bad_numbers")
NO_TEST = Mutant(
    "no test", "ranking", "# more ties than places", "#", "base::no_such_thing"
)


@pytest.mark.parametrize(
    ("mutant", "verdict"),
    [
        (HARMLESS, "survived"),
        (UNIMPORTABLE, "broken"),
        (ABSENT, "broken"),
        (NO_TEST, "broken"),
        (next(m for m in MUTANTS if m.file == "ranking"), "killed"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_the_runner_tells_them_apart(mutant, verdict, monkeypatch, capsys):
    path = ROOT / mutant.path
    before = path.read_bytes()
    monkeypatch.setattr(mutants, "MUTANTS", (mutant,))
    code = mutants.main(["--trust", "--only", mutant.name])
    assert capsys.readouterr().out.startswith(verdict)
    assert code == (verdict != "killed")
    assert path.read_bytes() == before, "the working tree is only read"


def test_tests_that_fail_anyway_prove_nothing(monkeypatch, capsys):
    monkeypatch.setattr(mutants, "MUTANTS", (HARMLESS,))
    monkeypatch.setattr(mutants, "run_tests", lambda *_: (1, "FAILED"))
    assert mutants.main([]) == 1
    assert "mend them first" in capsys.readouterr().out


def test_an_unknown_name_is_refused(capsys):
    with pytest.raises(SystemExit):
        mutants.main(["--only", "no such mutant"])
    assert "no mutant is called" in capsys.readouterr().err
