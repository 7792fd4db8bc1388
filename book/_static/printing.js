// Print shows what a reader could unfold: proofs, reasons of the quiz (folded code is left out).
// Afterwards everything is folded as it was. (page.css does the same without a script
// in browsers that know ::details-content.)
(() => {
  let opened = [];

  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("article details:not([open])")];
    for (const fold of opened) {
      fold.open = true;
    }
  });

  window.addEventListener("afterprint", () => {
    for (const fold of opened) {
      fold.open = false;
    }
    opened = [];
  });
})();
