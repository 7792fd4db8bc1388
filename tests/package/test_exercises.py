"""Exercises that answer: every entry, every kind of answer, and the file itself."""

import importlib
import math
import re
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import chapter_text
import nbformat
import numpy as np
import pandas as pd
import pytest

from recsys_tutor import exercises
from recsys_tutor.exercises import check, deciding, hidden, reading, store
from recsys_tutor.exercises.reading import Malformed

answers = importlib.import_module("answers")  # tools/answers.py
ENTRIES = store.entries()
NAMES = sorted(ENTRIES)
CHAPTERS = sorted(chapter_text.BOOK.glob("[0-9]*.ipynb"))
NUMBERS = [name for name in NAMES if ENTRIES[name]["kind"] == "numbers"]
WORDS = [name for name in NAMES if ENTRIES[name]["kind"] == "words"]
FUNCTIONS = [name for name in NAMES if ENTRIES[name]["kind"] == "function"]


@pytest.fixture(autouse=True)
def no_memory():
    """Each test starts without wrong answers before."""
    exercises._wrong.clear()


def entry(**changes):
    """A small entry; a test says what it changes."""
    plain = {"name": "00-made", "kind": "numbers", "parts": ["x", "y"]}
    plain |= {"answer": [0.5, -2.0], "tolerance": [0.01, 0.01], "near": 5}
    plain |= {
        "ordered": True,
        "mistakes": [],
        "right": "Yes.",
        "hint": "try.",
        "more": "",
    }
    return plain | changes


def words(**changes):
    films = {"kind": "words", "parts": ["first", "second"]}
    return entry(**films | {"answer": ["Alien", "The Third Man"]} | changes)


def said(made, answer, wrong_before=0):
    """Kind and text of the reply to an answer."""
    try:
        return deciding.decide(made, reading.read(made, answer), wrong_before)
    except Malformed as error:
        return "malformed", str(error)


# ---------------------------------------------------------------- the book's exercises


def exercises_of(path):
    """Name and tier of every exercise of a chapter, and the code of its solution."""
    cells = chapter_text.read(nbformat.read(path, as_version=4))
    for found in chapter_text.walk(chapter_text.markdown_items(cells)):
        if found.name == "exercise":
            label = found.options["label"]
            name = f"{path.name[:2]}-{label.rpartition('-')[2]}"
            code = [c.source for c in cells if c.kind == "code" and c.solution == label]
            yield name, found.title.split(":")[0], found.text, "\n".join(code)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.name[:2])
def test_every_exercise_is_checked_and_solved(path):
    for name, tier, text, code in exercises_of(path):
        if tier == "research" and name not in ENTRIES:
            continue
        assert name in ENTRIES, f"{name} has no answer: run tools/answers.py"
        assert f'Check: `check("{name}", ' in text, f"{name} says how to check"
        assert f'check("{name}", ' in code, f"the solution of {name} is checked"


def test_every_entry_belongs_to_an_exercise():
    names = [row[0] for path in CHAPTERS for row in exercises_of(path)]
    assert len(names) == len(set(names)), "two exercises share a name"
    assert set(NAMES) <= set(names)
    assert set(hidden.CASES) == set(FUNCTIONS)


def test_the_file_is_what_the_tool_writes(tmp_path, monkeypatch):
    before = answers.ANSWERS.read_text("ascii")
    copy = tmp_path / "answers.txt"
    copy.write_text(before, "ascii")
    monkeypatch.setattr(answers, "ANSWERS", copy)
    answers.main([])
    assert copy.read_text("ascii") == before, "run tools/answers.py"


def test_the_tool_takes_values_from_a_chapter_that_it_runs(tmp_path):
    lines = ["from recsys_tutor.exercises import check", 'check("03-swap", 7 - 3)']
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("\n".join(lines))]
    )
    path = tmp_path / "03_made.ipynb"
    nbformat.write(notebook, path)
    assert answers.recorded(path) == {"03-swap": [4.0]}


def test_a_mistake_that_would_be_right_is_refused():
    text = answers.texts()["03-swap"]
    assert answers.complete("03-swap", text, [4.0])["answer"] == [4.0]
    with pytest.raises(SystemExit, match="03-swap.*would be right"):
        answers.complete("03-swap", text, [0.5])


