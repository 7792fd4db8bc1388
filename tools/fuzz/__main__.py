"""Thousands of random inputs, judged by literal oracles.

python tools/fuzz                                   # all targets, 12,000 inputs
python tools/fuzz --only loader --inputs 5000 --seed 7
python tools/fuzz --only metrics --first 17 --inputs 1   # one input again

Every target runs in a process of its own: an input that kills or blocks it is counted
as a crash and the next one follows. Exits 1 if an input ends in one of the last three
columns. Takes a few minutes.
"""

import argparse
import collections
import faulthandler
import importlib
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "package"), str(ROOT)]

#: Share of the inputs that each target gets.
TARGETS = {
    "loader": 40,
    "containers": 24,
    "splitting": 14,
    "metrics": 20,
    "evaluation": 14,
    "recommend": 20,
    "ids": 12,
    "results": 1,
}
COLUMNS = (
    "right",
    "clear error",
    "unclear error",
    "wrong value",
    "crash",
)
NO_CASE = 3  # exit code of a child whose generator, not the package, is at fault
STOP = 40  # seconds after which a call that ignores the alarm is killed


def child(target, seed, first, inputs):
    """Judge inputs one by one, a JSON line each, to what was standard output."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # progress bars and prints of the package go elsewhere
    from fuzz.core import generator, judge

    module = importlib.import_module(f"fuzz.{target}")
    for number in range(first, first + inputs):
        print(json.dumps({"started": number}), file=answers)
        faulthandler.dump_traceback_later(STOP, exit=True)
        try:
            case = module.make(generator(seed, target, number))
        except Exception:
            traceback.print_exc()
            os._exit(NO_CASE)
        judged = judge(case)
        faulthandler.cancel_dump_traceback_later()
        row = {**vars(judged), "number": number}
        print(json.dumps(row, default=str), file=answers)


def parent(target, seed, first, inputs):
    """Rows of all inputs of one target; a dead child is a row, too."""
    last = first + inputs
    while first < last:
        numbers = ["--seed", str(seed), "--first", str(first)]
        numbers += ["--inputs", str(last - first)]
        command = [sys.executable, __file__, "--child", target, *numbers]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            errors = []
            reader = threading.Thread(
                target=lambda p=process, e=errors: e.append(p.stderr.read())
            )
            reader.start()
            started = None
            for line in process.stdout:
                row = json.loads(line)
                if "started" in row:
                    started = row["started"]
                    continue
                started = None
                first = row["number"] + 1
                yield row
            reader.join()
        if process.returncode == NO_CASE or process.returncode and started is None:
            raise SystemExit(f"the fuzz of {target} is broken:\n{errors[0]}")
        if started is not None:
            yield {
                "verdict": "crash",
                "kind": "the process died",
                "text": f"input {started}",
                "detail": f"exit code {process.returncode}: {errors[0][-600:]}",
                "number": started,
            }
            first = started + 1


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=12_000, help="all together")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--all", action="store_true", help="show every failing input")
    parser.add_argument("--child", choices=TARGETS, help=argparse.SUPPRESS)
    o = parser.parse_args(arguments)
    if o.child:
        return child(o.child, o.seed, o.first, o.inputs)
    whole = sum(TARGETS[name] for name in o.only)
    table, missing, failures = {}, collections.Counter(), collections.defaultdict(list)
    for target in o.only:
        begun, inputs = (
            time.monotonic(),
            max(1, round(o.inputs * TARGETS[target] / whole)),
        )
        counts = collections.Counter()
        for row in parent(target, o.seed, o.first, inputs):
            if row["verdict"] == "absent":
                missing[f"{target}: {row['kind']}"] += 1
                continue
            counts[row["verdict"]] += 1
            if row["verdict"] in COLUMNS[2:]:
                failures[target, row["verdict"], row["kind"]].append(row)
        counts["seconds"] = round(time.monotonic() - begun)
        table[target] = counts
    report(table, failures, missing, o)
    return int(bool(failures))


def report(table, failures, missing, options):
    for (target, verdict, kind), rows in sorted(failures.items()):
        rows.sort(key=lambda row: len(row["text"]))
        print(f"\n{target} · {verdict} · {kind}: {len(rows)} inputs")
        for row in rows if options.all else rows[:1]:
            print(f"    {row['text']}\n    → {row['detail'][:400]}")
            again = f"--only {target} --seed {options.seed} --first {row['number']}"
            print(f"    again: python tools/fuzz {again} --inputs 1")
    for name, count in missing.items():
        print(f"not there yet: {name} ({count} inputs not made)")
    names = ("inputs", *COLUMNS, "seconds")
    print("\n" + "target".ljust(12) + "".join(name.rjust(15) for name in names))
    total = collections.Counter()
    for target, counts in table.items():
        counts["inputs"] = sum(counts[name] for name in COLUMNS)
        total += counts
        print(target.ljust(12) + "".join(str(counts[n]).rjust(15) for n in names))
    print("sum".ljust(12) + "".join(str(total[n]).rjust(15) for n in names))
    print("crash: a dead process, a hang, a half-written file")


if __name__ == "__main__":
    sys.exit(main())
