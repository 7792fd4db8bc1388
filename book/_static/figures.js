// A figure opens at its full size, by click or by Enter. Every picture is a link to its
// own file, so that a reader without this script can open it too.
document.addEventListener("DOMContentLoaded", () => {
  const asLink = (image) => {
    const link = document.createElement("a");
    link.className = "image-reference";
    link.href = image.src;
    image.replaceWith(link);
    link.append(image);
    return link;
  };

  const dialog = document.createElement("dialog");
  dialog.className = "figure-dialog";
  dialog.setAttribute("aria-label", "Figure at full size");
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "Close";
  const scroller = document.createElement("div");
  scroller.className = "figure-scroller";
  scroller.tabIndex = 0;
  const caption = document.createElement("p");
  dialog.append(close, scroller, caption);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) {
      dialog.close(); // the backdrop
    }
  });

  // At least its own size; on a large screen, as large as the screen allows.
  const sizeOf = (image) => {
    const room = Math.min(
      0.92 * window.innerWidth,
      ((0.92 * window.innerHeight - 130) * image.naturalWidth) / image.naturalHeight,
    );
    return Math.max(image.naturalWidth, room);
  };

  const open = (image) => {
    const copy = new Image();
    copy.src = image.src;
    copy.alt = image.alt;
    copy.style.width = `${sizeOf(image)}px`;
    scroller.replaceChildren(copy);
    const text = image.closest("figure")?.querySelector(".caption-text");
    caption.textContent = text ? text.textContent : "";
    dialog.showModal(); // the browser gives the focus back when it closes
    scroller.scrollTo(0, 0);
  };

  for (const image of document.querySelectorAll("article img")) {
    const around = image.closest("a");
    if (around && !around.classList.contains("image-reference")) {
      continue; // a link of the text
    }
    const link = around || asLink(image);
    link.setAttribute("aria-haspopup", "dialog");
    link.addEventListener("click", (event) => {
      if (!(event.ctrlKey || event.metaKey || event.shiftKey)) {
        event.preventDefault();
        open(image);
      }
    });
  }
  document.body.append(dialog);
});
