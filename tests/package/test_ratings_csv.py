"""The loader against literal oracles, one test per kind of what a file can mean."""

import bz2
import csv
import datetime
import gzip
import io
import json
import lzma
import math
import re
import unicodedata
import warnings
import zipfile

import numpy as np
import pandas as pd
import pytest
import strategies
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recsys_tutor.data import Interactions
from recsys_tutor.datasets import load_ratings_csv

NAMES = ["user", "item", "rating", "timestamp"]
HEAD = ",".join(NAMES) + "\n"
fuzz = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def write(tmp_path):
    def write(content, name="ratings.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def rows(data):
    return data.interactions.to_frame().to_numpy().tolist()


def outcome(path, **options):
    """The loaded data, or the message; it starts with the file's name."""
    try:
        return load_ratings_csv(path, **options)
    except ValueError as error:
        assert str(error).startswith(str(path)), error
        return str(error)


# -- ids: what is not the same text is not the same id ---------------------------------


def literal_ids(texts, markers):
    """By str methods: ids, or None where the column is refused."""
    if any(text.lower() in markers for text in texts):
        return None

    def whole(text):
        digits = text.isascii() and text.isdigit()
        return digits and str(int(text)) == text

    def small(text):
        return whole(text) and int(text) < 2**63

    negative = [t[:1] == "-" and t != "-0" and whole(t[1:]) for t in texts]
    if all(map(small, texts)):
        return [int(text) for text in texts]
    if all(small(t) or bad for t, bad in zip(texts, negative, strict=True)):
        return None
    return texts


MARKERS = {"nan", "null", "none", "na", "n/a", "<na>", "\\n", "nil", "nat", "#n/a"}


@fuzz
@given(texts=st.lists(strategies.ID_TEXTS, min_size=1, max_size=4))
@example(texts=["0", "-0"])
@example(texts=["1", "１"])
@example(texts=["1", "01"])
@example(texts=["-9223372036854775808"])
@example(texts=["9223372036854775807", "9223372036854775808"])
def test_ids_of_a_file_are_its_texts(tmp_path, texts):
    path = tmp_path / "r.csv"
    lines = [f"{text},{n},3" for n, text in enumerate(texts)]
    path.write_text("user,item,rating\n" + "\n".join(lines), encoding="utf-8")
    for options, markers in (({}, MARKERS), ({"missing_ids": ()}, set())):
        expected = literal_ids(texts, markers)
        got = outcome(path, **options)
        if expected is None:
            assert re.search(r"line \d+, column 'user'", got)
        else:
            assert got.interactions.to_frame().user.tolist() == expected
            assert list(map(type, got.users.user.tolist())) == [
                type(expected[0]) for _ in set(expected)
            ]


@pytest.mark.parametrize("column", ["user", "item"])
@pytest.mark.parametrize(
    "mark", ["", '""', " ", "NULL", "\\N", "None", "<NA>", "NA", "N/A", "n/a", "NaT"]
)
def test_a_missing_id_is_refused_with_its_place(write, column, mark):
    line = {"user": f"{mark},7,3,4", "item": f"7,{mark},3,4"}[column]
    message = outcome(write(HEAD + "1,2,3,4\n" + line + "\n"))
    assert f"line 3, column {column!r}" in message and "is no id" in message
    if mark.strip(' "'):
        assert "missing_ids=()" in message
        named = load_ratings_csv(write(HEAD + line + "\n"), missing_ids=())
        assert mark in rows(named)[0]


def test_only_the_missing_ids_that_are_said(write):
    path = write(HEAD + "NA,2,3,4\nnobody,3,3,4\n")
    message = outcome(path, missing_ids=["Nobody"])
    assert "line 3" in message and "'nobody' is no id" in message


def test_blanks_inside_quotes_belong_to_the_id(write):
    data = load_ratings_csv(write(HEAD + '" 033",1,3,4\n033,1,3,4\n 033 ,2,3,4\n'))
    assert data.users.user.tolist() == [" 033", "033"]
    assert len(data.interactions) == 3


def test_unicode_is_not_normalised(write):
    two = [unicodedata.normalize(form, "é") for form in ("NFC", "NFD")]
    data = load_ratings_csv(write(HEAD + "".join(f"{u},1,3,4\n" for u in two)))
    assert data.interactions.n_users == 2
    assert data.interactions.user_index(two).tolist() != [0, 0]


# -- one catalogue for two files -------------------------------------------------------


def test_a_test_file_in_the_shape_of_the_training_file(write):
    train = load_ratings_csv(write(HEAD + "1,a,3,4\n20,b,3,4\n3,c,1,1\n"))
    catalogue = {"user_ids": train.users.user, "item_ids": train.items.item}
    test = load_ratings_csv(write(HEAD + "20,c,5,9\n", "t.csv"), **catalogue)
    assert test.interactions.shape == train.interactions.shape
    assert rows(test) == [[20, "c", 5, 9]]
    pd.testing.assert_frame_equal(test.items, train.items)
    pd.testing.assert_frame_equal(test.users, train.users)
    for line, column in (("02,c,5,9", "user"), ("20,C,5,9", "item")):
        message = outcome(write(HEAD + "1,a,1,1\n" + line), **catalogue)
        assert f"line 3, column {column!r}" in message
        assert "not among the ids that were given" in message


def test_a_text_catalogue_keeps_digits_as_text(write):
    got = load_ratings_csv(write(HEAD + "7,1,3,4\n"), user_ids=["x", "7"])
    assert rows(got)[0][:2] == ["7", 1] and got.interactions.user.tolist() == [1]
    with pytest.raises(ValueError, match="user_ids holds 1 as a number and as text"):
        load_ratings_csv(write(HEAD + "1,1,3,4\n"), user_ids=[1, "1"])
    with pytest.raises(ValueError, match="item_ids must be unique"):
        load_ratings_csv(write(HEAD + "1,1,3,4\n"), item_ids=[1, 1])


# -- quotes ----------------------------------------------------------------------------

SEPS = [",", ";", "|", "\t", "::", "<>"]
CELL = st.text("ab\"', :;\\<>\n", min_size=1, max_size=6).filter(
    lambda s: s.strip(" \n") == s and s.lower() not in MARKERS
)
PAIRS = st.lists(st.tuples(CELL, CELL), min_size=1, max_size=5, unique=True)


def quoted(cell, sep, quoting, inside):
    cell = str(cell)
    needs = any(c in cell for c in (*sep, '"', "\n"))
    if quoting == csv.QUOTE_MINIMAL and not needs:
        return cell
    if inside == "backslash":
        return '"' + cell.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return '"' + cell.replace('"', '""') + '"'


@fuzz
@given(
    pairs=PAIRS,
    sep=st.sampled_from(SEPS),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    inside=st.sampled_from(["doubled", "backslash"]),
    header=st.booleans(),
)
def test_quoted_files_come_back(tmp_path, pairs, sep, quoting, inside, header):
    """Exactly when the way of quoting is said; without it, exactly or not at all."""
    lines = [NAMES[:3]] if header else []
    lines += [(u, i, n) for n, (u, i) in enumerate(pairs)]
    path = tmp_path / "r.csv"
    path.write_text(
        "\n".join(sep.join(quoted(c, sep, quoting, inside) for c in r) for r in lines),
        encoding="utf-8",
    )
    expected = [[u, i, n] for n, (u, i) in enumerate(pairs)]
    options = {"sep": sep, "names": None if header else NAMES[:3]}
    assert rows(load_ratings_csv(path, quotes=inside, **options)) == expected
    got = outcome(path, **options)
    if isinstance(got, str):
        assert "pass quotes=" in got, got
    elif inside == "doubled":
        assert rows(got) == expected


@fuzz
@given(pairs=PAIRS, sep=st.sampled_from(["\t", "::"]), header=st.booleans())
def test_plain_quotes_are_characters(tmp_path, pairs, sep, header):
    """A dump that quotes nothing: literal with quotes="plain", else literal, refused,
    or CSV beyond doubt (all cells that begin with a quote are complete CSV fields)."""
    pairs = [(u.replace("\n", ""), i.replace("\n", "")) for u, i in pairs]
    pairs = [(u.replace(":", "."), i.replace(":", ".")) for u, i in pairs]
    pairs = [p for p in dict.fromkeys(pairs) if all(c and c.strip() == c for c in p)]
    pairs = [p for p in pairs if not MARKERS & {c.lower() for c in p}]
    if not pairs:
        return
    lines = [NAMES[:3]] * header + [(u, i, str(n)) for n, (u, i) in enumerate(pairs)]
    path = tmp_path / "r.tsv"
    path.write_text("\n".join(map(sep.join, lines)), encoding="utf-8")
    expected = [[u, i, n] for n, (u, i) in enumerate(pairs)]
    options = {"sep": sep, "names": None if header else NAMES[:3]}
    assert rows(load_ratings_csv(path, quotes="plain", **options)) == expected
    got = outcome(path, **options)
    if isinstance(got, str):
        assert "pass quotes=" in got
        return
    csv_field = re.compile(r'"(?:[^"]|"")*"')
    starts = [c for pair in pairs for c in pair if c[0] == '"']
    if not (starts and all(map(csv_field.fullmatch, starts))):
        assert rows(got) == expected
    assert len(rows(got)) == len(expected), "no line is lost"


@pytest.mark.parametrize("sep", [",", ";", "\t", "::"])
def test_a_quote_never_swallows_lines(write, sep):
    lines = ["u0 fine 1", 'u1 "heroes 10', "u2 bar 5", 'u3 low" 7', "u4 qux 7"]
    path = write("\n".join(lines).replace(" ", sep))
    message = outcome(path, names=NAMES[:3], sep=sep)
    assert "line 2: the quotes can enclose a field or belong" in message
    data = load_ratings_csv(path, names=NAMES[:3], sep=sep, quotes="plain")
    assert len(data.interactions) == 5 and '"heroes' in data.items.item.tolist()


def test_quotes_that_are_none_of_csv(write):
    text = 'u1\t"weird al" y\t3\nu2\t"Heroes"\t4\nu3\tsay "x"\t1\n'
    data = load_ratings_csv(write(text), names=NAMES[:3])
    assert sorted(data.items.item) == ['"Heroes"', '"weird al" y', 'say "x"']
    message = outcome(write(text.replace("\t", ",")), names=NAMES[:3])
    assert "line 1: text between a closing quote and the end of its field" in message
    message = outcome(write('u1\t"Heroes"\t3\nu2\tLow\t4\n'), names=NAMES[:3])
    assert "line 1: the quotes can enclose" in message


def test_backslashes_before_quotes(write):
    text = 'user;item;rating\n"1";"3\\"257\\"X";5\n'
    assert "a backslash before a quote" in outcome(write(text))
    data = load_ratings_csv(write(text), quotes="backslash")
    assert rows(data) == [[1, '3"257"X', 5]]
    assert "pass quotes=" in outcome(write('user,item,rating\na,"x\\",3\n'))


def test_separators_of_several_characters_inside_quotes(write):
    data = load_ratings_csv(
        write('user::item::rating\n1::"a::b"::3\n2::c::4\n'), sep="::"
    )
    assert rows(data) == [[1, "a::b", 3], [2, "c", 4]]
    found = load_ratings_csv(write('user::item::rating\n1::"a::b"::3\n2::c::4\n'))
    assert rows(found) == rows(data)


# -- numbers ---------------------------------------------------------------------------

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.A | re.I)


