"""Every chapter keeps the rules of the book, and every rule can be broken.

The chapters are found by their file names: a new one is covered by itself.
"""

import copy
import json
import re
import sys

import chapter_names as names
import chapter_rules as rules
import code_index as index
import nbformat
import pytest
import yaml
from chapter_text import BOOK, chapter_number

from recsys_tutor.book import glue

CHAPTERS = sorted(BOOK.glob("*.ipynb"))
NUMBERED = [path for path in CHAPTERS if chapter_number(path) is not None]


RULES = rules.EVERY_NOTEBOOK | rules.NUMBERED_CHAPTER


def report(path, faults):
    return "\n".join(["", path.name, *(f"  - {fault}" for fault in faults)])


# ------------------------------------------------------------------- the real book


def test_there_are_chapters():
    assert NUMBERED and set(NUMBERED) <= set(CHAPTERS)


@pytest.mark.parametrize("rule", rules.EVERY_NOTEBOOK)
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_notebook(path, rule):
    notebook = nbformat.read(path, as_version=4)
    faults = rules.EVERY_NOTEBOOK[rule](notebook, chapter_number(path))
    assert not faults, report(path, faults)


@pytest.mark.parametrize("rule", rules.NUMBERED_CHAPTER)
@pytest.mark.parametrize("path", NUMBERED, ids=lambda path: path.stem)
def test_numbered_chapter(path, rule):
    notebook = nbformat.read(path, as_version=4)
    faults = rules.NUMBERED_CHAPTER[rule](notebook, chapter_number(path))
    assert not faults, report(path, faults)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_stored_form(path):
    """The file is what tools/notebooks.py writes, so that diffs stay small."""
    from notebooks import normalise

    text = path.read_text(encoding="utf-8")
    notebook = normalise(nbformat.reads(text, as_version=4))
    assert text == nbformat.writes(notebook).rstrip("\n") + "\n"


def toc_files(toc):
    def entries(node):
        for value in node.values() if isinstance(node, dict) else node:
            if isinstance(value, dict | list):
                yield from entries(value)
        if isinstance(node, dict):
            yield from (node[key] for key in ("file", "root") if key in node)

    return list(entries(toc))


def toc_faults(files, existing):
    """Pages named twice, named but missing, and present but not named."""
    faults = [f"{name} is twice in _toc.yml" for name in files if files.count(name) > 1]
    faults += [f"{name} is in _toc.yml, no such page" for name in set(files) - existing]
    return faults + [f"{name} is not in _toc.yml" for name in existing - set(files)]


def book_pages():
    pages = [*BOOK.glob("*.ipynb"), *BOOK.rglob("*.md")]
    return {p.relative_to(BOOK.parent).with_suffix("").as_posix() for p in pages}


def test_toc_names_every_page_once():
    toc = yaml.safe_load((BOOK.parent / "_toc.yml").read_text("utf-8"))
    assert toc_faults(toc_files(toc), book_pages()) == []


def test_toc_faults_are_found():
    toc = {"root": "a", "parts": [{"chapters": [{"file": "b"}, {"file": "b"}]}]}
    assert sorted(toc_files(toc)) == ["a", "b", "b"]
    found = toc_faults(toc_files(toc), {"a", "c"})
    assert {"b is twice in _toc.yml", "c is not in _toc.yml"} <= set(found)
    assert "b is in _toc.yml, no such page" in found


def test_chapters_stand_in_the_order_of_their_numbers():
    toc = yaml.safe_load((BOOK.parent / "_toc.yml").read_text("utf-8"))
    files = [c["file"] for part in toc["parts"] for c in part["chapters"]]
    numbers = [chapter_number(name.split("/")[-1]) for name in files]
    numbers = [number for number in numbers if number is not None]
    assert numbers == list(range(1, len(numbers) + 1))


