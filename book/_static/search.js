// The search page: sections of the chapters and entries of the glossary that hold all
// the words, with the sentence around them. Sphinx's list of pages stays below. The
// texts are in passages.js, written when the book is built; nothing else loads it.
document.addEventListener("DOMContentLoaded", () => {
  const SHOWN = 12;
  const query = (new URLSearchParams(location.search).get("q") || "").trim().toLowerCase();
  const results = document.getElementById("search-results");
  if (!query || !results || !window.BOOK_PASSAGES) {
    return;
  }

  const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const singular = (word) => (word.length > 3 ? word.replace(/s$/, "") : word);
  const words = query.split(/[^\p{L}\p{N}_+@-]+/u).filter(Boolean).map(singular);
  if (!words.length) {
    return;
  }
  // Chinese has no spaces: a word may start anywhere.
  const start = (word) => (/\p{Script=Han}/u.test(word) ? "" : "(?<![\\p{L}\\p{N}])");
  const finders = words.map((word) => new RegExp(start(word) + escaped(word), "giu"));
  const phrase = words.length > 1 ? new RegExp(words.map(escaped).join("\\w*\\s+"), "iu") : null;
  const count = (finder, text) => (text.match(finder) || []).length;

  // 0 unless every word occurs; a title counts more than a sentence.
  const score = (page, title, text) => {
    let sum = 0;
    for (const finder of finders) {
      const inTitle = count(finder, title);
      const inText = count(finder, text);
      if (!inTitle && !inText) {
        return 0;
      }
      sum += 10 * Math.min(inTitle, 1) + Math.min(inText, 4) + 2 * Math.min(count(finder, page), 1);
    }
    return sum + (phrase && phrase.test(`${title}. ${text}`) ? 10 : 0);
  };

  const found = [];
  for (const [doc, page, passages] of window.BOOK_PASSAGES) {
    for (const [anchor, title, text] of passages) {
      const value = score(page, title, text);
      if (value) {
        found.push({ doc, page, anchor, title, text, value });
      }
    }
  }
  found.sort((a, b) => b.value - a.value);

  const marked = (text) => {
    const any = new RegExp(finders.map((finder) => finder.source).join("|"), "giu");
    const pieces = document.createDocumentFragment();
    let from = 0;
    for (const match of text.matchAll(any)) {
      const mark = document.createElement("mark");
      mark.textContent = match[0];
      pieces.append(text.slice(from, match.index), mark);
      from = match.index + match[0].length;
    }
    pieces.append(text.slice(from));
    return pieces;
  };

  const excerpt = (text) => {
    const at = Math.max(0, text.search(phrase && phrase.test(text) ? phrase : finders[0]));
    const from = at < 100 ? 0 : text.indexOf(" ", at - 90) + 1;
    const end = text.indexOf(" ", at + 120);
    const to = end < 0 ? text.length : end;
    return (from ? "… " : "") + text.slice(from, to) + (to < text.length ? " …" : "");
  };

  const item = ({ doc, page, anchor, title, text }) => {
    const li = document.createElement("li");
    const link = document.createElement("a");
    link.href = `${doc}.html${anchor ? `#${anchor}` : ""}`;
    link.textContent = title === page ? page : `${page} › ${title}`;
    const sentence = document.createElement("p");
    sentence.append(marked(excerpt(text)));
    li.append(link, sentence);
    return li;
  };

  const box = document.createElement("section");
  box.id = "passages";
  const head = document.createElement("h2");
  head.textContent = found.length === 1 ? "One passage" : `${found.length} passages`;
  const list = document.createElement("ul");
  list.append(...found.slice(0, SHOWN).map(item));
  box.append(head, list);
  if (found.length > SHOWN) {
    const more = document.createElement("button");
    more.type = "button";
    more.className = "btn btn-outline-primary";
    more.textContent = `Show the other ${found.length - SHOWN}`;
    more.addEventListener("click", () => {
      list.append(...found.slice(SHOWN).map(item));
      list.children[SHOWN].querySelector("a").focus();
      more.remove();
    });
    box.append(more);
  }
  results.before(box);

  // Each click hands the words to the page (landing.js), in its address.
  const handOn = (event) => {
    const link = event.target.closest("#passages a, #search-results a");
    if (link) {
      link.search = `?words=${encodeURIComponent(words.join(" "))}`;
    }
  };
  document.addEventListener("click", handOn);
  document.addEventListener("auxclick", handOn);
});
