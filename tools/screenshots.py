"""Pictures of rendered pages, to look at them.

python tools/screenshots.py 03_baselines api/mf --dark --width 390 --out /tmp/pictures

Each page becomes 03_baselines-dark-390-1.png, -2.png, ... from top to bottom.
"""

import argparse
import io
from pathlib import Path

from browser import chromium, open_page, wait_for_maths
from PIL import Image

HTML = Path(__file__).resolve().parent.parent / "_build" / "html"


def save_slices(png, stem, out, slice_height):
    """Cut a tall picture into pieces of at most `slice_height` pixels."""
    image = Image.open(io.BytesIO(png))
    paths = []
    for number, top in enumerate(range(0, image.height, slice_height), start=1):
        bottom = min(top + slice_height, image.height)
        path = out / f"{stem}-{number}.png"
        image.crop((0, top, image.width, bottom)).save(path)
        paths.append(path)
    return paths


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", nargs="+", help="start of a page's file name, or all")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--open", action="store_true", help="unfold all dropdowns")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--slice", type=int, default=2000, help="height of a piece")
    parser.add_argument("--out", type=Path, default=Path("_build/screenshots"))
    parser.add_argument("--html", type=Path, default=HTML)
    options = parser.parse_args(arguments)
    names = tuple("" if name == "all" else name for name in options.page)
    folder = options.html.resolve()
    pages = sorted(folder.glob("book/**/*.html"))
    pages = [
        p for p in pages if p.relative_to(folder / "book").as_posix().startswith(names)
    ]
    if not pages:
        parser.error(f"no page in {folder / 'book'} starts with {names}: build first")
    options.out.mkdir(parents=True, exist_ok=True)
    theme = "dark" if options.dark else "light"
    with chromium() as browser:
        page = open_page(browser, options.width, dark=options.dark)
        for path in pages:
            page.goto(path.as_uri())
            wait_for_maths(page)
            if options.open:
                page.evaluate(
                    """() => {
                        document.querySelectorAll('details').forEach(d => d.open = true)
                        document.querySelectorAll('.toggle-hidden').forEach(
                            e => e.classList.remove('toggle-hidden'))
                        document.querySelectorAll('[hidden="until-found"]').forEach(
                            e => { e.hidden = false })
                    }"""
                )
            png = page.screenshot(full_page=True, animations="disabled")
            name = path.relative_to(folder / "book").with_suffix("").as_posix()
            stem = f"{name.replace('/', '-')}-{theme}-{options.width}"
            for picture in save_slices(png, stem, options.out, options.slice):
                print(picture)


if __name__ == "__main__":
    main()
