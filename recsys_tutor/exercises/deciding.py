"""Right, or which hint fits: the decisions of :func:`recsys_tutor.exercises.check`.

book/_static/exercises.js takes the same decisions on numbers and words; tests compare
both on many answers.

Chapter: all.
"""

from __future__ import annotations

from typing import Any

from recsys_tutor.exercises.reading import plain

__all__ = ["decide", "same"]

SLACK = 1 + 1e-9  # the edge of a tolerance is inside, whatever the last bit says


def same(entry: dict, values: list, answer: list) -> list[bool]:
    """For each value, whether it is that of `answer`; None there stands for any."""
    if entry["kind"] == "words":
        given = [plain(word) for word in values]
        pairs: list[tuple[str | None, Any]] = list(zip(given, answer))
        if not entry["ordered"]:
            pairs = [(x if x in given else None, x) for x in map(_plain, answer)]
        return [a is None or x == plain(a) for x, a in pairs]
    limits = zip(values, answer, entry["tolerance"])
    return [a is None or abs(x - a) <= t * SLACK for x, a, t in limits]


def _plain(word: str | None) -> str | None:
    return None if word is None else plain(word)


def in_another_order(entry: dict, values: list) -> bool:
    """Whether the right values came in another order."""
    if len(values) == 1 or not entry.get("ordered", True):
        return False
    if entry["kind"] == "words":
        return sorted(map(plain, values)) == sorted(map(plain, entry["answer"]))
    order = sorted(range(len(values)), key=lambda i: entry["answer"][i])
    answer = [entry["answer"][i] for i in order]
    tolerance = [entry["tolerance"][i] for i in order]
    return all(same({**entry, "tolerance": tolerance}, sorted(values), answer))


def general(entry: dict, values: list, good: list[bool]) -> str:
    """A hint for a mistake that any exercise may see; "" if there is none."""
    parts = ", ".join(entry["parts"])
    if in_another_order(entry, values):
        return f"these are the values, in another order: {parts} was asked for."
    if entry["kind"] == "words" or not entry["near"]:
        return ""
    limits = zip(values, entry["answer"], entry["tolerance"], good)
    wrong = [(x, a, t) for x, a, t, fine in limits if not fine]
    if all(abs(x + a) <= t * SLACK for x, a, t in wrong):
        return "the size is right, the sign is not."
    if all(abs(x / 100 - a) <= t * SLACK and a for x, a, t in wrong):
        return "that looks like per cent; a share was asked for."
    if all(abs(x - a) <= entry["near"] * t for x, a, t in wrong):
        return "close. Carry more decimals on the way, and round at the end."
    return ""


def so_far(entry: dict, good: list[bool]) -> str:
    """Which of several values are right."""
    if entry["kind"] == "words" and not entry["ordered"]:
        return f" Right so far: {sum(good)} of {len(good)}." if len(good) > 1 else ""
    parts = [part for part, fine in zip(entry["parts"], good) if fine]
    return f" Right so far: {', '.join(parts)}." if parts else ""


def decide_function(entry: dict, values: list) -> str:
    """A hint for a function with these outputs; "" if they are right."""
    answers = [{"answer": entry["answer"], "hint": ""}, *entry["mistakes"]]
    for known in answers:
        target = known["answer"]
        wide = {**entry, "tolerance": entry["tolerance"] * len(target)}
        if len(target) == len(values) and all(same(wide, values, target)):
            return known["hint"]
    if len(values) != len(entry["answer"]):
        counts = f"{len(values)} numbers in all, {len(entry['answer'])} were expected"
        return f"for the hidden inputs your function returned {counts}."
    return entry["hint"]


def decide(entry: dict, values: list, wrong_before: int = 0) -> tuple[str, str]:
    """The kind of the reply, ``"right"`` or ``"wrong"``, and its text."""
    more = f" {entry['more']}" if wrong_before and entry["more"] else ""
    if entry["kind"] == "function":
        hint = decide_function(entry, values)
        if hint:
            return "wrong", f"Not yet: {hint}{more}"
        return "right", f"Right. {entry['right']}"
    good = same(entry, values, entry["answer"])
    if all(good):
        return "right", f"Right. {entry['right']}"
    for mistake in entry["mistakes"]:
        if all(same(entry, values, mistake["answer"])):
            return "wrong", f"Not yet: {mistake['hint']}{so_far(entry, good)}{more}"
    hint = general(entry, values, good)
    if hint:
        return "wrong", f"Not yet: {hint}{more}"
    return "wrong", f"Not yet: {entry['hint']}{so_far(entry, good)}{more}"
