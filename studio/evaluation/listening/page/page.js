// The page's four faces (before, an example or a sound, done, broken) and its keys.
"use strict";

(function () {
  const test = window.longwaveTest;
  const { Answers, Player, Questions, blank, now } = window.listening;
  const $ = (id) => document.getElementById(id);
  const LABELS = ["A", "B", "X"];
  const three = test ? !test.scales.length : false;
  let answers = null;
  let trial = 0;
  let practice = null; // the answer to an example, or null where it counts
  let shownAt = 0;

  if (!test) {
    $("broken-note").textContent = "The file test.js is missing beside this page. Ask for the whole folder, and open it unpacked.";
    face("broken");
    return;
  }

  const player = new Player($("player"), listened, unplayable);
  const questions = new Questions($("questions"), test.scales, answered);

  // ---- faces

  function face(name) {
    for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== name;
    $("progress").hidden = name !== "trial" || practice !== null;
    if (name !== "trial") $("place").textContent = "";
    $(`${name}-head`).focus({ preventScroll: true });
    scrollTo(0, 0);
  }

  function welcome() {
    const asked = new URLSearchParams(location.search).get("rater");
    const given = raterOf(asked || "");
    document.title = $("title").textContent = test.title;
    $("told").replaceChildren(...test.told.map((text) => Object.assign(document.createElement("p"), { textContent: text })));
    $("rater-field").hidden = given !== null;
    $("rater").value = given ?? "";
    $("rater-help").textContent = `From 1 to ${test.orders.length}; whoever invited you told you which.`;
    if (given !== null) {
      const begun = new Answers(test, given);
      $("listening-on").value = begun.state.listeningOn;
      if (begun.answered) $("start").textContent = "Go on where you were";
    } else if (asked) wrong("who-wrong", `“${asked}” is no number of this test: write yours below.`);
    face("welcome");
  }

  function raterOf(text) {
    const number = /^\s*\d{1,4}\s*$/.test(text) ? Number(text) : 0;
    return number >= 1 && number <= test.orders.length ? number : null;
  }

  function begin(event) {
    event.preventDefault();
    const rater = raterOf($("rater").value);
    if (rater === null) {
      wrong("who-wrong", `Write your number, from 1 to ${test.orders.length}.`);
      $("rater").focus();
      return;
    }
    if (!$("listening-on").value) {
      wrong("who-wrong", "Say what you listen with.");
      $("listening-on").focus();
      return;
    }
    wrong("who-wrong", "");
    answers = new Answers(test, rater);
    answers.state.listeningOn = $("listening-on").value;
    answers.keep();
    if (!answers.state.practised) showExample(0);
    else if (answers.state.finished) finish();
    else show(answers.state.at);
  }

  function showExample(number) {
    practice = blank();
    trial = number;
    open(test.practice[number], practice, `Example ${number + 1} of ${test.practice.length}`);
  }

  function show(number) {
    practice = null;
    trial = Math.min(number, answers.order.length - 1);
    answers.state.at = trial;
    answers.keep();
    open(answers.order[trial], answers.of(trial), `Sound ${trial + 1} of ${answers.order.length}`);
  }

  function open(sounds, answer, place) {
    shownAt = performance.now();
    player.load(sounds.map((sound) => test.sounds[sound][0]), three ? LABELS : [""]);
    questions.load(three ? { choice: answer.choice && LABELS.indexOf(answer.choice) + 1 } : answer.scores);
    const text = three ? "" : test.texts[test.sounds[sounds[0]][1]];
    $("text-of").hidden = !text;
    $("text").textContent = text;
    $("trial-head").textContent = three ? "Which one is X?" : practice ? "Try it" : "Listen, then rate";
    $("place").textContent = place;
    $("practice-note").hidden = $("skip").hidden = practice === null;
    $("stop").hidden = practice !== null;
    $("back").hidden = trial === 0;
    $("progress").max = answers.order.length;
    $("progress").value = answers.answered;
    $("mute").setAttribute("aria-pressed", String(answer.unplayable));
    wrong("trial-wrong", answers.kept ? "" : "This browser keeps nothing: don’t close or reload the page before you are done.");
    ready();
    face("trial");
    say(`${place}. ${text}`);
  }

  function finish() {
    player.close();
    practice = null;
    const all = answers.order.length;
    const left = all - answers.answered;
    $("done-head").textContent = left ? `${answers.answered} of ${all} answered` : "Done. Thank you!";
    $("done-note").textContent = left
      ? "You can send these, or go back and answer the rest first."
      : "One step is left: your answers are on this device only until you send them.";
    const text = answers.text();
    $("raw").value = text;
    $("save").href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    $("save").download = `answers-${String(answers.rater).padStart(2, "0")}-${test.test.slice(0, 8)}.json`;
    $("copied").textContent = "";
    face("done");
    $("place").textContent = `${answers.answered} of ${all}`;
  }

  // ---- what is said of a trial

  const current = () => practice ?? answers.of(trial);

  function listened(seconds, started) {
    const answer = current();
    answer.heardS += seconds;
    if (started >= 0) {
      answer.plays += 1;
      if (!answer.heard.includes(started)) answer.heard.push(started);
      wrong("trial-wrong", "");
      ready();
      if (practice === null) answers.keep();
    }
  }

  // Whether the answer was taken.
  function answered(id, value, more) {
    const answer = current();
    if (answer.heard.length < player.sounds.length) {
      wrong("trial-wrong", three ? "Listen to A, B and X first." : "Listen to the sound first.");
      return false;
    }
    if (three) answer.choice = LABELS[value - 1];
    else answer.scores[id] = value;
    setUnplayable(answer, false);
    changed(answer);
    const scale = test.scales.find((one) => one.id === id);
    const word = scale && scale.words.length > 2 ? `, ${scale.words[value - scale.low]}` : "";
    if (!more) say(three ? `X is ${answer.choice}` : `${scale.title}: ${value}${word}`);
    return true;
  }

  function unplayable(sound) {
    if (sound) wrong("trial-wrong", "This sound does not play here. Press “I hear nothing”, then go on.");
  }

  function setUnplayable(answer, is) {
    answer.unplayable = is;
    $("mute").setAttribute("aria-pressed", String(is));
  }

  function changed(answer) {
    answer.at = now();
    answer.tookS += (performance.now() - shownAt) / 1000;
    shownAt = performance.now();
    wrong("trial-wrong", "");
    ready();
    if (practice === null) answers.keep();
    $("progress").value = answers.answered;
  }

  const isComplete = () => answers.complete(current());
  const ready = () => $("next").classList.toggle("waiting", !isComplete());

  // ---- moves

  function next() {
    if (practice === null && !isComplete()) {
      const listen = current().heard.length < player.sounds.length;
      wrong("trial-wrong", three
        ? listen ? "Listen to A, B and X, then say which one X is." : "Say which one X is; guess if you can’t tell."
        : listen ? "Listen to the sound, then rate it." : "Answer each question first.");
      return;
    }
    if (practice !== null && trial + 1 < test.practice.length) showExample(trial + 1);
    else if (practice !== null) practised();
    else if (trial + 1 < answers.order.length) show(trial + 1);
    else if (answers.answered < answers.order.length) show(answers.open);
    else {
      answers.state.finished ||= now();
      answers.keep();
      finish();
    }
  }

  function practised() {
    answers.state.practised = true;
    show(0);
  }

  function back() {
    if (trial === 0) return;
    if (practice !== null) showExample(trial - 1);
    else show(trial - 1);
  }

  async function copy() {
    const text = $("raw").value;
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch { // no such thing here, or not allowed
      $("raw").focus();
      $("raw").select();
      done = document.execCommand("copy");
    }
    $("copied").textContent = done
      ? "Copied. Paste it into your message."
      : "The browser does not let this page copy: the answers below are chosen, copy them by hand.";
  }

  // ---- words and keys

  function wrong(id, text) {
    if ($(id).textContent !== text) $(id).textContent = text;
  }

  function say(text) {
    $("said").textContent = text;
  }

  const KEYS = [
    ["Space", "play, pause"],
    ...(three ? [["A, B, X", "play that one"], ["1, 2", "X is A, X is B"]]
      : test.scales[0].high > 9 ? [["Digits", "a number from 1 to 100 for the question you are at"], ["↑, ↓", "question before, after"]]
        : [["1 to 5", "answer, and on to the next question"], ["↑, ↓", "question before, after"]]),
    ["Enter, →", "next"],
    ["←", "back"],
    ["N", "I hear nothing, or it does not play"],
  ];
  $("keys").querySelector("dl").append(...KEYS.flatMap(([key, does]) => [
    Object.assign(document.createElement("dt"), { textContent: key }),
    Object.assign(document.createElement("dd"), { textContent: does }),
  ]));

  // What a control does with a key by itself stays its own.
  function isItsOwn(target, key) {
    if (target.matches("input:not([type=range]), select, textarea")) return true;
    if (target.matches("input[type=range]")) return ["ArrowLeft", "ArrowRight"].includes(key);
    return target.matches("button, a, summary") && [" ", "Enter"].includes(key);
  }

  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if ($("trial").hidden || event.ctrlKey || event.metaKey || event.altKey || isItsOwn(target, key)) return;
    const letter = key.toLowerCase();
    if (key === " ") player.toggle();
    else if (/^\d$/.test(key)) questions.digit(key);
    else if (key === "ArrowUp" || key === "ArrowDown") questions.move(key === "ArrowUp" ? -1 : 1);
    else if (key === "Enter" && !isComplete() && questions.move(1)) { /* on to the next question */ }
    else if (key === "Enter" || key === "ArrowRight") next();
    else if (key === "ArrowLeft") back();
    else if (letter === "n") $("mute").click();
    else if (three && "abx".includes(letter)) player.toggle(player.sounds["abx".indexOf(letter)]);
    else return;
    event.preventDefault();
  });

  // A click leaves the focus on its button, and Space would press that again instead of playing.
  document.addEventListener("click", (event) => {
    if (event.detail && event.target.closest?.("#trial button")) document.activeElement.blur();
  });

  $("who").addEventListener("submit", begin);
  $("next").addEventListener("click", next);
  $("back").addEventListener("click", back);
  $("skip").addEventListener("click", practised);
  $("stop").addEventListener("click", finish);
  $("again").addEventListener("click", () => show(Math.min(answers.open, answers.order.length - 1)));
  $("copy").addEventListener("click", copy);
  $("mute").addEventListener("click", () => {
    const answer = current();
    setUnplayable(answer, !answer.unplayable);
    changed(answer);
    say(answer.unplayable ? "Marked: it does not play" : "Mark taken away");
  });
  welcome();
})();
