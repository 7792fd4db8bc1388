"""Loaders: the real MovieLens 100K, its sources (all simulated), CSV files."""

import gzip
import hashlib
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import textwrap
import threading
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recsys_tutor import datasets
from recsys_tutor.datasets import (
    DataNotAvailable,
    load_movielens_100k,
    load_ratings_csv,
    movielens,
    movielens_files,
    movielens_sources,
)

# -- the real data (from the shared cache) ------------------------------------------

# Published checksums of the official files u.data and u.user.
U_DATA_SHA256 = "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"
U_USER_SHA256 = "f120e114da2e8cf314fd28f99417c94ae9ddf1cb6db8ce0e4b5995d40e90e62c"


@pytest.fixture(scope="module")
def ml():
    return load_movielens_100k(progress=False)


def test_real_ratings_are_the_official_file_byte_for_byte(ml):
    r = ml.interactions
    lines = [
        f"{u}\t{i}\t{v:.0f}\t{t}\n"
        for u, i, v, t in zip(
            r.user_ids[r.user], r.item_ids[r.item], r.value, r.time, strict=True
        )
    ]
    assert hashlib.sha256("".join(lines).encode()).hexdigest() == U_DATA_SHA256
    assert movielens_files.RATINGS_SHA256 == U_DATA_SHA256


def test_real_users_are_the_official_file_byte_for_byte(ml):
    rows = ml.users[["user", "age", "sex", "occupation", "zip"]].astype(str)
    lines = ["|".join(row) + "\n" for row in rows.itertuples(index=False)]
    assert hashlib.sha256("".join(lines).encode()).hexdigest() == U_USER_SHA256


def test_real_shape_order_and_counts(ml):
    r = ml.interactions
    assert (r.n_users, r.n_items, len(r)) == (943, 1682, 100_000)
    first = (r.user_ids[r.user[0]], r.item_ids[r.item[0]], r.value[0], r.time[0])
    assert first == (196, 242, 3, 881250949)
    assert np.bincount(r.value.astype(int))[1:].tolist() == [
        6110,
        11370,
        27145,
        34174,
        21201,
    ]
    assert len(np.unique(r.user[:20_000])) == 459  # the official test part u1
    assert r.user_ids.tolist() == list(range(1, 944))
    assert r.item_ids.tolist() == list(range(1, 1683))
    assert (len(ml.users), len(ml.items)) == (943, 1682)


def test_real_items(ml):
    items = ml.items.set_index("item")
    assert items.title[50] == "Star Wars"
    assert items.title[12] == "The Usual Suspects"
    assert items.title[14] == "Il Postino"
    assert items.title[1535] == "L'Enfer"
    assert items.title[1005] == (
        "La Double vie de Véronique (The Double Life of Veronique)"
    )
    assert items.title[1610] == "Truth or Consequences, N.M."
    assert items.title[1541] == "The Beans of Egypt, Maine"
    assert items.year[1542] == 1926
    # a video, whose official title is "... (1995) (V)"
    assert items.title[1412].endswith("The Time of the Great Giving")
    assert items.year[1412] == 1995
    assert items.title[267] == "unknown" and pd.isna(items.year[267])
    assert items.year.isna().sum() == 1
    assert not items.title.str.contains(r"\(\d{4}\)|, The\b(?! )|\s$").any()
    assert items.genres[1] == ("Animation", "Children's", "Comedy")
    assert items.index[items.genres == ()].tolist() == [267, 1373]


def test_real_knowledge_graph_is_linked_to_the_right_films(ml):
    assert ml.items.attrs["knowledge_graph"] is True
    films = ml.items.drop_duplicates("title").set_index("title")
    # who directed what is public knowledge; equal people, equal ids
    for group in (
        ["Jurassic Park", "Schindler's List", "Jaws", "Raiders of the Lost Ark"],
        ["Pulp Fiction", "Reservoir Dogs"],
        ["Vertigo", "Psycho", "Rear Window", "The Birds", "North by Northwest"],
        ["Fargo", "Raising Arizona"],
        ["2001: A Space Odyssey", "The Shining", "A Clockwork Orange"],
    ):
        assert set.intersection(*(set(films.directors[t]) for t in group)), group
    assert not set(films.directors["Vertigo"]) & set(films.directors["Jaws"])
    trilogy = ["Star Wars", "The Empire Strikes Back", "Return of the Jedi"]
    assert len(set.intersection(*(set(films.actors[t]) for t in trilogy))) >= 4
    assert films.freebase_id["The Godfather: Part II"] in films.sequels["The Godfather"]
    # films that came after the linked part of the later MovieLens ids
    assert films.freebase_id["Titanic"] == "" and films.actors["Titanic"] == ()


def test_real_knowledge_graph_agrees_with_the_genres(ml):
    # For a genre of MovieLens take the Freebase genre that fits it best (F1). With the
    # links read as MovieLens 100K ids, these four stay below 0.13.
    linked = ml.items[ml.items.freebase_id != ""]
    for genre in ("Horror", "Western", "Animation", "Documentary"):
        mine = {
            i for i, g in zip(linked.item, linked.genres, strict=True) if genre in g
        }
        theirs = {}
        for i, fine in zip(linked.item, linked.fine_genres, strict=True):
            for name in fine:
                theirs.setdefault(name, set()).add(i)
        f1 = max(2 * len(mine & t) / (len(mine) + len(t)) for t in theirs.values())
        assert f1 > 0.6, (genre, f1)


