"""The rules of the book as functions: each takes a notebook and returns its faults.

A fault is one sentence that says where it is and what to do. tests/test_book.py applies
the functions to every chapter, and to broken notebooks on which each must report.
"""

import ast
import importlib
import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
PACKAGE = ROOT / "recsys_tutor"

MAX_WORDS = 2800
CELLS = (25, 60)
MAX_LINES, MAX_LINES_LONG, MAX_COLUMNS = 15, 25, 88
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
SYMBOL_HEADER = ["Symbol", "Meaning", "Code"]


# --------------------------------------------------------------- reading MyST text


@dataclass
class Directive:
    """One fenced block. A plain code fence has the name ``""``."""

    name: str
    title: str
    options: dict
    items: list = field(default_factory=list)
    text: str = ""

    @property
    def classes(self):
        return self.options.get("class", "").split()


OPENING = re.compile(r"^\s*(`{3,}|~{3,}|:{3,})\s*(?:\{([^}`]+)\})?([^`]*)$")
VERBATIM = {"", "math", "code", "code-block", "code-cell", "eval-rst", "figure"}
VERBATIM |= {"bibliography", "literalinclude", "raw", "mermaid"}


def parse(text):
    """Lines and `Directive` blocks of a MyST text; nested ones inside their parent."""
    items, lines, at = [], text.splitlines(), 0
    while at < len(lines):
        opening = OPENING.match(lines[at])
        is_colon = opening and opening[1][0] == ":"
        if not opening or (is_colon and not opening[2]):
            items.append(lines[at])
            at += 1
            continue
        mark, end = opening[1], at + 1
        close = re.compile(rf"^\s*{re.escape(mark[0])}{{{len(mark)},}}\s*$")
        while end < len(lines) and not close.match(lines[end]):
            end += 1
        body = lines[at + 1 : end]
        options = {}
        while body and re.match(r"^\s*:[\w-]+:", body[0]) and opening[2]:
            key, _, value = body.pop(0).strip()[1:].partition(":")
            options[key] = value.strip()
        name, content = opening[2] or "", "\n".join(body)
        inner = [] if name in VERBATIM else parse(content)
        items.append(Directive(name, opening[3].strip(), options, inner, content))
        at = end + 1
    return items


def walk(items):
    """All directives, parents before children."""
    for item in items:
        if isinstance(item, Directive):
            yield item
            yield from walk(item.items)


def flatten(items, drop=()):
    """The text without fences, code, formulas blocks and the directives in `drop`."""
    lines = []
    for item in items:
        if not isinstance(item, Directive):
            lines.append(item)
        elif item.name not in VERBATIM and item.name not in drop:
            lines += ["", item.title, "", flatten(item.items, drop), ""]
    return re.sub(r"\$\$.*?\$\$(?:\s*\([^)]*\))?", "", "\n".join(lines), flags=re.S)


