"""Unusual times: dates of many forms, fractions, milliseconds."""

import datetime

from fuzz.core import Case
from fuzz.files import kind
from fuzz.loader_values import one

BAD_TIMES = (
    ["now", "today", "Today", "NOW", "yesterday", "", "nan", "NaT", "inf", "-5", "-0.5"]
    + ["9999-12-32", "2020-02-30", "2020-01-02T25:00:00", "01/02/2020", "Jan 2, 2020"]
    + ["1588687728923456789", "1e400", "12:30", "2020-13-01", "NULL", "1600-01-01"]
    + ["1969-12-31", "0000-00-00", "0000-00-00 00:00:00", "2020-1-2x", "1e30", "None"]
)
DIGIT_DATES = ["20200102", "20051231", "2020", "202001", "19991231", "20200102T030405"]


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


def without_blanks(d):
    """Dates may hold a blank: then it cannot be the delimiter."""
    if d.sep == " ":
        d.sep, d.style = ",", "csv"
        d.kwargs.pop("sep", None)


@kind("ISO dates")
def _(rng, d):
    without_blanks(d)
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
    without_blanks(d)
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
