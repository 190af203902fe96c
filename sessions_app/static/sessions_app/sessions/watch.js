/** One session that is watched, over all connections: its events in order, each once. */

/** Events that may wait for a reader; beyond that they are asked for again when there is room. */
const MOST_WAITING = 1_000;

/** @typedef {import("../sessions.d.ts").Event} SessionEvent an entry of a session's log */

export class Watch {
  /** The epoch that the position belongs to. @type {string | null} */
  epoch = null;
  /** Asked for on this connection and not answered yet: what comes is of an older asking. */
  isAsked = false;
  /** @type {SessionEvent[]} */ #waiting = [];
  #isBehind = false;
  /** @type {Error | null} */ #end = null;
  /** @type {(() => void) | null} */ #wake = null;

  /**
   * @param {string} sessionId
   * @param {number} after the seq of the last event that is known; -1: only new ones
   * @param {string | null} reason why it is observed, as staff; null: by a participant
   * @param {(watch: Watch) => void} ask
   */
  constructor(sessionId, after, reason, ask) {
    this.sessionId = sessionId;
    this.reason = reason;
    this.last = after;
    this.#ask = ask;
  }

  /** @type {(watch: Watch) => void} */ #ask;

  /**
   * It is watched, and the session has come to `head`.
   * @param {number} head
   */
  answered(head) {
    this.isAsked = false;
    if (this.last < 0) this.last = head;
  }

  /** @param {SessionEvent} event */
  take(event) {
    if (this.last < 0 || event.seq <= this.last || this.#end || this.#isBehind) return;
    if (event.seq !== this.last + 1) return this.#askAgain();
    if (this.#waiting.length >= MOST_WAITING) {
      this.#isBehind = true;
      return;
    }
    this.last = event.seq;
    this.#waiting.push(event);
    this.#wake?.();
  }

  /**
   * The server says how far the session has come: a last event that is missing leaves no gap.
   * @param {number} head
   */
  compare(head) {
    if (this.last >= 0 && head > this.last && !this.#isBehind) this.#askAgain();
  }

  /**
   * Nothing more comes after what is waiting.
   * @param {Error | null} why null: nobody wants it any more
   */
  finish(why) {
    this.#end ??= why ?? new Error("The watch is over");
    this.#isOver = why === null;
    this.#wake?.();
  }
  #isOver = false;

  /** @returns {Promise<SessionEvent | null>} null when it is over */
  async next() {
    for (;;) {
      const event = this.#waiting.shift();
      if (event) return event;
      if (this.#isOver) return null;
      if (this.#end) throw this.#end;
      if (this.#isBehind) {
        this.#isBehind = false;
        this.#ask(this);
      }
      await /** @type {Promise<void>} */ (new Promise((resolve) => (this.#wake = resolve)));
    }
  }

  #askAgain() {
    if (!this.isAsked) this.#ask(this);
  }
}
