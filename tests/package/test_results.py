"""Results: tables, users and intervals of the results file, by hand."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_tutor import splits
from recsys_tutor.baselines import BiasModel, Popularity
from recsys_tutor.compare import paired_bootstrap
from recsys_tutor.datasets import make_world
from recsys_tutor.evaluate import evaluate
from recsys_tutor.neighbors import EASE
from recsys_tutor.protocol import SEEDS, TASKS
from recsys_tutor.study.entries import Entry
from recsys_tutor.study.files import RESULTS, to_ranges, to_users
from recsys_tutor.study.leaderboard import run
from recsys_tutor.study.results import Results, thirds


def results_of(rows):
    columns = ["task", "model", "split", "rmse", "ndcg", "fit_seconds", "peak_mb"]
    return Results(pd.DataFrame(rows, columns=columns))


def two_models():
    rows = []
    for model, low in (("B", 0.9), ("A", 0.8)):
        for n in range(1, 6):
            rows.append(("rating", model, f"fold {n}", low + n / 100, None, n, 7.0))
            rows.append(("rating", model, f"u{n}", 5.0 + n, None, 50, 70.0))
    rows.append(("ranking", "B", "seed 42", None, 0.3, 1, 1.0))
    rows.append(("ranking", "B", "seed 43", None, 0.5, 3, 2.0))
    return rows


# -- tables --------------------------------------------------------------------------


def test_a_table_never_mixes_folds():
    board = results_of(two_models())
    table = board.table("rating", ["rmse"])
    assert table.index.tolist() == ["B", "A"], "the order of the file"
    assert list(table) == ["fold 1", "rmse", "±", "fit_seconds", "peak_mb"]
    assert table["fold 1"].tolist() == pytest.approx([0.91, 0.81])
    assert table.rmse.tolist() == pytest.approx([0.93, 0.83])
    spread = np.std([0.01, 0.02, 0.03, 0.04, 0.05], ddof=1)
    assert table["±"].tolist() == pytest.approx([spread, spread])
    assert table.fit_seconds.tolist() == [3, 3] and table.peak_mb.tolist() == [7, 7]
    official = board.table("rating", ["rmse"], splits="u")
    assert official["u1"].tolist() == [6, 6] and official.rmse.tolist() == [8, 8]
    one = board.table("rating", ["rmse"], splits="u2")
    assert one.rmse.tolist() == [7, 7] and list(one)[0] == "rmse"
    ranking = board.table("ranking", ["ndcg"])
    assert ranking.loc["B"].tolist() == pytest.approx(
        [0.3, 0.4, np.std([0.3, 0.5], ddof=1), 2, 1.5]
    )


def test_costs_are_medians():
    rows = [row[:5] + (row[5] ** 3, row[5] ** 4) for row in two_models()[:10]]
    folds = [row for row in rows if row[2].startswith("fold")]
    assert np.mean([row[5] for row in folds]) == 45
    table = results_of(rows).table("rating", ["rmse"])
    assert table.fit_seconds.tolist() == [27] and table.peak_mb.tolist() == [81]


def test_models_are_shown_in_the_order_asked_for():
    board = results_of(two_models())
    assert board.table("rating", ["rmse"], ["A", "B"]).index.tolist() == ["A", "B"]
    assert board.table("rating", ["rmse"], models=["A"]).index.tolist() == ["A"]
    both = board.table("ranking", ["ndcg"], models=["A", "B"])
    assert both.index.tolist() == ["B"], "A makes no lists"
    index = pd.Index(["A", "B"])
    assert list(board.scores("rating", "rmse", models=index)) == ["A", "B"]
    assert board.table("rating", ["rmse"], index).index.tolist() == ["A", "B"]
    assert board.models == ["B", "A"]


@pytest.mark.parametrize(
    "task, more, said",
    [
        ("sequence", {}, "task 'sequence'; it has Results"),
        ("rating", {"models": ["Z"]}, r"models \['Z'\]"),
        ("rating", {"models": ["A", "Z"]}, r"models \['Z'\]"),
        ("ranking", {"models": ["A"]}, r"models \['A'\]"),
        ("rating", {"splits": "seed"}, "splits 'seed'"),
    ],
)
def test_rows_that_are_not_there(task, more, said):
    with pytest.raises(ValueError, match="no rows for task") as error:
        results_of(two_models()).table(task, ["rmse"], **more)
    assert re.search(said, str(error.value))


def test_an_empty_file(tmp_path):
    path = tmp_path / "r.json"
    path.write_text('{"rows": []}')
    board = Results.load(path)
    assert len(board) == 0 and board.models == [] and repr(board) == "Results()"
    assert "<table" in board._repr_html_()
    with pytest.raises(ValueError, match="no rows for task 'rating'"):
        board.table("rating", ["rmse"])


def test_scores_by_split():
    board = results_of(two_models())
    table = board.scores("rating", "rmse")
    assert table.index.tolist() == [f"fold {n}" for n in range(1, 6)]
    assert table["A"].tolist() == pytest.approx([0.81, 0.82, 0.83, 0.84, 0.85])
    assert list(board.scores("rating", "rmse", models=["B", "A"])) == ["B", "A"]
    official = board.scores("rating", "rmse", splits="u")
    assert official.index.tolist() == [f"u{n}" for n in range(1, 6)]
    assert board.scores("ranking")["B"].tolist() == [0.3, 0.5], "its first metric"


def test_rows_of_one_split():
    board = results_of(two_models())
    assert board.rows("rating").rmse.to_dict() == pytest.approx({"B": 0.91, "A": 0.81})
    assert board.rows("rating", "u3").rmse.to_dict() == {"B": 8, "A": 8}
    assert board.rows("ranking", "seed 43").ndcg.to_dict() == {"B": 0.5}


def test_how_results_are_shown():
    board = Results.load()
    counts = {"ranking": (28, 140), "rating": (18, 180), "sequence": (25, 25)}
    parts = [f"{t}: {m} models, {r} runs" for t, (m, r) in counts.items()]
    assert repr(board) == f"Results({'; '.join(parts)})"
    summary = board.summary()
    assert summary[["models", "runs"]].T.to_dict("list") == {
        task: list(found) for task, found in counts.items()
    }
    html = board._repr_html_()
    assert "<table" in html and all(task in html for task in counts)
    rows = board.frame[board.frame.task == "sequence"]
    minutes = (rows.fit_seconds.sum() + rows.score_seconds.sum()) / 60
    assert summary["CPU minutes"]["sequence"] == pytest.approx(minutes, abs=0.05)


def test_the_metrics_of_a_task():
    board = Results.load()
    assert board.metrics("rating") == ["rmse", "mae", "rmse_own_time"]
    lists = ["ndcg", "precision", "recall", "ap", "mrr", "hit", "auc", "novelty"]
    assert board.metrics("ranking") == [*lists, "coverage", "gini"]
    table = board.table("ranking")
    assert list(table)[:4] == ["seed 42", "ndcg", "±", "precision"]
    assert list(table)[-2:] == ["fit_seconds", "peak_mb"]
    first = board.rows("ranking").ndcg
    assert table["seed 42"].to_dict() == first.to_dict()


# -- users ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data():
    """Many users with few ratings: each split tests other users."""
    return make_world(n_users=60, n_items=30, n_ratings=400, stars=True).interactions


@pytest.fixture(scope="module")
def board(data, tmp_path_factory):
    entries = [
        Entry("Popular", Popularity(), ("ranking", "sequence")),
        Entry("EASE", EASE(), ("ranking",)),
        Entry("Bias", BiasModel(), ("rating",)),
    ]
    path = tmp_path_factory.mktemp("results") / "r.json"
    return run(path, entries=entries, data=data, isolate=False)


def by_hand(data, model):
    """NDCG of each (seed, user), rounded as in the file."""
    columns = {}
    for seed in SEEDS:
        split = splits.item_stratified(data, random_state=seed)
        columns[seed] = evaluate(model.fit(split.train), split.test).ndcg.round(4)
    return pd.DataFrame(columns)


def test_numbers_belong_to_their_users(board, data):
    wanted = by_hand(data, EASE())
    assert wanted.isna().any(axis=None), "no split tests all users"
    got = board.per_user("ranking", "EASE")
    assert got.index.name == "user" and got.name == "EASE"
    pd.testing.assert_series_equal(
        got.sort_index(), wanted.mean(axis=1), check_names=False
    )
    one = board.per_user("ranking", "EASE", splits="seed 43").dropna()
    pd.testing.assert_series_equal(one, wanted[43].dropna(), check_names=False)


def test_a_gap_is_paired_over_users_and_averaged_over_splits(board, data):
    ours, theirs = by_hand(data, EASE()), by_hand(data, Popularity())
    each = (ours - theirs).mean(axis=1)
    got = board.gap("EASE", "Popular")
    wanted = paired_bootstrap(ours.mean(axis=1), theirs.mean(axis=1))
    assert got == pytest.approx(wanted) and got.mean == pytest.approx(each.mean())
    back = board.gap("Popular", "EASE")
    assert (back.low, back.high) == pytest.approx((-got.high, -got.low))
    one = board.gap("EASE", "Popular", splits="seed 44")
    wanted = paired_bootstrap(ours[44].dropna(), theirs[44].dropna())
    assert one == pytest.approx(wanted) and one != pytest.approx(got)
    assert board.gap("EASE", "Popular", n_boot=50, level=0.5) != pytest.approx(got)


def test_thirds_by_activity(board, data):
    split = TASKS["ranking"].split(data)
    ndcg = by_hand(data, EASE())[42].dropna()
    size = np.array([(split.train.user == u).sum() for u in ndcg.index])
    low, high = np.quantile(size, [1 / 3, 2 / 3])
    groups = size <= low, (size > low) & (size <= high), size > high
    got = board.by_activity("ranking", ["EASE", "Popular"], split.train)
    assert got.index.tolist() == ["EASE", "Popular"]
    assert list(got) == ["few ratings", "middle", "many ratings"]
    wanted = [ndcg.to_numpy()[rows].mean() for rows in groups]
    assert got.loc["EASE"].tolist() == pytest.approx(wanted)
    other = TASKS["ranking"].split(data, "seed 45").train
    later = board.by_activity("ranking", ["EASE"], other, split="seed 45")
    assert later.loc["EASE"].tolist() != pytest.approx(wanted)
    third = thirds(split.train, ndcg.index)
    assert [(third == name).sum() for name in got] == [rows.sum() for rows in groups]
    assert len(thirds(split.train)) == data.n_users


def test_thirds_are_those_of_pandas_and_live_with_ties(ratings):
    train = TASKS["ranking"].split(ratings).train
    names = ["few ratings", "middle", "many ratings"]
    size = np.bincount(train.user, minlength=train.n_users)
    pd.testing.assert_extension_array_equal(
        thirds(train), pd.qcut(size, 3, labels=names)
    )
    equal = train.subset(np.unique(train.user, return_index=True)[1])
    assert set(thirds(equal)) == {"few ratings"}, "one row each: nobody has more"


def test_users_and_numbers_that_do_not_belong_together(tmp_path, data):
    path = tmp_path / "r.json"
    entries = [Entry(n, Popularity(), ("ranking",)) for n in "AB"]
    run(path, entries=entries, data=data, isolate=False)
    whole = json.loads(path.read_text("utf-8"))

    def changed(change):
        rows = json.loads(json.dumps(whole))["rows"]
        change(rows[0])
        path.write_text(json.dumps({"rows": rows}))
        return Results.load(path)

    with pytest.raises(ValueError, match=r"ranking, A, seed 42 has \d+ numbers for 2"):
        changed(lambda row: row.update(users=[[0, 2]]))
    moved = changed(
        lambda row: row.update(users=[[u + 1, v + 1] for u, v in row["users"]])
    )
    with pytest.raises(ValueError, match="other users on split 'seed 42'"):
        moved.gap("A", "B")
    late = changed(lambda row: row.update(split="seed 47"))
    with pytest.raises(ValueError, match=r"'A' was measured on \['seed 47', .*splits="):
        late.gap("A", "B")
    assert late.gap("A", "B", splits="seed 44").mean == 0
    unsaid = changed(lambda row: row.pop("users"))
    with pytest.raises(ValueError, match="'A' for task 'ranking' do not say whose"):
        unsaid.per_user("ranking", "A")
    run(path, entries=entries, data=data, isolate=False)  # measured again
    assert Results.load(path).gap("A", "B").mean == 0


def test_stars_have_no_numbers_per_user(board):
    with pytest.raises(ValueError, match="'Bias' for task 'rating' do not say whose"):
        board.per_user("rating", "Bias")


@pytest.mark.parametrize(
    "users, ranges",
    [
        ([], []),
        ([0], [[0, 1]]),
        ([7], [[7, 8]]),
        ([0, 1, 2, 5], [[0, 3], [5, 6]]),
        ([1, 3, 5], [[1, 2], [3, 4], [5, 6]]),
        (range(943), [[0, 943]]),
    ],
)
def test_users_are_stored_as_ranges(users, ranges):
    assert to_ranges(users) == ranges
    assert to_users(ranges).tolist() == list(users)
    assert to_users(ranges).dtype == np.int64


# -- the file ------------------------------------------------------------------------


def test_the_file_as_a_frame(tmp_path, board, data):
    entries = [Entry("Popular", Popularity(), ("ranking",))]
    path = tmp_path / "r.json"
    frame = run(path, entries=entries, data=data, isolate=False).frame
    rows = json.loads(path.read_text("utf-8"))["rows"]
    assert len(frame) == len(rows) == 5
    for n, row in enumerate(rows):
        for name, value in row["metrics"].items():
            assert frame.loc[n, name] == value
        assert frame.loc[n, "model"] == row["model"]
        assert frame.users[n].tolist() == to_users(row["users"]).tolist()
    assert "metrics" not in frame


def test_a_missing_results_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="no results file results.json in") as e:
        Results.load("results.json")
    command = "python -m recsys_tutor.study.leaderboard"
    for part in (str(tmp_path), "Without a path the book's own", command):
        assert part in str(e.value)


def test_users_of_the_book_are_those_with_test_rows(ratings):
    """Of every row; two of the five seeds leave one user out."""
    frame, tested = Results.load().frame, {}
    for name in ("ranking", "sequence"):
        for split in TASKS[name].split_names:
            users = np.unique(TASKS[name].split(ratings, split).test.user)
            tested[name, split] = users
    assert [len(users) for users in tested.values()] == [943, 942, 943, 942, 943, 943]
    rows = frame[frame.task != "rating"]
    for row in rows.itertuples():
        np.testing.assert_array_equal(row.users, tested[row.task, row.split])
    assert frame.users[frame.task == "rating"].isna().all()


LIGHT = """
import sys
from recsys_tutor.study.results import Results
Results.load(sys.argv[1]).gap("EASE", "Popularity")
print(*sys.modules)
"""


def test_reading_results_loads_no_model():
    command = [sys.executable, "-c", LIGHT, str(RESULTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"torch", "numba", "matplotlib", "sklearn"}
    files = (Path(sys.modules["recsys_tutor"].__file__).parent).glob("*.py")
    models = {
        f"recsys_tutor.{path.stem}"
        for path in files
        if "(Recommender)" in path.read_text("utf-8") or path.stem == "kernels"
    }
    assert len(models) > 9 and not loaded & models
