/** One socket in service at a time, replaced when it breaks, and before it breaks when it drains. */

import { Stopped, isFinal } from "./errors.js";
import { Reconnects } from "./timing.js";

export const SUBPROTOCOL = "sessions.v1.jsonrpc";

/** How long a connection may take to say welcome, in milliseconds. */
const PATIENCE = 15_000;

/** Without a sign of life for so many times the server's ping interval, a connection is dead. */
const SILENCE = 2.5;

/**
 * The part of the WebSocket interface that is used: a browser's, Node's and that of `ws` have it.
 * @typedef {object} Socket
 * @property {(text: string) => void} send
 * @property {(code?: number) => void} close
 * @property {((event: any) => void) | null} onmessage
 * @property {((event: any) => void) | null} onclose
 * @property {((event: any) => void) | null} onerror
 */

/**
 * @typedef {object} Told what whoever uses the connections is told
 * @property {(welcome: any, retire: () => void) => void} welcomed a new one is in service; `retire`
 *   closes the one before it, if it was still open
 * @property {(message: any) => void} received
 * @property {(retryInMs: number) => void} lost none is in service
 * @property {(why: Stopped) => void} stopped for ever
 */

export class Connections {
  /** @type {Socket | null} */ #current = null;
  /** @type {Socket | null} */ #next = null;
  /** @type {Set<Socket>} */ #old = new Set();
  #stopped = false;
  #began = 0;
  #heardAt = 0;
  #pingMs = 25_000;
  /** @type {unknown} */ #redial = null;
  /** @type {unknown} */ #watchdog = null;
  #reconnects = new Reconnects();

  /**
   * @param {() => Promise<Socket>} open
   * @param {Told} told
   * @param {import("./timing.js").Timers} timers
   * @param {() => number} chance
   */
  constructor(open, told, timers, chance) {
    this.#open = open;
    this.#told = told;
    this.#timers = timers;
    this.#chance = chance;
  }

  /** @type {() => Promise<Socket>} */ #open;
  /** @type {Told} */ #told;
  /** @type {import("./timing.js").Timers} */ #timers;
  /** @type {() => number} */ #chance;

  /** Whether what is sent now goes anywhere. */
  get isOpen() {
    return this.#current !== null;
  }

  /** @param {string} text */
  send(text) {
    this.#current?.send(text);
  }

  /** Connect now; after a failure, too, without waiting for the next attempt. */
  dial() {
    if (this.#stopped || this.#next) return;
    this.#timers.clear(this.#redial);
    void this.#dial();
  }

  /**
   * The server is going away: connect to another one at a moment in its window (protocol, section 8).
   * @param {[number, number]} window
   */
  drain([low, high]) {
    this.#timers.clear(this.#redial);
    this.#redial = this.#timers.set(() => this.dial(), low + (high - low) * this.#chance());
  }

  /** The network is gone: nothing more will come of what there is. */
  drop() {
    const had = this.#current ?? this.#next;
    if (had === null) return;
    this.#abandon(had);
    this.#closed(had, 1006);
  }

  /** @param {Stopped} why */
  stop(why) {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#timers.clear(this.#redial);
    this.#timers.clear(this.#watchdog);
    for (const socket of [this.#current, this.#next, ...this.#old]) if (socket) this.#abandon(socket);
    this.#current = this.#next = null;
    this.#told.stopped(why);
  }

  async #dial() {
    const placeholder = /** @type {Socket} */ ({});
    this.#next = placeholder;
    try {
      const socket = await this.#open();
      if (this.#next !== placeholder) return socket.close();
      this.#next = socket;
      this.#listen(socket);
    } catch (problem) {
      if (this.#next !== placeholder) return;
      if (problem instanceof Stopped) return this.stop(problem);
      this.#closed(placeholder, 1006);
    }
  }

  /** @param {Socket} socket */
  #listen(socket) {
    const late = this.#timers.set(() => {
      if (this.#next !== socket) return;
      this.#abandon(socket);
      this.#closed(socket, 1006);
    }, PATIENCE);
    socket.onerror = () => {};
    socket.onclose = ({ code }) => {
      this.#timers.clear(late);
      this.#closed(socket, code);
    };
    socket.onmessage = ({ data }) => {
      this.#heardAt = this.#timers.now();
      const frame = JSON.parse(data);
      for (const message of Array.isArray(frame) ? frame : [frame]) {
        if (message.method !== "welcome") this.#told.received(message);
        else if (this.#next === socket) {
          this.#timers.clear(late);
          this.#begin(socket, message.params);
        }
      }
    };
  }

  /**
   * @param {Socket} socket
   * @param {any} welcome
   */
  #begin(socket, welcome) {
    const before = this.#current;
    if (before) this.#old.add(before);
    this.#current = socket;
    this.#next = null;
    this.#began = this.#timers.now();
    this.#pingMs = welcome.ping_seconds * 1000;
    this.#watch();
    this.#told.welcomed(welcome, () => before?.close(1000));
  }

  /** Find out about a peer that is gone without a word: a page is not told of its own pings. */
  #watch() {
    this.#timers.clear(this.#watchdog);
    this.#watchdog = this.#timers.set(() => {
      if (!this.#current) return;
      if (this.#timers.now() - this.#heardAt >= this.#pingMs * SILENCE) this.drop();
      else this.#watch();
    }, this.#pingMs);
  }

  /** @param {Socket} socket */
  #abandon(socket) {
    socket.onmessage = socket.onclose = null;
    socket.close?.(1000);
  }

  /**
   * @param {Socket} socket
   * @param {number} code
   */
  #closed(socket, code) {
    if (this.#old.delete(socket) || this.#stopped) return;
    const lived = socket === this.#current ? this.#timers.now() - this.#began : 0;
    if (socket === this.#current) this.#current = null;
    if (socket === this.#next) this.#next = null;
    if (isFinal(code)) return this.stop(new Stopped(code));
    if (this.#next) return; // another one is on its way
    const delay = this.#reconnects.delay(lived, this.#chance());
    this.#timers.clear(this.#redial);
    this.#redial = this.#timers.set(() => this.dial(), delay);
    if (!this.#current) this.#told.lost(delay);
  }
}
