"""The glossary: each entry's term stands in the text of the chapters that it names."""

import json
import re
from pathlib import Path

import pytest

BOOK = Path(__file__).parents[2] / "book"
PAGE = (BOOK / "glossary.md").read_text(encoding="utf-8")
#: How a chapter writes a term, if not as its entry does: the same word in another form,
#: or a longer or a shorter name of the same thing.
VARIANTS = {
    "approximate nearest-neighbour search": ["approximate index"],
    "Bonferroni correction": ["Bonferroni"],
    "class weighting": ["weight of the positives", "weight of positives"],
    "clip": ["clipped"],
    "context-aware recommendation": ["context-aware"],
    "cosine similarity": ["cosine"],
    "data pipeline": ["pipeline"],
    "demographic recommendation": ["demographic"],
    "Eckart–Young theorem": ["Eckart and Young"],
    "expected best of n trials": ["expected best"],
    "explicit feedback": ["explicit"],
    "fold-in": ["folds in"],
    "global time split": ["global time"],
    "grid search": ["grid of settings"],
    "impute": ["holes filled"],
    "initialisation": ["starts with a standard deviation"],
    "knowledge-based recommendation": ["knowledge-based"],
    "Kullback–Leibler divergence": ["KL"],
    "learning curve": ["two curves, training and validation error"],
    "learning-rate schedule": ["schedule"],
    "likelihood": ["log-likelihood"],
    "log-uniform distribution": ["log-uniform"],
    "mixture model": ["mixture of topics"],
    "negative sampling": ["sampled negative", "negatives drawn"],
    "position embedding": ["learned vector per position"],
    "rating prediction": ["predict the rating"],
    "recommender system": ["recommender"],
    "recurrent neural network": ["recurrent unit"],
    "relevance": ["relevant"],
    "sequential recommendation": ["what comes next"],
    "sparsity": ["sparse"],
    "topic model": ["topics"],
    "transformer": ["SASRec"],
    "user profile": ["profile"],
    "validation set": ["validation"],
}
CODE = re.compile(r"```\{code.*?```|`+[^`\n]*`+|\$\$.*?\$\$|\$[^$\n]+\$", re.S)


def entries(page):
    """[terms, names of the chapters] of each entry."""
    body = re.search(r"```\{glossary\}\n(.*?)```$", page, re.S | re.M)[1]
    found = []
    for entry in body.strip().split("\n\n"):
        *terms, meaning = entry.split("\n")
        assert meaning.startswith("  "), f"{terms[0]}: the meaning is indented"
        assert not any(term.startswith(" ") for term in terms), f"{terms[0]}: one line"
        found.append([terms, re.findall(r"\{doc\}`[^`<]*<(\w+)>`", meaning)])
    return found


def is_chinese(term):
    return re.search(r"[\u3000-\u9fff]", term) is not None


def text_of(chapter):
    """The Markdown of a notebook, without code and formulas, in one line."""
    notebook = json.loads((BOOK / f"{chapter}.ipynb").read_text(encoding="utf-8"))
    cells = [c for c in notebook["cells"] if c["cell_type"] == "markdown"]
    text = "\n".join("".join(cell["source"]) for cell in cells)
    return re.sub(r"\s+", " ", CODE.sub(" ", text))


def holds(text, term):
    """Is the term, or its plural, in the text? Capitals count if the term has them."""
    plural = term[:-1] + "ies" if re.search(r"[^aeiou]y$", term) else term + "s"
    either = "|".join(re.escape(form) for form in (term, plural))
    flags = re.I if term == term.lower() else 0
    return re.search(rf"(?<![\w-])(?:{either})(?!\w)", text, flags) is not None


def unused(terms, chapters):
    """The chapters that use none of an entry's terms, in any form."""
    spoken = [term for term in terms if not is_chinese(term)]
    forms = [form for term in spoken for form in [term, *VARIANTS.get(term, [])]]
    return [
        chapter
        for chapter in chapters
        if not any(holds(text_of(chapter), form) for form in forms)
    ]


@pytest.mark.parametrize("terms, chapters", entries(PAGE), ids=lambda x: x[0])
def test_a_chapter_of_an_entry_uses_its_term(terms, chapters):
    assert chapters, "an entry names a chapter"
    assert unused(terms, chapters) == [], "the chapter's text does not hold the term"


def test_a_term_in_the_wrong_chapter_would_be_seen():
    assert unused(["Pareto front", "帕累托前沿"], ["18_leaderboard"]) == []
    wrong = ["01_recommendation_problem", "18_leaderboard"]
    assert unused(["Pareto front"], wrong) == ["01_recommendation_problem"]
    assert not holds("a `Pareto front`".replace("`Pareto front`", ""), "Pareto front")
    assert holds("two categories", "category") and not holds("listed", "list")
    assert not holds("re-ranking", "ranking") and not holds("adam", "Adam")


def test_a_term_has_one_entry_and_a_chinese_one():
    seen = [term for terms, _ in entries(PAGE) for term in terms]
    assert len(seen) == len(set(seen)) > 300
    alone = [terms[0] for terms, _ in entries(PAGE) if not any(map(is_chinese, terms))]
    assert alone == ["pure SVD", "SVD++"]


def test_entries_are_in_the_order_of_the_alphabet():
    first = [terms[0].lower().replace("–", "-") for terms, _ in entries(PAGE)]
    late = [(a, b) for a, b in zip(first, first[1:]) if a > b]
    assert late == [], "the second of each pair goes before the first"


def test_a_variant_belongs_to_an_entry():
    assert set(VARIANTS) <= {term for terms, _ in entries(PAGE) for term in terms}
