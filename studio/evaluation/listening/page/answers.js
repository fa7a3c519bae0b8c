// What a rater has said: kept in the browser at each step, and made into the text that is sent back.
"use strict";

(function () {
  const random = (bytes) =>
    Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (one) => one.toString(16).padStart(2, "0")).join("");
  const now = () => new Date().toISOString();

  class Answers {
    constructor(test, rater) {
      this.test = test;
      this.rater = rater;
      this.kept = true; // whether the browser keeps anything
      this.name = `longwave-listening:${test.test}:${rater}`;
      this.state = this.read() || {
        session: random(8), began: now(), finished: null, listeningOn: "", practised: false, at: 0, answers: {},
      };
    }

    get order() {
      return this.test.orders[this.rater - 1];
    }

    read() {
      try {
        const state = JSON.parse(localStorage.getItem(this.name));
        return state && typeof state === "object" && state.answers ? state : null;
      } catch {
        return null;
      }
    }

    keep() {
      try {
        localStorage.setItem(this.name, JSON.stringify(this.state));
        this.kept = true;
      } catch {
        this.kept = false;
      }
    }

    // The answer to a trial, to be changed in place and followed by keep(). `practice` is never kept.
    of(trial) {
      return (this.state.answers[trial] ||= blank());
    }

    complete(answer) {
      if (!answer) return false;
      if (answer.unplayable) return true;
      if (!this.test.scales.length) return answer.choice !== null;
      return this.test.scales.every(({ id }) => Number.isInteger(answer.scores[id]));
    }

    get answered() {
      return this.order.filter((_, trial) => this.complete(this.state.answers[trial])).length;
    }

    // The first trial without an answer, or the count of all.
    get open() {
      const open = this.order.findIndex((_, trial) => !this.complete(this.state.answers[trial]));
      return open < 0 ? this.order.length : open;
    }

    // One line without spaces, so that a mail program which breaks lines breaks nothing.
    text() {
      const { session, began, finished, listeningOn, answers } = this.state;
      const said = this.order.flatMap((sounds, trial) => {
        const answer = answers[trial];
        if (!this.complete(answer)) return [];
        return [{
          trial, sounds: sounds.map((sound) => this.test.sounds[sound][0]),
          scores: answer.unplayable ? {} : answer.scores, choice: answer.unplayable ? null : answer.choice,
          unplayable: answer.unplayable, heard_s: rounded(answer.heardS), plays: answer.plays,
          took_s: rounded(answer.tookS), at: answer.at,
        }];
      });
      return JSON.stringify({
        longwave: "listening-answers", version: this.test.version, test: this.test.test, kind: this.test.kind,
        rater: this.rater, session, listening_on: listeningOn, began, finished, answers: said,
      });
    }
  }

  function blank() {
    return { scores: {}, choice: null, unplayable: false, heardS: 0, plays: 0, tookS: 0, heard: [], at: "" };
  }

  const rounded = (seconds) => Math.round(seconds * 1000) / 1000;

  window.listening = { ...window.listening, Answers, blank, now };
})();