def test_nothing_stands_in_clear():
    text = answers.ANSWERS.read_text("ascii")
    for name in NAMES:
        for value in ENTRIES[name]["answer"]:
            shown = value if isinstance(value, str) else f"{value:.3f}"
            assert shown not in text, name
        for sentence in (ENTRIES[name]["right"], ENTRIES[name]["hint"]):
            assert sentence[:12] not in text, name
    folder = Path(store.__file__).parent
    code = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    for name in NAMES:
        assert ENTRIES[name]["right"] not in code


# ---------------------------------------------------------------- right and wrong


@pytest.mark.parametrize("name", NUMBERS + WORDS)
def test_the_right_answer_is_right(name, capsys):
    answer, parts = ENTRIES[name]["answer"], ENTRIES[name]["parts"]
    forms = [answer, tuple(answer), np.array(answer), pd.Series(answer)]
    forms += [dict(zip(parts, answer)), pd.Series(answer, parts)]
    forms += [", ".join(map(str, answer))]
    forms += answer if len(answer) == 1 else [pd.Series(answer, parts)[::-1]]
    for form in forms:
        reply = check(name, form)
        assert reply and reply.kind == "right"
        assert capsys.readouterr().out == reply.text + "\n"
        assert reply.text == f"Right. {ENTRIES[name]['right']}"


@pytest.mark.parametrize("name", NAMES)
def test_each_mistake_gets_its_hint(name):
    known = ENTRIES[name]
    assert known["mistakes"], "one mistake at least"
    for mistake in known["mistakes"]:
        pairs = zip(mistake["answer"], known["answer"])
        values = [right if value is None else value for value, right in pairs]
        kind, text = deciding.decide({"name": name, **known}, values)
        assert kind == "wrong"
        assert text.startswith(f"Not yet: {mistake['hint']}")


@pytest.mark.parametrize("name", NUMBERS)
def test_something_else_gets_the_general_hint_and_then_more(name):
    far = [1e6 + value for value in ENTRIES[name]["answer"]]
    first, second = check(name, far), check(name, far)
    assert not first and first.text == f"Not yet: {ENTRIES[name]['hint']}"
    assert second.text == f"{first.text} {ENTRIES[name]['more']}"
    assert check(name, ENTRIES[name]["answer"])
    assert check(name, far).text == first.text, "a right answer starts anew"


@pytest.mark.parametrize("name", NAMES)
def test_no_hint_gives_the_answer_away(name):
    known = ENTRIES[name]
    sentences = [known["hint"], known["more"]] + [m["hint"] for m in known["mistakes"]]
    for value in known["answer"]:
        if isinstance(value, str):
            assert not any(value in sentence for sentence in sentences)
        elif value != round(value) and known["kind"] == "numbers":
            digits = f"{abs(value):.3f}".rstrip("0")
            assert not any(digits in sentence for sentence in sentences), digits


def test_tolerances_have_edges():
    made = entry()
    assert said(made, [0.51, -2.01])[0] == "right", "the edge is inside"
    assert said(made, [0.5101, -2.0])[0] == "wrong"
    assert said(made, [0.49, -1.99])[0] == "right"


def test_general_mistakes():
    made = entry()
    assert "another order: x, y" in said(made, [-2, 0.5])[1]
    assert "sign" in said(made, [-0.5, 2])[1]
    assert "sign" in said(made, [0.5, 2])[1]
    assert "per cent" in said(made, [50, -200])[1]
    assert "close" in said(made, [0.53, -2])[1]
    assert said(entry(near=0), [0.53, -2])[1] == "Not yet: try. Right so far: y."
    assert said(made, [7, -2])[1] == "Not yet: try. Right so far: y."
    assert said(made, [7, 9])[1] == "Not yet: try."
    assert said(entry(more="Again."), [7, 9], 1)[1] == "Not yet: try. Again."


def test_a_mistake_in_one_part_leaves_the_others_free():
    made = entry(mistakes=[{"answer": [None, 4.0], "hint": "not squared."}])
    assert said(made, [0.5, 4.0])[1] == "Not yet: not squared. Right so far: x."
    assert said(made, [99, 4.0])[1] == "Not yet: not squared."


