"""The rules of a chapter as functions: each takes a notebook and returns its faults.

A fault is one sentence that says where it is and what to do. ``tools/check.py`` prints
them; the tests apply every rule to every chapter, and to broken notebooks on which it
must report.
"""

import ast
import itertools
import re
from pathlib import Path

import chapter_names as names
from chapter_text import (
    FOLDED,
    all_items,
    code_cells,
    flatten,
    has_image,
    headings,
    markdown_items,
    output_texts,
    read,
    section,
    strip_inline,
    visible_code,
    walk,
)

MAX_WORDS = 2900
#: Chapters of the second edition: a first reading, without the sections that carry the
#: mark, and the whole page.
SECOND_EDITION = range(1, 7)
SECOND_READING = "◇"
MAX_FIRST, MAX_WHOLE = 2500, 4000
CELLS = (25, 130)
MAX_LINES, MAX_LINES_LONG, MAX_COLUMNS = 15, 25, 88
MAX_VISIBLE = 200
SECTIONS = ("By hand", "Break it", "In practice", "Summary", "Quiz", "Exercises")
SECTIONS += ("Further reading",)
MODEL_SECTIONS = ("From scratch", "The package version", "In context")
TIERS = ("compute", "code", "research")
TAGS = {"hide-input", "hide-output", "hide-cell", "remove-cell", "remove-input"}
TAGS |= {"remove-output", "nbval-ignore-output", "long", "full-width", "margin"}
BOX_CLASSES = {"check", "front", "quiz", "predict"}
BOXES = {"note", "tip", "warning"}
OTHER_BOXES = {"admonition", "attention", "caution", "danger", "error", "hint"}
OTHER_BOXES |= {"important", "seealso", "topic", "sidebar"}


# --------------------------------------------------------------- cells and outputs


def check_executed(notebook):
    faults = []
    for expected, cell in enumerate(code_cells(read(notebook)), start=1):
        if cell.count != expected:
            faults.append(
                f"cell {cell.number} has execution count {cell.count}, expected "
                f"{expected}: run tools/notebooks.py"
            )
        for output in cell.outputs:
            if output.get("output_type") == "error":
                faults.append(
                    f"cell {cell.number} ended with {output.get('ename')}: mend it and "
                    "run tools/notebooks.py"
                )
    return faults


def check_stderr(notebook):
    return [
        f"cell {cell.number} writes to stderr, remove the cause: "
        f"{''.join(output.get('text', ''))[:60]!r}"
        for cell in code_cells(read(notebook))
        for output in cell.outputs
        if output.get("name") == "stderr"
    ]


PATHS = re.compile(
    r"(?<![\w.:/])/(?:home|root|Users|tmp|usr|opt|var|etc|mnt|work|private|srv)/"
    r"|site-packages|dist-packages|\b[A-Z]:\\\\?\w|file:///"
)


def check_paths(notebook):
    faults = []
    home = str(Path.home())
    for cell in read(notebook):
        for text in [cell.source, *output_texts(cell)]:
            found = PATHS.search(text)
            if found or (len(home) > 1 and re.search(re.escape(home) + r"\b", text)):
                what = found[0] if found else home
                faults.append(
                    f"cell {cell.number} shows a path of a machine, {what!r}: print "
                    "the file's name only"
                )
    return faults


def check_outputs(notebook):
    """Nothing that another run or another machine would print differently."""
    faults = []
    volatile = {
        r"\bat 0x[0-9a-fA-F]{6,}": "a memory address (print a name)",
        r"\bnp\.(float|int|bool|str)\w*\(": "a numpy scalar (print it, or float() it)",
        r'id="T_[0-9a-f]{3,}': "a pandas Styler table (random ids: show a plain frame)",
    }
    for cell in code_cells(read(notebook)):
        for text in output_texts(cell):
            for pattern, what in volatile.items():
                if re.search(pattern, text):
                    faults.append(f"cell {cell.number} shows {what}")
    return faults