@fuzz
@given(texts=st.lists(strategies.NUMBER_TEXTS, min_size=1, max_size=4))
@example(texts=["1_000"])
@example(texts=["１"])
@example(texts=["0x10"])
@example(texts=["1e400"])
@example(texts=["1,234"])
@example(texts=["1.5", "1,5"])
def test_values_are_plain_numbers(tmp_path, texts):
    path = tmp_path / "r.csv"
    lines = [f"u\t{n}\t{text}" for n, text in enumerate(texts)]
    path.write_text("user\titem\trating\n" + "\n".join(lines), encoding="utf-8")

    def literal(texts):
        good = all(map(NUMBER.fullmatch, texts))
        numbers = [float(text) for text in texts] if good else [math.nan]
        return numbers if np.isfinite(numbers).all() else None

    comma = None if any("." in t for t in texts) else literal(
        [t.replace(",", ".") for t in texts]
    )  # fmt: skip
    thousands = all(re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", t)
                    for t in texts if "," in t)  # fmt: skip
    for decimal, expected in (
        (".", literal(texts)),
        (",", comma),
        (None, literal(texts) or (None if thousands else comma)),
    ):
        got = outcome(path, decimal=decimal, sep="\t")
        if expected is None:
            assert re.search(r"line \d+, column 'rating'", got)
        else:
            assert [row[2] for row in rows(got)] == expected


