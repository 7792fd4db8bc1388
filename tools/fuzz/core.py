"""What a fuzzed input is and how the answer to it is judged.

An input is a :class:`Case`: a call, and what the specification allows for it. The
verdicts:

right          equal to the oracle's answer
clear error    the package's own words, and they name the argument, column or file
unclear error  numpy's, pandas' or Python's words, or they do not say what is at fault
wrong value    another answer than the oracle's; accepted though no answer is right;
               refused though nothing is wrong with it
crash          a dead process, a hang of more than ten seconds, a half-written file
absent         asked of a function that does not exist (not counted as an input)
"""

import contextlib
import linecache
import random
import re
import signal
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import recsys_tutor

SECONDS = 10
PACKAGE = str(Path(recsys_tutor.__file__).parent)
ERRORS = (
    "ValueError TypeError KeyError IndexError MemoryError FitDiverged NotFittedError "
    "NotImplementedError FileNotFoundError FileExistsError UnicodeError"
).split()
#: Beginnings of messages that numpy, pandas, scipy and Python write.
BARE = re.compile(
    r"arrays used as ind|only int|.{0,20}object (is not|has no attribute|cannot be)|"
    r"operands could not|could not (broadcast|convert|infer)|Out of bounds|cannot "
    r"(convert|cast|reindex|unpack|do|index|assemble)|Cannot (convert|cast|compare)|"
    r"unsupported operand|ufunc|bad operand|setting an array|invalid literal|"
    r"(int|float) too large|Python int too large|Seed must be|index \d+ is out of "
    r"bounds|shape mismatch|all the input array|matmul|dimension mismatch|inhomogen|"
    r"The truth value|'<=?' not|'>=?' not|unhashable|boolean index|Expected|Unable to|"
    r"zero-size|negative dimensions|max\(\)|argument must be|.*takes \d+ positional"
)


class Verdict(StrEnum):
    RIGHT = "right"
    CLEAR = "clear error"
    UNCLEAR = "unclear error"
    WRONG = "wrong value"
    CRASH = "crash"
    ABSENT = "absent"


BAD = (Verdict.UNCLEAR, Verdict.WRONG, Verdict.CRASH)


class HalfWritten(Exception):
    """A check found a file that is neither the old nor the new one."""


class Hang(BaseException):
    """Not an ``Exception``, so that nobody's ``except Exception`` swallows it."""


def nothing(answer) -> str | None:
    return None


@dataclass
class Case:
    """One input.

    Parameters
    ----------
    kind : what is unusual about it, in a few words; failures are grouped by it.
    text : the input itself, complete enough to repeat it by hand.
    call : asks the package; None if the function does not exist.
    check : returns what is wrong with an accepted answer, or None.
    refuse : "never" (an error is a fault), "may", "must" (an answer is a fault).
    words : a clear message holds one of them; empty: any message of the package.
    every : patterns that a clear message holds all of.
    """

    kind: str
    text: str
    call: Callable[[], Any] | None
    check: Callable[[Any], str | None] = nothing
    refuse: str = "may"
    words: tuple = ()
    every: tuple = ()


@dataclass
class Judged:
    verdict: Verdict
    kind: str
    text: str
    detail: str = ""
    where: dict = field(default_factory=dict)


def absent(name: str) -> Case:
    return Case(name, name, None)


def generator(seed, target: str, number: int) -> random.Random:
    """The random numbers of one input; the same on every machine."""
    return random.Random(f"{seed}/{target}/{number}")


@contextlib.contextmanager
def time_limit(seconds):
    """Raise :class:`Hang` in the main thread after ``seconds``."""

    def stop(*_):
        raise Hang(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def judge(case: Case, *, seconds=SECONDS) -> Judged:
    """Make the call and compare."""

    def verdict(which, detail=""):
        return Judged(which, case.kind, case.text, detail)

    if case.call is None:
        return verdict(Verdict.ABSENT)
    try:
        with time_limit(seconds), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            answer = case.call()
    except Hang as error:
        return verdict(Verdict.CRASH, f"hangs: {error}")
    except HalfWritten as error:
        return verdict(Verdict.CRASH, f"half-written file: {error}")
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        if case.refuse == "never":
            return verdict(Verdict.WRONG, f"refused though fine: {said}")
        fault = unclear(error, case)
        if fault is None:
            return verdict(Verdict.CLEAR, said)
        return verdict(Verdict.UNCLEAR, f"{fault}: {said}")
    if case.refuse == "must":
        return verdict(Verdict.WRONG, f"accepted: {short(answer)}")
    try:
        fault = case.check(answer)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        fault = f"the answer cannot be used ({type(error).__name__}: {error}, {where})"
    if fault is not None:
        return verdict(Verdict.WRONG, fault)
    bare = [str(w.message) for w in caught if issubclass(w.category, RuntimeWarning)]
    if bare:
        return verdict(Verdict.UNCLEAR, f"right, but warns: {bare[0]}")
    return verdict(Verdict.RIGHT)


def unclear(error: BaseException, case: Case) -> str | None:
    """Why this error does not help the reader; None if it does."""
    names = [kind.__name__ for kind in type(error).__mro__]
    if not any(name in ERRORS for name in names):
        return "not an error that the contract names"
    message = str(error.args[0]) if isinstance(error, KeyError) else str(error)
    if not raised_on_purpose(error):
        return "not raised by the package"
    if BARE.match(message):
        return "somebody else's words"
    if case.words and not any(str(word) in message for word in case.words):
        return f"names none of {', '.join(map(str, case.words))}"
    for pattern in case.every:
        if not re.search(pattern, message):
            return f"does not say {pattern}"
    return None


def raised_on_purpose(error: BaseException) -> bool:
    """Does the traceback end at a ``raise`` of the package (or of a missing file)?"""
    if isinstance(error, FileNotFoundError):
        return True
    last = traceback.extract_tb(error.__traceback__)[-1]
    line = linecache.getline(last.filename, last.lineno).strip()
    return last.filename.startswith(PACKAGE) and line.startswith("raise")


def short(answer, width=200) -> str:
    text = " ".join(repr(answer).split())
    return text if len(text) <= width else text[: width - 1] + "…"


# -- literal comparisons ---------------------------------------------------------------


def close(a, b, rtol=1e-9, atol=1e-12) -> bool:
    """Two numbers, NaN equal to NaN; no numpy."""
    a, b = float(a), float(b)
    if a != a or b != b:
        return a != a and b != b
    return a == b or abs(a - b) <= atol + rtol * max(abs(a), abs(b))


def differ(name, got, want, rtol=1e-9) -> str | None:
    """The first place where two (nested) sequences of numbers differ."""
    if isinstance(want, list | tuple):
        got = list(got)
        if len(got) != len(want):
            return f"{name}: {len(got)} entries for {len(want)}"
        for n, (g, w) in enumerate(zip(got, want, strict=True)):
            fault = differ(f"{name}[{n}]", g, w, rtol)
            if fault:
                return fault
        return None
    return None if close(got, want, rtol) else f"{name} is {got}, should be {want}"
