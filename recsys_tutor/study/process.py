"""A function in a process of its own, and the memory that a process has used.

Chapter: 18 Leaderboard (the cost of a model).
"""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
import tempfile
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["apart", "peak_mb"]

# A process that is started as a program: it imports neither the script that calls it
# nor its notebook, so neither needs a guard.
_PROGRAM = """\
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from recsys_tutor.study import process
process._answer(*sys.argv[2:])
"""


def apart(function: str, job: tuple, what: str) -> Any:
    """``function(*job)`` in a process of its own; None if that cannot have the job.

    It cannot where an argument's class stands in the script, the notebook or another
    function, which a new process cannot import. An error there is raised here.

    Parameters
    ----------
    function : str
        Its module and name, with dots. Its answer is not None.
    job : tuple of arguments
    what : str
        What the process does, for the error that says it ended without an answer.
    """
    try:
        packed = pickle.dumps(job)
    except (pickle.PicklingError, AttributeError, TypeError):  # a local class, say
        return None
    if b"__main__" in packed:  # a class of the script or notebook
        return None
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "job", Path(folder) / "answer"
        asked.write_bytes(packed)
        where = json.dumps([str(place) for place in sys.path])
        command = [sys.executable, "-c", _PROGRAM, where, function]
        command += [str(asked), str(answered)]
        code = subprocess.run(command, stdin=subprocess.DEVNULL).returncode
        if not answered.exists():
            raise RuntimeError(
                f"the process that {what} ended with status {code} and no answer; for "
                "want of memory, perhaps"
            )
        answer, error = pickle.loads(answered.read_bytes())
    if error is not None:
        raise error
    return answer


def _answer(function: str, asked: str, answered: str) -> None:
    """The other process: read the job, do it, store the answer or the error."""
    answer = error = None
    module, _, name = function.rpartition(".")
    work = getattr(import_module(module), name)
    try:
        job = pickle.loads(Path(asked).read_bytes())
    except (AttributeError, ImportError):  # a class that is only in the other process
        pass
    else:
        try:
            answer = work(*job)
        except Exception as raised:
            raised.add_note(traceback.format_exc())
            error = raised
    try:
        packed = pickle.dumps((answer, error))
        pickle.loads(packed)
    except Exception as unfit:  # an answer, or an error of a class, that cannot travel
        told = getattr(error, "__notes__", [f"its answer cannot be pickled: {unfit}"])
        packed = pickle.dumps((None, RuntimeError("\n".join(told))))
    Path(answered).write_bytes(packed)


def peak_mb(*, reset: bool = False) -> float | None:
    """High-water mark of this process's memory; ``reset`` lowers it to the present.

    None where the system does not say: it is not Linux, or a sandbox.
    """
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return None if found is None else int(found[1]) / 2**10
    except OSError:  # no Linux
        return None