def test_real_knowledge_graph_columns(ml):
    assert (ml.items.freebase_id == "").sum() == 346
    for name in movielens_files.RELATIONS:
        cells = ml.items[name]
        assert all(isinstance(cell, tuple) for cell in cells)
        assert all(list(cell) == sorted(set(cell)) for cell in cells)
        assert any(cells), name
        assert all(i[:2] in ("m.", "g.", "en") for cell in cells for i in cell)
        assert not any(ml.items[name][ml.items.freebase_id == ""])
    # only the films that MovieLens 100K lists twice share an id
    named = ml.items[ml.items.freebase_id != ""]
    twice = named[named.duplicated("freebase_id", keep=False)]
    assert (twice.groupby("freebase_id")[["title", "year"]].nunique() == 1).all(
        axis=None
    )


def test_later_loads_are_fast_and_silent(ml, capfd):
    """Seconds of the processor: what else the machine does hardly counts."""
    seconds = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            start = time.process_time()
            load_movielens_100k()
            seconds.append(time.process_time() - start)
    assert min(seconds) < 0.5
    assert capfd.readouterr() == ("", "")


# -- a small MovieLens in both formats ----------------------------------------------

RATINGS = [(2, 1, 5, 100), (1, 3, 2, 90), (3, 8, 4, 95), (1, 2, 1, 91)]
USERS = [("24", "M", "technician", "85711"), ("53", "F", "other", "94043")]
USERS += [("7", "M", "student", "T8H1N")]
# official title, title and year in the wheel, genres
ITEMS = [
    ("Toy Story (1995)", "Toy Story", "1995", "Animation Children's Comedy"),
    ("Usual Suspects, The (1995)", "Usual Suspects, The", "1995", "Crime Thriller"),
    ("unknown", "unkonwn", "unkonwn", "unknown"),
    (
        "Double vie de Véronique, La (Double Life of Veronique, The) (1991)",
        "Double vie de Véronique, La (Double Life of Veronique, The)",
        "1991",
        "Drama",
    ),
    ("Land Before Time III: X (1995) (V)", "Land Before Time III: X (1995)", "V", ""),
    ("Two Friends (1986) ", "Two Friends", "1986", "Drama"),
    ("Enfer, L' (1994)", "Enfer, L'", "1994", "Drama Film-Noir"),
    ("Good, The Bad and The Ugly, The (1966)",)
    + ("Good, The Bad and The Ugly, The", "1966", "Action Western"),
]
TITLES = [
    "Toy Story",
    "The Usual Suspects",
    "unknown",
    "La Double vie de Véronique (The Double Life of Veronique)",
    "Land Before Time III: X",
    "Two Friends",
    "L'Enfer",
    "The Good, The Bad and The Ugly",
]
YEARS = [1995, 1995, None, 1991, 1995, 1986, 1994, 1966]
FLAGS = ["unknown", *movielens_files.GENRES]


def official_files():
    item_lines = []
    for number, (title, _, _, genres) in enumerate(ITEMS, start=1):
        flags = "|".join(str(int(flag in genres.split())) for flag in FLAGS)
        item_lines.append(f"{number}|{title}|01-Jan-1995||http://x/|{flags}\n")
    return {
        "u.data": "".join("\t".join(map(str, r)) + "\n" for r in RATINGS).encode(),
        "u.item": "".join(item_lines).encode("latin-1"),
        "u.user": "".join(
            f"{n}|{'|'.join(u)}\n" for n, u in enumerate(USERS, start=1)
        ).encode(),
    }


def wheel_files(graph=True):
    rows = {
        "inter": [("user_id:token", "item_id:token", "rating:float", "timestamp:float")]
        + RATINGS,
        "item": [("item_id:token", "movie_title", "release_year", "class")]
        + [(n, t, y, g) for n, (_, t, y, g) in enumerate(ITEMS, start=1)],
        "user": [("user_id:token", "age", "gender", "occupation", "zip_code")]
        + [(n, *u) for n, u in enumerate(USERS, start=1)],
    }
    if graph:
        # ids of later MovieLens sets: film 8 is number 34 there
        rows["link"] = [("item_id:token", "entity_id:token"), (1, "m.a"), (34, "m.b")]
        rows["link"] += [(8, "m.p"), (2, "m.b2")]
        rows["kg"] = [
            ("head_id:token", "relation_id:token", "tail_id:token"),
            ("m.a", "film.film.actor", "m.y"),
            ("m.a", "film.film.actor", "m.x"),
            ("m.p", "film.producer.film", "m.a"),
            ("m.b", "film.film.directed_by", "m.z"),
        ]
    return {
        f"ml-100k.{end}": "".join("\t".join(map(str, r)) + "\n" for r in table).encode()
        for end, table in rows.items()
    }


