// One sound, or A, B and X: a button each, one place to seek in, and how long was listened.
"use strict";

(function () {
  const ICONS =
    '<svg class="start" viewBox="0 0 24 24" aria-hidden="true"><path d="M7 4v16l13-8z"/></svg>' +
    '<svg class="pause" viewBox="0 0 24 24" aria-hidden="true"><path d="M6 4h4v16H6zm8 0h4v16h-4z"/></svg>';

  class Player {
    // `changed(seconds, started)` is told of seconds that were heard and of each start; `failed()` of a sound
    // that can't be played.
    constructor(root, changed, failed) {
      this.root = root;
      this.buttons = root.querySelector("#buttons");
      this.seek = root.querySelector("#seek");
      this.time = root.querySelector("#time");
      this.changed = changed;
      this.failed = failed;
      this.sounds = [];
      this.current = null;
      this.seek.addEventListener("input", () => {
        const { audio } = this.current;
        if (audio.duration) audio.currentTime = Number(this.seek.value) * audio.duration;
        this.show();
      });
    }

    load(files, labels) {
      this.close();
      this.root.classList.toggle("three", files.length > 1);
      this.sounds = files.map((file, number) => this.sound(file, labels[number]));
      this.buttons.replaceChildren(...this.sounds.map(({ button }) => button));
      this.choose(this.sounds[0]);
    }

    sound(file, label) {
      const audio = new Audio();
      const button = document.createElement("button");
      button.type = "button";
      button.className = "play";
      button.innerHTML = ICONS;
      const word = document.createElement("span");
      button.append(word);
      const sound = { audio, button, word, label, last: 0 };
      button.addEventListener("click", () => this.toggle(sound));
      audio.preload = "auto";
      audio.addEventListener("timeupdate", () => this.listened(sound));
      for (const event of ["play", "pause", "ended", "loadedmetadata", "seeked"]) {
        audio.addEventListener(event, () => {
          this.listened(sound);
        });
      }
      audio.addEventListener("error", () => {
        if (this.sounds.includes(sound)) this.failed(sound);
      });
      audio.src = `sound/${file}.flac`;
      return sound;
    }

    choose(sound) {
      if (this.current && this.current !== sound) this.current.audio.pause();
      this.current = sound;
      for (const one of this.sounds) one.button.toggleAttribute("data-current", one === sound);
      this.show();
    }

    // Play or pause; another sound than the last begins at its beginning.
    toggle(sound = this.current) {
      const { audio } = sound;
      if (sound === this.current && !audio.paused) return audio.pause();
      if (sound !== this.current) audio.currentTime = 0;
      this.choose(sound);
      sound.last = audio.ended ? 0 : audio.currentTime;
      audio.play().then(
        () => {
          this.changed(0, this.sounds.indexOf(sound));
          sound.button.dataset.heard = ""; // from now on it can be rated
        },
        (error) => error.name === "AbortError" || this.failed(sound),
      );
    }

    // Small steps forward are what was heard; others are jumps.
    listened(sound) {
      if (!this.sounds.includes(sound)) return; // of the trial before, on its way out
      const step = sound.audio.currentTime - sound.last;
      sound.last = sound.audio.currentTime;
      if (step > 0 && step < 1.5 && !sound.audio.seeking) this.changed(step, -1);
      this.show();
    }

    show() {
      const { audio } = this.current;
      for (const { audio: one, button, word, label } of this.sounds) {
        const playing = !one.paused && !one.ended;
        const does = playing ? "Pause" : "Play";
        button.toggleAttribute("data-playing", playing);
        word.textContent = label || does;
        button.setAttribute("aria-label", label ? `${does} ${label}` : does);
      }
      const length = audio.duration || 0;
      this.seek.value = length ? audio.currentTime / length : 0;
      // With three, a length could tell which one X is.
      this.time.textContent = this.sounds.length > 1 || !length ? "" : `${clock(audio.currentTime)} / ${clock(length)}`;
      this.seek.setAttribute("aria-valuetext", `${Math.floor(audio.currentTime)} seconds`);
    }

    close() {
      for (const { audio } of this.sounds) {
        audio.pause();
        audio.removeAttribute("src");
      }
      this.sounds = [];
    }
  }

  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

  window.listening = { ...window.listening, Player };
})();
