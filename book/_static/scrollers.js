// What scrolls sideways can be reached by Tab and scrolled by the arrow keys: wide
// formulas, tables, code. What does not scroll is no tab stop. The size of a block
// changes when a fold opens or a formula is set, so it is measured again then.
(() => {
  const BLOCKS = [
    "article pre",
    "article div.math",
    "article mjx-container",
    "article div.output",
    "article .pst-scrollable-table-container",
    "article table",
  ].join(", ");

  const NOTICEABLE = 5; // pixels; the slant of a letter is no reason for a tab stop

  const scrolls = (block) =>
    block.scrollWidth > block.clientWidth + NOTICEABLE &&
    /auto|scroll/.test(getComputedStyle(block).overflowX);

  const measure = (block) => {
    if (scrolls(block)) {
      block.tabIndex = 0;
    } else if (block.tabIndex === 0) {
      block.removeAttribute("tabindex");
    }
  };

  const measureAll = () => document.querySelectorAll(BLOCKS).forEach(measure);

  window.addEventListener("load", () => {
    const sizes = new ResizeObserver((entries) => entries.forEach((e) => measure(e.target)));
    document.querySelectorAll(BLOCKS).forEach((block) => sizes.observe(block));
    window.MathJax?.startup?.promise?.then(measureAll);
  });
})();
