"""Unusual cells: ids, values and times."""

import datetime

from fuzz.core import Case

KINDS = {}
#: Texts that say "no id" in some program; a file that holds one has to be refused.
NO_ID = (
    ["", "nan", "NaN", "NAN", "NULL", "null", "None", "<NA>", "\\N", "N/A"]
)  # fmt: skip
PERHAPS_NO_ID = ["NA", "none", "n/a", "#N/A", "nil", "-", "?", "NaT", "Null", "-nan"]
GOOD = {
    "1e2": 100.0, "+3": 3.0, ".5": 0.5, "5.": 5.0, "-3.25": -3.25, "007": 7.0,
    "1E-3": 0.001, "0": 0.0, "-0": 0.0, "0.1": 0.1, "123456789012345678": 1.2345678901234568e17,
    "1e308": 1e308, "3.141592653589793": 3.141592653589793, "1e-320": 1e-320,
}  # fmt: skip
BAD = (
    ["", "nan", "NaN", "inf", "-Infinity", "1e400", "abc", "NULL", "1 000", "5/5"]
    + [
        "80%",
        "--1",
        "0x10",
        "True",
        "False",
        "1d",
        "½",
        "²",
        "1e",
        "1.2.3",
        "∞",
        "1__0",
    ]
    + [
        "<NA>",
        "None",
        "4 stars",
        "1+2j",
        "infinity",
        "1e+400",
        "1'000",
        "#5",
        "()",
        "$4",
    ]
)
#: A reader may take these for a number, or refuse them.
PERHAPS = {
    "1_000": 1000.0,
    "１２": 12.0,
    "٣": 3.0,
    "1,5": 1.5,
    "−1": -1.0,
    "3,25": 3.25,
}
BAD_TIMES = (
    ["now", "today", "Today", "NOW", "yesterday", "", "nan", "NaT", "inf", "-5", "-0.5"]
    + ["9999-12-32", "2020-02-30", "2020-01-02T25:00:00", "01/02/2020", "Jan 2, 2020"]
    + ["1588687728923456789", "1e400", "12:30", "2020-13-01", "NULL", "1600-01-01"]
    + ["1969-12-31", "0000-00-00", "0000-00-00 00:00:00", "2020-1-2x", "1e30", "None"]
)
DIGIT_DATES = ["20200102", "20051231", "2020", "202001", "19991231", "20200102T030405"]


def kind(name):
    def register(function):
        KINDS[name] = function
        return function

    return register


def epoch(text):
    """Whole seconds of an ISO date, UTC unless it says otherwise."""
    date = datetime.datetime.fromisoformat(text)
    if date.tzinfo is None:
        date = date.replace(tzinfo=datetime.UTC)
    passed = date - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return passed // datetime.timedelta(seconds=1)


def with_times(rng, d):
    """Every row gets a time in seconds; the file has the column."""
    if d.time is None:
        d.columns.append("timestamp")
        d.time = [{row_time} for row_time in range(len(d.rows))]
        for n, row in enumerate(d.rows):
            row["timestamp"] = str(n)
        if not d.header:
            d.kwargs["names"] = list(d.columns)
    d.kwargs.pop("time", None)


def one(rng, d):
    return rng.randrange(len(d.rows))


def other_ids(d, role, texts):
    free = "item" if role == "user" else "user"
    for n, row in enumerate(d.rows):
        row[free] = str(n)
        row[role] = texts[n % len(texts)]


@kind("missing id")
def _(rng, d):
    n, role, text = one(rng, d), rng.choice(["user", "item"]), rng.choice(NO_ID)
    if d.sep == " " and not text:
        text = "NULL"
    if d.style == "csv" and rng.random() < 0.2:
        text = text and f" {text} "
    d.rows[n][role] = text
    d.blame(n, role)
    if text.strip() == "" and len(d.columns) == 1:
        d.refuse = "may"


@kind("perhaps a missing id")
def _(rng, d):
    d.rows[one(rng, d)]["user"] = rng.choice(PERHAPS_NO_ID)
    d.refuse = "may"


@kind("ids 0 and -0")
def _(rng, d):
    texts = rng.choice([["0", "-0"], ["-0", "1"], ["0", "-0", "00"], ["7", "-7", "07"]])
    other_ids(d, rng.choice(["user", "item"]), texts)
    d.refuse = "may"
    if not all(t.lstrip("-").isdigit() and "0" != t[:1] or t == "0" for t in texts):
        d.every = ()


@kind("digits that are not ASCII")
def _(rng, d):
    pairs = [["12", "١٢"], ["3", "３"], ["5", "۵", "7"], ["٣", "٤"], ["1", "¹"]]
    other_ids(d, rng.choice(["user", "item"]), rng.choice(pairs))
    d.encoding = rng.choice(["utf-8", "utf-16"])
    d.refuse = "may"


@kind("ids that numbers would merge")
def _(rng, d):
    texts = rng.choice(
        [
            ["1", "1.0", "01", "+1"],
            ["100", "1e2", "100.0"],
            ["9007199254740993", "9007199254740992"],
            ["123456789012345678901", "123456789012345678902"],
            ["9223372036854775808", "-9223372036854775808", "1"],
            ["a", "A", "á", "a\u0301", "á"],
            ["0", "00", "000"],
            ["True", "1", "true"],
            ["1_0", "10"],
            ["0x10", "16"],
        ]
    )
    other_ids(d, rng.choice(["user", "item"]), texts)
    d.encoding = "utf-8"


@kind("values that are numbers")
def _(rng, d):
    for n, row in enumerate(d.rows):
        row["rating"] = rng.choice(list(GOOD))
        d.value[n] = {GOOD[row["rating"]]}


