"""Write recsys_tutor/exercises/answers.txt from the solutions and exercises.toml.

    python tools/answers.py           sentences and tolerances anew, stored values kept
    python tools/answers.py 04 07     and the values of these chapters, which are run

The right values come from the solutions: their last cells hand them to ``check``, and a
run of the chapter takes them from there. tools/exercises.toml has what no cell
computes: sentences, tolerances, and mistakes as expressions in which ``a`` stands for
the right values. A mistake that would be right is refused.
"""

import argparse
import json
import re
import sys
import tomllib
from pathlib import Path

import nbformat
import notebooks
import numpy as np
import wrong_answers

from recsys_tutor.exercises import deciding, reading, store

ROOT = Path(__file__).resolve().parent.parent
TEXTS = ROOT / "tools" / "exercises.toml"
ANSWERS = ROOT / "recsys_tutor" / "exercises" / "answers.txt"
MARK = "answer of an exercise: "
RECORDER = """
import json
import recsys_tutor.exercises as exercises
from recsys_tutor.exercises.reading import read
_entries = json.loads({entries!r})
def _record(name, answer):
    entry = {{"name": name, **_entries[name]}}
    print({mark!r} + json.dumps([name, read(entry, answer)]))
exercises.check = _record
"""


def texts():
    """The table of tools/exercises.toml, with every default filled in."""
    table = tomllib.loads(TEXTS.read_text("utf-8"))
    plain = {"kind": "numbers", "near": 5, "mistakes": [], "more": "", "ordered": True}
    return {name: plain | entry for name, entry in table.items()}


def stored():
    """The right values in the present file, by exercise."""
    if not ANSWERS.exists():
        return {}
    lines = (line.split(" ") for line in ANSWERS.read_text("ascii").splitlines())
    return {name: store.decode(word)["answer"] for name, word in lines}


def recorded(path):
    """What the check cells of a chapter hand over, by exercise; the chapter is run."""
    notebook = nbformat.read(path, as_version=4)
    entries = json.dumps(texts(), ensure_ascii=False)
    first = nbformat.v4.new_code_cell(RECORDER.format(entries=entries, mark=MARK))
    notebook.cells.insert(0, first)
    notebooks.execute(notebook, path.parent, path.name, timeout=1800)
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    printed = "".join(out.get("text", "") for out in outputs)
    return dict(map(json.loads, re.findall(rf"{MARK}(.*)", printed)))


def mistake_of(entry, mistake, right):
    """A mistake's values and its hint."""
    values = right if entry["kind"] == "words" else np.array(right)
    value = eval(mistake["value"], {"np": np, "wrong": wrong_answers, "a": values})
    if entry["kind"] == "function" and callable(value):
        value = reading.outputs(entry, value)
    if isinstance(value, (str, float, int, np.number)):
        value = [value]
    values = [v if v is None or isinstance(v, str) else float(v) for v in value]
    if "part" in mistake:
        place = entry["parts"].index(mistake["part"])
        values = [values[0] if n == place else None for n in range(len(right))]
    return {"answer": values, "hint": mistake["hint"]}


def complete(name, entry, right):
    """The entry as it is stored: with the right values and those of the mistakes."""
    entry = {"name": name, **entry}
    if "below" in entry:  # an interval: its middle, and half of it as the tolerance
        right = [entry["below"] / 2] * len(entry["parts"])
        entry["tolerance"] = entry["below"] / 2
    if entry["kind"] == "words":
        entry["tolerance"] = []
    elif not isinstance(entry["tolerance"], list):
        count = 1 if entry["kind"] == "function" else len(right)
        entry["tolerance"] = [float(entry["tolerance"])] * count
    made = {k: v for k, v in entry.items() if k != "name"} | {"answer": right}
    made["mistakes"] = [mistake_of(entry, m, right) for m in entry["mistakes"]]
    for mistake in made["mistakes"]:
        values = [r if v is None else v for v, r in zip(mistake["answer"], right)]
        kind, _ = deciding.decide(made, values)
        if kind == "right":
            raise SystemExit(f"{name}: the mistake {mistake['answer']} would be right")
    return made


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prefix", nargs="*", help="start of a chapter's file name: 04")
    options = parser.parse_args(arguments)
    right = stored()
    paths = notebooks.select(notebooks.BOOK, options.prefix) if options.prefix else []
    for path in paths:
        right |= recorded(path)
        print(f"{path.name} was run", flush=True)
    table = texts()
    missing = sorted(set(table) - set(right))
    if missing:
        print("no value yet:", ", ".join(missing))
    names = [name for name in sorted(table) if name in right]
    made = {
        name: store.encode(complete(name, table[name], right[name])) for name in names
    }
    text = "".join(f"{name} {word}\n" for name, word in made.items())
    notebooks.write(text, ANSWERS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