def archive(path: Path, files, prefix: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("other/u.data", b"a file of that name in another folder")
        for name, data in files.items():
            out.writestr(prefix + name, data)
    return path


def official_zip(path):
    return archive(path, official_files(), "ml-100k/")


def wheel(path, **kwargs):
    return archive(path, wheel_files(**kwargs), "recbole/dataset_example/ml-100k/")


def no_network(*args, **kwargs):
    raise OSError("no network in this test")


@pytest.fixture
def small(monkeypatch):
    """The small MovieLens takes the place of the real one; nothing is downloaded."""
    digest = hashlib.sha256(official_files()["u.data"]).hexdigest()
    monkeypatch.setattr(movielens_files, "RATINGS_SHA256", digest)
    monkeypatch.setattr(movielens_files, "N_ITEMS", len(ITEMS))
    monkeypatch.setattr(movielens_files, "N_USERS", len(USERS))
    monkeypatch.setattr(movielens_files, "N_RATINGS", len(RATINGS))
    monkeypatch.setattr(movielens_sources, "download_archive", no_network)
    monkeypatch.setattr(movielens_sources, "download_wheel", no_network)
    return monkeypatch


def load(cache, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_movielens_100k(cache=cache, progress=False, **kwargs)


def check_small(data, graph):
    r = data.interactions
    assert r.user.tolist() == [1, 0, 2, 0] and r.item.tolist() == [0, 2, 7, 1]
    assert r.value.tolist() == [5, 2, 4, 1] and r.time.tolist() == [100, 90, 95, 91]
    assert data.items.title.tolist() == TITLES
    assert [None if pd.isna(y) else y for y in data.items.year] == YEARS
    assert data.items.genres[0] == ("Animation", "Children's", "Comedy")
    assert data.items.genres[2] == () and data.items.genres[6] == ("Drama", "Film-Noir")
    assert data.users.age.tolist() == [24, 53, 7]
    assert data.users.zip.tolist() == ["85711", "94043", "T8H1N"]
    assert data.items.attrs["knowledge_graph"] is graph
    assert data.items.actors[0] == (("m.x", "m.y") if graph else ())
    assert data.items.directors[7] == (("m.z",) if graph else ())
    assert data.items.actors[1] == data.items.producers[0] == ()
    assert data.items.freebase_id[0] == ("m.a" if graph else "")


def same(a, b):
    pd.testing.assert_frame_equal(a.items, b.items)
    pd.testing.assert_frame_equal(a.users, b.users)
    pd.testing.assert_frame_equal(a.interactions.to_frame(), b.interactions.to_frame())


@pytest.mark.parametrize("kind", ["zip", "wheel", "folder", "wheel folder"])
def test_a_file_put_by_hand(small, tmp_path, kind):
    if kind == "zip":
        official_zip(tmp_path / "ml-100k.zip")
    elif kind == "wheel":
        wheel(tmp_path / "recbole-1.2.1-py3-none-any.whl")
    else:
        (tmp_path / "ml-100k").mkdir()
        files = official_files() if kind == "folder" else wheel_files()
        for name, data in files.items():
            (tmp_path / "ml-100k" / name).write_bytes(data)
    data = load(tmp_path)
    check_small(data, graph="wheel" in kind)
    same(data, load(tmp_path))


def test_windows_line_ends_in_an_unpacked_folder(small, tmp_path):
    (tmp_path / "ml-100k").mkdir()
    for name, data in official_files().items():
        (tmp_path / "ml-100k" / name).write_bytes(data.replace(b"\n", b"\r\n"))
    check_small(load(tmp_path), graph=False)


def test_both_sources_give_equal_frames(small, tmp_path):
    small.setattr(
        movielens_sources,
        "download_archive",
        lambda scratch, progress: official_zip(scratch / "a.zip"),
    )
    one = load(tmp_path / "one")
    small.setattr(movielens_sources, "download_archive", no_network)
    small.setattr(
        movielens_sources,
        "download_wheel",
        lambda scratch: wheel(scratch / "w", graph=False),
    )
    two = load(tmp_path / "two")
    check_small(one, graph=False)
    same(one, two)


def test_archive_first_then_the_graph_from_the_wheel(small, tmp_path):
    calls = []

    def get_archive(scratch, progress):
        calls.append("archive")
        return official_zip(scratch / "a.zip")

    def get_wheel(scratch):
        calls.append("wheel")
        return wheel(scratch / "w.whl")

    small.setattr(movielens_sources, "download_archive", get_archive)
    small.setattr(movielens_sources, "download_wheel", get_wheel)
    check_small(load(tmp_path), graph=True)
    assert calls == ["archive", "wheel"]
    check_small(load(tmp_path), graph=True)  # from the cache
    assert calls == ["archive", "wheel"]
    assert [p.name for p in tmp_path.iterdir()] == [movielens.CACHE_NAME]


def test_absent_graph_is_said(small, tmp_path):
    official_zip(tmp_path / "ml-100k.zip")
    # the archive holds no graph, so it is not fetched for one
    small.setattr(
        movielens_sources, "download_archive", lambda *a: pytest.fail("in vain")
    )
    with pytest.warns(UserWarning, match="without its knowledge graph.*no network"):
        data = load_movielens_100k(cache=tmp_path, progress=False)
    check_small(data, graph=False)


def test_damaged_graph_does_not_lose_the_ratings(small, tmp_path):
    files = wheel_files()
    files["ml-100k.kg"] += b"half a li"
    archive(tmp_path / "recbole-1.whl", files, "recbole/ml-100k/")
    with pytest.warns(UserWarning, match=r"ml-100k\.kg, line 6: 1 fields instead of 3"):
        data = load_movielens_100k(cache=tmp_path, progress=False)
    check_small(data, graph=False)


def test_licence_line_and_bar_on_the_first_load_only(small, tmp_path, capfd):
    wheel(tmp_path / "recbole-1.whl")
    load_movielens_100k(cache=tmp_path)
    out, err = capfd.readouterr()
    assert out == "" and err.count("10.1145/2827872") == 1 and "100%" in err
    load_movielens_100k(cache=tmp_path)
    assert capfd.readouterr() == ("", "")
    (tmp_path / movielens.CACHE_NAME).unlink()
    load_movielens_100k(cache=tmp_path, progress=False)
    out, err = capfd.readouterr()
    assert out == "" and err.strip() == movielens.LICENCE


def test_cache_directory_argument_then_variable(small, tmp_path):
    small.setenv("RECSYS_TUTOR_DATA", str(tmp_path / "variable"))
    for name in ("variable", "argument"):
        (tmp_path / name).mkdir()
        wheel(tmp_path / name / "recbole-1.whl")
    load(None)
    assert (tmp_path / "variable" / movielens.CACHE_NAME).is_file()
    assert not (tmp_path / "argument" / movielens.CACHE_NAME).exists()
    load(tmp_path / "argument")
    assert (tmp_path / "argument" / movielens.CACHE_NAME).is_file()
    small.delenv("RECSYS_TUTOR_DATA")
    small.setattr(
        movielens.platformdirs, "user_cache_dir", lambda name: str(tmp_path / name)
    )
    with pytest.raises(DataNotAvailable, match="recsys_tutor"):
        load(None)


def test_the_message_lists_every_source_and_the_way_by_hand(small, tmp_path):
    (tmp_path / "ml-100k.zip").write_bytes(b"this is no archive")
    (tmp_path / "recbole-1.whl").write_bytes(b"")
    (tmp_path / "ml-100k").mkdir()
    with pytest.raises(DataNotAvailable) as caught:
        load(tmp_path)
    text = str(caught.value)
    for part in (
        f"{tmp_path / 'ml-100k.zip'}: damaged or incomplete archive",
        f"{tmp_path / 'recbole-1.whl'}: damaged or incomplete archive",
        f"{tmp_path / 'ml-100k'}: holds neither u.data",
        f"{movielens_sources.ARCHIVE_URL}: no network in this test",
        "pip download recbole==1.2.1: no network in this test",
        "put one of these into the cache directory",
        "RECSYS_TUTOR_DATA",
    ):
        assert part in text
    assert movielens.CACHE_NAME not in os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("u.data", lambda b: b.replace(b"\t5\t", b"\t4\t"), "are not MovieLens 100K"),
        ("u.data", lambda b: b[b.index(b"\n") + 1 :], "3 rows"),
        ("u.data", lambda b: b"".join(b.splitlines(True)[::-1]), "not MovieLens 100K"),
        ("u.data", lambda b: b.replace(b"5", b"five"), "ratings are not whole numbers"),
        ("u.data", lambda b: b[:-4], "line 4: 3 fields instead of 4"),
        ("u.item", lambda b: b[: len(b) // 2], "u.item, line"),
        ("u.item", lambda b: b[: b.index(b"\n") + 1], "items are not numbered 1 to 8"),
        ("u.user", lambda b: b.replace(b"2|", b"3|"), "users are not numbered 1 to 3"),
        ("u.user", lambda b: b.replace(b"53", b"old"), "'old'"),
    ],
)
def test_changed_content_is_refused(small, tmp_path, name, change, message):
    files = official_files()
    files[name] = change(files[name])
    archive(tmp_path / "ml-100k.zip", files, "ml-100k/")
    with pytest.raises(DataNotAvailable, match=re.escape(message)):
        load(tmp_path)
    assert os.listdir(tmp_path) == ["ml-100k.zip"]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_truncated_and_flipped_archives(small, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("cut")
    path = wheel(folder / "recbole-1.whl")
    good = path.read_bytes()
    if data.draw(st.booleans(), label="cut"):
        bad = good[: data.draw(st.integers(0, len(good) - 23), label="length")]
        path.write_bytes(bad)
        with pytest.raises(DataNotAvailable, match=r"recbole-1\.whl: "):
            load(folder)
        assert os.listdir(folder) == ["recbole-1.whl"]
    else:
        # one changed byte: either noticed, or it did not touch what is read
        at = data.draw(st.integers(0, len(good) - 1), label="byte")
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x55]) + good[at + 1 :])
        try:
            loaded = load(folder)
        except DataNotAvailable:
            assert os.listdir(folder) == ["recbole-1.whl"]
        else:
            check_small(loaded, graph=loaded.items.attrs["knowledge_graph"])