def test_section_pages_stand_below_their_chapter():
    toc = yaml.safe_load((BOOK.parent / "_toc.yml").read_text("utf-8"))
    rows = [c for part in toc["parts"] for c in part["chapters"]]
    below = {
        row["file"].split("/")[-1]: [s["file"].split("/")[-1] for s in row["sections"]]
        for row in rows
        if "sections" in row and chapter_number(row["file"].split("/")[-1])
    }
    files = {n: [path.stem for path in found] for n, found in index.pages().items()}
    wanted = {first: more for first, *more in files.values() if more}
    assert below == wanted


def test_bibliography():
    assert names.check_bibliography(names.bibliography()) == []


def test_markdown_pages_cite_known_works():
    for path in BOOK.glob("*.md"):
        page = {"cells": [{"cell_type": "markdown", "source": path.read_text("utf-8")}]}
        assert names.check_citations(page, names.bibliography()) == [], path.name


def test_glue_names_and_labels_are_unique_in_the_book():
    owner = {}
    for path in CHAPTERS:
        notebook = nbformat.read(path, as_version=4)
        text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
        stored = {name for name, _ in names.glued(notebook)}
        labels = re.findall(r"^\$\$ \(([\w:-]+)\)", text, flags=re.M)
        labels += re.findall(r"^:label: *(\S+)", text, flags=re.M)
        labels += re.findall(r"^\(([\w:-]+)\)=", text, flags=re.M)
        for cell in notebook.cells:
            figure = cell.metadata.get("mystnb", {}).get("figure", {})
            labels += [figure["name"]] if "name" in figure else []
        for name in stored | set(labels):
            assert name not in owner, f"{name!r} in {owner.get(name)} and {path.name}"
            owner[name] = path.name


# -------------------------------------------- a small chapter that keeps every rule


def markdown(source):
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source, *outputs, tags=(), **mystnb):
    metadata = {"tags": list(tags)} if tags else {}
    if mystnb:
        metadata["mystnb"] = mystnb
    return {
        "cell_type": "code",
        "metadata": metadata,
        "source": source,
        "outputs": list(outputs),
        "execution_count": None,
    }