def test_decimal_comma(write):
    text = "user;item;rating\n1;2;3,5\n1;3;4\n"
    for options in ({}, {"decimal": ","}):
        assert rows(load_ratings_csv(write(text), **options)) == [
            [1, 2, 3.5],
            [1, 3, 4.0],
        ]
    assert "pass decimal=','" in outcome(write(text), decimal=".")
    message = outcome(write("user;item;rating\n1;2;1,234\n"))
    assert "line 2" in message and "between thousands" in message
    with pytest.raises(ValueError, match="decimal must be '.' or ','"):
        load_ratings_csv(write(text), decimal=";")


def test_values_that_mean_no_rating(write):
    path = write("user,item,rating\n1,2,0\n1,3,5\n2,2,99\n2,3,NULL\n2,4,0.0\n")
    with pytest.warns(UserWarning, match=r"dropped 4 of 5 lines whose 'rating'"):
        data = load_ratings_csv(path, missing=[0, 99, "NULL"])
    assert rows(data) == [[1, 3, 5]] and data.interactions.n_users == 1
    with pytest.warns(UserWarning, match="dropped 0 of 1 lines"):
        load_ratings_csv(write("user,item,rating\n1,2,0\n"), missing=99)
    assert "no ratings are left" in outcome(
        write("user,item,rating\n1,2,0\n"), missing=0
    )
    with pytest.warns(UserWarning, match="dropped 1 of 2"):
        data = load_ratings_csv(
            write("user;item;rating\n1;2;0,5\n1;3;1,5\n"), missing=0.5
        )
    assert rows(data) == [[1, 3, 1.5]]
    with pytest.raises(ValueError, match="missing= speaks of the value column"):
        load_ratings_csv(path, value=None, missing=0)
    for wrong in (math.nan, [True], [None]):
        with pytest.raises(ValueError, match="missing must hold numbers or texts"):
            load_ratings_csv(path, missing=wrong)