# -- the cache ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b"",
        lambda b: b"garbage",
        lambda b: b[: len(b) // 2],
        lambda b: b[:-1],
        lambda b: b + b"x",
        lambda b: b"0" * 64 + b[64:],
        lambda b: b[:200] + bytes([b[200] ^ 1]) + b[201:],
    ],
)
def test_damaged_cache_is_said_and_fetched_again(small, tmp_path, damage):
    wheel(tmp_path / "recbole-1.whl")
    load(tmp_path)
    stored = tmp_path / movielens.CACHE_NAME
    good = stored.read_bytes()
    stored.write_bytes(damage(good))
    with pytest.warns(UserWarning, match="damaged.*fetching it again"):
        data = load_movielens_100k(cache=tmp_path, progress=False)
    check_small(data, graph=True)
    assert stored.read_bytes() == good
    assert len(os.listdir(tmp_path)) == 2


def test_damaged_cache_without_any_source(small, tmp_path):
    stored = tmp_path / movielens.CACHE_NAME
    stored.write_bytes(b"garbage")
    with pytest.raises(DataNotAvailable, match="the parsed copy .*: its content does"):
        load(tmp_path)
    assert stored.read_bytes() == b"garbage"


def test_cache_of_other_ratings_is_refused(small, tmp_path):
    wheel(tmp_path / "recbole-1.whl")
    load(tmp_path)
    small.setattr(movielens_files, "RATINGS_SHA256", "0" * 64)
    with pytest.raises(ValueError, match="does not match its SHA-256"):
        movielens._read_cache(tmp_path / movielens.CACHE_NAME)