@kind("a value that is no number")
def _(rng, d):
    n, text = one(rng, d), rng.choice(BAD)
    if d.sep == " " and (not text or " " in text):
        text = "nan"
    d.rows[n]["rating"] = text
    d.encoding = rng.choice(["utf-8", "utf-8-sig", "utf-16"])
    d.blame(n, "rating")


@kind("a value that may be a number")
def _(rng, d):
    n, text = one(rng, d), rng.choice(list(PERHAPS))
    if "," in text and d.sep == ",":
        text = "1_000"
    d.rows[n]["rating"] = text
    d.encoding = "utf-8"
    d.value[n] = {PERHAPS[text]}
    d.blame(n, "rating", "may")


@kind("decimal comma")
def _(rng, d):
    d.sep, d.style = rng.choice([(";", "csv"), ("\t", "plain"), ("|", "csv")])
    d.kwargs.pop("sep", None)
    for n, row in enumerate(d.rows):
        whole, part = rng.randint(-9, 9), rng.choice(["5", "25", "0", "125"])
        row["rating"] = f"{whole},{part}"
        d.value[n] = {float(f"{whole}.{part}")}
        row["user"], row["item"] = f"u{n % 3}", f"i{n}"
    d.refuse = "may"
    d.words = ("decimal", "column 'rating'", "column 'stars'")


@kind("thousands in quotes")
def _(rng, d):
    d.sep, d.style = ",", "csv"
    d.kwargs.pop("sep", None)
    n = one(rng, d)
    d.rows[n]["rating"] = "1,000"
    d.value[n] = {1000.0}
    d.blame(n, "rating", "may")


@kind("fractions of a second")
def _(rng, d):
    with_times(rng, d)
    for n, row in enumerate(d.rows):
        whole = rng.randint(0, 2 * 10**9)
        row["timestamp"] = f"{whole}.{rng.choice(['0', '5', '999999', '000001'])}"
        d.time[n] = {whole}


@kind("seconds in other clothes")
def _(rng, d):
    with_times(rng, d)
    for n, row in enumerate(d.rows):
        text, whole = rng.choice(
            [("9.783e8", 978300000), ("1E9", 10**9), ("+5", 5), ("007", 7), ("3.", 3)]
        )
        row["timestamp"], d.time[n] = text, {whole}
    d.refuse = "may"


@kind("milliseconds")
def _(rng, d):
    with_times(rng, d)
    for n, row in enumerate(d.rows):
        whole = rng.randint(10**12, 2 * 10**12)
        row["timestamp"], d.time[n] = str(whole), {whole // 1000}
    d.blame(0, "timestamp", "may")


@kind("ISO dates")
def _(rng, d):
    if d.sep == " ":
        d.sep, d.style = ",", "csv"
        d.kwargs.pop("sep", None)
    with_times(rng, d)
    for n, row in enumerate(d.rows):
        moment = datetime.datetime(1970, 1, 2) + datetime.timedelta(
            seconds=rng.randint(0, 3 * 10**9)
        )
        form = rng.choice(
            ["%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"]
        )
        text = moment.strftime(form)
        if form.endswith("%S"):
            text += rng.choice(["", ".5", ".123456", ".999999999"])
        if "%H" in form:
            text += rng.choice(["", "Z", "+02:00", "-05:30"])
        row["timestamp"] = text
        d.time[n] = {epoch(text)}


@kind("a time that is none")
def _(rng, d):
    if d.sep == " ":
        d.sep, d.style = ",", "csv"
        d.kwargs.pop("sep", None)
    with_times(rng, d)
    if rng.random() < 0.5:
        for row in d.rows:
            row["timestamp"] = "2020-01-02"
    n = one(rng, d)
    d.rows[n]["timestamp"] = rng.choice(BAD_TIMES)
    d.blame(n, "timestamp")
    if n == 0:  # the others may then be what is odd
        d.at, d.every = None, (r"column '", r"line ")


@kind("dates far away")
def _(rng, d):
    with_times(rng, d)
    n = one(rng, d)
    for m, row in enumerate(d.rows):
        text = "2020-01-02" if m != n else rng.choice(["9999-12-31", "2300-01-01"])
        row["timestamp"], d.time[m] = text, {epoch(text)}
    d.blame(n, "timestamp", "may")


@kind("seconds and dates mixed")
def _(rng, d):
    with_times(rng, d)
    for m, row in enumerate(d.rows):
        text, whole = rng.choice(
            [("2020-01-02", epoch("2020-01-02")), ("978300760", 978300760)]
        )
        row["timestamp"], d.time[m] = text, {whole}
    d.refuse, d.every = "may", ("timestamp",)


@kind("dates as digits")
def _(rng, d):
    """A cell must mean the same beside seconds, beside dates and alone."""
    from fuzz import loader

    cell = rng.choice(DIGIT_DATES)
    beside = rng.sample(["978300760", "2020-01-01", "2021-05-06T01:02:03", "5"], 2)

    def read(others):
        d.rows = [{"user": str(n), "item": "1"} for n in range(1 + len(others))]
        lines = [f"{n},1,3,{t}" for n, t in enumerate([*others, cell])]
        data = "\n".join(["user,item,rating,timestamp", *lines]).encode()
        return loader.load(loader.FOLDER / d.name, data, d)[0].interactions.time[-1]

    def answers():
        d.kwargs, found, errors = {}, [], []
        for others in ([], beside[:1], beside[1:]):
            try:
                found.append(int(read(others)))
            except ValueError as error:
                errors.append(error)
        if not found:
            raise errors[0]
        return found

    def check(found):
        return None if len(set(found)) == 1 else f"{cell!r} is {sorted(set(found))}"

    text = f"time {cell!r} alone, after {beside[0]!r} and after {beside[1]!r}"
    return Case("dates as digits", text, answers, check, words=("timestamp",))