def strip_inline(text):
    """`text` without roles, inline code, formulas and addresses."""
    text = re.sub(r"\{[\w:-]+\}(`+).*?\1", " ", text, flags=re.S)
    text = re.sub(r"(`+).*?\1", " ", text, flags=re.S)
    text = re.sub(r"\$[^$\n]+(?:\n[^$\n]+)?\$", " ", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return re.sub(r"https?://\S+", " ", text)


@dataclass
class Cell:
    number: int
    kind: str
    source: str
    tags: list
    metadata: dict
    outputs: list
    count: object
    solution: str = ""  # label of the exercise whose gated solution holds the cell
    items: list = field(default_factory=list)  # markdown outside gated solutions
    inside: list = field(default_factory=list)  # markdown inside them


def read(notebook):
    """The cells, each knowing whether it stands inside a gated solution."""
    cells, label = [], ""
    for number, raw in enumerate(notebook["cells"], start=1):
        source = raw["source"]
        source = source if isinstance(source, str) else "".join(source)
        metadata = raw.get("metadata", {})
        cell = Cell(
            number,
            raw["cell_type"],
            source,
            list(metadata.get("tags", [])),
            metadata,
            raw.get("outputs", []),
            raw.get("execution_count"),
            label,
        )
        if cell.kind == "markdown":
            for item in parse(source):
                name = item.name if isinstance(item, Directive) else ""
                if name == "solution-start":
                    label = item.title
                    cell.items.append(item)
                elif name == "solution-end":
                    label = ""
                    cell.items.append(item)
                else:
                    (cell.inside if label else cell.items).append(item)
        cells.append(cell)
    return cells


def code_cells(cells):
    return [c for c in cells if c.kind == "code" and c.source.strip()]


def markdown_items(cells):
    return [item for c in cells if c.kind == "markdown" for item in c.items]


def all_items(cells):
    return [i for c in cells if c.kind == "markdown" for i in c.items + c.inside]


def output_texts(cell):
    """Every text in the outputs of a cell: streams and the text representations."""
    for output in cell.outputs:
        for value in [output.get("text", ""), *output.get("data", {}).values()]:
            value = "".join(value) if isinstance(value, list) else value
            if isinstance(value, str):
                yield value


def has_image(cell):
    return any("image/png" in output.get("data", {}) for output in cell.outputs)


def headings(cells, level=2):
    pattern = re.compile(rf"^{'#' * level}\s+(.*)$")
    found = []
    for item in markdown_items(cells):
        if isinstance(item, str) and pattern.match(item):
            found.append(pattern.match(item)[1].strip())
    return found


def section(cells, start):
    """The markdown items below the H2 that begins with `start`."""
    inside, found = [], False
    for item in markdown_items(cells):
        if isinstance(item, str) and re.match(r"^##\s", item):
            found = item[2:].strip().lower().startswith(start.lower())
        elif found:
            inside.append(item)
    return inside


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
                faults.append(f"cell {cell.number} ended with {output.get('ename')}")
    return faults


def check_stderr(notebook):
    return [
        f"cell {cell.number} writes to stderr: {''.join(output.get('text', ''))[:60]!r}"
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
                faults.append(f"cell {cell.number} shows a path of a machine: {what!r}")
    return faults


def check_outputs(notebook):
    """Nothing that another run or another machine would print differently."""
    faults = []
    volatile = {
        r"\bat 0x[0-9a-fA-F]{6,}": "a memory address",
        r"\bnp\.(float|int|bool|str)\w*\(": "a numpy scalar (print it, or float() it)",
        r'id="T_[0-9a-f]{3,}': "a pandas Styler table (random ids)",
    }
    for cell in code_cells(read(notebook)):
        for text in output_texts(cell):
            for pattern, what in volatile.items():
                if re.search(pattern, text):
                    faults.append(f"the output of cell {cell.number} contains {what}")
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
        limit = MAX_LINES_LONG if "long" in cell.tags else MAX_LINES
        lines = [line for line in cell.source.splitlines() if line.strip()]
        if len(lines) > limit:
            faults.append(f"cell {cell.number} has {len(lines)} lines, at most {limit}")
        width = max(len(line) for line in lines)
        if width > MAX_COLUMNS:
            faults.append(
                f"cell {cell.number} has a line of {width} columns, "
                f"at most {MAX_COLUMNS}"
            )
    return faults


def check_imports(notebook):
    faults = []
    for cell in code_cells(read(notebook))[1:]:
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
            faults.append(f"cell {cell.number} shows a picture without a caption")
        if not str(figure.get("name", "")).startswith("fig-"):
            faults.append(f"cell {cell.number} shows a picture without a name fig-...")
    for item in walk(all_items(cells)):
        if item.name == "figure" and len(item.options.get("alt", "")) < 20:
            faults.append(f"figure {item.title} has no alt text of 20 characters")
    for line in all_items(cells):
        for alt in re.findall(
            r"!\[([^\]]*)\]\(", line if isinstance(line, str) else ""
        ):
            if len(alt) < 20:
                faults.append(f"a picture in the text has the alt text {alt!r}")
    return faults


# --------------------------------------------------------------- the template


def check_front_box(notebook):
    cells = read(notebook)
    first = cells[0] if cells else None
    if first is None or first.kind != "markdown" or not first.source.startswith("# "):
        return ["the first cell must start with the chapter's title (# ...)"]
    boxes = [d for d in walk(all_items(cells)) if "front" in d.classes]
    if len(boxes) != 1 or not any(d is boxes[0] for d in walk(first.items)):
        return [f"{len(boxes)} front boxes; one is needed, in the first cell"]
    faults = []
    if next(walk(first.items)) is not boxes[0]:
        faults.append("the front box must be the first box of the chapter")
    run_time = re.search(r"\*\*Run time\*\*\s*\|([^|]*)\|", boxes[0].text)
    if not run_time or not re.search(r"\d+\s*(s|seconds|min|minutes)\b", run_time[1]):
        faults.append("the front box needs `| **Run time** | about 20 s on 2 cores |`")
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
        faults.append("no box of `:class: check`")
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
        options = [d for d in walk(question.items) if d.name == "dropdown"]
        verdicts = []
        if len(options) < 3:
            faults.append(f"{question.title}: {len(options)} options, at least 3")
        for option in options:
            verdict = re.match(r"\s*\*\*(Right|Wrong)\.\*\*\s*(.*)", option.text, re.S)
            if not verdict:
                faults.append(
                    f"{question.title}, {option.title}: start with **Right.** or "
                    "**Wrong.**"
                )
            elif len(verdict[2].split()) < 5:
                faults.append(f"{question.title}, {option.title}: give a reason")
            verdicts.append(verdict[1] if verdict else "")
        if verdicts.count("Right") != 1:
            count = verdicts.count("Right") or "no"
            faults.append(f"{question.title}: {count} option is right, not one")
        places += [at for at, verdict in enumerate(verdicts) if verdict == "Right"]
        if options and "open" in options[0].options:
            faults.append(f"{question.title}: the options must be collapsed")
    if len(places) > 1 and len(set(places)) == 1:
        faults.append("the right option stands at the same place in every question")
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
    faults = [f"exercise {d.title!r} has no label" for d in exercises if not label(d)]
    labels = [label(d) for d in exercises if label(d)]
    faults += [f"label {x!r} is used twice" for x in set(labels) if labels.count(x) > 1]
    solutions = [d for d in found if d.name in ("solution", "solution-start")]
    targets = [d.title for d in solutions]
    for name in sorted(set(labels)):
        if targets.count(name) != 1:
            faults.append(
                f"exercise {name!r} has {targets.count(name)} solutions, not 1"
            )
    for solution in solutions:
        if solution.title not in labels:
            faults.append(f"a solution belongs to no exercise: {solution.title!r}")
        if "dropdown" not in solution.classes:
            faults.append(
                f"the solution of {solution.title!r} needs `:class: dropdown`"
            )
        code = [c for c in code_cells(cells) if c.solution == solution.title]
        if solution.name == "solution" and not solution.text.strip():
            faults.append(f"the solution of {solution.title!r} is empty")
        if solution.name == "solution-start" and not any(c.count for c in code):
            faults.append(
                f"the solution of {solution.title!r} has no executed code cell"
            )
    if not any(d.name == "solution-start" for d in solutions):
        faults.append("no exercise has an executed solution (solution-start ... -end)")
    for tier in TIERS:
        if not any(re.match(rf"{tier}\b|.*\({tier}\)", d.title) for d in exercises):
            faults.append(
                f"no exercise of the tier {tier!r}: `{{exercise}} {tier}: ...`"
            )
    for cell in cells:
        for line in cell.inside:
            if isinstance(line, str) and re.match(r"^#{1,6}\s", line):
                faults.append(f"cell {cell.number}: a heading inside a solution")
    return faults


def label(directive):
    return directive.options.get("label", "")


PREDICTION = re.compile(
    r"\b[Bb]efore you (?:run|compute|look|read|scroll|open|start)\b|\bPredict\b"
    r"|\bpredict (?:what|which|whether|how|in which|the (?:sign|order|outcome|result))"
)


def check_prediction(notebook):
    text = flatten(markdown_items(read(notebook)))
    if PREDICTION.search(text):
        return []
    return ["nothing asks for a prediction ('Before you run ...' or 'Predict ...')"]


def prose_words(notebook):
    """Words of the prose: no quiz, no solutions, no tables, code or formulas."""
    items = markdown_items(read(notebook))
    items = [i for i in items if isinstance(i, str) or "quiz" not in i.classes]
    text = flatten(items, drop=("solution", "solution-start"))
    text = re.sub(r"^\s*\|.*$", "", text, flags=re.M)
    return len(re.findall(r"[^\W_][\w'’-]*", strip_inline(text)))


def cell_count(notebook):
    """Number of cells outside the gated solutions."""
    return sum(1 for cell in read(notebook) if not cell.solution)


def check_size(notebook):
    faults = []
    words, cells = prose_words(notebook), cell_count(notebook)
    if words > MAX_WORDS:
        faults.append(f"{words} words of prose, at most {MAX_WORDS}")
    if not CELLS[0] <= cells <= CELLS[1]:
        faults.append(f"{cells} cells outside solutions, {CELLS[0]} to {CELLS[1]}")
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
                f"box {name!r} ({directive.title}): use note, tip, warning, or an "
                "admonition of class check, front, quiz or predict"
            )
        if name in BOXES and classes & BOX_CLASSES:
            faults.append(
                f"a {name} has the class {sorted(classes)}: one meaning a box"
            )
    for cell in cells:
        if cell.kind != "markdown":
            continue
        for line in cell.source.splitlines():
            if re.match(r"^\s*`{3,}\{[^}]*\}.*`", line):
                faults.append(f"cell {cell.number}: a backtick in a directive's title")
            if re.match(r"^\s*`{3,}\{code-cell\}", line):
                faults.append(f"cell {cell.number}: a code cell was read as text")
    return faults


# ------------------------------------------------------------ symbols, numbers, names


def package_source():
    return "\n".join(path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py")))


def name_exists(name, source):
    """Is `name` importable below the package, or an identifier of its source?"""
    name = re.split(r"[(\[ ]", name.strip())[0].removeprefix("recsys_tutor.")
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        return False
    room = PACKAGE / parts[0]
    if len(parts) > 1 and (room.with_suffix(".py").exists() or room.is_dir()):
        thing = importlib.import_module(f"recsys_tutor.{parts[0]}")
        for part in parts[1:]:
            if not hasattr(thing, part):
                return False
            thing = getattr(thing, part)
        return True
    return all(re.search(rf"\b{part}\b", source) for part in parts)


def symbol_rows(cells):
    """Rows of the tables `| Symbol | Meaning | Code |`."""
    inside = False
    for item in flatten(markdown_items(cells)).splitlines():
        columns = [part.strip() for part in re.split(r"(?<!\\)\|", item.strip())[1:-1]]
        if columns == SYMBOL_HEADER:
            inside = True
        elif not columns:
            inside = False
        elif inside and not re.fullmatch(r":?-+:?", columns[0]):
            yield columns


def check_symbols(notebook, number, source=None):
    source = package_source() if source is None else source
    rows = list(symbol_rows(read(notebook)))
    faults = []
    if number >= 3 and not rows:
        faults.append("no symbol table `| Symbol | Meaning | Code |`")
    for row in rows:
        if len(row) != 3:
            faults.append(f"symbol table: {len(row)} columns in {row}")
            continue
        for name in re.findall(r"`([^`]+)`", row[2]):
            if not name_exists(name, source):
                faults.append(f"symbol table: {name!r} is not in the package")
    return faults


CITE = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")


def check_citations(notebook, keys):
    faults = []
    for cell in read(notebook):
        if cell.kind != "markdown":
            continue
        for group in CITE.findall(cell.source):
            for key in group.split(","):
                if key.strip() not in keys:
                    faults.append(
                        f"cell {cell.number} cites {key.strip()!r}: not in "
                        "references.bib"
                    )
    return faults


def check_bibliography(entries):
    """`entries`: key -> dict of lower-case field names."""
    faults = []
    for key, fields in entries.items():
        for name in ("author", "title", "year"):
            if not fields.get(name, "").strip():
                faults.append(f"{key} has no {name}")
        if not any(fields.get(name) for name in ("doi", "eprint", "url", "isbn")):
            faults.append(f"{key} has none of doi, eprint, url, isbn")
        if not re.fullmatch(r"\d{4}", fields.get("year", "")):
            faults.append(f"{key} has the year {fields.get('year')!r}")
    return faults


def check_decimals(notebook):
    """A number with three decimals in a sentence is computed (glue) or cited."""
    faults = []
    drop = ("exercise", "solution", "solution-start", "table", "list-table")
    for cell in read(notebook):
        if cell.kind != "markdown":
            continue
        for block in re.split(r"\n\s*\n", flatten(cell.items, drop)):
            lines = [
                line
                for line in block.splitlines()
                if not line.lstrip().startswith(("|", "#"))
            ]
            text = "\n".join(lines)
            if CITE.search(text):
                continue
            for found in re.findall(r"(?<![\w.])\d+\.\d{3,}", strip_inline(text)):
                faults.append(f"cell {cell.number} types {found}: glue or cite it")
    return faults


GLUE = re.compile(r"\{glue(?::\w*)?\}`([^`]+)`|\{glue(?::\w+)?\}\s+([\w.-]+)")


def glued(notebook):
    """Names stored by ``glue``, with repetitions."""
    return [
        output["metadata"]["scrapbook"]["name"]
        for cell in code_cells(read(notebook))
        for output in cell.outputs
        if "scrapbook" in output.get("metadata", {})
    ]


def check_glue(notebook):
    faults, names = [], glued(notebook)
    faults += [
        f"glue name {n!r} is stored twice" for n in set(names) if names.count(n) > 1
    ]
    for cell in read(notebook):
        if cell.kind != "markdown":
            continue
        for role, directive in GLUE.findall(cell.source):
            name = role or directive
            if "::" in name:
                continue  # another page; the build resolves it
            name = name.split(":")[0]
            if name not in names:
                faults.append(f"cell {cell.number} uses glue {name!r}: never stored")
    return faults


def chapter_number(path):
    """``3`` for 03_baselines.ipynb, None for an unnumbered page."""
    found = re.match(r"(\d\d)_", Path(path).name)
    return int(found[1]) if found else None
