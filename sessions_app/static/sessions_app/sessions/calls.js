/** Calls that have no answer yet: in order where order matters, repeated until they are answered. */

import { CallFailed, failureOf } from "./errors.js";

/** The flows that write: each takes a `key`. Any other call that brings a key is a write, too. */
export const WRITES = new Set([
  "create_session",
  "rename_session",
  "end_session",
  "resume_session",
  "add_participant",
  "remove_participant",
  "leave_session",
  "send_message",
]);

/** How often a read is repeated that the server asks to repeat. A write is never given up. */
const PATIENCE = 20;

/** Calls that may wait for an answer. */
const MOST = 2_000;

/**
 * @typedef {object} Call
 * @property {number} id
 * @property {string} method
 * @property {string} frame
 * @property {string | null} key of a write
 * @property {unknown} lane writes of one session are sent one after the other
 * @property {"waiting" | "sent" | "retrying"} state
 * @property {number} tries
 * @property {(result: any) => void} resolve
 * @property {(why: Error) => void} reject
 */

export class Calls {
  /** @type {Map<number, Call>} */ #calls = new Map();
  #nextId = 1;
  #inFlight = 32;
  #frameBytes = 65_536;
  /** @type {(text: string) => void} */ #send;
  /** @type {import("./timing.js").Timers} */ #timers;
  /** @type {() => number} */ #chance;
  /** Whether what is sent goes anywhere. */
  isOpen = false;

  /**
   * @param {(text: string) => void} send
   * @param {import("./timing.js").Timers} timers
   * @param {() => number} chance
   */
  constructor(send, timers, chance) {
    this.#send = send;
    this.#timers = timers;
    this.#chance = chance;
  }

  /** @param {string} key */
  hasKey(key) {
    return [...this.#calls.values()].some((call) => call.key === key);
  }

  /**
   * @param {string} method
   * @param {Record<string, any>} params
   * @returns {Promise<any>}
   */
  add(method, params) {
    const id = this.#nextId++;
    const frame = JSON.stringify({ jsonrpc: "2.0", id, method, params });
    if (new TextEncoder().encode(frame).length > this.#frameBytes)
      return Promise.reject(new CallFailed("too_large", `At most ${this.#frameBytes} bytes`));
    if (this.#calls.size >= MOST)
      return Promise.reject(new CallFailed("limit_reached", "Too many calls wait for an answer"));
    const key = typeof params.key === "string" ? params.key : null;
    const lane = key === null ? null : params.session_id ?? null;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { id, method, frame, key, lane, state: "waiting", tries: 0, resolve, reject });
      this.pump();
    });
  }

  /**
   * A connection is in service: what has no answer is sent on it, the keys see to it that it is
   * done once.
   * @param {{in_flight: number, frame_bytes: number}} limits
   */
  begin(limits) {
    this.isOpen = true;
    // Some are left for watching.
    this.#inFlight = Math.max(1, limits.in_flight - 4);
    this.#frameBytes = limits.frame_bytes;
    for (const call of this.#calls.values()) if (call.state === "sent") call.state = "waiting";
    this.pump();
  }

  /** Send what may be sent. */
  pump() {
    if (!this.isOpen) return;
    let free = this.#inFlight;
    for (const call of this.#calls.values()) if (call.state === "sent") free--;
    const busy = new Set();
    for (const call of this.#calls.values()) {
      if (free > 0 && call.state === "waiting" && !busy.has(call.lane)) {
        call.state = "sent";
        free--;
        this.#send(call.frame);
      }
      // Else one that has to be repeated would come after one that was made later.
      if (call.lane !== null) busy.add(call.lane);
    }
  }

  /**
   * @param {number} id
   * @param {any} reply
   */
  answer(id, reply) {
    const call = this.#calls.get(id);
    if (!call || call.state === "retrying") return;
    const data = reply.error?.data;
    if (data?.retry && (call.key !== null || call.tries < PATIENCE)) {
      call.tries++;
      call.state = "retrying";
      const jitter = 1 + this.#chance() * Math.min(call.tries, 5);
      this.#timers.set(() => {
        call.state = "waiting";
        this.pump();
      }, data.retry_after_ms * jitter);
      return;
    }
    this.#calls.delete(id);
    if (reply.error) call.reject(failureOf(reply.error));
    else call.resolve(reply.result);
    this.pump();
  }

  /**
   * Do not send this write any more.
   * @param {string} key
   */
  discard(key) {
    for (const call of this.#calls.values()) {
      if (call.key !== key) continue;
      this.#calls.delete(call.id);
      call.reject(new CallFailed("discarded", "It was given up"));
    }
    this.pump();
  }

  /** @param {Error} why */
  fail(why) {
    this.isOpen = false;
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.reject(why);
  }
}