# -- times -----------------------------------------------------------------------------


@fuzz
@given(
    moment=st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31)),
    offset=st.integers(-23 * 60, 23 * 60),
    style=st.sampled_from(["day", "T", " ", "minutes", "Z", "zone"]),
)
@example(datetime.datetime(9999, 12, 31), 0, "day")
@example(datetime.datetime(2300, 1, 1), 0, "T")
@example(datetime.datetime(1600, 1, 1), 0, "day")
def test_dates_of_all_years(tmp_path, moment, offset, style):
    text = moment.isoformat(timespec="microseconds")
    if style == "day":
        text, moment = text[:10], datetime.datetime.combine(moment, datetime.time())
    elif style == "minutes":
        text = text[:16]
        moment = moment.replace(second=0, microsecond=0)
    elif style == " ":
        text = text.replace("T", " ")
    elif style == "Z":
        text += "Z"
    elif style == "zone":
        hours, minutes = divmod(abs(offset), 60)
        text += f"{'-' if offset < 0 else '+'}{hours:02}:{minutes:02}"
    seconds = (moment - datetime.datetime(1970, 1, 1)) // datetime.timedelta(seconds=1)
    seconds -= 60 * offset if style == "zone" else 0
    path = tmp_path / "r.csv"
    path.write_text(HEAD + f"1,2,3,2020-01-01\n1,3,3,{text}\n")
    got = outcome(path)
    if seconds < 0:
        assert "line 3, column 'timestamp'" in got and "before 1970" in got
    else:
        assert got.interactions.time.tolist() == [1577836800, seconds]