@pytest.mark.parametrize("below", [False, True])
def test_cache_directory_that_cannot_be_written(small, tmp_path, below):
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    small.setattr(movielens, "fetch", lambda *a: pytest.fail("fetched in vain"))
    with pytest.raises(DataNotAvailable, match="cannot be written.*RECSYS_TUTOR_DATA"):
        load(blocked / "below" if below else blocked)
    assert blocked.read_text() == "not a directory"


@pytest.mark.parametrize("step", ["write", "replace"])
def test_disk_full_leaves_nothing(small, tmp_path, step):
    wheel(tmp_path / "recbole-1.whl")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    if step == "replace":
        small.setattr(os, "replace", full)
    else:
        real_write = Path.write_bytes

        def write_half(path, data):
            real_write(path, data[: len(data) // 2])
            full()

        small.setattr(Path, "write_bytes", write_half)
    with pytest.raises(DataNotAvailable, match="No space left.*RECSYS_TUTOR_DATA"):
        load(tmp_path)
    assert os.listdir(tmp_path) == ["recbole-1.whl"]


def test_half_finished_download_is_never_visible(small, tmp_path):
    def interrupted(scratch, progress):
        whole = official_zip(scratch / "ml-100k.zip")
        whole.write_bytes(whole.read_bytes()[:300])
        assert os.listdir(tmp_path) == []
        raise KeyboardInterrupt

    small.setattr(movielens_sources, "download_archive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(tmp_path)
    assert os.listdir(tmp_path) == []


SMALL_PROCESS = """
import hashlib, os, sys, time
from pathlib import Path
from recsys_tutor import datasets
from recsys_tutor.datasets import movielens, movielens_files, movielens_sources
movielens_files.RATINGS_SHA256, n_items, n_users, cache = sys.argv[1:5]
movielens_files.N_ITEMS, movielens_files.N_USERS = int(n_items), int(n_users)
cache = Path(cache)
"""


def run_small(tmp_path, body, n=1):
    """``n`` processes that start the body together (none waits for another's end)."""
    code = SMALL_PROCESS + textwrap.dedent(body)
    args = [hashlib.sha256(official_files()["u.data"]).hexdigest()]
    args += [str(len(ITEMS)), str(len(USERS)), str(tmp_path)]
    root = Path(datasets.__file__).parents[2]
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=root,
        )
        for _ in range(n)
    ]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:  # all are past their imports: now go
        process.stdin.write("go\n")
        process.stdin.flush()
    return [(*p.communicate(timeout=60), p.returncode) for p in running]


def test_two_processes_at_once(tmp_path):
    wheel(tmp_path / "recbole-1.whl")
    body = """
        print("ready", flush=True)
        sys.stdin.readline()
        data = datasets.load_movielens_100k(cache=cache, progress=False)
        stored = cache / movielens.CACHE_NAME
        for _ in range(60):  # write and read the same name, over and over
            parsed = movielens._read_cache(stored)
            movielens._write_cache(stored, parsed)
        print(data.items.title.tolist(), data.interactions.value.tolist())
    """
    (one, err1, code1), (two, err2, code2) = run_small(tmp_path, body, n=2)
    assert (code1, code2) == (0, 0), err1 + err2
    assert one == two == f"{TITLES} [5.0, 2.0, 4.0, 1.0]\n"
    assert sorted(os.listdir(tmp_path)) == [movielens.CACHE_NAME, "recbole-1.whl"]


def test_a_process_killed_while_it_writes(small, tmp_path):
    wheel(tmp_path / "recbole-1.whl")
    body = """
        os.replace = lambda part, stored: os._exit(9)
        print("ready", flush=True)
        datasets.load_movielens_100k(cache=cache, progress=False)
    """
    [(_, _, code)] = run_small(tmp_path, body)
    assert code == 9
    assert not (tmp_path / movielens.CACHE_NAME).exists()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = load_movielens_100k(cache=tmp_path, progress=False)
    check_small(data, graph=True)


# -- the two downloads, against servers on this machine -----------------------------


@pytest.fixture
def server(small):
    """A web server whose answer a test sets; the archive's address points to it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        body, announced, status = b"", None, 200

        def do_HEAD(self):
            self.send_response(self.status)
            self.send_header("Content-Length", str(self.announced or len(self.body)))
            self.end_headers()

        def do_GET(self):
            self.do_HEAD()
            self.wfile.write(self.body)

        def log_message(self, *args):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{httpd.server_port}/ml-100k.zip"
    small.setattr(movielens_sources, "ARCHIVE_URL", url)
    small.setattr(movielens_sources, "download_archive", REAL_DOWNLOAD_ARCHIVE)
    small.setenv("NO_PROXY", "127.0.0.1")
    yield Handler
    httpd.shutdown()
    httpd.server_close()
    thread.join()


REAL_DOWNLOAD_ARCHIVE = movielens_sources.download_archive
REAL_DOWNLOAD_WHEEL = movielens_sources.download_wheel


def test_download_of_the_archive(server, small, tmp_path):
    server.body = official_zip(tmp_path / "a.zip").read_bytes()
    small.setattr(
        movielens_sources, "ARCHIVE_MD5", hashlib.md5(server.body).hexdigest()
    )
    check_small(load(tmp_path / "cache"), graph=False)
    assert os.listdir(tmp_path / "cache") == [movielens.CACHE_NAME]


@pytest.mark.parametrize("fault", ["other file", "broken off", "404"])
def test_bad_download_falls_through_to_the_wheel(server, small, tmp_path, fault):
    body = official_zip(tmp_path / "a.zip").read_bytes()
    small.setattr(movielens_sources, "ARCHIVE_MD5", hashlib.md5(body).hexdigest())
    server.body = body[:-1] + b"x" if fault == "other file" else body[:400]
    if fault == "broken off":
        server.announced = len(body)
    if fault == "404":
        server.status = 404
    with pytest.raises(DataNotAvailable) as caught:
        load(tmp_path / "cache")
    reason = {"other file": "hash", "broken off": "", "404": "404"}[fault]
    assert re.search(rf"/ml-100k\.zip: .*{reason}.*\n  - pip", str(caught.value))
    small.setattr(
        movielens_sources, "download_wheel", lambda scratch: wheel(scratch / "w")
    )
    check_small(load(tmp_path / "cache"), graph=True)


def test_a_silent_host_costs_little_time():
    """Waiting to the end, five seconds, would give another message."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        with pytest.raises(OSError, match=r"no answer within 0\.3 seconds"):
            movielens_sources.check_reachable(url, seconds=0.3)


def test_a_name_server_that_hangs_costs_little_time(monkeypatch):
    """Waiting to the end, 20 seconds, would give another message."""
    release = threading.Event()

    def hang(*args, **kwargs):
        release.wait(20)
        raise socket.gaierror("too late")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(OSError, match=r"no answer within 0\.3 seconds"):
        movielens_sources.check_reachable("http://host.invalid/x", seconds=0.3)
    release.set()


def test_a_refused_connection_says_why():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(OSError, match="cannot be reached .*refused"):
        movielens_sources.check_reachable(f"http://127.0.0.1:{port}/x")


def test_download_of_the_wheel(small, tmp_path):
    seen = []

    def pip(command, **kwargs):
        seen.append(command)
        target = Path(command[command.index("--dest") + 1])
        target.mkdir()
        wheel(target / "recbole-1.2.1-py3-none-any.whl")
        return subprocess.CompletedProcess(command, 0, "", "")

    small.setattr(movielens_sources, "download_wheel", REAL_DOWNLOAD_WHEEL)
    small.setattr(movielens_sources.subprocess, "run", pip)
    check_small(load(tmp_path), graph=True)
    assert seen[0][:4] == [sys.executable, "-m", "pip", "download"]
    assert "recbole==1.2.1" in seen[0] and "--no-deps" in seen[0]
    assert not any("://" in word or "index" in word for word in seen[0])


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (
            (1, "ERROR: a\nERROR: No matching distribution\n"),
            "No matching distribution",
        ),
        ((1, "connection broken by x\nERROR: b\n"), "no connection to the package"),
        ((1, "No module named pip\n"), "No module named pip"),
        ((1, ""), "no message"),
        ((0, ""), "left no wheel"),
        ("slow", "not ready within 180 seconds"),
    ],
)
def test_pip_fails(small, tmp_path, outcome, message):
    def pip(command, timeout, **kwargs):
        if outcome == "slow":
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, outcome[0], "", outcome[1])

    small.setattr(movielens_sources, "download_wheel", REAL_DOWNLOAD_WHEEL)
    small.setattr(movielens_sources.subprocess, "run", pip)
    with pytest.raises(DataNotAvailable, match=f"pip download recbole.*{message}"):
        load(tmp_path)


