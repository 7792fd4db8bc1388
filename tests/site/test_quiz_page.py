"""Quizzes that count and guesses before a result, in a browser from a folder.

Run after the build: `make render html`. Every test starts in a browser that remembers
nothing and has no network.
"""

import re
from pathlib import Path

import browser as tools
import pytest
from test_html import LEFT

pytestmark = pytest.mark.html

#: Not what stands in a fold of code and its output
OUTPUTS = ".cell_output:not(details.hide .cell_output)"
BOOK = (Path(__file__).parents[2] / "_build" / "html" / "book").resolve()
CHAPTERS = sorted(path.stem for path in BOOK.glob("[0-9]*_*.html"))
CHAPTER = "03_baselines"
TICKED = f'.bd-links a[href="{CHAPTER}.html"], .bd-links a[href="#"]'
SHOWN = "node => node.checkVisibility() && node.getBoundingClientRect().height > 0"


@pytest.fixture(scope="module")
def chromium():
    with tools.chromium() as started:
        yield started


class Reader:
    """A page in a browser of its own, and what it complained about."""

    def __init__(self, page):
        self.page, self.complaints = page, []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("requestfailed", self._failed)

    def _failed(self, request):
        if request.failure != LEFT:
            self.complaints.append(f"failed: {request.url}")

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def open(self, name=CHAPTER, place=""):
        address = (BOOK / f"{name}.html").as_uri() + place
        self.page.goto(address, wait_until="load" if place else "domcontentloaded")
        return self

    def question(self, number):
        return self.page.locator("div.admonition.quiz").nth(number - 1)

    def radios(self, number):
        return self.question(number).get_by_role("radio")

    def right(self, number):
        """Index of the right option, read from the reasons as they are written."""
        reasons = self.question(number).locator("details .sd-summary-content")
        texts = reasons.all_text_contents()
        verdicts = [text.strip().startswith("Right.") for text in texts]
        assert verdicts.count(True) == 1 and len(verdicts) >= 3
        return verdicts.index(True)

    def answer_all(self):
        for number in range(1, 6):
            self.radios(number).nth(self.right(number)).click()

    def score(self):
        return self.page.locator(".quiz-score [role=status]").inner_text()

    def box(self, number=1):
        return self.page.locator("div.admonition.predict").nth(number - 1)

    def line(self, number=1):
        """What stands above the output: the guess."""
        return self.page.locator(".predict-line").nth(number - 1)

    def covered(self, number=1):
        """The cells and the sentences that the box keeps closed or has opened."""
        look = self.box(number).locator("button[aria-controls]")
        ids = look.get_attribute("aria-controls").split()
        return [self.page.locator(f'[id="{name}"]') for name in ids]

    def is_open(self, number=1):
        parts = self.covered(number)
        states = {part.get_attribute("hidden") is None for part in parts}
        inside = [part.locator("img, pre, table, p").first for part in parts]
        states |= {node.evaluate(SHOWN) for node in inside}
        assert len(states) == 1, "half open"
        return states.pop()


@pytest.fixture
def reader(chromium):
    page = tools.open_page(chromium)
    yield Reader(page)
    page.context.close()


# ------------------------------------------------------------------ every chapter


def test_there_are_chapters():
    assert len(CHAPTERS) >= 18, "run `make render` first"


#: Answer each question rightly and open each guess: what was seen on the way
PLAY = """() => {
    const seen = { questions: [], guesses: [] }
    for (const box of document.querySelectorAll('div.admonition.quiz')) {
        const legend = box.querySelector('fieldset > legend').textContent.trim()
        const reasons = [...box.querySelectorAll('details .sd-summary-content')]
        const right = reasons.map(r => r.textContent.trim().startsWith('Right.'))
        const radios = [...box.querySelectorAll('input[type=radio]')]
        radios[right.indexOf(true)].click()
        seen.questions.push([legend !== '', radios.length >= 3,
                             right.filter(x => x).length === 1])
    }
    for (const box of document.querySelectorAll('div.admonition.predict')) {
        const look = box.querySelector('button[aria-controls]')
        const names = look.getAttribute('aria-controls').split(' ')
        const parts = names.map(name => document.getElementById(name))
        const before = parts.every(part => part.hidden)
        look.click()
        const output = parts.some(part => part.querySelector('.cell_output > *'))
        seen.guesses.push([before, parts.every(part => !part.hidden), output])
    }
    seen.score = document.querySelector('.quiz-score [role=status]').textContent
    return seen
}"""


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_has_a_quiz_and_three_guesses(reader, name):
    seen = reader.open(name).page.evaluate(PLAY)
    assert len(seen["questions"]) == 5 and all(map(all, seen["questions"]))
    assert seen["score"] == "5 of 5 at the first try."
    assert len(seen["guesses"]) >= 3 and all(map(all, seen["guesses"]))
    assert reader.complaints == []