def test_words_forgive_what_does_not_matter():
    for answer in (["alien", "third man"], ["ALIEN!", "The Third Man"]):
        assert said(words(), answer)[0] == "right"
    assert said(words(), "Alien; The Third Man")[0] == "right"
    assert "another order" in said(words(), ["The Third Man", "Alien"])[1]
    assert said(words(ordered=False), {"The Third Man", "Alien"})[0] == "right"
    assert "1 of 2" in said(words(ordered=False), ["Alien", "Emma"])[1]
    assert "so far: first" in said(words(), ["Alien", "Emma"])[1]
    single = words(parts=["film"], answer=["Crimes, and Lies"])
    assert said(single, "crimes and lies")[0] == "right", "a comma inside one title"


# ---------------------------------------------------------------- malformed


@pytest.mark.parametrize(
    "answer, got",
    [
        (0.5, "one number"),
        ([1, 2, 3], "3 numbers"),
        ([], "0 numbers"),
        ([[0.5, -2.0]], r"an array of shape \(1, 2\)"),
        (pd.DataFrame({"x": [1, 2]}), r"an array of shape \(2, 1\)"),
        ([0.5, math.nan], "not finite"),
        ([math.inf, 1], "not finite"),
        (None, "None"),
        (True, "True"),
        ([True, False], "True"),
        ([0.5, None], "None"),
        ([0.5, 1j], "0.5[+]0j"),
        ("", "nothing"),
        ("a half, two", "the text 'a'"),
        ("0.5", "one number"),
        ("1/0, 1", "not finite"),
        (["0.5", "x"], "the text '0.5'"),
        ({"x": 1, "z": 2}, "keys x, z"),
        ({0.5, -2.0}, "a set"),
        ([[1, 2], [3]], "list that is no row"),
        (np.sin, "a function"),
        (object(), "an? object"),
        (iter([1]), "iterator"),
    ],
)
def test_malformed_numbers_say_what_was_expected(answer, got):
    kind, text = said(entry(), answer)
    assert kind == "malformed"
    assert text.startswith("Expected 2 numbers (x, y), got ")
    assert re.search(got, text), text


def test_a_decimal_comma_is_explained():
    one = entry(parts=["x"], answer=[0.5], tolerance=[0.01])
    kind, text = said(one, "0,5")
    assert kind == "malformed" and "Decimals have a point" in text
    assert "point" not in said(one, "1 2")[1]


@pytest.mark.parametrize("answer", [3, None, ["Alien", 3], [], "Alien", np.sin])
def test_malformed_words_say_what_was_expected(answer):
    kind, text = said(words(), answer)
    assert kind == "malformed"
    assert text.startswith("Expected 2 names (first, second), got ")


def test_words_in_a_set_have_no_order():
    assert said(words(), {"Alien", "The Third Man"})[0] == "malformed"


def test_numbers_come_in_many_forms():
    for answer in (
        "1/2, -2",
        "(0.5; -2e0)",
        "[.5 \u22122.]",
        (np.float32(0.5), np.int64(-2)),
        [Fraction(1, 2), -2],
        np.array([0.5, -2], dtype=object),
        pd.Index([0.5, -2.0]),
        {"y": -2.0, "x": 0.5},
        pd.Series({"y": -2.0, "x": 0.5}),
        pd.Series([0.5, -2.0], index=[8, 3]),
    ):
        assert said(entry(), answer)[0] == "right", answer
    one = entry(parts=["x"], answer=[0.5], tolerance=[0.01])
    for answer in (0.5, np.float64(0.5), np.array(0.5), [0.5], "0.5", "1/2", "+5e-1"):
        assert said(one, answer)[0] == "right", answer


def test_a_malformed_answer_counts_for_nothing():
    name = NUMBERS[0]
    check(name, "nonsense")
    assert check(name, [1e6] * len(ENTRIES[name]["answer"])).text.endswith(
        ENTRIES[name]["hint"]
    )


# ---------------------------------------------------------------- functions


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_that_fail_are_told_how(name):
    width = len(hidden.CASES[name]()[0])
    assert check(name, 3).text.startswith("Expected a function of (")

    def stops(*arguments):
        assert len(arguments) == width
        raise ZeroDivisionError("oh")

    reply = check(name, stops)
    assert reply.kind == "malformed"
    assert "hidden case 1" in reply.text and "ZeroDivisionError: oh" in reply.text
    assert check(name, lambda *_: "x").kind == "malformed"
    assert check(name, lambda *_: None).kind == "malformed" or not check(
        name, lambda *_: None
    )
    longer = check(name, lambda *_: np.ones(50))
    assert not longer and "were expected" in longer.text
    assert not check(name, lambda *_: math.nan)


