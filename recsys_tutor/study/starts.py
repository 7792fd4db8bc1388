"""Networks that read sequences, from several starts: how much is luck of the training?

``python -m recsys_tutor.study.starts`` (a part of ``make leaderboard``) fits every
network of :data:`NETWORKS` from the starts :data:`STARTS` and writes
``recsys_tutor/study/data/starts.json``, a results file of its own with the rows of
:mod:`recsys_tutor.study.leaderboard`. Finished rows are kept.

Chapter: 14 Sequences.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import pandas as pd

from recsys_tutor.data import Dataset
from recsys_tutor.study.entries import Entry, Made
from recsys_tutor.study.files import STARTED
from recsys_tutor.study.leaderboard import run
from recsys_tutor.study.results import Results

__all__ = ["NETWORKS", "STARTS", "asked_at_the_answer", "main", "per_user"]

#: Values of ``random_state``.
STARTS = (0, 1, 2)


def asked_at_the_answer(dataset: Dataset) -> dict:
    """The time of each user's last rating: in leave-last-out that of the test rating.

    No system knows it. It is there to measure what that knowledge would be worth.
    """
    data = dataset.interactions
    assert data.time is not None, "the data carry no time"
    times = pd.Series(data.time).groupby(data.user).max()
    return {"asked": times.reindex(range(data.n_users), fill_value=0).to_numpy()}


#: A small SASRec, for there are many rows: half the numbers per film of the default,
#: and the number of epochs after which the NDCG on the validation part rose no more.
SMALL: dict[str, Any] = {
    "n_factors": 32,
    "batch_size": 128,
    "learning_rate": 0.005,
    "n_epochs": 16,
}
MANY = SMALL | {"n_negatives": 128}
LONGER = SMALL | {"n_epochs": 48}
#: It asks about three in ten positions an epoch: 54 epochs ask as often as 16.
CLOZE = SMALL | {"n_epochs": 54}

#: The networks by the names of their rows.
#:
#: :meta hide-value:
NETWORKS = {
    "all films": Made("sequential.SASRec", **SMALL),
    "1 negative": Made("sequential.SASRec", **SMALL, n_negatives=1, loss="bce"),
    "128, gBCE": Made("sequential.SASRec", **MANY, loss="gbce"),
    "128, softmax": Made("sequential.SASRec", **MANY),
    "BERT4Rec": Made("bert4rec.BERT4Rec", **CLOZE),
    "pauses": Made("timed.TimedSASRec", **SMALL),
    "told when": Made("timed.TimedSASRec", asked_at_the_answer, **SMALL),
    "1 negative, longer": Made(
        "sequential.SASRec", **LONGER, n_negatives=1, loss="bce"
    ),
}


def _entries() -> list[Entry]:
    """An entry for each network and start, all networks from the first one first."""
    return [
        Entry(
            f"{name}, start {start}",
            Made(made.kind, made.features, **made.parameters, random_state=start),
            ("sequence",),
        )
        for start in STARTS
        for name, made in NETWORKS.items()
    ]


def per_user(results: Results, name: str) -> pd.DataFrame:
    """NDCG@10 of each user (rows) from each start (columns) of one network."""
    columns = {
        start: results.per_user("sequence", f"{name}, start {start}")
        for start in STARTS
    }
    return pd.DataFrame(columns)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line: measure what is missing, print HR@10 and NDCG@10."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", default=STARTED, help="default: the book's own file")
    options = parser.parse_args(arguments)
    results = run(options.out, entries=_entries())
    print(results.table("sequence", ["hit", "ndcg"]).round(4))


if __name__ == "__main__":
    main()
