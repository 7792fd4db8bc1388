"""Draw the pictures of the pages that are no notebooks.

python tools/figures.py            # writes book/_static/figures/*.svg
python tools/figures.py --check    # exits 1 if a stored picture is out of date

Every value in them is computed here, from the toy and from the book's results.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from recsys_tutor import plots
from recsys_tutor.baselines import BiasModel
from recsys_tutor.datasets import toy
from recsys_tutor.evaluate import evaluate, summarize
from recsys_tutor.splits import leave_last_out
from recsys_tutor.study.results import Results

BOOK = Path(__file__).resolve().parent.parent / "book"
FOLDER = BOOK / "_static" / "figures"
BLUE, ORANGE = plots.COLORS["blue"], plots.COLORS["orange"]
INK, PALE = "#222222", "#ececec"
K = 3


def toy_story():
    """The toy, its split, the fitted model and the evaluation that the cover shows."""
    data = toy()
    split = leave_last_out(data.interactions)
    model = BiasModel().fit(split.train)
    return data, split, model, evaluate(model, split.test, k=K)


def dense(interactions):
    """(n_users, n_items) ratings, NaN where there is none."""
    matrix = np.full(interactions.shape, np.nan)
    matrix[interactions.user, interactions.item] = interactions.value
    return matrix


def names(data):
    films = [title.replace(" ", "\n") for title in data.items.title]
    return list(data.users.name), films


def panel(title):
    fig, ax = plt.subplots(figsize=(4.6, 3.4))
    ax.set_title(title, fontsize=13, fontweight="bold", color=INK)
    return fig, ax


def matrix_panel(title, values, data, fmt):
    """A rating matrix with the films written below, upright."""
    fig, ax = panel(title)
    users, films = names(data)
    plots.heatmap(values, users, films, ax=ax, fmt=fmt, vmin=1, vmax=5)
    ax.set_xticks(range(len(films)), films, rotation=0, ha="center", fontsize=9.5)
    ax.tick_params(length=0)
    ax.tick_params(axis="y", labelsize=11)
    m, n = values.shape
    ax.vlines(np.arange(n + 1) - 0.5, -0.5, m - 0.5, color=PALE, lw=1, zorder=0)
    ax.hlines(np.arange(m + 1) - 0.5, -0.5, n - 0.5, color=PALE, lw=1, zorder=0)
    for text in ax.texts:
        text.set_fontsize(13)
    ax.spines[:].set_visible(False)
    return fig, ax


def outline(ax, row, column, **style):
    corner = (column - 0.46, row - 0.46)
    ax.add_patch(Rectangle(corner, 0.92, 0.92, **{"fill": False, **style}))


def hide():
    """1: what the model sees; the latest rating of each user is hidden."""
    data, split, _, _ = toy_story()
    fig, ax = matrix_panel("1  Hide", dense(split.train), data, "{:.0f}")
    for user, item in zip(split.test.user, split.test.item):
        outline(ax, user, item, ec=ORANGE, lw=2.5, ls="--")
        ax.text(
            item, user, "?", ha="center", va="center", fontsize=15, color=ORANGE,
            fontweight="bold",
        )  # fmt: skip
    return fig


def learn():
    """2: the model's prediction for every cell that it has not seen."""
    data, split, model, _ = toy_story()
    predicted = np.where(
        np.isnan(dense(split.train)), model.score(np.arange(5)), np.nan
    )
    fig, ax = matrix_panel("2  Learn", predicted, data, "{:.1f}")
    for user, item, r in zip(split.train.user, split.train.item, split.train.value):
        outline(ax, user, item, fill=True, fc=PALE, lw=0)
        style = {"ha": "center", "va": "center", "fontsize": 11, "color": "#666666"}
        ax.text(item, user, f"{r:.0f}", **style)
    return fig


def recommend():
    """3: three places per user, best first; a hidden film that comes back is a hit."""
    data, split, model, _ = toy_story()
    fig, ax = panel("3  Recommend")
    users, _ = names(data)
    titles = data.items.title.to_numpy()
    hidden = set(zip(split.test.user.tolist(), split.test.item.tolist()))
    for user, row in enumerate(model.recommend(np.arange(len(users)), K).items):
        for place, item in enumerate(row):
            is_hit = (user, int(item)) in hidden
            box = (place - 0.46, user - 0.4)
            ax.add_patch(Rectangle(box, 0.92, 0.8, fc=ORANGE if is_hit else PALE, lw=0))
            style = {"color": "white", "fontweight": "bold"} if is_hit else {}
            label = titles[item].replace(" ", "\n") + (" ✓" if is_hit else "")
            ax.text(
                place, user, label, ha="center", va="center", fontsize=11,
                linespacing=0.95, **{"color": INK, **style},
            )  # fmt: skip
    ax.set(xlim=(-0.5, K - 0.5), ylim=(len(users) - 0.5, -0.5))
    ax.set_xticks(range(K), [f"place {place + 1}" for place in range(K)], fontsize=11)
    ax.set_yticks(range(len(users)), users, fontsize=11)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(False)
    return fig


