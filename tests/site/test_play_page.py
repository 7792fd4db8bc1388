"""Pictures that move and the live toy, in Chromium.

The script's arithmetic is the package's: each model steps on the toy and on toys that
were edited at random, and every number is compared. Then the pages: mouse, keyboard,
reduced motion, print, no script.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csc_array, csr_array, eye_array

from recsys_tutor import gibbs, similarity
from recsys_tutor.baselines import bias_half_step, bias_objective
from recsys_tutor.datasets import toy
from recsys_tutor.implicit_mf import implicit_als_objective, weighted_als_half_step
from recsys_tutor.mf import als_half_step, als_objective, sgd_epoch, sgd_objective
from recsys_tutor.moving import frames, live_toy
from recsys_tutor.neighbors import ease_weights
from recsys_tutor.plsa import em_step, free_energy

pytestmark = pytest.mark.html

STATIC = Path(__file__).parents[2] / "book" / "_static"

# ---------------------------------------------- the package's steps, as the script's


def entries(R):
    user, item = np.nonzero(R)
    return user, item, R[user, item], R[R > 0].mean()


def sparse(R, values):
    user, item = np.nonzero(R)
    return csr_array((values, (user, item)), shape=R.shape)


def binary(R):
    return csr_array((R > 0).astype(float))


def bias(R, start, n_steps, reg_u, reg_i):
    u, i, r, mu = entries(R)
    b_u, b_i = np.zeros(len(R)), np.zeros(R.shape[1])
    for t in range(n_steps):
        if t % 2 == 0:
            b_i = bias_half_step(r - mu - b_u[u], i, len(b_i), reg_i)
        else:
            b_u = bias_half_step(r - mu - b_i[i], u, len(b_u), reg_u)
    S = mu + b_u[:, None] + b_i
    loss = bias_objective(r, S[u, i], b_u, b_i, reg_u, reg_i)
    return {"b_u": b_u, "b_i": b_i}, S, loss


def knn(R, start, n_steps, alpha, shrink, n_neighbors):
    X = binary(R)
    S = similarity.asymmetric_cosine(X, alpha=alpha)
    if n_steps > 1:
        S = similarity.shrink_similarity(S, similarity.co_counts(X), shrink)
    if n_steps > 2:
        S = similarity.keep_neighbors(S, n_neighbors)
    return {"S": S}, X @ S, None


def ease(R, start, n_steps, reg):
    if n_steps < 3:
        G = (R > 0).T @ (R > 0).astype(float) + reg * np.eye(R.shape[1])
        return {"B": G if n_steps == 1 else np.linalg.inv(G)}, None, None
    B = ease_weights(binary(R), reg)
    return {"B": B}, binary(R) @ B, None


def als(R, start, n_steps, reg):
    E = sparse(R, R[R > 0] - R[R > 0].mean())
    Q, P = np.array(start["Q"]), np.zeros((len(R), 2))
    for t in range(n_steps):
        if t % 2 == 0:
            P = als_half_step(E, Q, reg)
        else:
            Q = als_half_step(E.T.tocsr(), P, reg)
    S = R[R > 0].mean() + P @ Q.T
    return {"P": P, "Q": Q}, S, als_objective(E, P, Q, reg)


def ials(R, start, n_steps, unobserved, reg):
    X, Q, P = binary(R), np.array(start["Q"]), np.zeros((len(R), 2))
    for t in range(n_steps):
        if t % 2 == 0:
            P = weighted_als_half_step(X, Q, unobserved, reg)
        else:
            Q = weighted_als_half_step(X.T.tocsr(), P, unobserved, reg)
    loss = implicit_als_objective(X, P, Q, unobserved, reg)
    return {"P": P, "Q": Q}, P @ Q.T, loss


def sgd(R, start, n_steps, learning_rate, reg):
    u, i, r, mu = entries(R)
    b_u, b_i = np.zeros(len(R)), np.zeros(R.shape[1])
    P, Q = np.array(start["P"]), np.array(start["Q"])
    order = np.arange(n_steps) % len(r)
    sgd_epoch(u, i, r, order, mu, b_u, b_i, P, Q, learning_rate, reg)
    S = mu + b_u[:, None] + b_i + P @ Q.T
    loss = sgd_objective(u, i, r, mu, b_u, b_i, P, Q, reg)
    return {"b_u": b_u, "b_i": b_i, "P": P, "Q": Q}, S, loss


def em(R, start, n_steps, beta):
    theta, phi = np.array(start["theta"]), np.array(start["phi"])
    for _ in range(n_steps):
        theta, phi = em_step(binary(R), theta, phi, beta)
    loss = free_energy(binary(R), theta, phi, beta)
    return {"theta": theta, "phi": phi}, theta @ phi, loss


def mulberry(state):
    """The generator of the script: a whole number below 2^32, its next state first."""
    mask = 0xFFFFFFFF
    while True:
        state = (state + 0x6D2B79F5) & mask
        x = ((state ^ state >> 15) * (state | 1)) & mask
        x ^= (x + ((x ^ x >> 7) * (x | 61) & mask)) & mask
        yield (x ^ x >> 14) / 2**32


def normals(draw, n):
    pairs = np.array([[next(draw), next(draw)] for _ in range(n)])
    return np.sqrt(-2 * np.log(1 - pairs[:, 0])) * np.cos(2 * np.pi * pairs[:, 1])


def gibbs_chain(R, start, n_steps, alpha, precision, seed):
    keys = entries(R)[:2]
    r, mu = entries(R)[2:]
    w, v = [np.zeros(k) for k in R.shape], [np.array(start[k]) for k in ("v_u", "v_i")]
    designs = [csc_array(eye_array(k)) for k in R.shape]
    counts = [np.bincount(key, minlength=k) * 1.0 for key, k in zip(keys, R.shape)]
    draw, total = mulberry(seed), 0.0
    for _ in range(n_steps):
        e = r - mu - w[0][keys[0]] - w[1][keys[1]] - v[0][keys[0]] * v[1][keys[1]]
        for one, b in [(w, 0), (w, 1), (v, 0), (v, 1)]:
            X, k = designs[b], R.shape[b]
            design = counts[b], X.indptr, X.indices, X.data
            prior = np.zeros(k), np.full(k, precision), alpha, normals(draw, k)
            if one is w:
                gibbs.gibbs_weights(keys[b], e, *design, w[b], *prior)
            else:
                q_all = v[0][keys[0]] + v[1][keys[1]]
                q = v[b].copy()
                gibbs.gibbs_factor(keys[b], e, q_all, q, *design, v[b], *prior)
        total = total + mu + w[0][:, None] + w[1] + np.outer(*v)
    state = {"w_u": w[0], "w_i": w[1], "v_u": v[0], "v_i": v[1]}
    return state, total / max(n_steps, 1), None


Q = [[0.5, 0.1], [0.4, -0.2], [0.1, 0.3], [-0.3, 0.2], [-0.4, -0.1], [0.2, -0.5]]
P1, Q1 = [[0.5], [0.3], [-0.4], [-0.2], [0.1]], [row[:1] for row in Q]
TOPICS = {
    "theta": np.full((5, 2), 0.5).tolist(),
    "phi": (np.array([[3, 3, 2, 1, 1, 2], [1, 1, 2, 3, 3, 2]]) / 12).tolist(),
}
FACTORS = {"v_u": [p for (p,) in P1], "v_i": [q for (q,) in Q1]}
#: The package's steps, where they start, their settings.
MODELS = {
    "bias": (bias, {}, {"reg_u": 5.0, "reg_i": 2.0}),
    "knn": (knn, {}, {"alpha": 0.8, "shrink": 2.0, "n_neighbors": 2}),
    "ease": (ease, {}, {"reg": 1.5}),
    "als": (als, {"Q": Q}, {"reg": 0.5}),
    "ials": (ials, {"Q": Q}, {"unobserved": 0.3, "reg": 0.05}),
    "sgd": (sgd, {"P": P1, "Q": Q1}, {"learning_rate": 0.1, "reg": 0.05}),
    "em": (em, TOPICS, {"beta": 0.8}),
    "gibbs": (gibbs_chain, FACTORS, {"alpha": 2.0, "precision": 1.0, "seed": 7}),
}
RUN = """([name, R, start, settings, steps]) => {
    const model = window.toyModels.models[name]
    let state = model.start({R, start}, settings)
    for (let k = 0; k < steps; k += 1) { state = model.step(R, state, settings) }
    const scores = model.scores(R, state, settings)
    const top = scores && window.toyModels.topThree(R, scores)
    return {state, scores, top, loss: model.loss && model.loss(R, state, settings)}
}"""


def edited_toys(n=6):
    """The toy, and copies of it in which a third of the cells were changed."""
    R, rng = toy().interactions.csr.toarray(), np.random.default_rng(0)
    yield R
    for _ in range(n - 1):
        other = np.where(rng.random(R.shape) < 1 / 3, rng.integers(0, 6, R.shape), R)
        yield other.astype(float)
    lonely = R.copy()
    lonely[4], lonely[:, 2] = 0, 0  # a user and a film without ratings
    yield lonely


@pytest.fixture(scope="module")
def browser():
    import browser as tools

    with tools.chromium() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def bare(browser, tmp_path_factory):
    """A page with the models' script only."""
    import browser as tools

    path = tmp_path_factory.mktemp("page") / "page.html"
    script = (STATIC / "toy_models.js").as_uri()
    path.write_text(f"<!doctype html><script src='{script}'></script>")
    page = tools.open_page(browser)
    page.goto(path.as_uri())
    return page