def test_the_only_address_in_the_package_is_grouplens():
    package = Path(datasets.__file__).parent
    source = "".join(path.read_text("utf-8") for path in package.glob("*.py"))
    assert re.findall(r"https?://[^/\"\s]+", source) == ["https://files.grouplens.org"]
    assert (
        movielens_sources.ARCHIVE_MD5 == "0e33842e24a9c977be4e0107933c0723"
    )  # published


# -- the reader's own ratings -------------------------------------------------------

HEAD = "user,item,rating,timestamp\n"


@pytest.fixture
def write(tmp_path):
    def write(content, name="ratings.csv"):
        path = tmp_path / name
        data = content if isinstance(content, bytes) else content.encode("utf-8")
        path.write_bytes(data)
        return path

    return write


def rows(data):
    return data.interactions.to_frame().to_numpy().tolist()


WORD = st.text("abcé ö,;|\"'\tx.", min_size=1, max_size=6).filter(
    lambda s: s.strip() == s and s not in ("nan", "NaN")
)
TABLE = st.dictionaries(
    st.tuples(WORD, st.integers(0, 10**17)),
    st.tuples(st.sampled_from([0.5, 1.0, 2.25, 5.0, -3.0]), st.integers(0, 2 * 10**9)),
    min_size=1,
    max_size=8,
)


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    table=TABLE,
    sep=st.sampled_from([",", ";", "|", "\t"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    packed=st.booleans(),
    header=st.booleans(),
    sniff=st.booleans(),
)
def test_written_tables_come_back(
    tmp_path, table, sep, encoding, newline, packed, header, sniff
):
    import csv
    import io

    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=sep, lineterminator=newline)
    names = ["extra", "timestamp", "rating", "item", "user"]
    if header:
        writer.writerow(names)
    for (u, i), (v, t) in table.items():
        writer.writerow(["e", t, v, i, u])
    data = buffer.getvalue().encode(encoding)
    path = tmp_path / "table"
    path.write_bytes(gzip.compress(data) if packed else data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the note on latin-1
        loaded = load_ratings_csv(
            path,
            sep=None if sniff and header else sep,
            names=None if header else names,
            time_unit="s",  # a column of 1900s would look like years
        )
    expected = [[u, i, v, t] for (u, i), (v, t) in table.items()]
    assert rows(loaded) == expected
    users = sorted({u for u, _ in table})
    assert loaded.users.user.tolist() == users
    assert loaded.items.item.tolist() == sorted({i for _, i in table})


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    data=st.one_of(
        st.binary(max_size=60),
        st.binary(max_size=40).map(lambda b: HEAD.encode() + b),
        st.text('0123456789,;\n\r" .-aé\t|:', max_size=60).map(
            lambda s: (HEAD + s).encode()
        ),
        st.binary(max_size=40).map(lambda b: b"\x1f\x8b" + b),
        st.binary(max_size=40).map(lambda b: b"\xff\xfe" + b),
        st.integers(0, 60).map(lambda n: gzip.compress(HEAD.encode() * 3, mtime=0)[:n]),
    ),
    names=st.sampled_from([None, ["user", "item", "rating"]]),
)
@example(data=HEAD.encode() + b'1,2,3,"' + b"x" * 200_000, names=None)
@example(data=b'"' + b"x" * 200_000, names=None)
def test_malformed_files_give_a_value_error_that_names_the_file(tmp_path, data, names):
    path = tmp_path / "malformed.csv"
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            loaded = load_ratings_csv(path, names=names)
        except ValueError as error:
            assert str(error).startswith(str(path)), error
        else:
            assert len(loaded.interactions) > 0
            assert np.isfinite(loaded.interactions.value).all()