def check_tags(notebook):
    return [
        f"cell {cell.number} has the tag {tag!r}; allowed: {', '.join(sorted(TAGS))}"
        for cell in read(notebook)
        for tag in cell.tags
        if tag not in TAGS
    ]


def check_code_size(notebook):
    faults = []
    for cell in code_cells(read(notebook)):
        is_long = FOLDED.union({"long"}).intersection(cell.tags)
        limit = MAX_LINES_LONG if is_long else MAX_LINES
        lines = [line for line in cell.source.splitlines() if line.strip()]
        if len(lines) > limit:
            faults.append(
                f"cell {cell.number} has {len(lines)} lines, at most {limit}: divide it"
            )
        width = max(len(line) for line in lines)
        if width > MAX_COLUMNS:
            faults.append(
                f"cell {cell.number} has a line of {width} columns, "
                f"at most {MAX_COLUMNS}: break it"
            )
    return faults


def check_visible(notebook):
    """Few lines are visible; a fold says what it holds, a check what it proves."""
    faults, shown = [], visible_code(notebook)
    for number, lines in shown.items():
        if lines > MAX_LINES:
            faults.append(
                f"cell {number} shows {lines} lines of code, at most {MAX_LINES}: "
                "split it, or fold it with the tag hide-input"
            )
    if sum(shown.values()) > MAX_VISIBLE:
        faults.append(
            f"{sum(shown.values())} lines of code are visible, at most {MAX_VISIBLE}: "
            "fold what a reader would not type"
        )
    above = None
    for cell in read(notebook):
        if {"hide-input", "hide-cell"}.intersection(cell.tags):
            if not cell.metadata.get("mystnb", {}).get("code_prompt_show"):
                faults.append(f"cell {cell.number} is folded and has no prompt")
        if "hide-cell" in cell.tags and (above is None or above.kind != "markdown"):
            faults.append(
                f"cell {cell.number} is a folded check: say in a text cell directly "
                "above it what it proves"
            )
        above = cell
    return faults


def check_imports(notebook):
    """All imports stand in the first code cell, or in a folded set-up next to it."""
    faults = []
    cells = code_cells(read(notebook))
    first = 2 if len(cells) > 1 and "hide-input" in cells[1].tags else 1
    for cell in cells[first:]:
        if cell.solution:
            continue
        source = re.sub(r"^\s*[%!].*$", "pass", cell.source, flags=re.M)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                faults.append(
                    f"cell {cell.number} imports ({ast.unparse(node)}): move it to the "
                    "first code cell"
                )
    return faults


def check_figures(notebook):
    faults = []
    cells = read(notebook)
    for cell in code_cells(cells):
        if not has_image(cell):
            continue
        myst = cell.metadata.get("mystnb", {})
        alt = str(myst.get("image", {}).get("alt", ""))
        figure = myst.get("figure", {})
        if len(alt.strip()) < 20:
            faults.append(
                f"cell {cell.number} shows a picture with alt text {alt!r}: say its "
                "message in 20 characters or more"
            )
        if not str(figure.get("caption", "")).strip():
            faults.append(
                f"cell {cell.number} shows a picture without a caption: add one to "
                "mystnb.figure"
            )
        if not str(figure.get("name", "")).startswith("fig-"):
            faults.append(
                f"cell {cell.number} shows a picture without a name fig-...: add it to "
                "mystnb.figure"
            )
    return faults + faults_of_text_pictures(cells)


def faults_of_text_pictures(cells):
    more = "say its message in 20 characters or more"
    faults = [
        f"cell {item.cell}: figure {item.title} has no alt text: {more}"
        for item in walk(all_items(cells))
        if item.name == "figure" and len(item.options.get("alt", "")) < 20
    ]
    for cell in cells:
        lines = [line for line in cell.items + cell.inside if isinstance(line, str)]
        for alt in re.findall(r"!\[([^\]]*)\]\(", "\n".join(lines)):
            if len(alt) < 20:
                faults.append(
                    f"cell {cell.number}: a picture has the alt text {alt!r}: {more}"
                )
    return faults


# --------------------------------------------------------------- the template


