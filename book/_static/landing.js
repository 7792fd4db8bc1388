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

  // The first mark at or after the place that the link named.
  const firstMark = (marks) => {
    const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const after = marks.find(
      (mark) =>
        place &&
        (place.contains(mark) ||
          place.compareDocumentPosition(mark) & Node.DOCUMENT_POSITION_FOLLOWING),
    );
    return after || marks[0];
  };

  const land = () => {
    const article = document.querySelector("article");
    words.forEach((word) => _highlightText(article, word, "highlighted"));
    const first = firstMark([...article.querySelectorAll(".highlighted")]);
    if (first) {
      unfold(first);
      first.classList.add("first-match");
      first.scrollIntoView({ block: "center", behavior: "instant" });
    }
  };

  window.addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    land();
  });
})();
