"""The reader's edition uses only what JupyterLab, VS Code, GitHub and Colab all show.

They differ in what they do with HTML inside Markdown and with formulas. VS Code draws
formulas with KaTeX, which knows fewer commands than MathJax, takes a closing dollar for
a price where a blank or a digit is next to it, and reads no formula within HTML. GitHub
drops HTML and attributes that are not on its list. Markdown within HTML is read only
after a blank line.
"""

import re

import pytest
from edition_text import MATH
from test_edition import NAMES, made, tokens, words

#: Tags and their attributes.
HTML = {"a": {"id"}, "details": set(), "summary": set()}
HTML |= {name: set() for name in ("code", "em", "strong")}
#: Commands of KaTeX's support table (katex.org/docs/support_table) that the book uses;
#: a new one is looked up there, then entered here.
KATEX = r"""
\alpha \beta \gamma \delta \epsilon \varepsilon \zeta \eta \theta \kappa \vartheta
\lambda \mu \nu \xi \pi \rho \varrho \sigma \tau \phi \chi \psi \omega \Delta \Theta
\Gamma \Lambda \Pi \Sigma \Phi \Omega \ell \nabla \mathbf \mathbb \mathcal \mathrm
\boldsymbol \text \textit \mathop \nolimits \textstyle \hat \bar \tilde \check
\overline \overbrace \underbrace \underset \frac \dfrac \tfrac \binom \tbinom \sqrt \sum
\prod \int \partial \max \min \arg \ln \log \exp \cos \tanh \Pr \pmod \top
\infty \cdot \Psi \textbf \langle \rangle
\cdots \dots \times \odot \circ \ast \pm \le \ge \ne \approx \sim \propto \in \notin
\cap \setminus \mid \to \leftarrow \iff \Longrightarrow \Longleftrightarrow
\lvert \rvert \lVert \rVert \Vert \lfloor \rfloor \left \right \big \bigl \bigr \Big
\Bigl \Bigr \quad \qquad \, \; \{ \} \# \% \\ \begin \end \tag
"""
KATEX = {*KATEX.split(), "\\ "}
ENVIRONMENTS = {"aligned", "bmatrix", "cases", "pmatrix"}
FENCE = re.compile(r"^[> ]*(`{3,}).*?\n[> ]*\1$", re.M | re.S)
SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.S)


def html_faults(text):
    """Tags and attributes that somebody drops, and folds not as Markdown wants them."""
    html = [t.content for t in tokens(text) if t.type in ("html_inline", "html_block")]
    for name, rest in re.findall(r"<(\w+)([^>]*)>", "\n".join(html)):
        if name not in HTML or set(re.findall(r"([\w-]+)=", rest)) - HTML[name]:
            yield f"<{name}{rest}>"
    bare = re.sub(r"^> ?", "", text, flags=re.M)
    count = len(re.findall(r"<details>|</details>", bare))
    opened = re.findall(r"^<details>\n<summary>[^$\n]+</summary>\n\n", bare, re.M)
    closed = re.findall(r"\n\n</details>$", bare, re.M)
    if 2 * len(opened) != count or 2 * len(closed) != count:
        yield "a fold without its blank lines, or with a formula in its title"
    if "](attachment:" in text or "![" in text:
        yield "a picture in the text"


def formula_faults(text):
    """What KaTeX, or the readers of dollars, cannot take."""
    text = SPAN.sub("", FENCE.sub("", text))
    for found in MATH.finditer(text):
        formula, after = found[0], text[found.end() : found.end() + 1]
        commands = set(re.findall(r"\\(?:[a-zA-Z]+|.)", formula, re.S)) - KATEX
        kinds = set(re.findall(r"\\begin\{(.*?)\}", formula)) - ENVIRONMENTS
        yield from commands | kinds
        inner = re.sub(r"\\begin\{(\w+)\}.*?\\end\{\1\}", "", formula, flags=re.S)
        if formula.count(r"\tag") > 1 or formula.count(r"\tag") > inner.count(r"\tag"):
            yield f"more tags than one, or a tag within an environment: {formula}"
        if re.search(r"[_^]\\(boldsymbol|text|mathop|mathrm)\b", formula):
            yield f"an index that needs braces: {formula}"
        if re.search(r"\n[> ]*\n", formula):
            yield f"an empty line: {formula}"
        edges = formula[1].isspace() or formula[-2].isspace() or after.isdigit()
        if not formula.startswith("$$") and edges:
            yield f"a dollar beside a blank or a digit: {formula}{after}"


def faults(text):
    return [*html_faults(text), *formula_faults(text)]


@pytest.mark.parametrize(
    "text",
    [
        '<input type="range">',
        '<a id="x" style="color:red"></a>',
        "<details>\n<summary>A</summary>\nx\n\n</details>",
        "<details>\n<summary>A</summary>\n\nx\n</details>",
        "> <details>\n> <summary>A $b$</summary>\n>\n> x\n>\n> </details>",
        "![a](attachment:b.png)",
        r"$\label{a}$",
        r"$$\begin{align}a\end{align}$$",
        r"$$\begin{aligned}a\tag{1}\end{aligned}$$",
        r"$$a\tag{1}\tag{2}$$",
        r"$\nabla_\boldsymbol\beta$",
        r"$\operatorname{Var}x$",
        "$$\na\n\nb\n$$",
        "$a $ b",
        "$a$5",
    ],
)
def test_faults_are_found(text):
    assert len(faults(text)) >= 1


def test_what_all_show_is_no_fault():
    text = (
        '<a id="eq-a"></a>\n\n$$\n\\begin{aligned}\na&=b\\\\\n\\end{aligned}\n\\tag{1}'
        "\n$$\n\n> <details>\n> <summary>A <em>b</em></summary>\n>\n> $c_{\\mathbf d}$"
        "\n>\n> </details>\n\n`$\\label$` and\n```python\nx = '$\\y$ <input>'\n```"
    )
    assert faults(text) == []


@pytest.mark.html
@pytest.mark.parametrize("name", NAMES)
def test_the_edition_uses_what_all_show(name):
    found = [(fault, text) for text in words(made(name)) for fault in faults(text)]
    assert found == []


@pytest.mark.html
def test_every_figure_has_its_alternative_text_below():
    cells = [cell for name in NAMES for cell in made(name).cells]
    figures = 0
    for cell, after in zip(cells, cells[1:]):
        if "figure" in cell.metadata.get("mystnb", {}):
            figures += 1
            alt = cell.metadata["mystnb"]["image"]["alt"]
            assert cell.metadata["alt"] == alt
            assert f"\n\n{alt}\n\n</details>" in after.source
    assert figures > 80