def check_front_box(notebook):
    cells = read(notebook)
    first = cells[0] if cells else None
    if first is None or first.kind != "markdown" or not first.source.startswith("# "):
        return ["cell 1 must start with the chapter's title (# ...)"]
    boxes = [d for d in walk(all_items(cells)) if "front" in d.classes]
    if len(boxes) != 1 or not any(d is boxes[0] for d in walk(first.items)):
        return [f"{len(boxes)} front boxes; one is needed, in the first cell"]
    faults = []
    if next(walk(first.items)) is not boxes[0]:
        faults.append("cell 1: the front box must be the first box of the chapter")
    run_time = re.search(r"\*\*Run time\*\*\s*\|([^|]*)\|", boxes[0].text)
    if not run_time or not re.search(r"about \{run-time\}`\w+` on 2", run_time[1]):
        row = "| **Run time** | about {run-time}`03_baselines` on 2 cores |"
        faults.append(f"cell 1: the front box needs {row}: the time is not typed")
    return faults


def check_sections(notebook, number):
    found = headings(read(notebook))
    wanted = SECTIONS + (MODEL_SECTIONS if number >= 3 else ())
    return [
        f"no section (##) starts with {name!r}; there are: {'; '.join(found)}"
        for name in wanted
        if not any(heading.lower().startswith(name.lower()) for heading in found)
    ]


def check_check_boxes(notebook):
    cells = read(notebook)
    faults = []
    if not any("check" in d.classes for d in walk(markdown_items(cells))):
        faults.append("no box of `:class: check`: add one")
    pattern = re.compile(r"^\s*assert\b|\bnp\.testing\.assert_", re.M)
    if not any(pattern.search(c.source) for c in code_cells(cells) if not c.solution):
        faults.append("no check cell: one with `assert` or `np.testing.assert_...`")
    return faults


def check_quiz(notebook):
    questions = [
        d for d in walk(section(read(notebook), "Quiz")) if "quiz" in d.classes
    ]
    faults, places = [], []
    if not 4 <= len(questions) <= 6:
        faults.append(f"the quiz has {len(questions)} questions, 4 to 6 are asked for")
    for question in questions:
        place = f"cell {question.cell}, {question.title}"
        options = [d for d in walk(question.items) if d.name == "dropdown"]
        verdicts = []
        if len(options) < 3:
            faults.append(f"{place}: {len(options)} options, at least 3")
        for option in options:
            verdict = re.match(r"\s*\*\*(Right|Wrong)\.\*\*\s*(.*)", option.text, re.S)
            if not verdict:
                faults.append(
                    f"{place}, {option.title}: start with **Right.** or **Wrong.**"
                )
            elif len(verdict[2].split()) < 5:
                faults.append(f"{place}, {option.title}: give a reason")
            verdicts.append(verdict[1] if verdict else "")
        if verdicts.count("Right") != 1:
            count = verdicts.count("Right") or "no"
            faults.append(f"{place}: {count} option is right, not one")
        places += [at for at, verdict in enumerate(verdicts) if verdict == "Right"]
        if options and "open" in options[0].options:
            faults.append(f"{place}: the options must be collapsed, drop `:open:`")
    if len(places) > 1 and len(set(places)) == 1:
        faults.append(
            "quiz: the right option stands at the same place in every question"
        )
    return faults


def check_guesses(notebook):
    """Three boxes of class predict, each the last thing before a cell with output."""
    cells = read(notebook)
    faults, count = [], 0
    for at, cell in enumerate(cells):
        boxes = [d for d in walk(cell.items) if "predict" in d.classes]
        count += len(boxes)
        following = itertools.takewhile(lambda c: c.kind == "code", cells[at + 1 :])
        has_output = any(any(output_texts(c)) for c in following)
        if boxes and not (cell.items[-1] is boxes[-1] and len(boxes) == 1):
            faults.append(f"cell {cell.number}: a guess must end its cell, one a cell")
        elif boxes and not has_output:
            faults.append(f"cell {cell.number}: no output follows the guess")
        for box in boxes:
            choices = re.findall(r"^- (.*)$", box.text, flags=re.M)
            if len(choices) == 1 or len(choices) > 4 or "$" in "".join(choices):
                faults.append(
                    f"cell {cell.number}: a number, or 2 to 4 choices without formulas"
                )
    if count < 3:
        faults.append(f"{count} boxes of `:class: predict`, 3 are asked for")
    return faults


