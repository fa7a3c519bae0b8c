// What a form answers to lanes that it was told of. It answers late: what it says may be its word on a lane that was
// changed again since, or a lane that somebody else has put there.

import { sameLane } from './lane.js';

const ANSWER_MS = 1000; // in which its newer word comes, if there is one
const MOST = 20;

export class Answers {
  #earlier = [];
  #doubt = 0;

  /** The form is told of a lane that takes the place of `before`. */
  told(before) {
    clearTimeout(this.#doubt);
    this.#earlier = [...this.#earlier.slice(1 - MOST), before];
  }

  /**
   * The form's plan as it is to be shown: with the lane `shown` where its own is an earlier one. `believe(plan)` is
   * called where that was its last word after all.
   */
  read(plan, shown, believe) {
    clearTimeout(this.#doubt);
    const late = !sameLane(plan.points, shown) && this.#earlier.some((lane) => sameLane(lane, plan.points));
    if (!late) {
      this.#earlier = [];
      return plan;
    }
    this.#doubt = setTimeout(() => {
      this.#earlier = [];
      believe(plan);
    }, ANSWER_MS);
    return { ...plan, points: shown };
  }
}
