/** The client: what has no answer yet, what is watched, and the connection that both use. */

import { Calls, WRITES } from "./calls.js";
import { Connections, SUBPROTOCOL } from "./connections.js";
import { CallFailed, Stopped } from "./errors.js";
import { newKey } from "./keys.js";
import { Outbox } from "./outbox.js";
import { realTimers } from "./timing.js";
import { Watches } from "./watches.js";

/** How long another page has to send what it has written, before this one does, in milliseconds. */
const OTHERS_TURN = 5_000;

/** What says nothing when it comes late: sent when there is a connection, else not at all. */
const EPHEMERAL = new Set(["signal", "ping"]);

/** What moves the position of a watch. */
const WATCHING = new Set(["watch_sessions", "unwatch_sessions", "observe_session"]);

/**
 * @typedef {object} Options
 * @property {string | URL} [url] of the socket; by default `/ws/` of the page's own host
 * @property {() => Promise<string>} [ticket] asks for a ticket before each connection, for pages
 *   of another origin
 * @property {string} [token] an access token, where the WebSocket can send headers (`ws` in Node)
 * @property {any} [WebSocket] an implementation, where there is none by default (Node before 22)
 * @property {string} [user] who is expected to be signed in; anybody else stops the client
 * @property {import("./outbox.js").Keep | null} [keep] where writes outlive the page,
 *   such as `localStorage`; needs `user`
 * @property {import("./timing.js").Timers} [timers]
 * @property {() => number} [chance] from 0 to 1
 *
 * @typedef {{name: "connecting"} | {name: "open", welcome: any}
 *   | {name: "waiting", retry_in_ms: number} | {name: "offline"}
 *   | {name: "stopped", why: Stopped}} State
 */

export class SessionsClient {
  /** @type {State} */ #state = { name: "connecting" };
  /** @type {Map<string, Set<(params: any) => void>>} */ #listeners = new Map();
  /** @type {Options} */ #options;
  /** @type {(() => void)[]} */ #undo = [];
  #timers;
  #connections;
  #calls;
  #watches;
  #outbox;

  /** @param {Options} [options] */
  constructor(options = {}) {
    if (options.keep && !options.user) throw new Error("`keep` needs `user`: whose writes are they?");
    this.#options = options;
    const timers = (this.#timers = options.timers ?? realTimers);
    const chance = options.chance ?? Math.random;
    const send = (/** @type {string} */ text) => this.#connections.send(text);
    this.#outbox = new Outbox(options.keep ?? null, options.user ?? "");
    this.#calls = new Calls(send, timers, chance);
    this.#watches = new Watches(send, timers);
    this.#connections = new Connections(
      () => this.#open(),
      {
        welcomed: (welcome, retire) => this.#welcomed(welcome, retire),
        received: (message) => this.#received(message),
        lost: (delay) =>
          this.#lost(isOffline() ? { name: "offline" } : { name: "waiting", retry_in_ms: delay }),
        stopped: (why) => this.#stopped(why),
      },
      timers,
      chance,
    );
    this.#listenToPage();
    this.#connections.dial();
  }

  /** How the connection is. */
  get state() {
    return this.#state;
  }

  /** Writes that are not known to be stored, in the order in which they were made. */
  get outbox() {
    return this.#outbox.entries;
  }

