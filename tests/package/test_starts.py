"""Networks from several starts: what is fitted, what is told, what is in the file."""

import numpy as np
import pytest

from recsys_tutor import splits
from recsys_tutor.base import Recommender
from recsys_tutor.data import Dataset, Interactions
from recsys_tutor.datasets import make_world
from recsys_tutor.study import starts
from recsys_tutor.study.entries import Made
from recsys_tutor.study.leaderboard import run

#: User 2 has no rating.
DATA = Interactions(
    [0, 1, 0, 1, 3], [0, 1, 2, 0, 1], np.ones(5), [5, 9, 7, 2, 4], range(4), range(3)
)


def test_every_network_from_every_start():
    entries = starts._entries()
    names = [entry.name for entry in entries]
    assert len(set(names)) == len(names) == 3 * len(starts.NETWORKS)
    assert names[0].endswith("start 0") and names[-1].endswith("start 2")
    dataset = Dataset(DATA, None, None)
    for entry in entries:
        model = entry.model(dataset)
        assert isinstance(model, Recommender) and entry.tasks == ("sequence",)
        assert f"start {model.random_state}" in entry.name


def test_networks_of_one_size():
    dataset = Dataset(DATA, None, None)
    made = [network(dataset) for network in starts.NETWORKS.values()]
    for name in ("n_factors", "n_blocks", "batch_size", "learning_rate", "max_length"):
        assert len({getattr(model, name) for model in made}) == 1, name


def test_the_time_of_the_answer_is_that_of_the_test_rating():
    dataset = Dataset(DATA, None, None)
    asked = starts.asked_at_the_answer(dataset)["asked"]
    assert asked.tolist() == [7, 9, 0, 4]
    test = splits.leave_last_out(DATA).test
    np.testing.assert_array_equal(asked[test.user], test.time)


def test_users_of_all_starts(tmp_path, monkeypatch):
    """Two small networks on a small world: rows of every start, and no two alike."""
    small = {"n_factors": 4, "n_epochs": 2, "max_length": 5}
    networks = {
        "all films": Made("sequential.SASRec", **small),
        "BERT4Rec": Made("bert4rec.BERT4Rec", **small),
    }
    monkeypatch.setattr(starts, "NETWORKS", networks)
    world = make_world(n_users=60, n_items=30, n_ratings=900, random_state=0)
    path, entries = tmp_path / "starts.json", starts._entries()
    stored = run(path, entries=entries, data=world.interactions, isolate=False)
    rows = stored.rows("sequence")
    assert list(rows.index) == [entry.name for entry in entries]
    found = starts.per_user(stored, "all films")
    assert list(found) == list(starts.STARTS)
    assert found.index.equals(starts.per_user(stored, "BERT4Rec").index)
    assert (found.std(axis=1) > 0).any(), "no start is another one's copy"
    for start in starts.STARTS:
        mean = rows.ndcg[f"all films, start {start}"]
        assert found[start].mean() == pytest.approx(mean, abs=5.1e-5)
