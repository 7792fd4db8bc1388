"""The pictures of pages in the README, from the rendered book.

python tools/readme_pages.py

Build first (`make book`). Each picture starts at a heading of a page.
"""

import io
from pathlib import Path

from browser import chromium, open_page, wait_for_maths
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html" / "book"
OUT = ROOT / "book" / "_static" / "pages"
WIDTH, HEIGHT = 780, 820
#: name: page, id that the picture starts at
PAGES = {
    "derivation": ("07_matrix_factorization", "derivation-one-user-at-a-time"),
    "tuning": ("17_tuning", "fig-tune-win"),
    "decision": ("18_leaderboard", "fig-leaderboard-decision"),
}


def picture(page, name, anchor):
    """PNG bytes of the page's text column from the anchor on, with 64 colours."""
    page.goto((HTML / f"{name}.html").as_uri())
    wait_for_maths(page)
    box = page.locator(f"#{anchor}").bounding_box()
    column = page.locator("article").bounding_box()
    clip = {"x": column["x"] - 10, "y": box["y"] - 10, "width": WIDTH, "height": HEIGHT}
    png = page.screenshot(full_page=True, clip=clip, animations="disabled")
    small = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("P", palette=1, colors=64).save(
        small, "PNG", optimize=True
    )
    return small.getvalue()


def main():
    OUT.mkdir(exist_ok=True)
    with chromium() as browser:
        page = open_page(browser, 1280)
        for name, (chapter, anchor) in PAGES.items():
            path = OUT / f"{name}.png"
            path.write_bytes(picture(page, chapter, anchor))
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
