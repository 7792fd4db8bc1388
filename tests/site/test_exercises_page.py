"""The field below an exercise: the decisions of ``check``, and what it remembers."""

import re

import chapter_text
import pytest
import sphinx_exercises
from test_html import HTML, Visit, read

from recsys_tutor import exercises
from recsys_tutor.exercises import check, store

pytestmark = pytest.mark.html

ENTRIES = store.entries()
CHAPTERS = sorted((HTML / "book").glob("[0-9]*.html"))
FIELDS = {n: e for n, e in ENTRIES.items() if e["kind"] != "function"}

SCRIPT = f'<script src="{(HTML / "_static/exercises.js").as_uri()}"></script>'

#: Hands texts to a field, one after another; kind and text of the replies.
SUBMIT = """([name, texts]) => {
    const form = document.querySelector(`[data-name="${name}"] form`)
    const [input, reply] = ['input', '.exercise-reply'].map(x => form.querySelector(x))
    return texts.map(text => {
        input.value = text
        form.requestSubmit()
        return [reply.dataset.kind, reply.textContent]
    })
}"""


@pytest.fixture(scope="module")
def browser():
    import browser as tools

    with tools.chromium() as chromium:
        yield chromium


@pytest.fixture
def visit(browser):
    found = Visit(browser)
    yield found
    found.page.context.close()


@pytest.fixture(autouse=True)
def no_memory():
    exercises._wrong.clear()


def open_page(visit, path):
    """Without formulas and search: they take long, and the fields need neither."""
    for heavy in ("**/mathjax/*", "**/searchindex.js"):
        visit.page.route(heavy, lambda route: route.fulfill(body=""))
    visit.page.goto(path.as_uri(), wait_until="domcontentloaded")


def names_of(path):
    """The exercises of a page, read from its notebook: 04-eva for ex-cf-eva."""
    text = (chapter_text.BOOK / f"{path.stem}.ipynb").read_text("utf-8")
    labels = re.findall(r":label: (ex-[\w-]+)", text)
    return {f"{path.name[:2]}-{label.rpartition('-')[2]}" for label in labels}


def page_of(name):
    return next(path for path in CHAPTERS if name in names_of(path))


def joined(values):
    return "; ".join(v if isinstance(v, str) else repr(float(v)) for v in values)


def texts_for(entry):
    """Right, edges of tolerances, known and general mistakes, and malformed texts."""
    right, count = entry["answer"], len(entry["parts"])
    yield from (joined(right), f"  [{joined(right)}]\n")
    for mistake in entry["mistakes"]:
        values = zip(mistake["answer"], right)
        yield joined([r if m is None else m for m, r in values])
    yield from ("", " ; ", "no", "x" * 50, "1/0", "1e999", "0,5", "\u22121/2", "1.2.3")
    yield from (joined(right[::-1]), joined([*right, right[0]]), joined(right[1:]))
    if entry["kind"] == "words":
        yield from ("; ".join(w.upper() for w in right), "; ".join(["The " + right[0]]))
        yield "; ".join(["Flubber"] * count)
        yield "; ".join([*right[:-1], "Flubber"])
        return
    for step in (0.999, 1.0, 1.001, 4.999, 5.001):
        for sign in (1, -1):
            limits = zip(right, entry["tolerance"])
            yield joined([a + sign * step * t for a, t in limits])
    yield from (joined([factor * a for a in right]) for factor in (-1, 100, 0.01, 7))
    yield joined([*right[:-1], right[-1] + 1e6])
    yield joined([right[0] + 1e6, *right[1:]])
    yield ", ".join(["1e6"] * count)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_each_page_has_a_place_for_each_of_its_exercises(path):
    wanted = {name: FIELDS[name] for name in names_of(path) & set(FIELDS)}
    places = read(path).select("div.exercise .exercise-check")
    found = {place["data-name"]: store.decode(place["data-entry"]) for place in places}
    assert found == wanted, "render again"
    assert len(places) == len(wanted) > 0
    assert not any(place.contents for place in places), "empty without the script"


