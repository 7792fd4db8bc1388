"""Peers side by side: ``python -m benchmarks.run`` (``make bench``).

Each case runs in a process of its own: ours and the peer's alternate, so that a change
of the machine's speed hits both. The table shows the medians, their ratio and the
memory each needed; the package keeps
every run (:data:`recsys_tutor.study.files.PEERS`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context

import numpy as np
import pandas as pd

from benchmarks.cases import CASES, LARGE
from recsys_tutor.files import write_whole
from recsys_tutor.study.files import PEERS
from recsys_tutor.study.process import peak_mb

PACKAGES = ("numpy", "scipy", "numba", "scikit-surprise", "implicit", "cornac")
PACKAGES += ("myfm", "scikit-learn", "torch")


def measure(number: int, repeats: int) -> dict:
    """Run a case ``repeats`` times, after one run of each side that is not counted."""
    case = (CASES + LARGE)[number]
    ours, peer = case.prepare()
    row = {"case": case.name, "peer": case.peer, "score": case.score}
    for side, run in (("ours", ours), ("peer", peer)):
        before = peak_mb(reset=True)
        score = run()
        after = peak_mb()
        score = score() if callable(score) else score
        row[f"{side} score"] = round(float(score), 4)
        row[f"{side} MB"] = None if before is None else round(after - before, 1)
    seconds = {"ours": [], "peer": []}
    for _ in range(repeats):
        for side, run in (("ours", ours), ("peer", peer)):
            started = time.perf_counter()
            run()
            seconds[side].append(round(time.perf_counter() - started, 4))
    row["seconds"] = seconds
    return row


def table(rows) -> pd.DataFrame:
    """One line per case: median seconds, ratio (peer / ours), scores, memory."""
    lines = {}
    for row in rows:
        ours, peer = (np.array(row["seconds"][side]) for side in ("ours", "peer"))
        lines[f"{row['case']} | {row['peer']}"] = {
            "ours s": np.median(ours),
            "peer s": np.median(peer),
            "ratio": np.median(peer / ours),
            "ours": f"{row['score']} {row['ours score']}",
            "peer": f"{row['score']} {row['peer score']}",
            "ours MB": row["ours MB"],
            "peer MB": row["peer MB"],
        }
    return pd.DataFrame.from_dict(lines, orient="index")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--large", action="store_true", help="10 M made ratings too")
    options = parser.parse_args()
    rows = []
    for number, case in enumerate(CASES + LARGE if options.large else CASES):
        if options.only.lower() not in case.name.lower():
            continue
        print(f"{case.name} ...", flush=True)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            repeats = 2 if case in LARGE else options.repeats
            rows.append(pool.submit(measure, number, repeats).result())
    with pd.option_context("display.width", 200, "display.max_columns", None):
        print(table(rows).round(3))
    if not options.only:
        versions = {name: version(name) for name in PACKAGES}
        machine = {"cores": os.cpu_count(), "python": platform.python_version()}
        result = {"machine": machine | versions, "rows": rows}
        text = json.dumps(result, indent=1) + "\n"
        write_whole(PEERS, text)


if __name__ == "__main__":
    main()