  /**
   * Call a flow. A write gets a key if it has none, is kept until it is answered, and is sent after
   * the writes of its session that came before. Rejects with CallFailed where the server refuses,
   * and with Stopped when there will be no answer; what was written may then still be in the outbox.
   * @param {string} method
   * @param {Record<string, any>} [params]
   * @returns {Promise<any>}
   */
  async call(method, params = {}) {
    if (this.#state.name === "stopped") throw this.#state.why;
    if (WATCHING.has(method))
      throw new Error("Use `watch` or `observe`: a session has one position for each connection");
    if (EPHEMERAL.has(method) && !this.#calls.isOpen)
      throw new CallFailed("not_connected", "There is no connection now");
    if (!WRITES.has(method) && params.key === undefined) return this.#calls.add(method, params);
    const keyed = { ...params, key: params.key ?? newKey() };
    if (this.#outbox.isFull) throw new CallFailed("limit_reached", "Too many unsent writes");
    const entry = { key: keyed.key, method, params: keyed, at: Date.now() };
    this.#outbox.add(entry);
    const result = this.#write(entry);
    this.#tell("outbox", this.outbox);
    return result;
  }

  /**
   * A session's events after `after`, each once and in order, then those to come, over all
   * connections; `after: -1` means only those to come. Leaving the loop ends it. It throws CallFailed
   * when the session cannot be watched, or no longer, and Stopped.
   * @param {string} sessionId
   * @param {{after?: number}} [from]
   */
  watch(sessionId, { after = 0 } = {}) {
    if (this.#state.name === "stopped") throw this.#state.why;
    return this.#watches.add(sessionId, after);
  }

  /**
   * The same as staff, without taking part, for who may read all sessions. The server records it,
   * with the reason; on this connection, calls in this session are then made with the rights of staff.
   * @param {string} sessionId
   * @param {{after?: number, reason?: string}} [from]
   */
  observe(sessionId, { after = 0, reason = "" } = {}) {
    if (this.#state.name === "stopped") throw this.#state.why;
    return this.#watches.add(sessionId, after, reason);
  }

  /**
   * Hear of something: a notification of the server by its method (`presence`, `seen`, `signal`,
   * `added`, `live`, `lagging`, `unwatched`, `draining`, `auth_expiring`), `state`, `outbox` (its entries),
   * `written` (`{entry, result}`), `refused` (`{entry, error}`).
   * @param {string} name
   * @param {(params: any) => void} listener
   * @returns {() => void} hear of it no more
   */
  on(name, listener) {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /**
   * Forget a write that is not known to be stored; it may have been.
   * @param {string} key
   */
  discard(key) {
    this.#outbox.remove(key);
    this.#calls.discard(key);
    this.#tell("outbox", this.outbox);
  }

  /** Do not wait for the next attempt to connect. */
  connectNow() {
    this.#connections.dial();
  }

  /** Close the connection and stop; what is kept in the outbox is sent by another client. */
  close() {
    this.#connections.stop(new Stopped(1000));
  }

  // -- writes --------------------------------------------------------------------------------------

  /**
   * @param {import("./outbox.js").Entry} entry
   */
  async #write(entry) {
    try {
      const result = await this.#calls.add(entry.method, entry.params);
      this.#outbox.remove(entry.key);
      this.#tell("written", { entry, result });
      return result;
    } catch (error) {
      // Stopped: it may be sent when the person has signed in again.
      if (error instanceof CallFailed && this.#outbox.has(entry.key)) {
        this.#outbox.remove(entry.key);
        this.#tell("refused", { entry, error });
      }
      throw error;
    } finally {
      this.#tell("outbox", this.outbox);
    }
  }

  /** Send what an earlier page has left, or another one does not send. */
  #adopt() {
    this.#outbox.refresh();
    if (!this.#connections.isOpen) return;
    for (const entry of this.outbox)
      if (!this.#calls.hasKey(entry.key)) this.#write(entry).catch(() => {});
  }

  // -- the connection --------------------------------------------------------------------------------

  async #open() {
    const { ticket, token, WebSocket = globalThis.WebSocket } = this.#options;
    const url = new URL(this.#options.url ?? "/ws/", globalThis.location?.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.searchParams.set("batch", "1");
    url.searchParams.set("added", "1");
    if (ticket) url.searchParams.set("ticket", await ticket());
    if (!token) return new WebSocket(url.href, [SUBPROTOCOL]);
    return new WebSocket(url.href, [SUBPROTOCOL], { headers: { Authorization: `Bearer ${token}` } });
  }

  /**
   * @param {any} welcome
   * @param {() => void} retire
   */
  #welcomed(welcome, retire) {
    if (this.#options.user && welcome.user !== this.#options.user) {
      retire();
      return this.#connections.stop(new Stopped(4502));
    }
    this.#watches.begin(welcome.epoch, retire);
    this.#calls.begin(welcome.limits);
    this.#adopt();
    this.#become({ name: "open", welcome });
  }

  /** @param {any} message */
  #received(message) {
    const { id, method, params } = message;
    if (method === undefined) {
      if (typeof id === "number") this.#calls.answer(id, message);
      else if (typeof id === "string") this.#watches.answer(id, message);
      return;
    }
    if (method === "event") return this.#watches.take(params);
    if (method === "ping") this.#watches.compare(params.heads);
    if (method === "unwatched") this.#watches.unwatched(params);
    if (method === "draining") this.#connections.drain(params.reconnect_in_ms);
    this.#tell(method, params);
  }

  /** @param {State} state */
  #lost(state) {
    this.#calls.isOpen = false;
    this.#watches.lost();
    this.#become(state);
  }

  /** @param {Stopped} why */
  #stopped(why) {
    this.#state = { name: "stopped", why };
    for (const undo of this.#undo) undo();
    this.#calls.fail(why);
    this.#watches.fail(why);
    this.#tell("state", this.#state);
  }

  /** @param {State} state */
  #become(state) {
    this.#state = state;
    this.#tell("state", state);
  }

  // -- the page --------------------------------------------------------------------------------------

  #listenToPage() {
    /** @type {(name: string, listener: (event: any) => void) => void} */
    const listen = (name, listener) => {
      globalThis.addEventListener?.(name, listener);
      this.#undo.push(() => globalThis.removeEventListener?.(name, listener));
    };
    listen("online", () => this.#connections.dial());
    listen("offline", () => {
      this.#connections.drop();
      if (this.#state.name !== "offline") this.#lost({ name: "offline" });
    });
    listen("storage", ({ key }) => {
      if (!this.#options.keep || !this.#outbox.concerns(key)) return;
      this.#outbox.refresh();
      this.#tell("outbox", this.outbox);
      // The page that wrote it sends it; unless it is closed first.
      if (this.outbox.length) this.#timers.set(() => this.#adopt(), OTHERS_TURN);
    });
  }

  /**
   * @param {string} name
   * @param {any} params
   */
  #tell(name, params) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) listener(params);
  }
}

const isOffline = () => globalThis.navigator?.onLine === false;