def test_each_field_has_its_page():
    assert set().union(*map(names_of, CHAPTERS)) >= set(FIELDS)


@pytest.fixture(scope="module")
def bare(browser, tmp_path_factory):
    """A page with nothing but the places of all chapters and the script."""
    places = [f"<meta charset=utf-8>{SCRIPT}"]
    places += [sphinx_exercises.place(name) for name in FIELDS]
    path = tmp_path_factory.mktemp("bare") / "page.html"
    path.write_text("".join(places), "utf-8")
    found = Visit(browser)
    open_page(found, path)
    yield found
    found.page.context.close()


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_the_page_and_the_package_say_the_same(bare, name):
    texts = list(texts_for(FIELDS[name]))
    kinds = set()
    for text, reply in zip(texts, bare.page.evaluate(SUBMIT, [name, texts])):
        wanted = check(name, text)
        assert tuple(reply) == (wanted.kind, wanted.text), text
        kinds.add(wanted.kind)
    assert kinds == {"right", "wrong", "malformed"}
    assert bare.complaints == [] and bare.outside == []


def test_by_keyboard_and_remembered(visit):
    path = page_of("04-eva")
    open_page(visit, path)
    place = visit.page.locator('[data-name="04-eva"]')
    field = place.get_by_label("Your answer: one number (λ)")
    reply = place.locator(".exercise-reply")
    assert reply.get_attribute("aria-live") == "polite"
    assert reply.inner_text() == ""
    field.fill("0.584")
    field.press("Enter")
    assert reply.inner_text().startswith("Not yet: that is Ben's cosine")
    open_page(visit, path)
    assert reply.inner_text() == "", "a wrong answer is not remembered"
    field.fill("0.043")
    field.press("Tab")
    button = place.get_by_role("button", name="Check")
    assert button.evaluate("b => b === document.activeElement")
    assert button.evaluate("b => getComputedStyle(b).outlineStyle") == "solid"
    button.press("Space")
    assert reply.inner_text().startswith("Right. ")
    open_page(visit, path)
    assert reply.inner_text() == "You have solved this one."
    assert visit.complaints == []


def test_without_storage_the_field_still_answers(visit):
    forbid = (
        "Object.defineProperty(window, 'localStorage', {get() { throw Error('no') }})"
    )
    visit.page.add_init_script(forbid)
    open_page(visit, page_of("04-eva"))
    assert visit.page.evaluate(SUBMIT, ["04-eva", ["0.043"]])[0][0] == "right"


def test_without_a_script_nothing_shows(browser):
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(page_of("04-eva").as_uri(), wait_until="domcontentloaded")
    places = page.locator(".exercise-check")
    assert places.count() == len(names_of(page_of("04-eva")) & set(FIELDS))
    assert all(place.bounding_box()["height"] == 0 for place in places.all())
    assert "ex-cf-eva" in page.content(), "the exercise itself is there"
    context.close()


def test_print_hides_the_field(visit):
    open_page(visit, page_of("04-eva"))
    form = visit.page.locator(".exercise-form").first
    assert form.is_visible()
    visit.page.emulate_media(media="print")
    assert not form.is_visible()


def test_a_long_reply_fits_a_phone(browser):
    phone = Visit(browser, width=360, dark=True)
    open_page(phone, page_of("17-compute"))
    phone.page.evaluate(SUBMIT, ["17-compute", ["1,2,3,4,5", "1,2,3,4,6", "x" * 80]])
    assert phone.overflow() == []
    form = phone.page.locator('[data-name="17-compute"] form')
    box = form.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 360
    phone.page.context.close()


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_the_answer_does_not_stand_in_the_page(name):
    exercise = read(page_of(name)).select_one(f'[data-name="{name}"]').parent
    text = re.sub(r"\s+", " ", exercise.get_text())
    for value in FIELDS[name]["answer"]:
        if isinstance(value, str):
            assert value not in text
    assert FIELDS[name]["right"] not in str(exercise)