def printed(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def shown(metadata=None, **data):
    data = {key.replace("_", "/"): value for key, value in data.items()}
    return {"output_type": "display_data", "data": data, "metadata": metadata or {}}


FRONT = """# Baselines

```{admonition} In one box
:class: front
- derive it;

| | |
| --- | --- |
| **Run time** | about {run-time}`03_baselines` on 2 cores |
```"""

QUESTION = """`````{admonition} Question %d
:class: quiz
Why?

```{dropdown} %s. Floor
**Right.** Nothing below it has learned anything personal.
```

```{dropdown} %s. Fast
**Wrong.** Speed alone is never a reason.
```

```{dropdown} C. Fame
**Wrong.** Many people use it, which is no reason.
```
`````"""


def question(number):
    """The right option stands first in odd questions, second in even ones."""
    if number % 2:
        return QUESTION % (number, "A", "B")
    parts = (QUESTION % (number, "B", "A")).split("\n\n")
    return "\n\n".join([parts[0], parts[2], parts[1], parts[3]])


GUESS = """Text before it.

```{admonition} Your guess
:class: predict
How large is the number.
%s```"""

TABLE = """| Symbol | Meaning | Code |
| --- | --- | --- |
| $b_u$ | a bias with 0.1234 in a table | `baselines.Popularity`, `n_users` |"""

EXERCISES = """## Exercises

```{exercise} compute: by hand
:label: ex-a
Before you run it, say the sign. The answer is 0.12345.
```

````{solution} ex-a
:class: dropdown
It is $2$, or 0.12345.
````

```{exercise} research: why
:label: ex-b
Think.
```

````{solution} ex-b
:class: dropdown
Because.
````

```{exercise} code: it
:label: ex-c
Do it.
```

````{solution-start} ex-c
:class: dropdown
````

We get 0.98765."""


GOOD = 99  # the number of a chapter that keeps every rule


def good_chapter():
    glue = {"scrapbook": {"name": "base_rmse", "mime_prefix": ""}}
    cells = [
        markdown(FRONT),
        code("import numpy as np\nfrom recsys_tutor.book import glue"),
        markdown("Text with {cite:t}`koren2009matrix`: RMSE 0.9345 as published."),
        markdown("## By hand\n\n" + TABLE),
        markdown("```{admonition} Check\n:class: check\nA factor 2.\n```"),
        code(
            "assert np.isclose(1, 1)\nprint(1)",
            printed("1\n"),
            tags=["hide-cell"],
            code_prompt_show="Show the check",
        ),
        code('glue("base_rmse", 0.94, display=False)', shown(glue, text_plain="0.94")),
        markdown("It is {glue:text}`base_rmse:.3f`, in code `0.12345`, $x=0.1234$."),
        markdown("$$\nx = 0.12345\n$$ (eq-base)\n\n```python\nx = 0.12345\n```"),
        code(
            "plot();",
            shown(image_png="iVBORw0KGgo="),
            image={"alt": "A curve that falls with every epoch."},
            figure={"caption": "It falls.", "name": "fig-base"},
        ),
        *[markdown(f"## {name}") for name in rules.MODEL_SECTIONS],
        *[markdown(f"## {name}\n\nText.") for name in rules.SECTIONS[1:4]],
        markdown("## Quiz"),
        *[markdown(question(number)) for number in (1, 2, 3, 4)],
        markdown(EXERCISES),
        code("import math\nprint(math.pi > 3)", printed("True\n")),
        markdown("````{solution-end}\n````"),
        markdown(GUESS % ""),
        code("6 * 7", printed("42")),
        markdown(GUESS % "\n- one\n- two\n"),
        code("x = 1"),
        code("x", printed("1")),
        markdown(GUESS % "\n- yes\n- no\n- it depends\n"),
        code("x == 1", printed("True")),
        markdown("## Further reading\n\n- {cite:t}`harper2015movielens`: the data."),
        *[markdown("A word.") for _ in range(4)],
    ]
    count = 0
    for cell in cells:
        if cell["cell_type"] == "code":
            count += 1
            cell["execution_count"] = count
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}


@pytest.mark.parametrize("rule", RULES)
def test_a_good_chapter_has_no_fault(rule):
    assert RULES[rule](good_chapter(), GOOD) == []


def replace(old, new):
    """A mutation: `old` becomes `new` in the source of every cell."""

    def mutate(notebook):
        assert any(old in cell["source"] for cell in notebook["cells"]), old
        for cell in notebook["cells"]:
            cell["source"] = cell["source"].replace(old, new)

    return mutate


def in_code(number, **changes):
    """A mutation: set fields of the code cell with this execution count."""

    def mutate(notebook):
        cells = [c for c in notebook["cells"] if c["cell_type"] == "code"]
        cells[number - 1].update(copy.deepcopy(changes))

    return mutate


def append(cell, at=None):
    def mutate(notebook):
        where = len(notebook["cells"]) if at is None else at
        notebook["cells"].insert(where, copy.deepcopy(cell))

    return mutate


def same_place(notebook):
    for cell in notebook["cells"]:
        if "class: quiz" in cell["source"]:
            cell["source"] = question(1)


def without_guess(notebook):
    cells = notebook["cells"]
    cells.remove(next(cell for cell in cells if "it depends" in cell["source"]))


def without_output(notebook):
    for cell in notebook["cells"]:
        if cell["source"] == "6 * 7":
            cell["outputs"] = []


def add_twins(notebook):
    cells = [c for c in notebook["cells"] if "glue(" in c["source"]]
    cells[0]["outputs"] *= 2


