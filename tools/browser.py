"""A headless Chromium that cannot reach the network, for tests and screenshots."""

import contextlib
import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


def find_chromium():
    """Path of the browser: $CHROMIUM, or the first known name on the PATH."""
    wanted = os.environ.get("CHROMIUM")
    for name in (wanted,) if wanted else NAMES:
        path = shutil.which(name)
        if path:
            return path
    raise FileNotFoundError(
        f"no Chromium found (looked for {wanted or ', '.join(NAMES)}); install one, "
        "for instance `apt-get install chromium`, or set CHROMIUM to its path"
    )


@contextlib.contextmanager
def chromium():
    """One browser with a fresh profile, closed at the end."""
    from playwright.sync_api import sync_playwright

    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, headless=True, args=list(FLAGS), timeout=120_000
        )
        try:
            yield browser
        finally:
            browser.close()


def open_page(browser, width=1280, height=900, dark=False):
    """A page with the network off and the theme following `dark`."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        offline=True,
    )
    context.set_default_timeout(60_000)
    return context.new_page()


def wait_for_maths(page):
    """Return when MathJax, if the page uses it, has finished."""
    page.evaluate(
        """async () => {
            if (window.MathJax && MathJax.startup) { await MathJax.startup.promise }
            await document.fonts.ready
        }"""
    )