@pytest.mark.parametrize(
    ("content", "kwargs", "message"),
    [
        ("", {}, "the file is empty"),
        ("\n \n", {}, "the file is empty"),
        (HEAD, {}, "only a header"),
        (HEAD + "\n\n", {}, "only a header"),
        ("userId,item,rating\n1,2,3\n", {}, "no column 'user'; found ['userId', "),
        ("userId,item,rating\n1,2,3\n", {}, "user=, item=, value=, time="),
        ("1,2,3\n4,5,6\n", {}, "names=['user', 'item', 'rating', ...]"),
        ("user,item\n1,2\n", {}, "no column 'rating'"),
        ("user,item,rating\n1,2,3\n", {"time": "when"}, "no column 'when'"),
        ("user,item,rating,user\n1,2,3,4\n", {}, "'user' comes more than once"),
        ("user;item;rating\n1;2;3\n", {"sep": ","}, "found one column only"),
        ("hello\nworld\n", {}, "found one column only, 'hello'"),
        ("1,2,3\n", {"names": ["user", "item"]}, "lists 2 columns, but line 1 has 3"),
        (HEAD + "1,2,3,4\n1,3,x,4\n", {}, "line 3, column 'rating': 'x' is not a num"),
        (HEAD + "1,2,,4\n", {}, "line 2, column 'rating': '' is missing"),
        (HEAD + "1,2,NaN,4\n", {}, "line 2, column 'rating': 'NaN' is not a number"),
        (HEAD + "1,2,inf,4\n", {}, "line 2, column 'rating': 'inf' is not finite"),
        (HEAD + '1,2,"3,5",4\n', {}, "pass decimal=',' if the comma is"),
        (HEAD + "1,2,3,-4\n", {}, "line 2, column 'timestamp': '-4' is before 1970"),
        (HEAD + "1,2,3,1969-12-31\n", {}, "'1969-12-31' is before 1970"),
        (HEAD + "1,2,3,5\n1,3,3,2020-01-01\n", {}, "line 3, column 'timestamp'"),
        (HEAD + "1,2,3,2020-01-01\n1,3,3,May\n", {}, "'May' is neither seconds since"),
        (HEAD + "1,2,3,1577836800000\n", {}, "time_unit='ms'"),
        (HEAD + "1,2,3,\n", {}, "pass time=None"),
        (HEAD + "1,2,3\n", {}, "line 2, column 'timestamp': '' is missing"),
        (HEAD + "1,2,3,inf\n", {}, "column 'timestamp': 'inf' is not finite"),
        (HEAD + "1,2,3,4\n,3,3,4\n", {}, "line 3, column 'user': '' is no id"),
        (HEAD + "1,nan,3,4\n", {}, "line 2, column 'item': 'nan' is no id"),
        (HEAD + "1,2,3,4\n-7,3,3,4\n", {}, "line 3, column 'user': '-7' is negative"),
        (HEAD + "1,-2,3,4\n", {}, "line 2, column 'item': '-2' is negative"),
        (HEAD + "1,2,3,4\n1,3,3,4,5\n", {}, "line 3: 5 fields, expected 4"),
        (HEAD + "1,2,3,4,5\n1,3,3,4,5\n", {}, "line 2: 5 fields, expected 4"),
        (HEAD + '1,2,3,4\n"1,3,3,4\n1,4,3,4\n', {}, "line 3: "),
        (HEAD + '1,2,3,4\n"1,3,3,4\n1,4,3,4\n', {}, "a quote is not closed"),
        (HEAD + '"a\nb",2,3,4\nc,2,x,4\n', {}, "line 4, column 'rating'"),
        ("\n\n" + HEAD + "1,2,x,4\n", {}, "line 4, column 'rating'"),
        (HEAD + "1,2,3,4\n\n1,3,x,4\n", {}, "line 4, column 'rating'"),
        (
            HEAD + "1,2,3,4\n8,9,3,4\n1,2,4,5\n",
            {},
            "1 lines repeat a (user, item) pair: user 1, item 2 (lines 2 and 4)",
        ),
        (HEAD + "a,2,3,4\n" * 9, {}, "8 lines repeat"),
        ((HEAD + "é,2,3,4\n").encode("latin-1"), {"encoding": "utf-8"}, "line 2 holds"),
        (HEAD + "1,2,3,4\n", {"encoding": "klingon"}, "unknown encoding: klingon"),
        (b"PK\x03\x04\x00\x00", {}, "damaged, incomplete or locked zip file"),
        (
            gzip.compress(HEAD.encode(), mtime=0)[:-9],
            {},
            "damaged or incomplete gzip file",
        ),
    ],
)
def test_what_is_wrong_and_where(write, content, kwargs, message):
    path = write(content)
    with pytest.raises(ValueError) as caught:
        load_ratings_csv(path, **kwargs)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("sep", ["", "\n", '"'])
