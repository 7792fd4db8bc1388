// Exercises that answer: a field below each exercise that asks for numbers or names.
// The entry stands in the page (tools/sphinx_exercises.py). What is read and decided
// here is what recsys_tutor/exercises/reading.py and deciding.py read and decide; the
// tests compare both. Nothing is sent; the browser remembers what was solved.
(() => {
  "use strict";

  const NOUNS = { numbers: "number", words: "name" };
  const NUMBER = "[+-]?(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:e[+-]?[0-9]+)?";
  const FRACTION = new RegExp(`^(${NUMBER})(?:/(${NUMBER}))?$`, "i");
  const SLACK = 1 + 1e-9;

  class Malformed extends Error {}

  // ------------------------------------------------------------------ reading

  const expected = (entry) => {
    const parts = entry.parts.join(", ");
    const noun = NOUNS[entry.kind];
    const count = entry.parts.length;
    return count === 1 ? `one ${noun} (${parts})` : `${count} ${noun}s (${parts})`;
  };
  const refuse = (entry, got, advice = "") =>
    new Malformed(`Expected ${expected(entry)}, got ${got}.${advice}`);
  const plural = (count, noun) => (count === 1 ? `one ${noun}` : `${count} ${noun}s`);
  const quoted = (text) =>
    `the text '${text.length <= 40 ? text : `${text.slice(0, 40)}...`}'`;
  const tidy = (text) =>
    text
      .replaceAll("\u2212", "-")
      .replaceAll("\u00a0", " ")
      .replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, "");
  const plain = (word) => {
    const words = word.toLowerCase().match(/[a-z0-9]+/g) || [];
    return (["the", "a", "an"].includes(words[0]) ? words.slice(1) : words).join(" ");
  };

  function counted(entry, values, advice = "") {
    const noun = NOUNS[entry.kind];
    if (values.length !== entry.parts.length) {
      throw refuse(entry, plural(values.length, noun), advice);
    }
    if (noun === "number" && !values.every(Number.isFinite)) {
      throw refuse(entry, "a number that is not finite");
    }
    return values;
  }

  function numbersIn(entry, text) {
    const found = [];
    for (const token of tidy(text).split(/[ \t\r\n,;[\](){}]+/)) {
      const match = FRACTION.exec(token);
      if (token && !match) {
        throw refuse(entry, quoted(token));
      }
      if (token) {
        const bottom = Number(match[2] || 1);
        found.push(bottom ? Number(match[1]) / bottom : Infinity);
      }
    }
    if (!found.length) {
      throw refuse(entry, "nothing");
    }
    const comma = text.includes(",") && found.length !== entry.parts.length;
    return counted(entry, found, comma ? " Decimals have a point." : "");
  }

  function wordsIn(entry, text) {
    const pieces = entry.parts.length === 1 ? [text] : text.split(/[,;\n]/);
    const found = pieces.map(tidy).filter((word) => word);
    if (!found.length) {
      throw refuse(entry, "nothing");
    }
    return counted(entry, found);
  }

  const read = (entry, text) =>
    entry.kind === "words" ? wordsIn(entry, text) : numbersIn(entry, text);

  // ------------------------------------------------------------------ deciding

  // For each value, whether it is that of `answer`; null there stands for any.
  function same(entry, values, answer) {
    if (entry.kind === "words") {
      const given = values.map(plain);
      return answer.map(
        (a, n) =>
          a === null ||
          (entry.ordered ? given[n] === plain(a) : given.includes(plain(a))),
      );
    }
    return values.map(
      (x, n) =>
        answer[n] === null || Math.abs(x - answer[n]) <= entry.tolerance[n] * SLACK,
    );
  }

  const every = (list) => list.every((fine) => fine);

  function inAnotherOrder(entry, values) {
    if (values.length === 1 || !entry.ordered) {
      return false;
    }
    if (entry.kind === "words") {
      const sorted = (list) => list.map(plain).sort().join("\n");
      return sorted(values) === sorted(entry.answer);
    }
    const order = entry.answer.map((_, n) => n);
    order.sort((a, b) => entry.answer[a] - entry.answer[b]);
    const tolerance = order.map((n) => entry.tolerance[n]);
    const answer = order.map((n) => entry.answer[n]);
    return every(
      same({ ...entry, tolerance }, [...values].sort((a, b) => a - b), answer),
    );
  }

  function general(entry, values, good) {
    if (inAnotherOrder(entry, values)) {
      const parts = entry.parts.join(", ");
      return `these are the values, in another order: ${parts} was asked for.`;
    }
    if (entry.kind === "words" || !entry.near) {
      return "";
    }
    const wrong = values
      .map((x, n) => [x, entry.answer[n], entry.tolerance[n]])
      .filter((_, n) => !good[n]);
    if (wrong.every(([x, a, t]) => Math.abs(x + a) <= t * SLACK)) {
      return "the size is right, the sign is not.";
    }
    if (wrong.every(([x, a, t]) => Math.abs(x / 100 - a) <= t * SLACK && a)) {
      return "that looks like per cent; a share was asked for.";
    }
    if (wrong.every(([x, a, t]) => Math.abs(x - a) <= entry.near * t)) {
      return "close. Carry more decimals on the way, and round at the end.";
    }
    return "";
  }

  function soFar(entry, good) {
    const parts = entry.parts.filter((_, n) => good[n]);
    if (entry.kind === "words" && !entry.ordered) {
      const count = good.filter((fine) => fine).length;
      return good.length > 1 ? ` Right so far: ${count} of ${good.length}.` : "";
    }
    return parts.length ? ` Right so far: ${parts.join(", ")}.` : "";
  }

  function decide(entry, values, wrongBefore) {
    const more = wrongBefore && entry.more ? ` ${entry.more}` : "";
    const good = same(entry, values, entry.answer);
    if (every(good)) {
      return ["right", `Right. ${entry.right}`];
    }
    for (const mistake of entry.mistakes) {
      if (every(same(entry, values, mistake.answer))) {
        return ["wrong", `Not yet: ${mistake.hint}${soFar(entry, good)}${more}`];
      }
    }
    const hint = general(entry, values, good);
    return hint
      ? ["wrong", `Not yet: ${hint}${more}`]
      : ["wrong", `Not yet: ${entry.hint}${soFar(entry, good)}${more}`];
  }

  function answerTo(entry, text, wrongBefore) {
    try {
      return decide(entry, read(entry, text), wrongBefore);
    } catch (error) {
      if (error instanceof Malformed) {
        return ["malformed", error.message];
      }
      throw error;
    }
  }

  // ------------------------------------------------------------------ the page

  // A browser may forbid storage: then nothing is remembered.
  const memory = {
    key: (name) => `recsys-tutor:exercise:${name}`,
    has(name) {
      try {
        return localStorage.getItem(this.key(name)) === "right";
      } catch {
        return false;
      }
    },
    keep(name) {
      try {
        localStorage.setItem(this.key(name), "right");
      } catch {
        // forbidden or full
      }
    },
  };

  function make(tag, properties) {
    return Object.assign(document.createElement(tag), properties);
  }

  function addField(place) {
    const { name } = place.dataset;
    const bytes = Uint8Array.from(atob(place.dataset.entry), (c) => c.charCodeAt(0));
    const entry = JSON.parse(new TextDecoder().decode(bytes));
    const id = `answer-${name}`;
    const form = make("form", { className: "exercise-form" });
    const label = make("label", { htmlFor: id });
    label.textContent = `Your answer: ${expected(entry)}`;
    const input = make("input", { id, type: "text", autocomplete: "off" });
    input.spellcheck = false;
    const button = make("button", { type: "submit", textContent: "Check" });
    const reply = make("p", { className: "exercise-reply", id: `${id}-reply` });
    reply.setAttribute("aria-live", "polite");
    input.setAttribute("aria-describedby", reply.id);
    let wrong = 0;

    function say(kind, text) {
      reply.dataset.kind = kind;
      reply.textContent = text;
    }

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const [kind, text] = answerTo(entry, input.value, wrong);
      say(kind, text);
      if (kind === "right") {
        wrong = 0;
        memory.keep(name);
      } else if (kind === "wrong") {
        wrong += 1;
      }
    });
    form.append(label, input, button, reply);
    place.append(form);
    if (memory.has(name)) {
      say("right", "You have solved this one.");
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".exercise-check").forEach(addField);
  });
})();
