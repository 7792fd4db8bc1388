// The live toy (figure.live-toy): a small rating matrix to be edited, and a model computed
// step by step by toy_models.js. And the buttons of the pictures under a slider
// (figure.frames). Without this script a page shows the table and one picture of each.
(() => {
  "use strict";

  const { models, topThree } = window.toyModels;

  // ---- the table -----------------------------------------------------------------------

  function element(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => node.setAttribute(name, value));
    node.append(...children);
    return node;
  }

  const number = (x) => (Math.abs(x) < 0.005 ? 0 : x).toFixed(2).replace("-", "−");

  class LiveToy {
    constructor(figure) {
      this.toy = JSON.parse(figure.dataset.toy);
      this.model = models[this.toy.model];
      this.settings = {};
      Object.entries(this.toy.settings).forEach(([name, choices]) => { [this.settings[name]] = choices; });
      this.live = element("div", { class: "toy-live" });
      this.status = element("p", { class: "toy-status", role: "status" });
      this.scroll = element("div", { class: "toy-scroll" });
      this.live.append(this.scroll, this.controls(), this.status);
      figure.insertBefore(this.live, figure.querySelector("figcaption"));
      figure.classList.add("live");
      this.restart(true);
    }

    restart(ratings) {
      if (ratings) this.R = this.toy.R.map((row) => [...row]);
      this.state = this.model.start(this.toy, this.settings);
      this.clicks = 0;
      this.draw();
    }

    step(times) {
      for (let k = 0; k < times; k += 1) this.state = this.model.step(this.R, this.state, this.settings);
      this.clicks += times;
      this.draw();
    }

    edit(u, i, rating) {
      this.R[u][i] = rating;
      if (this.model.staged) this.state = this.model.refresh(this.R, this.state, this.settings);
      this.draw();
    }

    controls() {
      const bar = element("div", { class: "toy-controls" });
      const button = (text, act) => {
        const node = element("button", { type: "button" }, text);
        node.addEventListener("click", act);
        bar.append(node);
      };
      button("One step", () => this.step(1));
      if (!this.model.staged) button("Ten steps", () => this.step(10));
      button("Start again", () => this.restart(false));
      button("First ratings", () => this.restart(true));
      for (const [name, choices] of Object.entries(this.toy.settings)) {
        if (choices.length > 1) bar.append(this.choice(name, choices));
      }
      return bar;
    }

    choice(name, choices) {
      const select = element("select");
      choices.forEach((value) => select.append(element("option", { value }, String(value))));
      select.addEventListener("change", () => {
        this.settings[name] = Number(select.value);
        if (this.model.staged) this.state = this.model.refresh(this.R, this.state, this.settings);
        this.draw();
      });
      return element("label", {}, `${name} `, select);
    }

    // The table is made anew; the cell that had the focus gets it back.
    draw() {
      const focus = this.live.contains(document.activeElement) && document.activeElement.dataset.cell;
      const { toy, R, model, state } = this;
      const scores = model.scores(R, state, this.settings);
      const beside = model.users ? model.users(state) : {};
      const below = model.items ? model.items(state) : {};
      const top = scores && this.clicks ? topThree(R, scores) : R.map(() => []);
      const head = element("tr", {}, element("td"));
      for (const text of [...toy.items, ...Object.keys(beside), "top 3"]) head.append(element("th", { scope: "col" }, text));
      const table = element("table", { class: "toy" }, element("thead", {}, head));
      const body = element("tbody");
      R.forEach((row, u) => {
        const line = element("tr", {}, element("th", { scope: "row" }, toy.users[u]));
        row.forEach((r, i) => line.append(this.cell(u, i, r, scores && this.clicks ? scores[u][i] : null)));
        Object.values(beside).forEach((values) => line.append(element("td", { class: "parameter" }, number(values[u]))));
        line.append(element("td", { class: "top" }, top[u].map((i) => toy.items[i]).join(", ") || "–"));
        body.append(line);
      });
      for (const [name, values] of Object.entries(below)) {
        const line = element("tr", { class: "parameter" }, element("th", { scope: "row" }, name));
        values.forEach((x) => line.append(element("td", { class: "parameter" }, number(x))));
        body.append(line);
      }
      table.append(body);
      this.scroll.replaceChildren(table, ...(model.matrix ? [this.weights(...model.matrix(state))] : []));
      const loss = model.loss ? ` Objective ${number(model.loss(R, state, this.settings))}.` : "";
      this.status.textContent = `Step ${this.clicks}: ${model.says(state)}.${loss}`;
      const again = focus && this.live.querySelector(`[data-cell="${focus}"]`);
      if (again) this.move(again);
    }

    // A rating as a button: a click or a digit changes it, arrows move.
    cell(u, i, r, score) {
      const { users, items } = this.toy;
      const said = `${users[u]}, ${items[i]}: ${r ? `rating ${r}` : "no rating"}`;
      const button = element("button", {
        type: "button",
        "data-cell": `${u},${i}`,
        tabindex: u + i ? -1 : 0,
        "aria-label": score === null ? said : `${said}, score ${number(score)}`,
      }, element("span", { class: "rating" }, r ? String(r) : "·"));
      if (score !== null) button.append(element("span", { class: "score" }, number(score)));
      const at = this.state.at;
      if (at && at[0] === u && at[1] === i) button.classList.add("at");
      button.addEventListener("click", () => this.edit(u, i, (r + 1) % 6));
      button.addEventListener("keydown", (event) => this.key(event, u, i));
      return element("td", {}, button);
    }

    key(event, u, i) {
      const [n, m] = [this.R.length, this.R[0].length];
      const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      if (moves[event.key]) {
        const [a, b] = [(u + moves[event.key][0] + n) % n, (i + moves[event.key][1] + m) % m];
        this.move(this.live.querySelector(`[data-cell="${a},${b}"]`));
      } else if (/^[0-5]$/.test(event.key)) {
        this.edit(u, i, Number(event.key));
      } else if (event.key === "Delete" || event.key === "Backspace") {
        this.edit(u, i, 0);
      } else {
        return;
      }
      event.preventDefault();
    }

    // The whole matrix is one stop of the tab key: the cell that was last used.
    move(button) {
      this.live.querySelectorAll("[data-cell]").forEach((other) => other.setAttribute("tabindex", -1));
      button.setAttribute("tabindex", 0);
      button.focus();
    }

    weights(name, M) {
      const head = element("tr", {}, element("th", {}, name));
      this.toy.items.forEach((item) => head.append(element("th", { scope: "col" }, item)));
      const table = element("table", { class: "toy weights" }, element("thead", {}, head));
      M.forEach((row, j) => {
        const line = element("tr", {}, element("th", { scope: "row" }, this.toy.items[j]));
        row.forEach((x) => line.append(element("td", { class: "parameter" }, number(x))));
        table.append(line);
      });
      return table;
    }
  }

  // ---- the buttons of a slider -----------------------------------------------------------

  // The slider works by itself (its oninput); here are its steps and the film.
  function equip(figure) {
    const controls = figure.querySelector(".frames-controls");
    const slider = controls.querySelector("input");
    const last = Number(slider.max);
    let film = null;
    const show = (k) => {
      slider.value = k;
      slider.dispatchEvent(new Event("input", { bubbles: true }));
    };
    const play = element("button", { type: "button" }, "Play");
    const stop = () => {
      clearInterval(film);
      film = null;
      play.textContent = "Play";
    };
    const add = (text, name, act) => {
      const button = element("button", { type: "button", "aria-label": name }, text);
      button.addEventListener("click", () => { stop(); act(); });
      controls.append(button);
    };
    add("◀", "back", () => show(Math.max(0, Number(slider.value) - 1)));
    add("▶", "forward", () => show(Math.min(last, Number(slider.value) + 1)));
    if (!window.matchMedia("(prefers-reduced-motion: reduce)").matches) {
      play.addEventListener("click", () => {
        if (film) { stop(); return; }
        play.textContent = "Stop";
        show(Number(slider.value) === last ? 0 : slider.value);
        film = setInterval(() => {
          show(Number(slider.value) + 1);
          if (Number(slider.value) === last) stop();
        }, 900);
      });
      slider.addEventListener("pointerdown", stop);
      slider.addEventListener("keydown", stop);
      controls.append(play);
    }
    figure.classList.add("live");
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("figure.live-toy").forEach((figure) => new LiveToy(figure));
    document.querySelectorAll("figure.frames").forEach(equip);
  });
})();