def test_impossible_separator(write, sep):
    with pytest.raises(ValueError, match="sep must be one or more characters"):
        load_ratings_csv(write(HEAD + "1,2,3,4\n"), sep=sep)


def test_bad_duplicates_and_missing_file(write, tmp_path):
    with pytest.raises(ValueError, match="duplicates must be 'raise'"):
        load_ratings_csv(write(HEAD + "1,2,3,4\n"), duplicates="drop")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        load_ratings_csv(tmp_path / "nowhere.csv")


def test_movielens_1m_and_100k_layouts(write):
    names = ["user", "item", "rating", "timestamp"]
    path = write("1::1193::5::978300760\n1::661::3::978302109\n")
    expected = [[1, 1193, 5, 978300760], [1, 661, 3, 978302109]]
    assert rows(load_ratings_csv(path, names=names)) == expected
    assert rows(load_ratings_csv(path, names=names, sep="::")) == expected
    path = write("196\t242\t3\t881250949\n186\t302\t3\t891717742\n")
    assert rows(load_ratings_csv(path, names=names))[0] == [196, 242, 3, 881250949]


def test_movielens_latest_layout(write):
    path = write("userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,3,4.5,7\n")
    data = load_ratings_csv(path, user="userId", item="movieId")
    assert rows(data) == [[1, 1, 4, 964982703], [1, 3, 4.5, 7]]
    assert data.interactions.user_ids.dtype == np.int64


def test_times(write):
    path = write(HEAD + "1,2,3,2020-01-01\n1,3,3,2020-01-01T01:00:00+01:00\n")
    assert load_ratings_csv(path).interactions.time.tolist() == [1577836800] * 2
    path = write(HEAD + "1,2,3,1970-01-01 00:01:00.9\n")
    assert load_ratings_csv(path).interactions.time.tolist() == [60]
    path = write(HEAD + "1,2,3,60.9\n")
    assert load_ratings_csv(path).interactions.time.tolist() == [60]
    assert load_ratings_csv(path, time=None).interactions.time is None
    path = write("user,item,rating\n1,2,3\n")
    assert load_ratings_csv(path).interactions.time is None


def test_ids(write):
    # leading zeros are part of an id; a column of plain numbers becomes int64
    data = load_ratings_csv(write("user,item,rating\n01,10,3\n1,9,3\n"))
    assert data.users.user.tolist() == ["01", "1"]
    assert data.items.item.tolist() == [9, 10]
    big = "9" * 30
    data = load_ratings_csv(write(f"user,item,rating\n{big},x,3\n-1,y,3\n"))
    assert sorted(data.users.user) == ["-1", big]


def test_events_without_a_value(write):
    data = load_ratings_csv(write("user,item\nann,x\nbob,y\n"), value=None)
    assert rows(data) == [["ann", "x", 1.0], ["bob", "y", 1.0]]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("last", [["a", "x", 3, 9], ["b", "x", 5, 5]]),
        ("mean", [["a", "x", 2, 9], ["b", "x", 5, 5]]),
        ("sum", [["a", "x", 4, 9], ["b", "x", 5, 5]]),
    ],
)
def test_duplicates_can_be_merged(write, how, expected):
    path = write(HEAD + "a,x,3,9\nb,x,5,5\na,x,1,7\n")
    assert rows(load_ratings_csv(path, duplicates=how)) == expected


def test_latin_1_is_read_with_a_note(write):
    path = write((HEAD + "Zoé,2,3,4\n").encode("latin-1"))
    with pytest.warns(UserWarning, match="line 2 holds the byte 0xe9; read as latin-1"):
        assert rows(load_ratings_csv(path)) == [["Zoé", 2, 3, 4]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert rows(load_ratings_csv(path, encoding="latin-1"))[0][0] == "Zoé"


def test_delimiter_found_beside_confusing_text(write):
    # the comma is more frequent in the first line, but the semicolon makes a table
    path = write('"a, b, c, d, e";user;item;rating\n"x, y";1;2;3\nz;1;3;3\n')
    assert rows(load_ratings_csv(path)) == [[1, 2, 3], [1, 3, 3]]
    path = write("user item rating\n1 2 3\n1 3 4\n")
    assert rows(load_ratings_csv(path)) == [[1, 2, 3], [1, 3, 4]]
    path = write("1,2,3,2020-01-01 10:00\n", name="n.csv")
    names = ["user", "item", "rating", "timestamp"]
    assert rows(load_ratings_csv(path, names=names))[0][:3] == [1, 2, 3]


def test_the_cache_holds_text_tables_and_no_pickles(small, tmp_path):
    wheel(tmp_path / "recbole-1.whl")
    load(tmp_path)
    body = (tmp_path / movielens.CACHE_NAME).read_bytes().partition(b"\n")[2]
    (tmp_path / "body.npz").write_bytes(body)
    with np.load(tmp_path / "body.npz", allow_pickle=False) as arrays:
        assert arrays["ratings"].tolist() == [list(r) for r in RATINGS]
        assert json.loads(arrays["tables"].tobytes())["items"]["title"] == TITLES