def test_hidden_cases_are_the_same_each_time():
    for make in hidden.CASES.values():
        first, second = (
            repr([a for c in make() for a in c if not callable(a)]) for _ in range(2)
        )
        assert first == second


# ---------------------------------------------------------------- names and replies


def test_an_unknown_name_is_told_which_there_are():
    with pytest.raises(ValueError, match="chapter 04 has .*04-eva.*mean '04-eva'"):
        check("04-evaa", 1)
    with pytest.raises(ValueError, match="mean '04-eva'"):
        check("4-eva", 1)
    with pytest.raises(ValueError, match="a name is chapter and word"):
        check("99-nothing", 1)
    with pytest.raises(ValueError, match="no exercise 4"):
        check(4, 1)


def test_a_reply_is_plain_text():
    reply = check("03-swap", 3)
    assert repr(reply) == "<wrong>" and not reply
    assert repr(check("03-swap", 4)) == "<right>"
    assert not hasattr(reply, "_repr_html_")
    assert reply._ipython_display_() is None


# ---------------------------------------------------------------- by another way


def simplest(name):
    """The right answer computed anew, without the solution's code."""
    return RECOMPUTED[name]()


def eva():
    from scipy.optimize import brentq

    ana, ben = np.array([5, 5, 4]), np.array([4, 5, 2])
    cosine = ana @ ben / np.linalg.norm(ana) / np.linalg.norm(ben)
    return [brentq(lambda x: 3 * cosine / (3 + x) - 1 / (1 + x), 0, 1)]


def swap():
    from scipy.optimize import brentq

    from recsys_tutor.baselines import bias_half_step

    rest, film = np.array([1.5] * 2 + [0.7] * 10), np.array([0] * 2 + [1] * 10)

    def lead(reg):
        a, b = bias_half_step(rest, film, 2, reg)
        return a - b

    return [brentq(lead, 0.1, 50)]


def second():
    from recsys_tutor.datasets import toy

    seen = toy().interactions.csr.toarray()[0] > 0
    phi = np.array([[3, 3, 0, 1, 0, 5], [1, 1, 2, 3, 2, 5]]) / 12
    share = np.array([0.5625, 0.4375])
    q = share[:, None] * phi
    q = q[0] / q.sum(axis=0)
    return [q[0], q[seen].mean()]


def best_of_subsets():
    """Every order of the trials, literally."""
    for (values,) in hidden.samples():
        orders = [np.maximum.accumulate(order) for order in permutations(values)]
        yield from np.mean(orders, axis=0)


def users_first():
    """The objective by scipy's dense least squares, one side at a time."""
    for rows, n_epochs in hidden.ratings_and_epochs():
        rest = rows.value - rows.value.mean()
        sides = [
            np.eye(n)[x]
            for n, x in ((rows.n_users, rows.user), (rows.n_items, rows.item))
        ]
        bias = [np.zeros(side.shape[1]) for side in sides]
        for _ in range(n_epochs):
            for k, reg in enumerate((5.0, 2.0)):
                other = rest - sides[1 - k] @ bias[1 - k]
                damp = np.sqrt(reg) * np.eye(len(bias[k]))
                tall = np.vstack([sides[k], damp])
                target = np.append(other, np.zeros(len(damp)))
                bias[k] = np.linalg.lstsq(tall, target, rcond=None)[0]
        error = rest - sides[0] @ bias[0] - sides[1] @ bias[1]
        yield error @ error + 5 * bias[0] @ bias[0] + 2 * bias[1] @ bias[1]


def toy_rows():
    from recsys_tutor.datasets import toy

    return toy().interactions


def contact():
    frame = toy_rows().to_frame()
    films = toy_titles()
    one = pd.DataFrame({"user": [3], "item": [films.index("Contact")], "value": [1.0]})
    frame = frame.assign(user=toy_rows().user, item=toy_rows().item)
    both = pd.concat([frame[["user", "item", "value"]], one])
    means = both.groupby("item").value.mean(), both.groupby("user").value.mean()
    error = [np.sqrt(1 / sum(x.item == one.item[0])) for x in (frame, both)]
    return [means[0][one.item[0]], means[1][3], both.value.mean(), error[1] / error[0]]


def toy_titles():
    from recsys_tutor.datasets import toy

    return list(toy().items.title)


