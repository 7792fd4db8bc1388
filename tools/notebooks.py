"""Execute the chapters in place and normalise them.

    python tools/notebooks.py                     every notebook in book/
    python tools/notebooks.py 04 07               those whose names start so
    python tools/notebooks.py --from-md ch.md     book/ch.ipynb from a MyST text file
    python tools/notebooks.py --fresh 04          also renew the kept outputs (timings)
    python tools/notebooks.py --pictures          shrink stored pictures, run nothing
    python tools/notebooks.py --check             name those not made by this file

A notebook is written only when all its cells ran; after a failure the old file is
unchanged. A second run gives an empty diff: counts are consecutive, ids follow the
position, streams are merged, volatile metadata is dropped and pictures have a palette
of 128 colours (a third of the bytes, every pixel in its place). A cell tagged
``nbval-ignore-output`` (a timing) keeps its stored output while its source is the same.
The seconds each notebook took go to run_times.json and to the page made from it.
"""

import argparse
import base64
import copy
import io
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from PIL import Image

BOOK = Path(__file__).resolve().parent.parent / "book"
COLORS = 128
CELL_METADATA = ("mystnb", "tags")
# What a tag folds on the page is folded in JupyterLab too.
FOLDED = {
    "hide-input": {"source_hidden": True},
    "hide-cell": {"outputs_hidden": True, "source_hidden": True},
}
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE_INFO = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
TIMING = "nbval-ignore-output"
ANSI = re.compile(r"\x1b\[[0-9;]*m")
TIMES = "run_times.json"
TIMES_PAGE = """# Run times

Seconds from the start of a notebook's kernel to the end of its last cell, as
`make notebooks` measured them on two cores with nothing else running. Your machine will
differ; the order of the chapters should not. This page is written by that command from
`book/run_times.json`. A number stays until a new one differs by more than 30 % and by
more than 3 s.

| Chapter | Page | Seconds |
| ---: | :--- | ---: |
{rows}
| | **All** | **{total}** |
"""


def read_myst(path):
    """A notebook from a MyST text file (jupytext format ``myst``)."""
    import jupytext

    text = Path(path).read_text(encoding="utf-8")
    if not text.startswith("---"):
        header = "---\nkernelspec:\n  name: python3\n  display_name: Python 3\n---\n\n"
        text = header + text
    notebook = jupytext.reads(text, fmt="md:myst")
    lines = [row for row in text.splitlines() if re.match(r"`{3,}\{code-cell\}", row)]
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if len(cells) != len(lines):
        raise SystemExit(
            f"{path}: {len(lines)} code-cell lines but {len(cells)} code cells were "
            "read. Is a fence left open, or does the first line of a directive contain "
            "a backtick (then it opens no fence: use ::: for that directive)?"
        )
    return notebook


def execute(notebook, folder, name, timeout):
    """Run all cells in a fresh kernel started in `folder`; the number of seconds.

    A failing cell raises `SystemExit` that says chapter, cell, source and traceback.
    """
    at = {"index": 0}
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        on_cell_start=lambda cell, cell_index: at.update(index=cell_index),
    )
    start = time.perf_counter()
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        cell = notebook.cells[at["index"]]
        what = type(error).__name__
        reason = str(error)
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                what = f"{output.ename}: {output.evalue}"
                reason = ANSI.sub("", "\n".join(output.traceback))
        raise SystemExit(
            f"{name}: cell {at['index'] + 1} of {len(notebook.cells)} failed: {what}\n"
            f"--- source\n{cell.source}\n--- traceback\n{reason}\n"
            f"{name} was not written."
        ) from None
    return time.perf_counter() - start


def merge_streams(outputs):
    """The outputs with neighbouring pieces of the same stream joined."""
    merged = []
    for output in outputs:
        last = merged[-1] if merged else None
        if (
            last is not None
            and output.output_type == last.output_type == "stream"
            and output.name == last.name
        ):
            last.text += output.text
        else:
            merged.append(output)
    return merged


def with_palette(png):
    """The PNG (bytes) with a palette of 128 colours, or as it is where that is no gain.

    Size and place of every pixel stay. A picture that has a palette, or that one sees
    through, is returned as it is: a second call changes nothing.
    """
    picture = Image.open(io.BytesIO(png))
    if picture.mode == "P" or picture.convert("RGBA").getextrema()[3] != (255, 255):
        return png
    small = io.BytesIO()
    # Not Pillow's default, which spends its colours on large areas: a small star or the
    # brightest cell of a heat map would take a neighbour's colour.
    cover, plain = Image.Quantize.MAXCOVERAGE, Image.Dither.NONE
    reduced = picture.convert("RGB").quantize(COLORS, cover, kmeans=1, dither=plain)
    reduced.save(small, "PNG", optimize=True)
    return min(png, small.getvalue(), key=len)


def shrink_pictures(notebook):
    """Give every PNG output its palette (in place); bytes before and after."""
    before = after = 0
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                png = base64.b64decode(data["image/png"])
                small = with_palette(png)
                before, after = before + len(png), after + len(small)
                if small != png:
                    data["image/png"] = base64.b64encode(small).decode("ascii")
    return before, after