def measure():
    """4: one number per user, one mean per model."""
    data, _, _, per_user = toy_story()
    fig, ax = panel("4  Measure")
    users, _ = names(data)
    mean = summarize(per_user).ndcg
    plots.bars(dict(zip(users, per_user.ndcg)), fmt="{:.2f}", ax=ax)
    for text, value in zip(ax.texts, per_user.ndcg):
        text.set(text=text.get_text().strip(), x=0.03, fontsize=12)
        text.set_color("white" if value > 0.2 else INK)
    ax.axvline(mean, color=ORANGE, lw=2.5, ls="--")
    ax.text(
        mean, len(users) - 0.42, f"mean {mean:.2f}", color=ORANGE, fontsize=12,
        fontweight="bold", ha="center", va="top",
        bbox={"fc": "white", "ec": "none", "pad": 1},
    )  # fmt: skip
    ax.set(ylim=(len(users) - 0.05, -0.6), xlim=(0, 1.19))
    ax.set_xlabel(f"NDCG@{K}", fontsize=11)
    ax.set_xticks([0, 0.5, 1])
    ax.tick_params(length=0, labelsize=11)
    return fig


def first_rows():
    """The first rows of the leaderboard: good at stars is not good at lists."""
    results = Results.load()
    rating = results.table("rating", ["rmse"], ["Random", "Bias model"])
    models = ["Random", "Popularity", "Bias model"]
    ranking = results.table("ranking", ["ndcg"], models)
    assert rating.rmse["Bias model"] < rating.rmse["Random"]
    assert ranking.ndcg["Popularity"] > 2 * ranking.ndcg["Bias model"]
    fig, axes = plt.subplots(2, 1, figsize=(5.6, 4.4))
    rmse = {"Random": rating.rmse["Random"], "Popularity": 0.0}
    rmse["Bias model"] = rating.rmse["Bias model"]
    spread = [rating["±"]["Random"], 0.0, rating["±"]["Bias model"]]
    last = ("Bias model",)
    plots.bars(rmse, errors=spread, highlight=last, ax=axes[0])
    axes[0].texts[1].set_text("  predicts no stars")
    axes[0].texts[1].set_color("#666666")
    axes[0].set_title(
        "The bias model comes closer to the stars people gave", fontsize=11.5
    )
    axes[0].set_xlabel("RMSE, 5 folds (shorter is better)")
    plots.bars(
        ranking.ndcg[models], errors=ranking["±"][models], highlight=last, ax=axes[1]
    )
    axes[1].set_title(
        "As a list of ten it stays far below a plain popularity count", fontsize=11.5
    )
    axes[1].set_xlabel("NDCG@10, 5 seeds (longer is better)")
    for ax in axes:
        ax.tick_params(axis="y", length=0, labelsize=11)
    return fig


def leaderboard():
    """Every model of the main task, best first; the baselines stand out."""
    table = Results.load().table("ranking", ["ndcg"])
    table = table.sort_values("ndcg")
    first = table.index.isin(["Random", "Popularity", "Bias model"])
    fig, ax = plt.subplots(figsize=(7.2, 0.27 * len(table) + 0.9))
    for at, (_, row) in enumerate(table.iterrows()):
        color = ORANGE if first[at] else BLUE
        ax.errorbar(row.ndcg, at, xerr=row["±"], fmt="o", color=color, ms=5)
        ax.annotate(
            f"{row.ndcg:.3f}",
            (0.54, at),
            va="center",
            fontsize=9,
            annotation_clip=False,
        )
    ax.set_yticks(range(len(table)), table.index)
    for label, baseline in zip(ax.get_yticklabels(), first, strict=True):
        label.set_color(ORANGE if baseline else INK)
    ax.axvline(table.ndcg["Popularity"], color=ORANGE, lw=1, ls=":")
    ax.set(xlim=(0, 0.53), ylim=(-0.7, len(table) - 0.3))
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("NDCG@10: mean over 5 splits, whiskers one standard deviation")
    others = table.ndcg.drop(["Random", "Popularity", "Bias model"])
    above = (others > table.ndcg["Popularity"]).sum()
    ax.set_title(
        f"{above} models beat a popularity count, {len(others) - above} do not",
        fontsize=11.5,
    )
    return fig