ERROR = {"output_type": "error", "ename": "ValueError", "evalue": "", "traceback": []}
LONG = "\n".join(f"x{i} = {i}" for i in range(16))
PICTURE = "![short](picture.png)"
SECOND_FRONT = markdown("```{admonition} Again\n:class: front\n```")
FIGURE = {"mystnb": {"image": {"alt": "too short"}, "figure": {"caption": "x"}}}
NO_CAPTION = {"mystnb": {"image": {"alt": "A sentence that is long enough."}}}
BARE_TABLE = "| Symbol | Meaning | Code |"
BROKEN = {
    "never run": ("executed", in_code(3, execution_count=None), "count None"),
    "run twice": ("executed", in_code(3, execution_count=9), "expected 3"),
    "an error": ("executed", in_code(3, outputs=[ERROR]), "ValueError"),
    "a warning": ("stderr", in_code(3, outputs=[printed("W", "stderr")]), "stderr"),
    "home": ("paths", in_code(2, outputs=[printed("/home/me/x.csv")]), "/home/"),
    "site": ("paths", in_code(2, outputs=[printed("site-packages")]), "site-p"),
    "Windows": ("paths", replace("print(1)", "open('C:\\\\data')"), "C:"),
    "address": ("outputs", in_code(2, outputs=[printed("at 0x7f00aa00")]), "memory"),
    "numpy": ("outputs", in_code(2, outputs=[printed("np.float64(1.0)")]), "numpy"),
    "Styler": ("outputs", in_code(2, outputs=[shown(text_html='id="T_3fa4"')]), "Sty"),
    "skipped": ("tags", in_code(2, metadata={"tags": ["nbval-skip"]}), "nbval-skip"),
    "long cell": ("code_size", in_code(3, source=LONG), "16 lines"),
    "long fold": ("code_size", in_code(2, source=f"{LONG}\n{LONG}"), "32 lines"),
    "wide cell": ("code_size", in_code(2, source="x = 1" + " # y" * 30), "125 col"),
    "long visible cell": (
        "visible",
        in_code(3, source=LONG, metadata={"tags": ["long"]}),
        "shows 16 lines",
    ),
    "much code": (
        "visible",
        lambda nb: nb["cells"].extend([code(LONG[:99])] * 30),
        "lines of code are visible",
    ),
    "fold without a prompt": (
        "visible",
        in_code(3, metadata={"tags": ["hide-input"]}),
        "no prompt",
    ),
    "check without a sentence": (
        "visible",
        append(code("assert True", tags=["hide-cell"], code_prompt_show="x"), 5),
        "what it proves",
    ),
    "late import": ("imports", replace("print(1)", "import os"), "import os"),
    "inner import": (
        "imports",
        replace("print(1)", "def f():\n    from os import path"),
        "from os import path",
    ),
    "short alt": ("figures", in_code(4, metadata=FIGURE), "alt text 'too short'"),
    "no alt": ("figures", in_code(4, metadata={}), "alt text ''"),
    "no caption": ("figures", in_code(4, metadata=NO_CAPTION), "without a caption"),
    "no name": ("figures", in_code(4, metadata=FIGURE), "without a name"),
    "picture": ("figures", append(markdown(PICTURE)), "alt text 'short'"),
    "figure": ("figures", append(markdown("```{figure} a.png\n```")), "a.png"),
    "no front": ("front_box", replace(":class: front", ":class: check"), "0 front"),
    "two fronts": ("front_box", append(SECOND_FRONT), "2 front boxes"),
    "no title": ("front_box", append(markdown("Text"), 0), "title"),
    "no run time": (
        "front_box",
        replace("{run-time}`03_baselines`", "20 s"),
        "Run time",
    ),
    "not first": (
        "front_box",
        replace("# Baselines", "# Baselines\n\n```{note}\nx\n```"),
        "first box",
    ),
    "no section": ("sections", replace("## Break it", "## Breaking"), "'Break it'"),
    "no model part": ("sections", replace("## In context", "## So"), "'In context'"),
    "no check box": ("check_boxes", replace(":class: check", ""), "no box"),
    "no assert": ("check_boxes", replace("assert np", "print(np) # np"), "no check"),
    "short quiz": ("quiz", replace("Question 4\n:class: quiz", "Q"), "3 questions"),
    "no verdict": ("quiz", replace("**Wrong.**", "No."), "**Right.** or"),
    "no reason": ("quiz", replace("Speed alone is never a reason.", "No."), "reason"),
    "all wrong": ("quiz", replace("**Right.**", "**Wrong.**"), "no option is right"),
    "two right": (
        "quiz",
        replace("**Wrong.** Speed", "**Right.** Speed"),
        "2 option is right",
    ),
    "two options": ("quiz", replace("{dropdown} C. Fame", "{note}"), "2 options"),
    "open quiz": ("quiz", replace("A. Fast", "A. Fast\n:open:"), "collapsed"),
    "same place": ("quiz", same_place, "the same place"),
    "two guesses": ("guesses", without_guess, "2 boxes"),
    "silent guess": ("guesses", without_output, "no output follows"),
    "early guess": ("guesses", replace("number.\n```", "number.\n```\n\nX"), "end its"),
    "one choice": ("guesses", replace("- one\n- two", "- one"), "2 to 4 choices"),
    "a formula": ("guesses", replace("- one", "- $x$"), "without formulas"),
    "no label": ("exercises", replace(":label: ex-a\n", ""), "no label"),
    "no solution": ("exercises", replace("{solution} ex-b", "{note} b"), "0 solutions"),
    "stray solution": (
        "exercises",
        replace("{solution} ex-b", "{solution} x"),
        "no ex",
    ),
    "open solution": (
        "exercises",
        replace("ex-b\n:class: dropdown", "ex-b"),
        "'ex-b' needs",
    ),
    "empty solution": ("exercises", replace("Because.", ""), "'ex-b' is empty"),
    "not executed": ("exercises", in_code(5, execution_count=None), "no executed"),
    "same label": ("exercises", replace(":label: ex-b", ":label: ex-a"), "used twice"),
    "no tier": ("exercises", replace("} research:", "} other:"), "'research'"),
    "heading": ("exercises", replace("We get", "## We get"), "a heading inside"),
    "no executed one": (
        "exercises",
        replace("{solution-start}", "{solution}"),
        "no exercise has an executed",
    ),
    "no prediction": ("prediction", replace("Before you run it", "Run it"), "nothing"),
    "wordy": ("size", replace("A word.", "word " * 5000), "words of prose"),
    "short chapter": ("size", lambda nb: nb["cells"].__delitem__(slice(20)), "cells"),
    "many cells": (
        "size",
        lambda nb: nb["cells"].extend(nb["cells"] * 4),
        "cells outside",
    ),
    "a caution": ("boxes", append(markdown("```{caution}\nx\n```")), "caution"),
    "free box": ("boxes", append(markdown("```{admonition} T\nx\n```")), "admonition"),
    "mixed box": (
        "boxes",
        append(markdown("```{note}\n:class: check\nx\n```")),
        "a note has the class",
    ),
    "backtick title": (
        "boxes",
        append(markdown("```{note} of {eq}`a`\nx\n```")),
        "backtick",
    ),
    "code as text": ("boxes", append(markdown("```{code-cell}\nx\n```")), "as text"),
    "no such name": ("symbols", replace("`n_users`", "`n_martians`"), "n_martians"),
    "no such object": (
        "symbols",
        replace("baselines.Popularity", "baselines.Martian"),
        "Martian",
    ),
    "no table": ("symbols", replace(BARE_TABLE, "| S | M | C |"), "no symbol table"),
    "unknown work": ("citations", replace("koren2009matrix", "nobody1900"), "nobody"),
    "typed number": ("decimals", append(markdown("RMSE is 0.9345.")), "types 0.9345"),
    "number in box": (
        "decimals",
        append(markdown("```{note}\nIt is 0.9345.\n```")),
        "types 0.9345",
    ),
    "no such glue": ("glue", replace("`base_rmse:.3f`", "`base_mae`"), "base_mae"),
    "glue twice": ("glue", add_twins, "stored twice"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_chapter_is_reported(name):
    rule, mutate, expected = BROKEN[name]
    notebook = good_chapter()
    mutate(notebook)
    faults = RULES[rule](notebook, GOOD)
    assert any(expected in fault for fault in faults), faults


def test_every_rule_has_a_broken_chapter():
    assert {rule for rule, _, _ in BROKEN.values()} == set(RULES)


def test_broken_bibliography_is_reported():
    good = {"author": "A", "title": "T", "year": "2009", "doi": "10.1/x"}
    assert names.check_bibliography({"good": good}) == []
    for field, expected in [("author", "no author"), ("title", "no title")]:
        found = names.check_bibliography({"bad": good | {field: ""}})
        assert found == [f"bad has {expected}"]
    assert "none of doi" in names.check_bibliography({"bad": good | {"doi": ""}})[0]
    assert (
        "'forthcoming'"
        in names.check_bibliography({"bad": good | {"year": "forthcoming"}})[0]
    )


def test_imports_may_stand_in_the_folded_set_up():
    notebook = good_chapter()
    set_up = code("import numpy", tags=["hide-input"], code_prompt_show="Show")
    notebook["cells"].insert(2, set_up)
    assert rules.check_imports(notebook) == []
    set_up["metadata"] = {}
    assert "imports" in rules.check_imports(notebook)[0]


def test_words_count_prose_only():
    cells = [markdown("One two $x + y$ three `four` {eq}`five`.\n\n$$\na b c\n$$")]
    cells += [markdown("```python\nsix seven\n```\n\n```{note}\neight\n```")]
    cells += [markdown("```{solution} ex\n:class: dropdown\nnine\n```"), code("ten")]
    assert rules.prose_words({"cells": cells}) == 4


def test_what_may_wait_is_not_in_a_first_reading():
    """A mark holds for what stands below the heading, to the next one as high."""
    text = "# A b\n\n## One ◇\n\ntwo\n\n### three\n\nfour\n\n```{note}\nfive\n```\n"
    cells = [markdown(text), code("x"), markdown("six\n\n## seven\n\neight ◇ nine")]
    cells += [markdown("### ten ◇\n\neleven\n\n### twelve\n\n# thirteen")]
    notebook = {"cells": cells}
    assert rules.prose_words(notebook) == 15
    # A b, seven, eight nine, twelve, thirteen
    assert rules.prose_words(notebook, first_reading=True) == 7


@pytest.mark.parametrize("number, most", [(1, 2500), (6, 2500), (7, 2900)])
def test_a_first_reading_has_a_length(number, most):
    notebook = good_chapter()
    replace("A word.", "word " * 800)(notebook)  # there are four
    (fault,) = rules.check_size(notebook, number)
    assert f"at most {most}" in fault


@pytest.mark.parametrize("name", ["02_evaluation", "02b_uncertainty"])
def test_a_section_page_has_the_number_of_its_chapter(name):
    assert chapter_number(f"book/{name}.ipynb") == 2
    assert chapter_number("02B_x.ipynb") is chapter_number("source_map.ipynb") is None


def test_plain_json_notebooks_are_read_too():
    """Sources stored as lists of lines, as Jupyter writes them."""
    notebook = json.loads(json.dumps(good_chapter()))
    for cell in notebook["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)
    assert [RULES[rule](notebook, GOOD) for rule in RULES] == [[]] * len(RULES)


# ------------------------------------------------------- what chapters import of it


def test_glue_is_the_build_s_own(monkeypatch):
    kept = []
    monkeypatch.setattr("myst_nb.glue", lambda *given: kept.append(given))
    glue("share", 0.5, display=False)
    assert kept == [("share", 0.5, False)]


def test_glue_needs_and_shows_nothing_without_the_build(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "myst_nb", None)  # its import fails
    glue("share", 0.5)
    assert capsys.readouterr() == ("", "")