def check_exercises(notebook):
    cells = read(notebook)
    found = list(walk(markdown_items(cells)))
    exercises = [d for d in found if d.name == "exercise"]
    faults = [
        f"cell {d.cell}: exercise {d.title!r} has no label: add `:label: ex-...`"
        for d in exercises
        if not d.label
    ]
    labels = [d.label for d in exercises if d.label]
    faults += [
        f"cell {d.cell}: label {d.label!r} is used twice"
        for position, d in enumerate(exercises)
        if d.label and d.label in [other.label for other in exercises[:position]]
    ]
    for tier in TIERS:
        if not any(re.match(rf"{tier}\b|.*\({tier}\)", d.title) for d in exercises):
            faults.append(
                f"no exercise of the tier {tier!r}: `{{exercise}} {tier}: ...`"
            )
    solutions = [d for d in found if d.name in ("solution", "solution-start")]
    targets = [d.title for d in solutions]
    for d in exercises:
        if d.label and targets.count(d.label) != 1:
            faults.append(
                f"cell {d.cell}: exercise {d.label!r} has {targets.count(d.label)} "
                "solutions, not 1"
            )
    return faults + faults_of_solutions(cells, solutions, labels)


def faults_of_solutions(cells, solutions, labels):
    faults = []
    for solution in solutions:
        place = f"cell {solution.cell}: the solution of {solution.title!r}"
        if solution.title not in labels:
            faults.append(
                f"cell {solution.cell}: a solution belongs to no exercise: "
                f"{solution.title!r}"
            )
        if "dropdown" not in solution.classes:
            faults.append(f"{place} needs `:class: dropdown`")
        code = [c for c in code_cells(cells) if c.solution == solution.title]
        if solution.name == "solution" and not solution.text.strip():
            faults.append(f"{place} is empty: write it")
        if solution.name == "solution-start" and not any(c.count for c in code):
            faults.append(f"{place} has no executed code cell: run tools/notebooks.py")
    if not any(d.name == "solution-start" for d in solutions):
        faults.append("no exercise has an executed solution (solution-start ... -end)")
    for cell in cells:
        for line in cell.inside:
            if isinstance(line, str) and re.match(r"^#{1,6}\s", line):
                faults.append(
                    f"cell {cell.number}: a heading inside a solution: use bold text"
                )
    return faults


PREDICTION = re.compile(
    r"\b[Bb]efore you (?:run|compute|look|read|scroll|open|start)\b|\bPredict\b"
    r"|\bpredict (?:what|which|whether|how|in which|the (?:sign|order|outcome|result))"
)


def check_prediction(notebook):
    text = flatten(markdown_items(read(notebook)))
    if PREDICTION.search(text):
        return []
    return ["nothing asks for a prediction ('Before you run ...' or 'Predict ...')"]


def prose_words(notebook, *, first_reading=False):
    """Words of the prose: no quiz, no solutions, no tables, code or formulas.

    Of a first reading: without the parts below a heading that ends with the mark, up
    to the next heading as high.
    """
    items = markdown_items(read(notebook))
    items = [i for i in items if isinstance(i, str) or "quiz" not in i.classes]
    if first_reading:
        items = without_marked(items)
    text = flatten(items, drop=("solution", "solution-start"))
    text = re.sub(r"^\s*\|.*$", "", text, flags=re.M)
    return len(re.findall(r"[^\W_][\w'’-]*", strip_inline(text)))


def cell_count(notebook):
    """Number of cells outside the gated solutions."""
    return sum(1 for cell in read(notebook) if not cell.solution)