@pytest.mark.parametrize("first", ["2020-01-01", "1577836800", None])
@pytest.mark.parametrize(
    "cell",
    [
        *("now", "today", "NaT", "2020-13-01", "2020-02-30", "2020-1-5", "1/5/2020"),
        *("2020-01-01T24:00", "2020-01-01T10:00+99:00", "2020-W01-1", "2020-001"),
        *(
            "２０２０-01-01",
            "2020-01-01 noon",
            "20200102",
            "20200102.0",
            "202001021530",
        ),
        *("20200102153000", "1_577", "0x10", "1e400", "-1", "１５"),
    ],
)
def test_what_is_no_time(write, first, cell):
    """The same answer whatever the first line holds: refused, with the line."""
    lines = [] if first is None else [f"1,2,3,{first}\n"]
    message = outcome(write(HEAD + "".join(lines) + f"1,3,3,{cell}\n"))
    assert f"line {len(lines) + 2}, column 'timestamp'" in message


def test_years_and_days_in_digits(write):
    path = write(HEAD + "1,2,3,1999\n1,3,3,2004\n")
    assert "looks like a year in digits" in outcome(path)
    assert rows(load_ratings_csv(path, time_unit="s"))[0][3] == 1999
    path = write(HEAD + "1,2,3,20200102\n")
    assert "looks like a date in digits" in outcome(path)
    assert rows(load_ratings_csv(path, time_unit="s"))[0][3] == 20200102
    path = write(HEAD + "1,2,3,1999\n1,3,3,2004\n1,4,3,5\n")
    assert rows(load_ratings_csv(path))[0][3] == 1999, "a clock that counts from 0"


@fuzz
@given(
    st.integers(0, 10**10),
    st.integers(0, 10**9 - 1),
    st.sampled_from(["s", "ms", "us", "ns"]),
    st.booleans(),
)
@example(1_588_687_728, 923_456_789, "ns", False)
def test_time_units(tmp_path, seconds, nanoseconds, unit, fraction):
    scale = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    number, rest = divmod((seconds * 10**9 + nanoseconds) * scale, 10**9)
    path = tmp_path / "r.csv"
    text = f"{number}.{rest:09}" if fraction else f"{number}"
    path.write_text(HEAD + f"1,2,3,{text}\n")
    assert rows(load_ratings_csv(path, time_unit=unit)) == [[1, 2, 3, seconds]]


