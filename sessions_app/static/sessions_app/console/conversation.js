/** One session as a conversation. */

import { CallFailed } from "../sessions/errors.js";
import { Composer } from "./composer.js";
import { announce, part } from "./dom.js";
import { sentence } from "./lines.js";
import { People } from "./people.js";
import { PAGE, Timeline } from "./timeline.js";

/** Events that were asked for one by one: as many are remembered, and asked for at once. */
const FOUND = 200;
const FINDING = 8;

/** How long one looks at a message until it is seen, in milliseconds. */
const LOOKS = 300;

/** @typedef {import("../sessions/watch.js").SessionEvent} SessionEvent */

export class Conversation {
  /** @type {string | null} */ #id = null;
  /** The snapshot with what has happened since. @type {any} */ #session = null;
  /** What has happened while it is loading. @type {SessionEvent[]} */ #early = [];
  #last = 0;
  #seen = 0;
  #seenTimer = 0;
  /** @type {Map<number, SessionEvent>} */ #found = new Map();
  #finding = 0;

  /**
   * @param {import("../sessions/client.js").SessionsClient} client
   * @param {import("./store.js").Store} store
   * @param {string} user
   * @param {import("./steps.js").Steps} steps
   */
  constructor(client, store, user, steps) {
    this.client = client;
    this.store = store;
    this.user = user;
    this.people = new People(user, (name) => steps.remove(this.session, name));
    this.composer = new Composer(client, () => void this.timeline.toEnd());
    this.timeline = new Timeline(
      {
        before: (seq) => this.#page({ before: seq }),
        after: (seq) => this.#page({ after: seq }),
        reachedEnd: () => this.#look(),
        reply: (event) => this.#mayWrite && this.composer.reply(event),
      },
      { user, find: (seq) => this.#find(seq) },
    );
    client.on("state", ({ name }) => {
      if (name === "open") this.#askWhoHasSeen().catch(() => {});
      else this.people.unknown();
    });
    client.on("presence", (params) => params.session_id === this.#id && this.people.present(params));
    client.on("signal", ({ session_id, actor, name }) => {
      if (session_id === this.#id && name === "typing" && actor !== user) this.people.types(actor);
    });
    client.on("seen", ({ session_id, user: who, seq }) => {
      if (session_id !== this.#id) return;
      this.people.seen(who, seq);
      this.#showSeen();
    });
    document.addEventListener("visibilitychange", () => this.#look());
  }

  /** The session that is open, as it is now. */
  get session() {
    return this.#session;
  }

  get #mayWrite() {
    return this.#session?.status === "open" && ["owner", "member"].includes(this.people.role ?? "");
  }

  /**
   * @param {string} id
   * @param {number | null} seq to show; null: the last one
   */
  async open(id, seq) {
    if (id === this.#id && this.#session) return seq === null ? undefined : this.jump(seq);
    this.close();
    this.#id = id;
    part("title").textContent = "Loading…";
    this.composer.allow("Loading…");
    const snapshot = await this.client.call("get_session", { session_id: id });
    const where = seq === null || seq > snapshot.seq ? { before: snapshot.seq + 1 } : { after: Math.max(0, seq - PAGE / 2) };
    const events = await this.#page(where, id);
    if (this.#id !== id) return;
    this.#session = snapshot;
    this.#last = snapshot.seq;
    this.#seen = snapshot.participants.find((/** @type {any} */ each) => each.user === this.user)?.seen ?? 0;
    this.people.open(snapshot.participants);
    this.composer.open(id);
    this.#show();
    // Events that came meanwhile are told below, and asked for when the window gets there.
    const known = events.filter((event) => event.seq <= snapshot.seq);
    this.timeline.show(known, snapshot.seq, seq !== null && seq <= snapshot.seq ? seq : null);
    this.#showSeen();
    this.store.follow(id, snapshot.seq);
    for (const event of this.#early.splice(0)) this.happened(event);
  }

  close() {
    clearTimeout(this.#seenTimer);
    this.#id = this.#session = null;
    this.#early = [];
    this.#found.clear();
    this.#last = 0;
    this.composer.open(null);
    this.people.open([]);
    this.timeline.show([], 0);
  }

  /** @param {number} seq */
  async jump(seq) {
    const id = this.#id;
    if (this.timeline.reveal(seq) || !id || seq < 1 || seq > this.#last) return;
    const events = await this.#page({ after: Math.max(0, seq - PAGE / 2) });
    if (id === this.#id) this.timeline.show(events, this.#last, seq);
    this.#showSeen();
  }

  /** @param {SessionEvent} event */
  happened(event) {
    if (event.session_id !== this.#id) return;
    if (!this.#session) return void this.#early.push(event);
    if (event.seq <= this.#last) return;
    this.#last = event.seq;
    const { kind, data, actor } = event;
    if (kind === "session_renamed") this.#session.title = data.title;
    if (kind === "session_ended") this.#session.status = "ended";
    if (kind === "session_resumed") this.#session.status = "open";
    this.people.happened(event);
    this.timeline.append(event);
    this.composer.happened(event);
    this.#show();
    this.#showSeen();
    if (actor !== this.user) announce(sentence(event));
  }

  /**
   * It is watched no more: the person was removed, or the server's data was restored.
   * @param {string} sessionId
   * @param {Error} why
   */
  gone(sessionId, why) {
    if (sessionId !== this.#id) return;
    if (why instanceof CallFailed && why.code === "unrecoverable_position") {
      this.close();
      void this.open(sessionId, null);
      return;
    }
    // What is on the screen stays there; opening it again asks the server.
    this.#id = null;
    this.composer.allow("You take no part in this session any more.");
    announce("You take no part in this session any more.");
    part("details-toggle").hidden = part("details").hidden = true;
  }

  #show() {
    const { title, status } = this.#session;
    const role = this.people.role;
    part("title").textContent = title || "Untitled";
    part("status-now").textContent = status === "ended" ? "Ended" : "";
    part("details-toggle").hidden = false;
    part("invite").hidden = !(role === "owner" && status === "open");
    part("rename").hidden = !this.#mayWrite;
    part("end").hidden = !(role === "owner" && status === "open");
    part("reopen").hidden = !(role === "owner" && status === "ended");
    const why = status === "ended" ? "This session has ended." : "You observe this session: you can read, and not write.";
    this.composer.allow(this.#mayWrite ? "" : why);
  }

  #showSeen() {
    this.timeline.showSeen(this.people.cursors);
  }

  /** Who has read what while there was no connection: that is no event, so it is told only once. */
  async #askWhoHasSeen() {
    const id = this.#id;
    if (!id || !this.#session) return;
    const { participants } = await this.client.call("get_session", { session_id: id });
    if (id !== this.#id) return;
    for (const { user, seen } of participants) this.people.seen(user, seen);
    this.#showSeen();
  }

  /** What is on the screen of who looks at it has been seen. */
  #look() {
    clearTimeout(this.#seenTimer);
    const id = this.#id;
    if (document.hidden || !id || !this.#session || this.#last <= this.#seen) return;
    this.#seenTimer = setTimeout(() => {
      if (id !== this.#id || !this.timeline.isAtEnd) return;
      this.#seen = this.#last;
      this.store.markSeen(id, this.#seen);
      this.client.call("mark_seen", { session_id: id, seq: this.#seen }).catch(() => {});
    }, LOOKS);
  }

  /**
   * @param {{before: number} | {after: number}} where
   * @param {string | null} id
   * @returns {Promise<SessionEvent[]>}
   */
  async #page(where, id = this.#id, limit = PAGE) {
    const page = await this.client.call("list_events", { session_id: id, ...where, limit });
    return page.events;
  }

  /**
   * @param {number} seq
   * @returns {Promise<SessionEvent | null>}
   */
  async #find(seq) {
    const known = this.timeline.event(seq) ?? this.#found.get(seq);
    if (known) return known;
    // Nobody waits for these; what people do must not wait for them either.
    if (!this.#id || this.#finding >= FINDING) return null;
    this.#finding++;
    try {
      const events = await this.#page({ after: seq - 1 }, this.#id, 1);
      if (this.#found.size >= FOUND) this.#found.clear();
      if (events[0]) this.#found.set(seq, events[0]);
      return events[0] ?? null;
    } finally {
      this.#finding--;
    }
  }
}
