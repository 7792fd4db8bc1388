// Quizzes that count, and guesses before a result.
//
// Both only rearrange what the page holds already: without this script every option,
// every reason and every output can be read. Answers stay in this browser: one entry of
// localStorage for each page, { quiz: {question: option}, right, asked, guesses }.
(() => {
  const PREFIX = "recsys-book/";
  const unsaved = {}; // where the browser forbids to store, answers last as long as the page

  const pageOf = (address) =>
    address.split(/[?#]/)[0].split("/").pop().replace(/\.html$/, "");
  const PAGE = pageOf(window.location.pathname);

  // A reader who comes from the search page wants to see the words that were found.
  const comesFromSearch = () => {
    try {
      return Boolean(localStorage.getItem("sphinx_highlight_terms"));
    } catch {
      return false;
    }
  };
  const SEARCHED =
    new URLSearchParams(window.location.search).has("highlight") || comesFromSearch();

  // ------------------------------------------------------------------ memory

  function recall(page) {
    let stored = unsaved[page];
    try {
      stored = JSON.parse(localStorage.getItem(PREFIX + page)) ?? stored;
    } catch {
      // nothing stored, or not readable: start from nothing
    }
    return { quiz: {}, guesses: {}, ...stored };
  }

  function remember(change) {
    const state = { ...recall(PAGE), ...change };
    unsaved[PAGE] = state;
    try {
      localStorage.setItem(PREFIX + PAGE, JSON.stringify(state));
    } catch {
      // kept in `unsaved`
    }
    return state;
  }

  function forgetAll() {
    Object.keys(unsaved).forEach((page) => delete unsaved[page]);
    try {
      const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
      keys.forEach((key) => localStorage.removeItem(key));
    } catch {
      // nothing was stored
    }
  }

  // ------------------------------------------------------------------ small helpers

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }

  function button(text, attributes = {}) {
    return make("button", { type: "button", class: "answer-button", ...attributes }, text);
  }

  // ------------------------------------------------------------------ quiz

  // One option: the text of its dropdown moves into a label with a radio button, and the
  // dropdown keeps the reason.
  function makeOption(details, group) {
    const text = details.querySelector(".sd-summary-text");
    const input = make("input", { type: "radio", name: group });
    const words = make("span", { class: "quiz-words" }, ...text.childNodes);
    const mark = make("span", { class: "quiz-mark", role: "status" });
    const label = make("label", { class: "quiz-choice" }, input, words, mark);
    const letter = words.textContent.trim().split(".")[0];
    const strong = details.querySelector(".sd-summary-content strong");
    const right = Boolean(strong) && strong.textContent.startsWith("Right");
    text.append(`The reason for ${letter}`);
    details.hidden = true;
    details.before(label);
    details.addEventListener("toggle", () => details.open && showVerdict(option));
    const option = { details, input, label, mark, right };
    return option;
  }

  function showVerdict({ label, mark, right, chosen }) {
    label.classList.add(right ? "quiz-right" : "quiz-wrong");
    const verdict = right ? "✓ right" : "✗ wrong";
    mark.textContent = chosen ? `${verdict} (your answer)` : verdict;
  }

  function makeQuestion(box, number, changed) {
    const legend = make("legend");
    for (const part of box.querySelectorAll(":scope > p:not(.admonition-title)")) {
      legend.append(...part.childNodes);
      part.remove();
    }
    const dropdowns = [...box.querySelectorAll(":scope > details")];
    const fieldset = make("fieldset", { class: "quiz-question" }, legend, ...dropdowns);
    box.append(fieldset);
    const options = dropdowns.map((details) => makeOption(details, `quiz-${number}`));
    const question = { number, options, answer: null };
    listen(question, fieldset, (at) => choose(question, at, changed));
    return question;
  }

  // An arrow key moves the dot, which is no answer yet; space, Enter or a click is one.
  function listen(question, fieldset, answer) {
    const { options } = question;
    let moved = false;
    fieldset.addEventListener("keydown", (event) => {
      const at = options.findIndex((option) => option.input === event.target);
      moved = at >= 0 && event.key.startsWith("Arrow");
      if (moved && question.answer !== null) {
        event.preventDefault();
      } else if (at >= 0 && [" ", "Enter"].includes(event.key)) {
        event.preventDefault();
        answer(at);
      }
    });
    fieldset.addEventListener("keyup", () => {
      moved = false;
    });
    options.forEach((option, at) => {
      option.input.addEventListener("click", (event) => {
        if (question.answer !== null) {
          event.preventDefault(); // the first click has counted
        }
        if (!moved) {
          answer(at);
        }
        moved = false;
      });
    });
  }

  function choose(question, at, changed) {
    if (question.answer !== null) {
      question.options[at].details.open = true;
      return;
    }
    showAnswer(question, at);
    changed();
  }

  function showAnswer(question, at) {
    question.answer = at;
    question.options.forEach((option, place) => {
      option.chosen = place === at;
      option.input.checked = option.chosen;
      option.details.hidden = false;
      option.details.open = option.chosen;
    });
    showVerdict(question.options[at]);
  }

  function clearAnswer(question) {
    question.answer = null;
    for (const option of question.options) {
      option.chosen = false;
      option.input.checked = false;
      option.details.open = false;
      option.details.hidden = true;
      option.label.classList.remove("quiz-right", "quiz-wrong");
      option.mark.textContent = "";
    }
  }

  function score(questions) {
    const answered = questions.filter((question) => question.answer !== null);
    const right = answered.filter((question) => question.options[question.answer].right);
    return { answered: answered.length, right: right.length, asked: questions.length };
  }

  function scoreLine({ answered, right, asked }) {
    if (answered === asked) {
      return `${right} of ${asked} at the first try.`;
    }
    return answered
      ? `${answered} of ${asked} answered, ${right} right at the first try.`
      : `${asked} question${asked > 1 ? "s" : ""}; the first click on an option counts.`;
  }

  function setUpQuiz() {
    const found = [...document.querySelectorAll("div.admonition.quiz")];
    const boxes = found.filter((box) => box.querySelector(":scope > details"));
    if (!boxes.length) {
      return;
    }
    const line = make("span", { role: "status" });
    const changed = () => {
      const now = score(questions);
      const answers = questions.filter((question) => question.answer !== null);
      const quiz = Object.fromEntries(answers.map((q) => [q.number, q.answer]));
      remember({ quiz, right: now.right, asked: now.asked });
      refresh();
    };
    const again = button("Start again");
    again.addEventListener("click", () => {
      questions.forEach(clearAnswer);
      changed();
      questions[0].options[0].input.focus();
    });
    const refresh = () => {
      const now = score(questions);
      line.textContent = scoreLine(now);
      again.hidden = now.answered === 0;
      markSideBar();
    };
    const questions = boxes.map((box, at) => makeQuestion(box, at + 1, changed));
    boxes.at(-1).after(make("p", { class: "quiz-score" }, line, " ", again));
    const { quiz } = recall(PAGE);
    for (const question of questions) {
      if (question.options[quiz[question.number]]) {
        showAnswer(question, quiz[question.number]);
      }
    }
    refresh();
  }

  // A tick beside each chapter whose quiz is done.
  function markSideBar() {
    for (const link of document.querySelectorAll(".bd-links a.reference.internal")) {
      const href = link.getAttribute("href");
      const page = href.startsWith("#") ? PAGE : pageOf(href);
      const { quiz, right, asked } = recall(page);
      const isDone = asked > 0 && Object.keys(quiz).length === asked;
      const tick = link.querySelector(".quiz-tick");
      if (tick) {
        tick.remove();
        link.removeAttribute("title");
      }
      if (isDone) {
        const text = `quiz done, ${right} of ${asked} at the first try`;
        const sign = make("span", { "aria-hidden": "true" }, "✓");
        const words = make("span", { class: "answer-spoken" }, ` (${text})`);
        link.append(make("span", { class: "quiz-tick" }, sign, words));
        link.title = text[0].toUpperCase() + text.slice(1);
      }
    }
  }

  // ------------------------------------------------------------------ predict first

  // What the box keeps covered: the cells after it, up to the next sentence, and the
  // sentences that tell the result, up to the next heading or cell. The code too: its
  // titles and assertions say what comes out.
  function findResult(box) {
    const cells = [];
    let last = box;
    while (last.nextElementSibling?.matches("div.cell")) {
      last = last.nextElementSibling;
      cells.push(last);
    }
    const told = make("div", { class: "predict-told" });
    while (last.nextElementSibling?.matches("p, ul, ol, div.math, blockquote")) {
      told.append(last.nextElementSibling);
    }
    if (told.childElementCount) {
      last.after(told);
    }
    const outputs = cells.flatMap((cell) => [...cell.querySelectorAll(".cell_output")]);
    return {
      output: outputs.find((output) => output.childElementCount),
      result: told.childElementCount ? [...cells, told] : cells,
    };
  }

  // Choices are a list in the box; without a list the answer is a number.
  function makeFields(box, number) {
    const list = box.querySelector(":scope > ul");
    const name = `predict-${number}`;
    if (!list) {
      const input = make("input", { type: "number", step: "any", required: "", name });
      return [make("label", {}, "Your number: ", input)];
    }
    const labels = [...list.children].map((item) => {
      const value = item.textContent.trim();
      const input = make("input", { type: "radio", required: "", name, value });
      const words = make("span");
      const inner = item.querySelector(":scope > p") ?? item;
      words.append(...inner.childNodes);
      return make("label", { class: "predict-choice" }, input, words);
    });
    list.remove();
    return labels;
  }

  const read = (form, number) => form.elements[`predict-${number}`].value;

  function write(form, number, guess) {
    form.elements[`predict-${number}`].value = guess;
    return guess !== "" && read(form, number) === guess;
  }

  function makeForm(box, number, ids) {
    const legend = make("legend", { class: "answer-spoken" }, "Your guess");
    const parts = {
      fields: make("fieldset", {}, legend, ...makeFields(box, number)),
      lock: make("button", { type: "submit", class: "answer-button" }, "Lock my guess"),
      look: button("just show me", { "aria-controls": ids.join(" ") }),
      again: button("Guess again"),
      note: make("p", { class: "predict-note" }),
    };
    parts.look.classList.add("answer-quiet");
    parts.note.textContent = "The next code and its result are covered until then.";
    const form = make("form", { class: "predict-form" }, ...Object.values(parts));
    box.append(form);
    return { form, ...parts };
  }

  function makeGuess(box, number) {
    const { output, result } = findResult(box);
    if (!output) {
      return;
    }
    const ids = result.map((part, at) => (part.id ||= `predict-${number}-${at + 1}`));
    const { form, fields, lock, look, again, note } = makeForm(box, number, ids);
    const line = make("p", { class: "predict-line", tabindex: "-1" });
    output.before(line);

    function setOpen(isOpen) {
      for (const part of result) {
        // "until-found": a search in the page, or a link into it, opens the result
        part.hidden = isOpen ? false : "until-found";
      }
      look.setAttribute("aria-expanded", String(isOpen));
      fields.disabled = isOpen;
      lock.hidden = look.hidden = note.hidden = isOpen;
      again.hidden = !isOpen;
    }

    function reveal(guess) {
      const isGuess = write(form, number, guess);
      line.textContent = isGuess ? `Your guess: ${guess}` : "Shown without a guess.";
      setOpen(true);
    }

    function keep(guess) {
      remember({ guesses: { ...recall(PAGE).guesses, [number]: guess } });
      reveal(guess);
      line.focus();
    }

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      keep(read(form, number));
    });
    look.addEventListener("click", () => keep(""));
    again.addEventListener("click", () => {
      const { guesses } = recall(PAGE);
      delete guesses[number];
      remember({ guesses });
      setOpen(false);
      form.reset();
      form.querySelector("input").focus();
    });
    openWhenSought(result, () => reveal(""));
    const guess = recall(PAGE).guesses[number];
    setOpen(false);
    if (guess !== undefined || SEARCHED) {
      reveal(guess ?? "");
    }
  }

  // A link into the result, on this page or another, and a search in the page open it.
  function openWhenSought(result, reveal) {
    const follow = () => {
      const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (target && result.some((part) => part.hidden && part.contains(target))) {
        reveal();
        target.scrollIntoView();
      }
    };
    result.forEach((part) => part.addEventListener("beforematch", reveal));
    window.addEventListener("hashchange", follow);
    window.addEventListener("load", follow);
  }

  // ------------------------------------------------------------------ the whole page

  function setUpForget() {
    for (const place of document.querySelectorAll("div.forget-answers")) {
      const line = make("span", { role: "status" });
      const forget = button("Forget my answers");
      forget.addEventListener("click", () => {
        forgetAll();
        markSideBar();
        line.textContent = "All answers and guesses are forgotten.";
      });
      place.append(make("p", {}, forget, " ", line));
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    setUpQuiz();
    document.querySelectorAll("div.admonition.predict").forEach((box, at) => {
      makeGuess(box, at + 1);
    });
    setUpForget();
    markSideBar();
  });
})();