def test_too_large_for_seconds(write):
    for number, unit in ((10**12, "ms"), (10**15, "us"), (1588687728923456789, "ns")):
        path = write(HEAD + f"1,2,3,{number}\n")
        assert f"pass time_unit={unit!r}" in outcome(path)
        scale = {"ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
        assert rows(load_ratings_csv(path, time_unit=unit))[0][3] == number // scale
    assert "too large" in outcome(write(HEAD + "1,2,3,1e30\n"))
    with pytest.raises(ValueError, match="time_unit must be one of"):
        load_ratings_csv(path, time_unit="minutes")
    path = write(HEAD + "1,2,3,2020-01-01\n")
    assert "is not a number" in outcome(path, time_unit="ms")


# -- the file around the table ---------------------------------------------------------

TEXT = HEAD + "é,2,3,4\nb,2,3,4\n"


def zipped(**members):  # two underscores for a slash
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(re.sub("(?<=.)__", "/", name), data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "pack",
    [
        *(gzip.compress, bz2.compress, lzma.compress, lambda d: zipped(r=d)),
        lambda d: zipped(folder__r=gzip.compress(d)),
        lambda d: zipped(**{"r": d, "__MACOSX/._r": b"x", ".hidden": b"x"}),
    ],
)
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_packed_and_encoded(write, pack, codec):
    data = pack(TEXT.encode(codec))
    assert rows(load_ratings_csv(write(data))) == [["é", 2, 3, 4], ["b", 2, 3, 4]]
    for cut in (len(data) // 2, len(data) - 3):
        assert isinstance(outcome(write(data[:cut])), str)


def test_which_member_of_a_zip(write):
    path = write(zipped(a__r="user,item\n1,2\n", a__s=TEXT, b__s="x"))
    assert "holds 3 files; pass member=" in outcome(path)
    assert "holds 2 files called 's'" in outcome(path, member="s")
    assert "holds 0 files called 'q'" in outcome(path, member="q")
    assert len(rows(load_ratings_csv(path, member="a/s"))) == 2
    assert rows(load_ratings_csv(path, member="r", value=None)) == [[1, 2, 1.0]]
    assert "member= is for zip files" in outcome(write(TEXT), member="r")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (json.dumps({"user": "A", "item": "01", "rating": 5}) + "\n", "lines=True"),
        (json.dumps([{"user": "A"}]), "this is JSON"),
        (json.dumps([{"user": "A"}], indent=1), "this is JSON"),
        (json.dumps([["A", 1]]), "this is JSON"),
        ("{'user': 'A', 'item': 1}\n", "ast.literal_eval"),
        ("<!DOCTYPE html>\n<p>404", "HTML"),
        ("<?xml version='1.0'?>\n<a/>", "XML"),
        (b"PAR1\x00\x01", "read_parquet"),
        (zipped(xl__workbook="").replace(b"xl/workbook", b"xl/workbook"), "no column"),
        (b"\xd0\xcf\x11\xe0abc", "read_excel"),
        (b"%PDF-1.4\n", "a PDF document"),
        (b"SQLite format 3\0", "SQLite"),
        (b"\x28\xb5\x2f\xfdxx", "Zstandard"),
        (b"a\0" * 10, "utf-16-le"),
        ("1:\n7,3,2005-09-06\n", "Netflix"),
        ("user,item,rating\n1:\n7,3,4\n", "line 2: '1:' heads a block"),
        ("\n".join([",".join(map(str, range(40)))] * 3), "this looks like a matrix"),
    ],
)
def test_other_layouts_are_named(write, content, says):
    if says == "no column":
        content = zipped(**{"xl/workbook.xml": "x"})
        says = "read_excel"
    message = outcome(write(content))
    assert says in message and "pass sep=" not in message


def test_a_matrix_behind_names(write):
    path = write("\n".join([",".join(["99"] * 101)] * 3))
    assert "this looks like a matrix" in outcome(path, names=NAMES[:3])
    assert len(outcome(path)) < 1500, "a hundred columns are not listed"


def test_names_beside_a_header(write):
    message = outcome(write("user,item\na,b\n"), names=["user", "item"], value=None)
    assert "line 1 repeats names=" in message
    for option in ({"names": "user"}, {"missing_ids": "NA"}):
        with pytest.raises(ValueError, match="must be a sequence of texts"):
            load_ratings_csv(write(TEXT), **option)


def test_control_characters(write):
    message = outcome(write(HEAD + '"a\x1fb",2,3,4\n'))
    assert "control character '\\x1f'" in message
    path = write("user\x1fitem\x1frating\n1\x1f2\x1f3\n")
    assert rows(load_ratings_csv(path, sep="\x1f")) == [[1, 2, 3]]
    assert "zero characters" in outcome(write("a\0b,c\n"), encoding="utf-8")
    with pytest.raises(ValueError, match="quotes must be one of"):
        load_ratings_csv(write(TEXT), quotes="single")


def test_blanks_as_delimiter(write):
    text = '  user   item rating \n  1   "a b"   3  \n 22     c     4\n'
    for options in ({}, {"sep": " "}):
        assert rows(load_ratings_csv(write(text), **options)) == [
            [1, "a b", 3],
            [22, "c", 4],
        ]


def test_long_lines_are_not_cut_for_the_look_at_the_file(write):
    lines = "".join(f"{n}::1::3::{'x' * 90}\n" for n in range(3000))
    path = write("user::item::rating::note\n" + lines)
    assert len(load_ratings_csv(path).interactions) == 3000