def close(ours, theirs):
    difference = np.abs(np.array(ours, float) - np.array(theirs, float))
    return difference.max(initial=0) <= 1e-9


@pytest.mark.parametrize("name", MODELS)
def test_the_arithmetic_is_the_package_s(bare, name):
    reference, start, settings = MODELS[name]
    for R in edited_toys():
        for n_steps in (1, 2, 3, 12, 40):
            state, scores, loss = reference(R, start, n_steps, **settings)
            got = bare.evaluate(RUN, [name, R.tolist(), start, settings, n_steps])
            for key, value in state.items():
                assert close(got["state"][key], value), (key, n_steps)
            assert (got["scores"] is None) == (scores is None)
            assert scores is None or close(got["scores"], scores), n_steps
            assert loss is None or close(got["loss"], loss), n_steps


def test_the_models_are_all_compared(bare):
    assert set(bare.evaluate("Object.keys(window.toyModels.models)")) == set(MODELS)


def test_the_top_three_are_unseen_and_ties_go_to_the_lower_index(bare):
    R = [[1, 0, 0, 0, 0], [1, 1, 1, 0, 1]]
    S = [[9, 1, 2, 2, 0], [9, 9, 9, 1, 9]]
    got = bare.evaluate("([R, S]) => window.toyModels.topThree(R, S)", [R, S])
    assert got == [[2, 3, 1], [3]]