# ------------------------------------------------------------------ quiz


def test_the_first_click_counts(reader):
    reader.open()
    right = reader.right(1)
    wrong = (right + 1) % 3
    reasons = reader.question(1).locator("details")
    assert not any(reason.is_visible() for reason in reasons.all())
    reader.radios(1).nth(wrong).click()
    assert reasons.nth(wrong).get_attribute("open") is not None
    marks = reader.question(1).locator(".quiz-mark")
    assert marks.nth(wrong).inner_text() == "✗ wrong (your answer)"
    assert marks.nth(right).inner_text() == ""
    assert reader.score() == "1 of 5 answered, 0 right at the first try."
    reader.radios(1).nth(right).click()
    assert reader.radios(1).nth(wrong).is_checked()
    assert reasons.nth(right).locator(".sd-summary-content").is_visible()
    reader.page.wait_for_function("document.body.innerText.includes('✓ right')")
    assert marks.nth(right).inner_text() == "✓ right"
    assert reader.score() == "1 of 5 answered, 0 right at the first try."


def test_score_and_tick_stay_until_start_again(reader):
    reader.open()
    assert reader.page.locator(".quiz-tick").count() == 0
    reader.radios(1).nth((reader.right(1) + 1) % 3).click()
    for number in range(2, 6):
        assert reader.page.locator(".quiz-tick").count() == 0
        reader.radios(number).nth(reader.right(number)).click()
    assert reader.score() == "4 of 5 at the first try."
    reader.open()
    assert reader.score() == "4 of 5 at the first try."
    assert reader.radios(1).nth((reader.right(1) + 1) % 3).is_checked()
    for name in (CHAPTER, "how_to_use"):
        link = reader.open(name).page.locator(TICKED).filter(has_text="✓")
        assert link.get_attribute("title") == "Quiz done, 4 of 5 at the first try"
        assert "(quiz done, 4 of 5" in link.text_content()
    reader.open()
    quiz = reader.page.locator("section#quiz")
    quiz.get_by_role("button", name="Start again").click()
    assert reader.score() == "5 questions; the first click on an option counts."
    assert reader.radios(1).first.evaluate("node => node === document.activeElement")
    assert reader.page.locator("input[type=radio]:checked").count() == 0
    assert reader.page.locator(".quiz-tick").count() == 0
    reader.answer_all()
    assert reader.score() == "5 of 5 at the first try."


@pytest.mark.parametrize("key", ["Space", "Enter"])
def test_quiz_by_keyboard(reader, key):
    keyboard = reader.open().page.keyboard
    reader.radios(1).first.focus()
    keyboard.press("ArrowDown")
    keyboard.press("ArrowDown")
    assert reader.radios(1).nth(2).is_checked()
    assert reader.score().startswith("5 questions"), "an arrow is no answer"
    keyboard.press(key)
    assert reader.score().startswith("1 of 5 answered")
    assert (
        reader.question(1).locator("details").nth(2).get_attribute("open") is not None
    )
    keyboard.press("ArrowUp")
    assert reader.radios(1).nth(2).is_checked()
    keyboard.press("Tab")
    focused = "document.activeElement.closest('details') !== null"
    assert reader.page.evaluate(focused), "the reasons come next"


# ------------------------------------------------------------------ guesses


def test_lock_see_and_guess_again(reader):
    reader.open()
    assert not reader.is_open()
    shows = reader.box().locator("button[aria-controls]")
    assert shows.get_attribute("aria-expanded") == "false"
    lock = reader.box().get_by_role("button", name="Lock my guess")
    lock.click()
    assert not reader.is_open(), "nothing was guessed"
    reader.box().get_by_role("spinbutton").fill("7.5")
    lock.click()
    assert reader.is_open() and shows.get_attribute("aria-expanded") == "true"
    assert reader.line().inner_text() == "Your guess: 7.5"
    reader.open()
    assert reader.is_open() and reader.line().inner_text() == "Your guess: 7.5"
    assert not reader.is_open(2)
    reader.box().get_by_role("button", name="Guess again").click()
    assert not reader.is_open()
    assert reader.box().get_by_role("spinbutton").input_value() == ""
    assert not reader.open().is_open()