def moved_hit():
    from recsys_tutor import metrics

    hits, n_relevant = np.array([[True, False, False, True]]), np.array([3])

    both = [f(hits, n_relevant)[0] for f in (metrics.recall, metrics.ap, metrics.ndcg)]
    return [metrics.precision(hits)[0], *both]


def tie_of_places():
    from scipy.optimize import brentq

    return [brentq(lambda c: 1 / (c + 1) + 1 / (c + 9) - 2 / (c + 3), 0, 60)]


def best_share():
    from scipy.optimize import minimize_scalar

    cov = np.array([[1, 0.75], [0.75, 2.25]])
    variance = lambda a: np.array([1 - a, a]) @ cov @ np.array([1 - a, a])  # noqa: E731
    return [variance(0.5), minimize_scalar(variance, (0, 1)).x]


def shrunken():
    """The singular values at which ALS arrives on a full matrix, λ = 2."""
    R, Q = np.diag([6.0, 4.0, 1.0]), np.random.default_rng(0).normal(size=(3, 3))
    for _ in range(1000):
        P = R @ Q @ np.linalg.inv(Q.T @ Q + 2 * np.eye(3))
        Q = R.T @ P @ np.linalg.inv(P.T @ P + 2 * np.eye(3))
    return np.linalg.svd(P @ Q.T, compute_uv=False)


def film_step():
    from scipy.sparse import csr_array

    from recsys_tutor.mf import als_half_step

    rows = toy_rows()
    shape, cells = (rows.n_items, rows.n_users), (rows.item, rows.user)
    P = np.array([[1.25], [1.25], [-1.25], [-0.5], [1.0]])
    new = als_half_step(csr_array((rows.value - 3, cells), shape), P, 1.0)
    return [new[toy_titles().index(film), 0] for film in ("Contact", "Fargo")]


def eva_visits():
    """Two lines of autograd's work by finite differences."""
    q, rest = np.array([1.0, 0.0]), np.array([2.0, -2.0])

    def half_loss(y):
        z = y.sum() / np.sqrt(2)
        return 0.5 * np.sum((rest - z * q) ** 2) + 0.5 * 2 * 0.1 * y @ y

    y, h = np.array([0.5, 0.0]), 1e-6
    slope = [(half_loss(y + d) - half_loss(y - d)) / (2 * h) for d in h * np.eye(2)]
    return y - 0.1 * np.array(slope)


def commuting():
    rows = list(zip(toy_rows().user, toy_rows().item))
    pairs = [(a, b) for n, a in enumerate(rows) for b in rows[:n]]
    return [sum(a[0] != b[0] and a[1] != b[1] for a, b in pairs)]


def implicit_film():
    """Normal equations of a film over all five users, cell by cell."""
    p, found = np.array([1 / 9, 1 / 9, -1 / 9, -1 / 9, 1 / 6]), []
    for viewers in ([4], [2, 3, 0]):
        seen = np.isin(np.arange(5), viewers)
        reg = 0.5 * (seen.sum() + 0.5 * 5)
        found.append(p @ seen / (p @ ((seen + 0.5) * p) + reg))
    return found


def posterior():
    """Mean and spread of Eva's bias on a grid, and the spread of her next star."""
    grid = np.linspace(-8, 8, 20001)
    for variance in (1, 4):
        log = -(grid**2) / 2 - ((2 - grid) ** 2 + (-2 - grid) ** 2) / (2 * variance)
        weight = np.exp(log - log.max()) / np.exp(log - log.max()).sum()
        mean = weight @ grid
        spread = np.sqrt(weight @ (grid - mean) ** 2)
        yield from (mean, spread, np.sqrt(spread**2 + variance))


def ideal_score():
    from scipy.optimize import minimize_scalar

    def loss(s):
        return 0.2 * np.log1p(np.exp(-s)) + 4 * 0.01 * np.log1p(np.exp(s))

    return [minimize_scalar(loss).x]


def transitions():
    """Cleo's scores by counting every step of the toy's walks in time."""
    from recsys_tutor.transitions import Transitions

    model = Transitions(window=1, recency=0.5, backward=0.0, damping=0.0)
    scores = model.fit(toy_rows()).score([2])[0]
    return [scores[toy_titles().index(film)] for film in ("Alien", "Contact")]


