"""How long the built pages take from a folder, in a browser without a network.

    python tools/page_speed.py            all chapters
    python tools/page_speed.py 04 index   pages whose names start so

Milliseconds from the click: the first text is seen (paint), the page can be read and
scrolled (ready), every script has run (scripts), all formulas are set (maths). The
least of four tries; measure on an idle machine.
"""

import sys
from pathlib import Path

import browser as tools

HTML = Path(__file__).resolve().parent.parent / "_build" / "html"
NAMES = ("paint", "ready", "scripts", "maths")
TIMES = """() => {
  const page = performance.getEntriesByType("navigation")[0];
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return [paint ? paint.startTime : 0, page.domInteractive, page.loadEventEnd,
          performance.now()];
}"""


def times(browser, path):
    """The four times of one visit."""
    page = tools.open_page(browser)
    page.goto(path.as_uri(), wait_until="load")
    tools.wait_for_maths(page)
    found = page.evaluate(TIMES)
    page.context.close()
    return found


def main(prefixes):
    pages = sorted(HTML.glob("*.html")) + sorted(HTML.glob("book/*.html"))
    wanted = tuple(prefixes) or tuple("0123456789")
    print(f"{'page':40s}" + "".join(f"{name:>9s}" for name in NAMES))
    with tools.chromium() as browser:
        for path in pages:
            if path.stem.startswith(wanted):
                least = map(min, zip(*[times(browser, path) for _ in range(4)]))
                print(f"{path.stem:40s}" + "".join(f"{t:9.0f}" for t in least))


if __name__ == "__main__":
    main(sys.argv[1:])
