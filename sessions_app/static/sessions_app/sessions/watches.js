/** All sessions that are watched, asked for together, and again on every connection. */

import { CallFailed, failureOf } from "./errors.js";
import { Watch } from "./watch.js";

/** So many are asked for in one call, which must fit a frame. */
const TOGETHER = 200;

export class Watches {
  /** @type {Map<string, Watch>} */ #watches = new Map();
  /** Calls without an answer, by id. @type {Map<string, Watch[]>} */ #asked = new Map();
  /** @type {Set<Watch>} */ #toAsk = new Set();
  #nextId = 1;
  /** @type {string | null} */ #epoch = null;
  #isOpen = false;
  /** @type {(() => void) | null} */ #settled = null;
  /** @type {(text: string) => void} */ #send;
  /** @type {import("./timing.js").Timers} */ #timers;

  /**
   * @param {(text: string) => void} send
   * @param {import("./timing.js").Timers} timers
   */
  constructor(send, timers) {
    this.#send = send;
    this.#timers = timers;
  }

  /**
   * @param {string} sessionId
   * @param {number} after
   * @param {string | null} [reason] why it is observed, as staff; null: by a participant
   * @returns {AsyncIterableIterator<import("./watch.js").SessionEvent>}
   */
  add(sessionId, after, reason = null) {
    if (this.#watches.has(sessionId)) throw new Error(`The session ${sessionId} is watched already`);
    const watch = new Watch(sessionId, after, reason, (each) => this.#ask(each));
    this.#watches.set(sessionId, watch);
    this.#ask(watch);
    return {
      next: async () => {
        const value = await watch.next();
        return value === null ? { done: true, value: undefined } : { done: false, value };
      },
      return: async () => {
        if (this.#watches.get(sessionId) === watch) this.#remove(sessionId);
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** @param {string} sessionId */
  #remove(sessionId) {
    this.#end(sessionId, null);
    if (!this.#isOpen) return;
    const params = { session_ids: [sessionId] };
    this.#send(JSON.stringify({ jsonrpc: "2.0", method: "unwatch_sessions", params }));
  }

  /**
   * A connection is in service: all are asked for on it.
   * @param {string} epoch
   * @param {() => void} settled called when that is answered
   */
  begin(epoch, settled) {
    this.#settled?.();
    this.#settled = settled;
    this.#isOpen = true;
    this.#epoch = epoch;
    this.#asked.clear();
    for (const watch of this.#watches.values()) this.#ask(watch);
    this.#flush();
    this.#settle();
  }

  lost() {
    this.#isOpen = false;
    this.#asked.clear();
    for (const watch of this.#watches.values()) watch.isAsked = false;
  }

  /** @param {Error} why */
  fail(why) {
    this.#isOpen = false;
    for (const sessionId of [...this.#watches.keys()]) this.#end(sessionId, why);
  }

  /** @param {import("./watch.js").SessionEvent} event */
  take(event) {
    this.#watches.get(event.session_id)?.take(event);
  }

  /** @param {Record<string, number>} heads */
  compare(heads) {
    for (const [id, head] of Object.entries(heads)) this.#watches.get(id)?.compare(head);
  }

  /** @param {{session_id: string, reason: string}} params */
  unwatched({ session_id, reason }) {
    this.#end(session_id, new CallFailed(reason, "The session is watched no more"));
  }

  /**
   * @param {string} id
   * @param {any} reply
   */
  answer(id, reply) {
    const asked = this.#asked.get(id);
    if (!asked) return;
    this.#asked.delete(id);
    const { error, result } = reply;
    if (error) this.#refused(asked, error);
    // Observing is asked for one session, and answered with one.
    for (const { session_id, head } of result?.watching ?? (result ? [result] : [])) {
      const watch = this.#watches.get(session_id);
      if (!watch) continue;
      watch.epoch ??= this.#epoch;
      watch.answered(head);
    }
    for (const { session_id, code, ...data } of result?.refused ?? [])
      this.#end(session_id, new CallFailed(code, "The session cannot be watched", data));
    this.#settle();
  }

  /**
   * @param {Watch[]} asked
   * @param {any} error
   */
  #refused(asked, error) {
    for (const watch of asked) watch.isAsked = false;
    const current = asked.filter((watch) => this.#watches.get(watch.sessionId) === watch);
    if (error.data?.retry)
      this.#timers.set(() => current.forEach((watch) => this.#ask(watch)), error.data.retry_after_ms);
    else current.forEach((watch) => this.#end(watch.sessionId, failureOf(error)));
  }

  /**
   * @param {string} sessionId
   * @param {Error | null} why
   */
  #end(sessionId, why) {
    const watch = this.#watches.get(sessionId);
    this.#watches.delete(sessionId);
    watch?.finish(why);
  }

  /** @param {Watch} watch */
  #ask(watch) {
    if (!this.#isOpen || this.#watches.get(watch.sessionId) !== watch) return;
    watch.isAsked = true;
    this.#toAsk.add(watch);
    queueMicrotask(() => this.#flush());
  }

  #flush() {
    const watches = [...this.#toAsk].filter((each) => this.#watches.get(each.sessionId) === each);
    this.#toAsk.clear();
    if (!this.#isOpen) return;
    /** @type {Map<string | null, Watch[]>} */ const byEpoch = new Map();
    for (const watch of watches) {
      if (watch.reason !== null) {
        this.#observe(watch, watch.reason);
        continue;
      }
      const group = byEpoch.get(watch.epoch) ?? [];
      byEpoch.set(watch.epoch, [...group, watch]);
    }
    for (const [epoch, group] of byEpoch)
      for (let at = 0; at < group.length; at += TOGETHER)
        this.#askFor(group.slice(at, at + TOGETHER), epoch);
  }

  /**
   * @param {Watch[]} watches
   * @param {string | null} epoch
   */
  #askFor(watches, epoch) {
    const sessions = watches.map(({ sessionId, last }) => ({ session_id: sessionId, after: last }));
    this.#request("watch_sessions", { sessions }, epoch, watches);
  }

  /**
   * @param {Watch} watch
   * @param {string} reason
   */
  #observe(watch, reason) {
    const params = { session_id: watch.sessionId, after: watch.last, reason };
    this.#request("observe_session", params, watch.epoch, [watch]);
  }

  /**
   * @param {string} method
   * @param {Record<string, unknown>} params
   * @param {string | null} epoch positions belong to the history in which they were first told
   * @param {Watch[]} watches
   */
  #request(method, params, epoch, watches) {
    const id = `watch-${this.#nextId++}`;
    this.#asked.set(id, watches);
    const all = epoch === null ? params : { ...params, epoch };
    this.#send(JSON.stringify({ jsonrpc: "2.0", id, method, params: all }));
  }

  #settle() {
    if (this.#asked.size) return;
    this.#settled?.();
    this.#settled = null;
  }
}
