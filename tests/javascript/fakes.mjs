/** A server and a clock without I/O, for the tests of `sessions.js`. */

import { SessionsClient } from "../../sessions_app/static/sessions_app/sessions.js";

/** A clock that a test moves. */
export class Clock {
  time = 0;
  #timers = [];
  now = () => this.time;
  set = (work, ms) => {
    const timer = { at: this.time + ms, work };
    this.#timers.push(timer);
    return timer;
  };
  clear = (timer) => {
    this.#timers = this.#timers.filter((each) => each !== timer);
  };

  /** Let `ms` pass, and what is due happen. */
  async pass(ms) {
    const until = this.time + ms;
    for (;;) {
      await settle();
      const due = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.clear(due);
      this.time = due.at;
      due.work();
    }
    this.time = until;
    await settle();
  }
}

/** Let all that can happen without time happen. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));

/** The server's end of one socket. */
export class Socket {
  sent = [];
  closedWith = null;
  onmessage = null;
  onclose = null;
  onerror = null;

  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close(code) {
    if (this.closedWith !== null) return;
    this.closedWith = code;
    queueMicrotask(() => this.onclose?.({ code }));
  }

  // What the server does:
  welcome(params = {}) {
    const limits = { frame_bytes: 65536, batch: 64, in_flight: 32, watching: 1000 };
    this.tell("welcome", { user: "ann", epoch: "e1", limits, ping_seconds: 25, ...params });
  }
  tell(method, params) {
    this.give({ jsonrpc: "2.0", method, params });
  }
  event(seq, more = {}) {
    this.tell("event", { session_id: "s", seq, kind: "message_sent", actor: "bob", data: {}, ...more });
  }
  reply(request, result) {
    this.give({ jsonrpc: "2.0", id: request.id, result });
  }
  refuse(request, code, data = {}) {
    this.give({ jsonrpc: "2.0", id: request.id, error: { code: -32000, message: code, data: { code, ...data } } });
  }
  give(frame) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  cut(code = 1006) {
    this.closedWith = code;
    this.onclose?.({ code });
  }
  /** The requests of a method, in the order they came. */
  asked(method) {
    return this.sent.filter((request) => request.method === method);
  }
}

/** Where writes are kept, as `localStorage` keeps them. */
export class Keep {
  items = new Map();
  get length() {
    return this.items.size;
  }
  key = (index) => [...this.items.keys()][index] ?? null;
  getItem = (name) => this.items.get(name) ?? null;
  setItem = (name, value) => void this.items.set(name, value);
  removeItem = (name) => void this.items.delete(name);
}

/** A client, its clock, and the sockets that it has opened. */
export async function begin(options = {}) {
  const clock = new Clock();
  const sockets = [];
  class Fake extends Socket {
    constructor(url, protocols, how) {
      super();
      Object.assign(this, { url, protocols, how });
      sockets.push(this);
    }
  }
  const url = "ws://sessions.example/ws/";
  const client = new SessionsClient({ url, WebSocket: Fake, timers: clock, chance: () => 1, ...options });
  const states = [];
  client.on("state", ({ name }) => states.push(name));
  await settle();
  return { client, clock, sockets, states };
}

/** The same, with a welcome. */
export async function connected(options = {}) {
  const stage = await begin(options);
  stage.sockets[0].welcome();
  await settle();
  return { ...stage, socket: stage.sockets[0] };
}

/** What a promise has come to, without waiting for it. */
export async function outcome(promise) {
  const nothing = Symbol("nothing yet");
  await settle();
  const found = await Promise.race([promise.catch((error) => error), settle().then(() => nothing)]);
  return found === nothing ? undefined : found;
}
