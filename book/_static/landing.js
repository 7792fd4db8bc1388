// After a click on a search result: mark the words, which stand in the address, and go to
// the first of them. Sphinx's own marking would start before the formulas are set, and
// inside their source text; so its words are taken here first.
(() => {
  const KEY = "sphinx_highlight_terms";
  if (/search\.html$/.test(location.pathname)) {
    return; // the search page hands the words on
  }
  const stored = localStorage.getItem(KEY);
  const named = new URLSearchParams(location.search).get("words");
  const words = (named || stored || "").split(/\s+/).filter(Boolean);
  localStorage.removeItem(KEY);
  if (!words.length) {
    return;
  }

  const unfold = (mark) => {
    for (let box = mark.parentElement; box; box = box.parentElement) {
      if (box.tagName === "DETAILS") {
        box.open = true;
      }
      if (box.classList.contains("toggle-hidden")) {
        box.querySelector("button.toggle-button")?.click();
      }
    }
  };

  // At or after the place that the link named.
  const isBelow = (mark, place) =>
    place.contains(mark) ||
    place.compareDocumentPosition(mark) & Node.DOCUMENT_POSITION_FOLLOWING;

  // A formula also has words for a reader who listens; nobody sees them.
  const isSeen = (mark) => mark.getBoundingClientRect().width > 1;

  const land = () => {
    const article = document.querySelector("article");
    words.forEach((word) => _highlightText(article, word, "highlighted"));
    const all = [...article.querySelectorAll(".highlighted")].filter(
      (mark) => !mark.closest("mjx-container"),
    );
    const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const below = place ? all.filter((mark) => isBelow(mark, place)) : all;
    for (const mark of below.length ? below : all) {
      unfold(mark);
      if (isSeen(mark)) {
        mark.classList.add("first-match");
        mark.scrollIntoView({ block: "center", behavior: "instant" });
        break;
      }
    }
  };

  window.addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    land();
  });
})();
