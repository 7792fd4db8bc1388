"""Unusual cells: ids and values."""

from fuzz.files import kind

#: Texts that say "no id" in some program; a file that holds one has to be refused.
NO_ID = (
    ["", "nan", "NaN", "NAN", "NULL", "null", "None", "<NA>", "\\N", "N/A"]
)  # fmt: skip
PERHAPS_NO_ID = ["NA", "none", "n/a", "#N/A", "nil", "-", "?", "NaT", "Null", "-nan"]
GOOD = {
    "1e2": 100.0, "+3": 3.0, ".5": 0.5, "5.": 5.0, "-3.25": -3.25, "007": 7.0,
    "1E-3": 0.001, "0": 0.0, "-0": 0.0, "0.1": 0.1,
    "123456789012345678": 1.2345678901234568e17,
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


@kind("digits that are not ASCII")
def _(rng, d):
    pairs = [
        ["12", "١٢"],
        ["12", "1٢"],
        ["1٢"],
        ["3", "３"],
        ["5", "۵", "7"],
        ["٣", "٤"],
        ["1", "¹"],
    ]
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
