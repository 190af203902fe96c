/** When to try again, and the clock that it is measured with. */

/**
 * What a client needs of time; a test brings its own.
 * @typedef {object} Timers
 * @property {() => number} now milliseconds
 * @property {(work: () => void, ms: number) => unknown} set
 * @property {(timer: any) => void} clear
 */

/** @type {Timers} */
export const realTimers = {
  now: () => performance.now(),
  set: (work, ms) => setTimeout(work, ms),
  clear: (timer) => clearTimeout(timer),
};

const FIRST_DELAY = 500;
const LONGEST_DELAY = 20_000;

/** A connection that lasted this long was a good one: the next failure is a first one. */
const SETTLED = 5_000;

/** How long to wait before each attempt: longer after every failure, until one was none. */
export class Reconnects {
  #failures = 0;

  /**
   * Milliseconds to wait after a connection that lasted `lived` ms (0: there was none). Full
   * jitter, `chance` from 0 to 1: clients that were cut off together come back spread.
   * @param {number} lived
   * @param {number} chance
   */
  delay(lived, chance) {
    if (lived >= SETTLED) this.#failures = 0;
    return chance * Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** Math.min(this.#failures++, 10));
  }
}