def test_guess_by_keyboard(reader):
    keyboard = reader.open().page.keyboard
    choices = reader.box(2).get_by_role("radio")
    choices.first.focus()
    keyboard.press("ArrowDown")
    assert not reader.is_open(2)
    keyboard.press("Enter")
    words = reader.box(2).locator("label").nth(1).inner_text()
    assert reader.is_open(2) and reader.line(2).inner_text() == f"Your guess: {words}"
    focused = reader.page.evaluate("document.activeElement.textContent")
    assert focused == f"Your guess: {words}", "the focus goes to the result"
    reader.box(3).get_by_role("radio").first.focus()
    for _ in range(2):
        keyboard.press("Tab")
    keyboard.press("Enter")
    assert reader.is_open(3) and "without a guess" in reader.line(3).inner_text()


@pytest.mark.parametrize("place", ["#fig-baselines-floor", "?highlight=popularity"])
def test_who_comes_by_a_link_or_a_search_sees_the_result(reader, place):
    reader.open(place=place)
    assert reader.is_open()
    assert not reader.open().is_open(), "only this once"


def test_a_link_on_the_page_opens_the_result(reader):
    reader.open()
    reader.page.evaluate("location.hash = '#fig-baselines-floor'")
    reader.page.wait_for_function(
        "!document.querySelector('[hidden] #fig-baselines-floor')"
    )
    assert reader.is_open()


# ------------------------------------------------------------------ the rest


def test_forget_my_answers(reader):
    reader.open().answer_all()
    reader.box().get_by_role("spinbutton").fill("3")
    reader.page.keyboard.press("Enter")
    reader.open("how_to_use").page.evaluate("localStorage.setItem('mode', 'dark')")
    assert reader.page.locator(".quiz-tick").count() == 1
    reader.page.get_by_role("button", name="Forget my answers").click()
    assert reader.page.locator(".quiz-tick").count() == 0
    keys = reader.page.evaluate("Object.keys(localStorage)")
    assert "mode" in keys and not [key for key in keys if key.startswith("recsys")]
    assert not reader.open().is_open()


def test_without_script_everything_is_readable(chromium):
    context = chromium.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto((BOOK / f"{CHAPTER}.html").as_uri())
    assert page.locator("div.admonition.quiz details summary").count() >= 15
    option = page.locator("div.admonition.quiz details").first
    option.locator("summary").click()
    assert option.locator(".sd-summary-content").is_visible()
    box = page.locator("div.admonition.predict").nth(1)
    assert box.locator("li").count() >= 2
    outputs = page.locator(OUTPUTS)
    assert outputs.count() and all(node.is_visible() for node in outputs.all())
    assert page.locator("[hidden]").locator("p, pre, img").count() == 0
    context.close()


def test_print_shows_reasons_and_results(reader):
    reader.open().page.emulate_media(media="print")
    reasons = reader.page.locator("div.admonition.quiz .sd-summary-content")
    assert reasons.count() >= 15
    parts = [*reasons.all(), *reader.page.locator(f"{OUTPUTS}, .predict-told").all()]
    assert all(part.evaluate(SHOWN) for part in parts)
    assert not reader.page.locator(".answer-button").first.is_visible()


@pytest.mark.parametrize("dark", [False, True])
def test_verdicts_fit_a_phone(chromium, dark):
    page = tools.open_page(chromium, width=360, dark=dark)
    reader = Reader(page).open()
    reader.answer_all()
    reader.box(2).get_by_role("radio").first.check()
    reader.box(2).get_by_role("button", name="Lock my guess").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    color = ".quiz-right .quiz-mark", "node => getComputedStyle(node).color"
    shade = sum(
        map(int, re.findall(r"\d+", page.locator(color[0]).first.evaluate(color[1])))
    )
    assert (shade > 380) == dark, (
        "light words on a dark page, dark ones on a light page"
    )
    page.context.close()
