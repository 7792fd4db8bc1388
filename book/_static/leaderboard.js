// The leaderboard: the reader chooses a task and sees its section only; in the tables a
// click on a head sorts, typing filters, a box hides the spreads. Without this script, and
// on paper, everything stands as it was printed.
(() => {
  "use strict";

  const LEAST = 8; // rows: smaller tables need no tools
  const EVERY = "all three tasks";
  const TASKS = { // what the reader chooses, and the section that is the task's
    "ranking: lists": "lists-the-ranking-task",
    "rating: stars": "stars-the-rating-task",
    "sequence: next film": "the-next-film-the-sequential-task",
  };

  const read = (cell) => {
    const text = cell ? cell.textContent.trim() : "";
    const value = Number(text.replace(/−/g, "-").replace(/[,%]/g, ""));
    return { text, value: text === "" ? NaN : value };
  };

  // Numbers fall on the first click, words rise; what is no number stands last.
  function order(a, b, down) {
    if (Number.isNaN(a.value) !== Number.isNaN(b.value)) return Number.isNaN(a.value) ? 1 : -1;
    const rising = Number.isNaN(a.value) ? a.text.localeCompare(b.text, "en") : a.value - b.value;
    return down ? -rising : rising;
  }

  function sortBy(table, first, head, column) {
    const numbers = first.some((row) => !Number.isNaN(read(row.cells[column]).value));
    const states = numbers ? ["descending", "ascending", "none"] : ["ascending", "descending", "none"];
    const now = states.indexOf(head.getAttribute("aria-sort") || "none");
    const next = states[(now + 1) % 3];
    table.tHead.querySelectorAll("[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
    if (next !== "none") head.setAttribute("aria-sort", next);
    const rows = [...first];
    if (next !== "none") {
      rows.sort((a, b) => order(read(a.cells[column]), read(b.cells[column]), next === "descending"));
    }
    table.tBodies[0].append(...rows);
  }

  function tools(table, heads) {
    const bar = document.createElement("div");
    bar.className = "board-tools";
    const filter = document.createElement("input");
    filter.type = "search";
    filter.placeholder = "Filter rows";
    filter.setAttribute("aria-label", "Filter the rows of this table");
    filter.addEventListener("input", () => {
      const wanted = filter.value.trim().toLowerCase();
      [...table.tBodies[0].rows].forEach((row) => {
        row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
      });
    });
    bar.append(filter);
    const spreads = heads.map((head, k) => (head.textContent.trim() === "±" ? k : -1)).filter((k) => k >= 0);
    if (spreads.length) {
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = true;
      box.addEventListener("change", () => {
        [...table.rows].forEach((row) => spreads.forEach((k) => { row.cells[k].hidden = !box.checked; }));
      });
      label.append(box, " ±");
      bar.append(label);
    }
    return bar;
  }

  function equip(table) {
    const first = [...table.tBodies[0].rows];
    const heads = [...table.tHead.rows[0].cells];
    const plain = first.every((row) => row.cells.length === heads.length);
    if (first.length < LEAST || !plain) return;
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent.trim() || "name";
      button.addEventListener("click", () => sortBy(table, first, head, column));
      head.replaceChildren(button);
    });
    table.classList.add("sortable");
    table.before(tools(table, [...table.tHead.rows[0].cells]));
  }

  // Radio buttons above the first task. What is not chosen waits as "until-found": a search
  // in the page, a link and a heading in the list of contents bring all tasks back.
  function choice(sections) {
    const bar = document.createElement("fieldset");
    bar.className = "board-choice";
    const legend = document.createElement("legend");
    legend.textContent = "Show";
    bar.append(legend);
    const show = (name) => sections.forEach((section, task) => {
      if (name === EVERY || name === task) section.hidden = false;
      else section.setAttribute("hidden", "until-found");
    });
    for (const name of [EVERY, ...sections.keys()]) {
      const label = document.createElement("label");
      const radio = document.createElement("input");
      Object.assign(radio, { type: "radio", name: "board-task", value: name });
      radio.checked = name === EVERY;
      radio.addEventListener("change", () => show(name));
      label.append(radio, ` ${name}`);
      bar.append(label);
    }
    const all = () => {
      bar.querySelector("input").checked = true;
      show(EVERY);
    };
    const follow = () => {
      const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (target?.closest("section[hidden]")) {
        all();
        target.scrollIntoView();
      }
    };
    sections.forEach((section) => section.addEventListener("beforematch", all));
    window.addEventListener("hashchange", follow);
    return bar;
  }

  function offerTasks() {
    const sections = new Map(
      Object.entries(TASKS).map(([task, id]) => [task, document.getElementById(id)]),
    );
    const parts = [...sections.values()];
    if (parts.every(Boolean)) parts[0].before(choice(sections));
  }

  document.addEventListener("DOMContentLoaded", () => {
    if (!/18_leaderboard/.test(window.location.pathname)) return;
    document.querySelectorAll("table.dataframe").forEach((table) => {
      if (table.tHead && table.tBodies.length) equip(table);
    });
    offerTasks();
  });
})();
