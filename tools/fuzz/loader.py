"""``load_ratings_csv`` against the table that was written.

Stated rules: cells are stripped of outer blanks; ids are int64 when a whole column
holds plain whole numbers, else text; the same text is the same id and no other text is;
times are whole seconds; a refusal begins with the file's name, and with line and column
where a cell is at fault.
"""

import atexit
import re
import shutil
import tempfile
import warnings
from pathlib import Path

from fuzz import files, loader_bytes, loader_layout, loader_times, loader_values
from fuzz.core import Case, close
from recsys_tutor import datasets

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
#: Their import fills ``files.KINDS``.
KIND_MODULES = loader_bytes, loader_layout, loader_times, loader_values
PLAIN = re.compile(r"0|[1-9][0-9]{0,17}")


def make(rng) -> Case:
    draft = files.draft(rng)
    if rng.random() < 0.8:
        kinds = files.KINDS
        kind = rng.choice(sorted(kinds))
        draft.kind = kind
        other = kinds[kind](rng, draft)
        if other is not None:  # a case of its own
            return other
    return case(draft)


def case(draft) -> Case:
    data = draft.bytes()
    path = FOLDER / draft.name
    every = tuple(draft.every)
    if draft.at is not None:
        row, role = draft.at
        line, column = draft.line_of(row), re.escape(repr(draft.named(role)))
        every += (rf"lines? {line}\b", rf"column {column}")
    if not draft.words:
        every = ("^" + re.escape(str(path)), *every)
    shown = data if len(data) < 1500 else data[:1500] + b"..."
    return Case(
        kind=draft.kind,
        text=f"{draft.name}: {shown!r}, {draft.kwargs}",
        call=lambda: load(path, data, draft),
        check=lambda answer: compare(answer, draft),
        refuse=draft.refuse,
        words=draft.words,
        every=every,
    )


def load(path, data, draft):
    path.write_bytes(data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer = datasets.load_ratings_csv(path, **draft.kwargs)
        finally:
            path.unlink()
    return answer, [str(w.message) for w in caught]


def compare(answer, draft) -> str | None:
    (data, items, users), said = answer
    if draft.warns and not any("latin-1" in text.lower() for text in said):
        return "read as Latin-1 without a word"
    literal = [(row["user"].strip(), row["item"].strip()) for row in draft.rows]
    faults = []
    for reading in draft.readings or [literal]:
        fault = against(data, reading, draft)
        if fault is None:
            break
        faults.append(fault)
    else:
        return faults[0]
    for name, frame in (("item", items), ("user", users)):
        if frame[name].tolist() != getattr(data, f"{name}_ids").tolist():
            return f"{name}s lists other ids than the interactions"
    return None


def against(data, reading, draft) -> str | None:
    """One reading of the file: a list of (user text, item text)."""
    for place, name in enumerate(("user", "item")):
        ids = getattr(data, f"{name}_ids").tolist()
        texts = {pair[place] for pair in reading}
        if {str(x) for x in ids} != texts:
            odd = sorted({str(x) for x in ids} ^ texts)[:4]
            return f"{name} ids differ from the file's: {odd}"
        if len(ids) != len(texts):
            return f"{len(ids)} {name} ids for {len(texts)} texts"
        if ids != sorted(ids):
            return f"{name} ids are not sorted: {ids}"
        whole = all(PLAIN.fullmatch(text) for text in texts)
        if whole != all(isinstance(x, int) for x in ids):
            return f"{name} ids are {type(ids[0]).__name__}: {ids[:3]}"
    user = [str(x) for x in data.user_ids[data.user].tolist()]
    item = [str(x) for x in data.item_ids[data.item].tolist()]
    value = data.value.tolist()
    time = None if data.time is None else data.time.tolist()
    if (time is None) != (draft.time is None):
        return f"times: {time}"
    how = draft.kwargs.get("duplicates", "raise")
    if how == "raise":
        if list(zip(user, item)) != reading:
            return f"rows {list(zip(user, item))[:6]}, the file has {reading[:6]}"
        for n, allowed in enumerate(draft.value):
            if not any(close(value[n], a) for a in allowed):
                text = draft.rows[n].get("rating")
                return f"row {n}: value {text!r} became {value[n]}"
        for n, allowed in enumerate(draft.time or []):
            if time[n] not in allowed:
                text = draft.rows[n]["timestamp"]
                return f"row {n}: time {text!r} became {time[n]}"
        return None
    times = [next(iter(t)) for t in draft.time] if draft.time else [None] * len(reading)
    values = [next(iter(v)) for v in draft.value]
    rows = [(u, i, v, t) for (u, i), v, t in zip(reading, values, times)]
    want = files.merged(rows, how)
    got = {
        (u, i): (v, t)
        for u, i, v, t in zip(user, item, value, time or [None] * len(user))
    }
    if got.keys() != want.keys() or len(got) != len(user):
        return f"pairs {sorted(got)}, should be {sorted(want)}"
    for pair, (v, t) in want.items():
        if not close(got[pair][0], v) or got[pair][1] != t:
            return f"{pair} became {got[pair]}, should be {(v, t)}"
    return None
