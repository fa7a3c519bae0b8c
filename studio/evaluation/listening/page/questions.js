// The questions of a trial: buttons for a short scale or for A and B, a slider for a long one, digits for both.
"use strict";

(function () {
  const SHORT = 10;

  class Questions {
    // `answered(id, value, more)` is told of each answer; `more` where further digits may follow.
    constructor(root, scales, answered) {
      this.root = root;
      this.answered = answered;
      this.all = (scales.length ? scales : [WHICH]).map((scale) => this.question(scale));
      this.active = this.all[0];
      root.replaceChildren(...this.all.map(({ field }) => field));
    }

    question(scale) {
      const field = document.createElement("fieldset");
      field.tabIndex = -1;
      const legend = document.createElement("legend");
      legend.append(Object.assign(document.createElement("strong"), { textContent: scale.title }));
      if (scale.question) legend.append(Object.assign(document.createElement("span"), { textContent: scale.question }));
      field.append(legend);
      const question = { scale, field, typed: "" };
      const long = scale.high - scale.low >= SHORT;
      Object.assign(question, long ? this.slider(question) : this.steps(question));
      field.addEventListener("focusin", () => this.turnTo(question));
      return question;
    }

    steps(question) {
      const { scale, field } = question;
      const row = document.createElement("div");
      row.className = scale === WHICH ? "steps two" : "steps";
      const buttons = scale.words.map((word, number) => {
        const button = document.createElement("button");
        button.type = "button";
        button.append(Object.assign(document.createElement("b"), { textContent: scale.signs?.[number] ?? scale.low + number }));
        if (word) button.append(Object.assign(document.createElement("small"), { textContent: word }));
        button.addEventListener("click", () => this.set(question, scale.low + number, false));
        return button;
      });
      row.append(...buttons);
      field.append(row);
      return {
        show: (value) => buttons.forEach((button, number) => button.setAttribute("aria-pressed", String(scale.low + number === value))),
      };
    }

    slider(question) {
      const { scale, field } = question;
      const row = document.createElement("div");
      row.className = "slide";
      const middle = String(Math.round((scale.low + scale.high) / 2));
      const input = Object.assign(document.createElement("input"), { type: "range", min: scale.low, max: scale.high, step: 1 });
      input.setAttribute("aria-label", `${scale.title}, from ${scale.low} to ${scale.high}`);
      const output = document.createElement("output");
      const ends = document.createElement("div");
      ends.className = "ends";
      ends.append(...scale.words.map((word, end) => Object.assign(document.createElement("span"), { textContent: `${end ? scale.high : scale.low} ${word}` })));
      const take = () => this.set(question, Number(input.value), false);
      input.addEventListener("input", take);
      // A touch in the very middle changes no value, and is an answer all the same.
      input.addEventListener("click", take);
      row.append(input, output, ends);
      field.append(row);
      return {
        show: (value) => {
          const set = Number.isInteger(value);
          input.value = set ? String(value) : middle;
          input.toggleAttribute("data-unset", !set);
          input.setAttribute("aria-valuetext", set ? String(value) : "not answered yet");
          output.textContent = set ? String(value) : "–";
        },
      };
    }

    // Whether the answer was taken.
    set(question, value, more) {
      this.turnTo(question);
      const taken = this.answered(question.scale.id, value, more);
      if (taken) question.show(value);
      if (!more) question.typed = "";
      return taken;
    }

    // Show the answers to a trial, and begin at the first question.
    load(values) {
      for (const question of this.all) {
        question.typed = "";
        question.show(values[question.scale.id]);
      }
      this.active = this.all[0];
    }

    turnTo(question) {
      if (this.active !== question) this.active.typed = "";
      this.active = question;
    }

    // To the question before or after the active one; whether there is one.
    move(step) {
      const next = this.all[this.all.indexOf(this.active) + step];
      if (!next) return false;
      this.turnTo(next);
      next.field.focus(); // and not its slider, where → would change the answer instead of going on
      return true;
    }

    // A short scale is answered by one digit, a long one by as many as make a number on it.
    digit(digit) {
      const { active } = this;
      const { scale } = active;
      if (scale.high - scale.low < SHORT) {
        const value = Number(digit);
        if (value < scale.low || value > scale.high) return;
        this.set(active, value, false);
        this.turnTo(this.all[Math.min(this.all.indexOf(active) + 1, this.all.length - 1)]);
        return;
      }
      const longer = active.typed + digit;
      const typed = Number(longer) > scale.high ? digit : longer;
      if (Number(typed) < scale.low) return;
      if (this.set(active, Number(typed), true)) active.typed = typed;
    }
  }

  const WHICH = { id: "choice", title: "X is the same as", question: "", low: 1, high: 2, words: ["", ""], signs: ["A", "B"] };

  window.listening = { ...window.listening, Questions };
})();
