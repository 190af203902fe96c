/** The sessions of who is signed in: what is listed, and what happens in them. */

import { CallFailed } from "../sessions/errors.js";

/** Of so many at most the news are followed; those further down the list are asked for only. */
const FOLLOWED = 500;

/** How often to look for sessions that one was added to: that one is told of it may be lost. */
const LOOK_EVERY = 10_000;

/** How long to gather what one is told of that, in milliseconds. */
const GATHER = 100;

/**
 * @typedef {object} Summary
 * @property {string} session_id
 * @property {string} title
 * @property {"open" | "ended"} status
 * @property {string} role
 * @property {number} head
 * @property {number} seen
 * @property {string} last_activity
 *
 * @typedef {import("../sessions/watch.js").SessionEvent} SessionEvent
 */

export class Store {
  /** @type {Map<string, Summary>} */ #known = new Map();
  /** What the list shows. @type {Set<string>} */ #listed = new Set();
  /** @type {Set<string>} */ #followed = new Set();
  /** @type {{search?: string, status?: string}} */ #filter = {};
  /** @type {string | null} */ #next = null;
  #question = 0;
  #isGathering = false;

  /**
   * @param {import("../sessions/client.js").SessionsClient} client
   * @param {string} user
   * @param {object} told
   * @param {() => void} told.changed
   * @param {(event: SessionEvent) => void} told.happened
   * @param {(sessionId: string, why: Error) => void} told.gone
   */
  constructor(client, user, told) {
    this.client = client;
    this.user = user;
    this.told = told;
    client.on("seen", ({ session_id, user: who, seq }) => {
      if (who === this.user) this.markSeen(session_id, seq);
    });
    client.on("added", () => this.#lookSoon());
    setInterval(() => this.look(), LOOK_EVERY);
    document.addEventListener("visibilitychange", () => this.look());
  }

  /** What is listed, newest activity first. */
  get listed() {
    const found = [...this.#listed].map((id) => this.#known.get(id)).filter((each) => each !== undefined);
    return found.sort((one, other) => (one.last_activity < other.last_activity ? 1 : -1));
  }

  get hasMore() {
    return this.#next !== null;
  }

  get unread() {
    return [...this.#known.values()].reduce((sum, each) => sum + unreadOf(each), 0);
  }

  /** @param {{search?: string, status?: string}} filter */
  async filter(filter) {
    this.#filter = filter;
    await this.#ask({ limit: 50 }, true);
  }

  async more() {
    if (this.#next !== null) await this.#ask({ limit: 50, before: this.#next }, false);
  }

  /** See whether there are sessions that are not known yet. */
  look() {
    if (document.hidden || this.client.state.name !== "open") return;
    this.#ask({ limit: 50 }, null).catch(() => {});
  }

  /** The same, once for all that comes within a moment. */
  #lookSoon() {
    if (this.#isGathering) return;
    this.#isGathering = true;
    setTimeout(() => {
      this.#isGathering = false;
      this.look();
    }, GATHER);
  }

  /**
   * @param {Record<string, unknown>} params
   * @param {boolean | null} replaces what is listed; null: only what is new is of interest
   */
  async #ask(params, replaces) {
    const question = replaces === null ? this.#question : ++this.#question;
    const page = await this.client.call("list_sessions", { ...this.#filter, ...params });
    if (question !== this.#question) return;
    if (replaces) this.#listed.clear();
    if (replaces !== null) this.#next = page.next;
    for (const summary of page.sessions) {
      this.#take(summary);
      this.#listed.add(summary.session_id);
    }
    this.told.changed();
  }

  /** @param {Summary} summary */
  #take(summary) {
    const known = this.#known.get(summary.session_id);
    // What was asked for may be older than what was told.
    if (known && known.head > summary.head) return;
    this.#known.set(summary.session_id, { ...summary, seen: Math.max(summary.seen, known?.seen ?? 0) });
    if (this.#followed.size < FOLLOWED) this.follow(summary.session_id, summary.head);
  }

  /**
   * Hear of what happens in a session after `after`; if it is followed already, from where that is.
   * @param {string} sessionId
   * @param {number} after
   */
  follow(sessionId, after) {
    if (this.#followed.has(sessionId)) return;
    this.#followed.add(sessionId);
    // One that was just created, or whose address came by mail.
    if (!this.#known.has(sessionId)) this.look();
    this.#read(sessionId, after).catch((error) => {
      this.#followed.delete(sessionId);
      if (!(error instanceof CallFailed)) return;
      if (error.code !== "unrecoverable_position") {
        this.#known.delete(sessionId);
        this.#listed.delete(sessionId);
      }
      this.told.gone(sessionId, error);
      this.told.changed();
    });
  }

  /**
   * @param {string} sessionId
   * @param {number} after
   */
  async #read(sessionId, after) {
    for await (const event of this.client.watch(sessionId, { after })) {
      this.#apply(event);
      this.told.happened(event);
    }
  }

  /** @param {SessionEvent} event */
  #apply({ session_id, seq, kind, at, actor, data }) {
    const known = this.#known.get(session_id);
    if (!known || seq <= known.head) return;
    // One's own words are no news, whatever device they come from.
    const isSeen = actor === this.user && known.seen === known.head;
    Object.assign(known, { head: seq, last_activity: at, seen: isSeen ? seq : known.seen });
    if (kind === "session_renamed") known.title = data.title;
    if (kind === "session_ended") known.status = "ended";
    if (kind === "session_resumed") known.status = "open";
    if (kind === "participant_added" && data.user === this.user) known.role = data.role;
    if (!Object.keys(this.#filter).length) this.#listed.add(session_id);
    this.told.changed();
  }

  /**
   * @param {string} sessionId
   * @param {number} seq
   */
  markSeen(sessionId, seq) {
    const known = this.#known.get(sessionId);
    if (!known || known.seen >= seq) return;
    known.seen = seq;
    this.told.changed();
  }
}

/** @param {Summary} summary */
export const unreadOf = ({ head, seen }) => Math.max(0, head - seen);