def ben():
    def loss(z):
        return -z + 4 * np.log(3 * np.exp(z) + 2 * np.exp(-z) + 1)

    code = (1 + 1 - 1 + 0) / np.sqrt(4)
    return [code, loss(code), (loss(code + 1e-5) - loss(code - 1e-5)) / 2e-5]


def third_step():
    import torch

    rules = (torch.optim.SGD, {"momentum": 0.9}), (torch.optim.Adagrad, {})
    for rule, options in rules:
        x = torch.zeros(1, requires_grad=True)
        steps = rule([x], lr=0.1, **options)
        for _ in range(3):
            x.grad, before = torch.ones(1), x.item()
            steps.step()
        yield x.item() - before


def seeds_needed():
    """The smallest counts for which 0.0005 is 2.8 standard errors."""
    return [
        next(n for n in range(1, 99) if 0.0005 >= 2.8 * (variance / n) ** 0.5)
        for variance in (0.001**2 + 0.001**2, 0.0002**2)
    ]


def tournament():
    a, b = [5, 7, 9], [6, 6, 8]
    best = [np.mean([max(x, y) for x in v for y in v]) for v in (a, b)]
    wins = [np.mean([x > z for x in a for z in b])]
    wins += [np.mean([max(x, y) > z for x in a for y in a for z in b])]
    epochs = sum(n * e for n, e in ((81, 1), (27, 3), (9, 9), (3, 27)))
    return [*best, *wins, epochs / 27]


def rejected():
    p = [0.001, 0.013, 0.030, 0.200]
    adjusted = np.maximum.accumulate([4 * p[0], 3 * p[1], 2 * p[2], p[3]])
    return [
        sum(x <= 0.05 for x in p),
        sum(4 * x <= 0.05 for x in p),
        sum(adjusted <= 0.05),
    ]


def fields():
    from itertools import combinations

    vectors = np.array([[1, 0], [0.5, 1], [1, -1]])
    pairs = list(combinations(vectors, 2))
    return [sum(a @ b for a, b in pairs), len(pairs), len(vectors) + 1]