def normalise(notebook, previous=None):
    """Make `notebook` independent of when and where it ran (in place).

    `previous` is the stored notebook whose outputs the timing cells keep.
    """
    kept = {}
    for cell in previous.cells if previous is not None else []:
        if cell.cell_type == "code" and TIMING in cell.metadata.get("tags", []):
            failed = any(out.output_type == "error" for out in cell.outputs)
            if cell.outputs and not failed:
                kept.setdefault(cell.source, []).append(cell.outputs)
    count = 0
    for position, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{position:03d}"
        cell.metadata = nbformat.from_dict(
            {key: cell.metadata[key] for key in CELL_METADATA if key in cell.metadata}
        )
        cell.pop("attachments", None)
        if cell.cell_type != "code":
            continue
        for tag in FOLDED.keys() & set(cell.metadata.get("tags", [])):
            cell.metadata.setdefault("jupyter", {}).update(FOLDED[tag])
        if kept.get(cell.source) and TIMING in cell.metadata.get("tags", []):
            cell.outputs = copy.deepcopy(kept[cell.source].pop(0))
        cell.outputs = merge_streams(cell.outputs)
        count += cell.execution_count is not None
        cell.execution_count = count if cell.execution_count is not None else None
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = cell.execution_count
    shrink_pictures(notebook)
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNELSPEC, "language_info": LANGUAGE_INFO}
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    nbformat.validate(notebook)
    return notebook


def write(text, path):
    """Write under a temporary name, then rename: never a half-written chapter."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def store(notebook, path):
    """Write a notebook as text that ends with one line break."""
    write(nbformat.writes(notebook).rstrip("\n") + "\n", path)


def times_page(times):
    """The text of the page that shows the seconds of each notebook."""
    rows = []
    for name, seconds in sorted(times.items()):
        number = re.match(r"0?(\d+)[b-z]?_", name)
        rows.append(f"| {number[1] if number else ''} | {{doc}}`{name}` | {seconds} |")
    return TIMES_PAGE.format(rows="\n".join(rows), total=sum(times.values()))


def record(folder, name, seconds):
    """Keep a notebook's seconds in run_times.json, if the folder has one, and its page.

    A stored time stays unless the new one differs by more than 30 % and more than 3 s,
    so that a second run gives an empty diff. Notebooks that are gone are dropped.
    """
    path = folder / TIMES
    if not path.exists():
        return
    times = json.loads(path.read_text(encoding="utf-8"))
    if name not in times or abs(seconds - times[name]) > max(3, 0.3 * times[name]):
        times[name] = max(1, round(seconds))
    times = {n: times[n] for n in sorted(times) if (folder / f"{n}.ipynb").exists()}
    write(json.dumps(times, indent=1) + "\n", path)
    write(times_page(times), path.with_suffix(".md"))


def run(path, folder, source=None, timeout=900, fresh=False):
    """Execute one notebook (or the MyST text `source`), normalise and store it."""
    previous = nbformat.read(path, as_version=4) if path.exists() else None
    notebook = read_myst(source) if source else copy.deepcopy(previous)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    print(f"{path.name} ...", flush=True)
    seconds = execute(notebook, folder, path.name, timeout)
    notebook = normalise(notebook, None if fresh else previous)
    store(notebook, path)
    record(folder, path.stem, seconds)
    print(f"{path.name} done in {seconds:.0f} s", flush=True)


def pictures(paths):
    """Make the stored pictures of these notebooks small, without running a cell."""
    total = [0, 0]
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        before, after = shrink_pictures(notebook)
        if after < before:
            store(notebook, path)
            print(f"{path.name}: pictures of {before:,} bytes are {after:,} now")
        total = [total[0] + before, total[1] + after]
    print(f"all pictures: {total[0]:,} bytes before, {total[1]:,} after")


def faults(path):
    """Why a stored notebook is not one that this file writes: a list of sentences."""
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    found = []
    for position, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "code" and cell.source and cell.execution_count is None:
            found.append(f"cell {position} was not executed")
        if any(out.output_type == "error" for out in cell.get("outputs", [])):
            found.append(f"cell {position} ended with an error")
    if nbformat.writes(normalise(notebook)).rstrip("\n") + "\n" != text:
        found.append("it is not normalised")
    return found


def check(paths):
    """Exit with the faults of these notebooks, if there are any."""
    lines = [f"{path.name}: {fault}" for path in paths for fault in faults(path)]
    if lines:
        lines.append("`python tools/notebooks.py 04` executes and normalises chapter 4")
        raise SystemExit("\n".join(lines))


def select(folder, prefixes):
    """The notebooks of `folder`, or those whose names start with a prefix."""
    paths = sorted(folder.glob("*.ipynb"))
    for prefix in prefixes:
        if not any(path.name.startswith(prefix) for path in paths):
            names = ", ".join(path.name for path in paths) or "none"
            raise SystemExit(f"no chapter starts with {prefix!r}; there are: {names}")
    if prefixes:
        paths = [path for path in paths if path.name.startswith(tuple(prefixes))]
    return paths


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prefix", nargs="*", help="start of a chapter's file name: 04")
    parser.add_argument("--from-md", nargs="+", default=[], metavar="FILE.md")
    parser.add_argument(
        "--folder", type=Path, default=BOOK, help="where they are stored"
    )
    parser.add_argument("--fresh", action="store_true", help="renew kept timings too")
    parser.add_argument(
        "--pictures", action="store_true", help="only shrink stored pictures"
    )
    parser.add_argument(
        "--check", action="store_true", help="only look for notebooks not made by this"
    )
    parser.add_argument("--timeout", type=int, default=900, help="seconds for one cell")
    options = parser.parse_args(arguments)
    os.environ["RECSYS_TUTOR_PROGRESS"] = "0"  # nobody watches; no bar is stored
    folder = options.folder.resolve()
    if options.pictures or options.check:
        names = [Path(prefix).name for prefix in options.prefix]
        (pictures if options.pictures else check)(select(folder, names))
        return 0
    jobs = [(folder / f"{Path(md).stem}.ipynb", md) for md in options.from_md]
    if options.prefix or not jobs:
        jobs += [(path, None) for path in select(folder, options.prefix)]
    for path, source in jobs:
        run(path, folder, source, options.timeout, options.fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