# -- titles ----------------------------------------------------------------------------

RATINGS = "userId,movieId,rating\n7,10,4\n7,2,3\n8,10,1\n"
OPTIONS = {"user": "userId", "item": "movieId"}


def test_items_from_a_file(write):
    path = write(RATINGS)
    titles = 'movieId;title;year\n2;"Two; or 2";1995\n99;Unrated;2000\n10;Ten;\n'
    data = load_ratings_csv(path, items=write(titles, "items.csv"), **OPTIONS)
    assert data.items.to_dict("list") == {
        "item": [2, 10],
        "title": ["Two; or 2", "Ten"],
        "year": ["1995", ""],
    }
    data = load_ratings_csv(
        path, items=tmp(write, titles), item_ids=[99, 10, 2], **OPTIONS
    )
    assert data.items.title.tolist() == ["Unrated", "Ten", "Two; or 2"]
    frame = pd.DataFrame({"item": [10, 2], "title": ["Ten", "Two"], "n": [1, 2]})
    data = load_ratings_csv(path, items=frame, **OPTIONS)
    assert data.items.title.tolist() == ["Two", "Ten"]
    assert data.items.n.tolist() == [2, 1]


def tmp(write, text):
    return write(text, "items.csv")


def test_items_without_a_line(write):
    items = write("movieId,title\n10,Ten\n02,Two\n", "items.csv")
    with pytest.warns(UserWarning, match="1 of 2 items have no line here"):
        data = load_ratings_csv(write(RATINGS), items=items, **OPTIONS)
    assert data.items.title.isna().tolist() == [True, False], "02 is not 2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("movieId,title\n10,Ten\n2,Two\n10,X\n", "line 4, column 'movieId': '10'"),
        ("movieId,title\n10,Ten\n,Two\n", "line 3, column 'movieId': '' is no item"),
        ("id,title\n10,Ten\n", "no column 'movieId'; found ['id', 'title']"),
        ("movieId,title\nA,Ten\n", "none of its ids, such as ['A']"),
        ("movieId,item\n10,Ten\n", "column 'item' would come twice"),
        ("movieId,title,title\n10,Ten,x\n", "column 'title' would come twice"),
        ("", "the file is empty"),
    ],
)
def test_items_that_do_not_fit(write, text, message):
    items = tmp(write, text)
    with pytest.raises(ValueError) as caught:
        load_ratings_csv(write(RATINGS), items=items, **OPTIONS)
    assert str(caught.value).startswith(str(items)) and message in str(caught.value)


def test_item_frames_that_do_not_fit(write):
    for ids in ([10, 2, 10], [10, None, 3], [(1,), 2, 3]):
        with pytest.raises(ValueError, match="column 'item' of items must hold"):
            load_ratings_csv(
                write(RATINGS), items=pd.DataFrame({"item": ids}), **OPTIONS
            )


# -- anything at all -------------------------------------------------------------------


@settings(parent=fuzz, max_examples=400)
@given(
    text=st.text('012,;\t:" \n\\a-.|é１', max_size=50),
    head=st.sampled_from(["", HEAD, HEAD.replace(",", "\t"), HEAD.replace(",", "::")]),
    names=st.sampled_from([None, NAMES[:3]]),
    quotes=st.sampled_from([None, "doubled", "backslash", "plain"]),
    sep=st.sampled_from([None, ",", "\t", "::", " ", "."]),
)
def test_any_text_is_read_or_refused_by_name(tmp_path, text, head, names, quotes, sep):
    path = tmp_path / "any.csv"
    path.write_text(head + text, encoding="utf-8", newline="")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = outcome(path, names=names, quotes=quotes, sep=sep)
    if not isinstance(got, str):
        again = Interactions.from_frame(got.interactions.to_frame())
        assert again.digest == got.interactions.digest
        known = {str(i) for i in got.items.item} | {str(u) for u in got.users.user}
        marks = ("\x1d", "\x1e", "\x1f")
        assert not any(mark in one for one in known for mark in marks)