def test_the_normal_numbers_are_normal(bare):
    _, z = bare.evaluate("window.toyModels.normals(1, 20000)")
    assert abs(np.mean(z)) < 0.03 and abs(np.std(z) - 1) < 0.03
    assert close(z[:50], normals(mulberry(1), 50))


# ------------------------------------------------------------------ the components

PICTURES = {k: {"a": ([0, 1], [0, k])} for k in (1, 2, 3)}
FRAMES = frames("λ", PICTURES, title="It rises", alt="A line that rises.", still=2)
LIVE = live_toy("bias", toy().interactions, reg_u=[5, 50], reg_i=2, seen="Seen.")
SCRIPTS = ("toy_models.js", "play.js", "leaderboard.js")
BOARD = pd.DataFrame(
    {"ndcg": [0.3, 0.1, 0.2, 0.5, 0.4, 0.9, 0.8, np.nan], "±": 0.01},
    index=["Random", "EASE", "PLSA", "BPR", "MF", "GRU", "SASRec", "Item-kNN"],
)


TASKS = (
    "lists-the-ranking-task",
    "stars-the-rating-task",
    "the-next-film-the-sequential-task",
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A page with a slider, a live toy, the tasks' sections and a table, named as the
    leaderboard's."""
    folder = tmp_path_factory.mktemp("book")
    scripts = "".join(
        f"<script src='{(STATIC / s).as_uri()}'></script>" for s in SCRIPTS
    )
    style = f"<link rel=stylesheet href='{(STATIC / 'book.css').as_uri()}'>"
    parts = FRAMES._repr_html_() + LIVE._repr_html_() + "<a href='#deep'>deep</a>"
    for name in TASKS:
        parts += f"<section id={name}><p>{name[:5]}</p></section>"
    parts = parts.replace("stars</p>", "stars <span id=deep>zweig</span></p>")
    parts += BOARD.to_html()
    path = folder / "18_leaderboard.html"
    path.write_text(
        f"<!doctype html><meta charset=utf-8>{style}{scripts}"
        f"<article class=bd-article>{parts}</article>",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def opened(browser, written):
    """A function that opens the page, with options of the browser's context."""
    contexts = []

    def open_(**options):
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.faults = []
        page.on("console", lambda m: page.faults.append(m.text))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(written.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()


def visible_frames(page):
    return page.evaluate(
        "[...document.querySelectorAll('g.frame')].map("
        "g => getComputedStyle(g).display !== 'none')"
    )


def test_slider_by_keyboard_and_mouse(opened):
    page = opened()
    assert visible_frames(page) == [False, True, False]
    slider = page.locator(".frames input")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert visible_frames(page) == [False, False, True]
    assert page.locator(".frames output").inner_text() == "3"
    assert slider.get_attribute("aria-valuetext") == "3"
    box = slider.bounding_box()
    page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
    assert visible_frames(page) == [True, False, False]
    page.get_by_role("button", name="forward").click()
    assert visible_frames(page) == [False, True, False]
    page.get_by_role("button", name="back").click()
    assert visible_frames(page) == [True, False, False]
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Stop").wait_for()
    page.get_by_role("button", name="Play").wait_for()  # it ends by itself
    assert visible_frames(page) == [False, False, True]
    assert page.faults == []


def test_no_film_where_motion_is_not_wanted(opened):
    page = opened(reduced_motion="reduce")
    assert page.get_by_role("button", name="forward").count() == 1
    assert page.get_by_role("button", name="Play").count() == 0


def test_on_paper_the_still_picture_and_the_table(opened):
    page = opened()
    page.locator(".frames input").fill("0")
    page.get_by_role("button", name="One step").click()
    page.emulate_media(media="print")
    assert visible_frames(page) == [False, True, False]
    assert page.locator(".frames-still").is_visible()
    assert page.locator(".toy-still").is_visible()
    for hidden in (".frames-controls", ".toy-live", ".board-tools", ".board-choice"):
        assert not page.locator(hidden).is_visible(), hidden


def test_without_a_script_there_is_a_picture_and_a_table(opened):
    page = opened(java_script_enabled=False)
    shown = [g.is_visible() for g in page.locator("g.frame path").all()]
    assert shown == [False, True, False]
    assert page.locator(".frames-still").is_visible()
    assert not page.locator(".frames-controls").is_visible()
    assert page.locator(".toy-still td").count() == 30
    assert page.locator("table.dataframe tbody tr").count() == len(BOARD)


def test_the_toy_steps_and_is_edited_by_keyboard_and_mouse(opened):
    page = opened()
    toy_ = page.locator("figure.live-toy")
    assert not toy_.locator(".toy-still").is_visible()
    toy_.get_by_role("button", name="One step").click()
    assert "half step of the films" in toy_.locator(".toy-status").inner_text()
    first = toy_.locator("[data-cell='0,0']")
    assert first.locator(".score").inner_text() == "3.20"  # the pencil's 3 + 0.2
    first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("1")
    changed = toy_.locator("[data-cell='1,0']")
    assert changed.locator(".rating").inner_text() == "1"
    assert changed.evaluate("node => node === document.activeElement")
    page.keyboard.press("Delete")
    assert "no rating" in changed.get_attribute("aria-label")
    changed.click()
    assert changed.locator(".rating").inner_text() == "1"
    assert toy_.locator("[tabindex='0']").count() == 1, "one stop of the tab key"
    toy_.get_by_role("button", name="First ratings").click()
    assert changed.locator(".rating").inner_text() == "4"
    toy_.locator("select").select_option("50")
    assert page.faults == []


def names(page):
    rows = page.locator("table.sortable tbody tr:visible th").all()
    return [row.inner_text() for row in rows]


def test_the_leaderboard_sorts_and_filters(opened):
    page = opened()
    head = page.get_by_role("button", name="ndcg")
    head.focus()
    page.keyboard.press("Enter")
    assert names(page)[:2] == ["GRU", "SASRec"] and names(page)[-1] == "Item-kNN"
    th = page.locator("table.sortable th").nth(1)
    assert th.get_attribute("aria-sort") == "descending"
    head.click()
    assert names(page)[0] == "EASE" and names(page)[-1] == "Item-kNN"
    head.click()
    assert names(page) == list(BOARD.index) and th.get_attribute("aria-sort") is None
    page.locator(".board-tools input[type=search]").fill("s")
    assert names(page) == ["EASE", "PLSA", "SASRec"]
    page.locator(".board-tools input[type=checkbox]").uncheck()
    assert not page.get_by_role("button", name="±").is_visible()
    assert page.faults == []


def shown_tasks(page):
    return [page.locator(f"#{name} p").is_visible() for name in TASKS]


def test_the_reader_chooses_a_task_by_mouse_and_keyboard(opened):
    page = opened()
    choice = page.get_by_role("group", name="Show")
    assert choice.get_by_role("radio").count() == 4
    assert choice.get_by_label("all three tasks").is_checked()
    assert shown_tasks(page) == [True, True, True]
    choice.get_by_label("rating: stars").check()
    assert shown_tasks(page) == [False, True, False]
    assert page.locator(f"#{TASKS[0]}").bounding_box()["height"] == 0
    page.keyboard.press("ArrowUp")
    assert shown_tasks(page) == [True, False, False]
    page.emulate_media(media="print")
    assert shown_tasks(page) == [True, True, True] and not choice.is_visible()
    page.emulate_media(media="screen")
    assert shown_tasks(page) == [True, False, False]
    choice.get_by_label("all three tasks").check()
    assert shown_tasks(page) == [True, True, True] and page.faults == []


@pytest.mark.parametrize("way", ["link", "address"])
def test_a_link_into_a_task_that_is_not_shown_shows_it(opened, way):
    page = opened()
    page.get_by_label("ranking: lists").check()
    assert shown_tasks(page) == [True, False, False]
    if way == "link":
        page.get_by_role("link", name="deep").click()
    else:
        page.evaluate("location.hash = 'deep'")
    page.locator("#deep").wait_for(state="visible")
    assert shown_tasks(page) == [True, True, True]
    assert page.get_by_label("all three tasks").is_checked()
    assert page.faults == []


def test_a_search_in_the_page_finds_a_task_that_is_not_shown(opened):
    page = opened()
    page.get_by_label("ranking: lists").check()
    hidden = page.locator(f"#{TASKS[1]}")
    assert hidden.get_attribute("hidden") == "until-found"
    assert hidden.evaluate("node => getComputedStyle(node).display") == "block"
    hidden.dispatch_event("beforematch")  # what the browser's search sends
    assert shown_tasks(page) == [True, True, True]


def test_without_a_script_every_task_is_shown(opened):
    page = opened(java_script_enabled=False)
    assert shown_tasks(page) == [True, True, True]
    assert page.locator(".board-choice").count() == 0


# ------------------------------------------------------------------------- the book


def shown_in_the_book():
    """Chapter and HTML of every slider and live toy in the notebooks."""
    for path in sorted(STATIC.parent.glob("*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if "plots.frames(" in "".join(
                cell["source"]
            ) or "plots.live_toy(" in "".join(cell["source"]):
                yield path.stem, "".join(cell["outputs"][0]["data"]["text/html"])


def test_the_book_has_ten_sliders_and_live_toys_in_five_chapters():
    found = list(shown_in_the_book())
    sliders = [html for _, html in found if 'class="frames"' in html]
    toys = {chapter for chapter, html in found if 'class="live-toy"' in html}
    assert len(sliders) >= 10 and len(toys) >= 5
    assert max(len(html) for _, html in found) <= 60_000
    assert not any("nan" in html for html in sliders)


def test_the_leaderboard_of_the_book_lets_choose(browser):
    page = browser.new_page()
    path = STATIC.parents[1] / "_build" / "html" / "book" / "18_leaderboard.html"
    page.goto(path.as_uri())
    tables = [page.locator(f"#{name} table.dataframe") for name in TASKS]
    page.get_by_label("rating: stars").check()
    assert tables[1].count() == 2 and tables[1].first.is_visible()
    assert not tables[0].first.is_visible() and not tables[2].first.is_visible()
    page.get_by_label("sequence: next film").check()
    assert tables[2].first.is_visible() and not tables[1].first.is_visible()
    link = page.locator(f"a[href='#{TASKS[1]}']:visible").first  # in the contents
    link.click()
    tables[1].first.wait_for(state="visible")
    assert page.get_by_label("all three tasks").is_checked()
    page.close()


def test_every_component_of_the_book_works(browser, tmp_path):
    scripts = "".join(
        f"<script src='{(STATIC / s).as_uri()}'></script>" for s in SCRIPTS
    )
    parts = "".join(html for _, html in shown_in_the_book())
    path = tmp_path / "all.html"
    path.write_text(f"<!doctype html><meta charset=utf-8>{scripts}{parts}", "utf-8")
    page, faults = browser.new_page(), []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(path.as_uri())
    for toy_ in page.locator("figure.live-toy").all():
        for name in ("One step", "One step", "One step"):
            toy_.get_by_role("button", name=name).click()
        assert "Step 3" in toy_.locator(".toy-status").inner_text()
        assert toy_.locator("td.top").first.inner_text() != "–"
    for figure in page.locator("figure.frames").all():
        figure.locator("input").fill("0")
        shown = figure.locator("g.frame").first.get_attribute("display")
        assert shown == "inline"
    page.close()
    assert faults == []