def profile():
    """Dan's profile by hand, from the vectors of scikit-learn."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    from recsys_tutor.datasets import toy

    genres = toy().items.genres
    vectors = TfidfVectorizer(analyzer=lambda x: x).fit_transform(genres).toarray()
    mine = toy_rows().csr.toarray()[3]
    weight = np.where(mine > 0, mine - mine[mine > 0].mean(), 0)
    score = vectors @ (vectors.T @ weight) / abs(weight).sum()
    return [score[toy_titles().index(film)] for film in ("Blade Runner", "Contact")]


def fans():
    stars = np.array([4, 4, 4, 2.0])  # of ten fans three speak, of ten others one
    weights = [10 / 3] * 3 + [10]  # 1/p each
    return [stars.mean(), stars.mean() - 3, np.average(stars, weights=weights)]


def pulled():
    extra = next(k for k in range(9) if np.mean([5.0] + [3.0] * k) == 3.5)
    return [np.mean([5, 4, 1, 3, 3]), extra]


def graded_lists():
    stars = {"Blade Runner": 5, "Alien": 4, "Contact": 3}
    lists = (
        ["Blade Runner", "Fargo", "Alien", "Emma"],
        ["Fargo", "Alien", "Blade Runner", "Contact"],
    )
    dcg = [
        sum(
            (2 ** stars.get(film, 0) - 1) / math.log2(place + 1)
            for place, film in enumerate(films, start=1)
        )
        for films in (*lists, list(stars))
    ]
    return [dcg[0] / dcg[2], dcg[1] / dcg[2]]


def first_hit():
    """Mean place of the first hit: sum over places of Pr(no hit before)."""
    return [
        sum(math.comb(n - place, k) / math.comb(n, k) for place in range(n - k + 1))
        for n, k in ((6, 3), (1600, 20))
    ]


def eva_five_people():
    d = [0.10, 0.05, 0.15, 0.0, -0.10]
    mean = sum(d) / 5
    error = (sum((x - mean) ** 2 for x in d) / 4 / 5) ** 0.5
    return [mean, error, mean - 1.96 * error]


def flipped_signs():
    d = [10, 5, 15, 0, 20]  # hundredths: exact sums
    sums = [0]
    for x in d:
        sums = [s + sign * x for s in sums for sign in (-1, 1)]
    return [sum(abs(s) >= sum(d) for s in sums) / 32, 1 / 16]


def hat():
    second = 1 / np.log2(3)
    return [0.1, 0.1 * (1.5 + second) / (1 + second)]


def cleo():
    alien, other = 7 / 58**0.5, 6**-0.5
    return [10 / 3 - 7 / 3 * alien / (alien + other)]


RECOMPUTED = {
    "01-contact": contact,
    "01-fans": fans,
    "01-pulled": pulled,
    "02-eva": eva_five_people,
    "02-first": first_hit,
    "02-flip": flipped_signs,
    "02-grades": graded_lists,
    "02-sample": lambda: [11025, 0.49],
    "02-splits": lambda: [(3e-2 / 900) ** 0.5, (1.4e-2 / 900) ** 0.5, 1 / 300],
    "02-swap": moved_hit,
    "03-hat": hat,
    "03-weights": lambda: [3 / 4.5],
    "03-leak": lambda: [1, 0, 0, 0],  # the first of the hidden models is the honest one
    "03-order": lambda: list(users_first()),
    "03-swap": swap,
    "04-cleo": cleo,
    "04-eva": eva,
    "04-step": lambda: [3],
    "04-twins": lambda: [12 / 44, 24 / 44, 12 / 24],
    "04-votes": lambda: [1.5, 1.0],
    "04-walk": lambda: [3 / 40, 7 / 10],
    "05-dan": profile,
    "05-pair": lambda: np.linalg.solve([[1.5, 0.4], [0.4, 1.5]], [1, 0]),
    "05-rocchio": lambda: [0.1010, 0.8589],
    "06-share": best_share,
    "06-tie": tie_of_places,
    "06-weight": lambda: [5 / 11, 1 / 2],
    "07-half": film_step,
    "07-shrink": shrunken,
    "07-transpose": lambda: [1, 0, 0, 0, 1],  # "" is first and last of the hidden steps
    "08-commute": commuting,
    "08-visit": eva_visits,
    "09-film": implicit_film,
    "10-eva": lambda: list(posterior()),
    "11-second": second,
    "11-stars": lambda: [5 / 16, -1 / 16],
    "12-ideal": ideal_score,
    "13-fields": fields,
    "14-cleo": transitions,
    "15-ben": ben,
    "16-seeds": seeds_needed,
    "16-third": lambda: list(third_step()),
    "17-compute": tournament,
    "17-without": lambda: list(best_of_subsets()),
    "18-holm": rejected,
}

#: Answers that only the chapter's own run gives; nbval runs the solution.
MEASURED = {
    "01-cautious": "a list on MovieLens",
    "01-educators": "genres of groups of users on MovieLens",
    "01-world": "twenty made worlds",
    "02-coverage": "resamples of the results file",
    "02-last": "a fit on MovieLens read backwards",
    "02-lucky": "twenty fits on MovieLens",
    "02-stars": "a fit on MovieLens",
    "02-threshold": "ten fits on MovieLens",
    "03-empirical": "five fits on MovieLens",
    "04-adjusted": "eight fits on MovieLens",
    "04-count": "fits on MovieLens",
    "04-half": "twelve fits on MovieLens",
    "04-taken": "fits on MovieLens",
    "04-trace": "a fit on MovieLens",
    "04-why": "item-kNN on MovieLens",
    "05-bigrams": "titles of MovieLens",
    "05-reveal": "fits on five seeds of MovieLens",
    "05-weights": "a ridge on MovieLens",
    "06-cascade": "candidates on MovieLens",
    "06-diversity": "five splits of MovieLens",
    "06-meta": "profiles on MovieLens",
    "07-impute": "fifteen rounds on MovieLens",
    "08-decay": "three runs on MovieLens",
    "09-stars": "three runs on MovieLens",
    "10-thompson": "draws of a chain on MovieLens",
    "11-average": "five fits on MovieLens",
    "12-squares": "below a bound that the solution asserts",
    "13-hnsw": "an index of made vectors",
    "14-leak": "a network on a made world",
    "15-noise": "three networks on MovieLens",
    "16-overfit": "below a bound that the solution asserts",
    "18-own": "five splits of MovieLens",
}


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_by_another_way(name):
    assert (name in RECOMPUTED) != (name in MEASURED)
    if name in RECOMPUTED:
        known = ENTRIES[name]
        limit = max(known["tolerance"] or [0])
        np.testing.assert_allclose(simplest(name), known["answer"], atol=limit / 2)