def symbols():
    """The toy's matrix with one row, one column and one cell named."""
    data = toy()
    fig, ax = matrix_panel("", dense(data.interactions), data, "{:.0f}")
    u, i = 2, 3  # Cleo, Dirty Dancing
    n_users, n_items = data.interactions.shape
    box = {"fill": False, "lw": 2.5}
    ax.add_patch(Rectangle((-0.5, u - 0.5), n_items, 1, ec=ORANGE, **box))
    ax.add_patch(Rectangle((i - 0.5, -0.5), 1, n_users, ec=BLUE, **box))
    outline(ax, u, i, ec="black", lw=3.5)
    style = {"fontsize": 13, "annotation_clip": False, "va": "center"}
    ax.annotate("row $u$", (n_items - 0.4, u - 0.12), color=ORANGE, **style)
    ax.annotate("gives $I_u$", (n_items - 0.4, u + 0.3), color=ORANGE, **style)
    ax.annotate("column $i$ gives $U_i$", (i, -0.75), color=BLUE, ha="center", **style)
    arrow = {"arrowstyle": "-|>", "color": "black", "lw": 1.2}
    ax.annotate(
        "$r_{ui}$", (i - 0.45, u + 0.45), (0.55, n_users - 1), color="black",
        arrowprops=arrow, **style,
    )  # fmt: skip
    ax.set_xlim(-0.5, n_items + 0.75)
    return fig


def shapes():
    """R ≈ P Qᵀ as boxes with their shapes."""
    fig, ax = plt.subplots(figsize=(6.4, 2.9))
    sky, yellow = plots.COLORS["sky"], plots.COLORS["yellow"]

    def box(x, y, width, height, color, text):
        style = {"fc": color, "ec": INK, "lw": 1.2, "alpha": 0.85}
        ax.add_patch(Rectangle((x, y), width, height, **style))
        ax.text(x + width / 3, y + height / 3, text, ha="center", va="center", size=16)

    def label(x, y, text, **style):
        style = {"ha": "center", "va": "center", "size": 12, "color": INK, **style}
        ax.text(x, y, text, **style)

    box(0, 0, 6, 5, PALE, r"$\hat R$")
    box(8.2, 0, 2, 5, sky, "$P$")
    box(11.2, 3, 6, 2, yellow, r"$Q^\top$")
    label(7.1, 2.5, "=", size=18)
    label(3, 5.45, "$n$ items")
    label(-0.35, 2.5, "$m$ users", rotation=90, ha="right")
    label(9.2, 5.45, "$f$ factors")
    label(14.2, 5.45, "$n$ items")
    label(17.5, 4, "$f$", ha="left")
    bold = {"fill": False, "lw": 2.5, "ec": ORANGE}
    ax.add_patch(Rectangle((0, 3), 6, 0.6, **{**bold, "ls": "--", "lw": 1.2}))
    ax.add_patch(Rectangle((8.2, 3), 2, 0.6, **bold))
    ax.add_patch(Rectangle((4.1, 0), 0.6, 5, **{**bold, "ls": "--", "lw": 1.2}))
    ax.add_patch(Rectangle((15.3, 3), 0.6, 2, **bold))
    ax.add_patch(Rectangle((4.1, 3), 0.6, 0.6, fc=ORANGE, ec=ORANGE))
    label(9.2, -0.5, r"row $\mathbf{p}_u^\top$", color=ORANGE)
    label(15.6, 2.55, r"column $\mathbf{q}_i$", color=ORANGE)
    label(14.2, 1.1, r"$\hat r_{ui} = \mathbf{p}_u^\top \mathbf{q}_i$", size=15)
    ax.set(xlim=(-1.2, 18.2), ylim=(-0.9, 5.9), aspect="equal")
    ax.axis("off")
    return fig


FIGURES = {
    "cover-1-hide": hide,
    "cover-2-learn": learn,
    "cover-3-recommend": recommend,
    "cover-4-measure": measure,
    "first-rows": first_rows,
    "leaderboard": leaderboard,
    "notation-matrix": symbols,
    "notation-shapes": shapes,
}


def draw_all(folder):
    """Write every figure; the same bytes on every run."""
    folder.mkdir(parents=True, exist_ok=True)
    matplotlib.use("svg")
    plots.use_style()
    plt.rcParams.update({"svg.hashsalt": "recsys_tutor", "svg.fonttype": "path"})
    for name, draw in FIGURES.items():
        fig = draw()
        fig.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
        plt.close(fig)


def same(a, b, tolerance=0.01):
    """Equal SVG texts, up to a hundredth of a point in the numbers (another CPU)."""
    number = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
    if number.sub("#", a) != number.sub("#", b):
        return False
    x, y = (np.array(number.findall(text), float) for text in (a, b))
    return bool(np.allclose(x, y, rtol=0, atol=tolerance))


def outdated(folder=FOLDER):
    """Names of the stored pictures that differ from what the code draws now."""
    with tempfile.TemporaryDirectory() as fresh:
        draw_all(Path(fresh))
        wanted = {p.name: p.read_text("utf-8") for p in Path(fresh).iterdir()}
    stored = {p.name: p.read_text("utf-8") for p in folder.glob("*.svg")}
    different = {n for n in wanted if not same(stored.get(n, ""), wanted[n])}
    return sorted(different | (stored.keys() - wanted.keys()))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args(arguments)
    if not options.check:
        draw_all(FOLDER)
    elif different := outdated():
        sys.exit(f"run tools/figures.py again, out of date: {', '.join(different)}")


if __name__ == "__main__":
    main()