def without_marked(items):
    """The items that do not stand below a marked heading."""
    kept, level = [], None
    for item in items:
        if not isinstance(item, str):
            if level is None:
                kept.append(item)
            continue
        lines = []
        for line in item.split("\n"):
            heading = re.match(r"(#+) ", line)
            if heading and (level is None or len(heading[1]) <= level):
                marked = line.rstrip().endswith(SECOND_READING)
                level = len(heading[1]) if marked else None
            if level is None:
                lines.append(line)
        kept.append("\n".join(lines))
    return kept


def check_size(notebook, number):
    faults = []
    second = number in SECOND_EDITION
    words, cells = prose_words(notebook), cell_count(notebook)
    most = MAX_WHOLE if second else MAX_WORDS
    if words > most:
        faults.append(f"{words} words of prose, at most {most}: cut")
    first = prose_words(notebook, first_reading=True)
    if second and first > MAX_FIRST:
        faults.append(
            f"{first} words in a first reading, at most {MAX_FIRST}: cut, or end the "
            f"heading of what may wait with {SECOND_READING}"
        )
    if not CELLS[0] <= cells <= CELLS[1]:
        faults.append(
            f"{cells} cells outside solutions, {CELLS[0]} to {CELLS[1]} are asked for"
        )
    return faults


def check_boxes(notebook):
    faults = []
    cells = read(notebook)
    for directive in walk(all_items(cells)):
        name, classes = directive.name, set(directive.classes)
        if name == "admonition" and len(classes & BOX_CLASSES) == 1:
            continue
        if name in OTHER_BOXES:
            faults.append(
                f"cell {directive.cell}: box {name!r} ({directive.title}): use note, "
                "tip, warning, or an admonition of class check, front, quiz or predict"
            )
        if name in BOXES and classes & BOX_CLASSES:
            faults.append(
                f"cell {directive.cell}: a {name} has the class {sorted(classes)}: "
                "one meaning a box"
            )
    for cell in cells:
        if cell.kind != "markdown":
            continue
        for line in cell.source.splitlines():
            if re.match(r"^\s*`{3,}\{[^}]*\}.*`", line):
                faults.append(
                    f"cell {cell.number}: a backtick in a directive's title: move it "
                    "into the body"
                )
            if re.match(r"^\s*`{3,}\{code-cell\}", line):
                faults.append(
                    f"cell {cell.number}: a code cell was read as text: close the "
                    "fence above it"
                )
    return faults


# --------------------------------------------------------------- all of them

#: Rules by name; each takes a notebook and its number (None: no numbered chapter).
EVERY_NOTEBOOK = {
    "executed": lambda nb, n: check_executed(nb),
    "stderr": lambda nb, n: check_stderr(nb),
    "paths": lambda nb, n: check_paths(nb),
    "outputs": lambda nb, n: check_outputs(nb),
    "tags": lambda nb, n: check_tags(nb),
    "code_size": lambda nb, n: check_code_size(nb),
    "imports": lambda nb, n: check_imports(nb),
    "figures": lambda nb, n: check_figures(nb),
    "boxes": lambda nb, n: check_boxes(nb),
    "citations": lambda nb, n: names.check_citations(nb, names.bibliography()),
    "decimals": lambda nb, n: names.check_decimals(nb),
    "glue": lambda nb, n: names.check_glue(nb),
}
NUMBERED_CHAPTER = {
    "front_box": lambda nb, n: check_front_box(nb),
    "sections": check_sections,
    "check_boxes": lambda nb, n: check_check_boxes(nb),
    "quiz": lambda nb, n: check_quiz(nb),
    "guesses": lambda nb, n: check_guesses(nb),
    "exercises": lambda nb, n: check_exercises(nb),
    "prediction": lambda nb, n: check_prediction(nb),
    "size": check_size,
    "visible": lambda nb, n: check_visible(nb),
    "symbols": names.check_symbols,
}


def rules_of(number):
    """The rules of a notebook: all, or those that need no number."""
    return EVERY_NOTEBOOK | (NUMBERED_CHAPTER if number is not None else {})
