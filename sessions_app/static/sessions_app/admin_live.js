/**
 * Lets a session's timeline in the admin follow what happens, by the protocol that all clients use.
 *
 * Whatever people wrote becomes text only, never markup. The page stays bounded: the oldest rows go.
 */

import { SessionsClient } from "./sessions/client.js";
import { Stopped } from "./sessions/errors.js";

/** @typedef {import("./sessions.d.ts").Event} SessionEvent */

/** Rows on the page, and events that wait while it is paused. */
const MOST = 500;

class Live {
  #bar = part(document, "#live");
  #button = part(document, "#live-button");
  #state = part(document, "#live-state");
  #here = part(document, "#live-here");
  #rows = part(document, "#events");
  #template = /** @type {HTMLTemplateElement} */ (part(document, "#live-row"));
  /** @type {SessionsClient | null} */ #client = null;
  /** Nothing more comes. */
  #isOver = false;
  #isPaused = false;
  /** How far the session has come, of whatever kind. */
  #head = 0;
  /** Held back while it is paused: how many, and the latest of them. */
  #held = 0;
  /** @type {SessionEvent[]} */ #waiting = [];
  /** The server is being asked where rows lead to. */
  #isLinking = false;

  constructor() {
    this.#button.addEventListener("click", () => this.#press());
    this.#bar.hidden = false;
  }

  #press() {
    if (this.#client === null) return this.#follow();
    this.#isPaused = !this.#isPaused;
    if (!this.#isPaused && this.#held) {
      this.#held = 0;
      this.#show(this.#waiting.splice(0));
    }
    if (!this.#isPaused) this.#toEnd();
    if (this.#isOver) this.#button.hidden = true;
    else this.#tell();
  }

  #follow() {
    const { session, user, after } = this.#bar.dataset;
    const sessionId = session ?? "";
    this.#client = new SessionsClient({ user });
    this.#client.on("state", () => this.#tell());
    this.#client.on("presence", (params) => {
      if (params.session_id === sessionId) this.#here.textContent = `Here now: ${who(params)}`;
    });
    this.#rows.setAttribute("aria-live", "polite");
    this.#toEnd();
    this.#tell();
    void this.#read(this.#client, sessionId, Number(after));
  }

  /**
   * @param {SessionsClient} client
   * @param {string} sessionId
   * @param {number} after
   */
  async #read(client, sessionId, after) {
    try {
      for await (const event of client.observe(sessionId, { after, reason: "Follows the timeline" }))
        this.#take(event);
    } catch (error) {
      this.#end(client, /** @type {Error} */ (error));
    }
  }

  /** @param {SessionEvent} event */
  #take(event) {
    this.#head = event.seq;
    const { kind } = this.#bar.dataset;
    if (kind && event.kind !== kind) return;
    if (!this.#isPaused) return this.#show([event]);
    this.#held++;
    this.#waiting.push(event);
    // Those before would leave the page anyway.
    if (this.#waiting.length > MOST) this.#waiting.shift();
    this.#tell();
  }

  /**
   * @param {SessionsClient} client
   * @param {Error} why
   */
  #end(client, why) {
    this.#isOver = true;
    client.close();
    this.#here.textContent = "";
    const isForbidden = "code" in why && why.code === "forbidden";
    const words = isForbidden ? "You may not read this session" : why.message;
    this.#state.textContent = `No longer live. ${words}${why instanceof Stopped ? ": load the page again" : ""}.`;
    this.#bar.dataset.state = "over";
    // What was held back can still be shown.
    this.#button.hidden = !this.#held;
  }

  /** Say how it is. */
  #tell() {
    if (this.#isOver || !this.#client) return;
    const { name } = this.#client.state;
    this.#bar.dataset.state = name === "open" && this.#isPaused ? "paused" : name;
    this.#button.textContent = this.#isPaused ? "Follow" : "Pause";
    const words = name !== "open" ? CONNECTION[name] : this.#isPaused ? "Paused" : "Live";
    this.#state.textContent = this.#isPaused ? `${words}, ${this.#held} new` : words;
  }

  /** @param {SessionEvent[]} events */
  #show(events) {
    const wasAtEnd = this.#isAtEnd;
    this.#rows.append(...events.map((event) => this.#row(event)));
    while (this.#rows.children.length > MOST) this.#rows.firstElementChild?.remove();
    for (const range of document.querySelectorAll(".session-pages span"))
      range.textContent = `#${seqOf(this.#rows.firstElementChild)} to #${seqOf(this.#rows.lastElementChild)} of ${this.#head} events`;
    if (wasAtEnd) this.#toEnd();
    void this.#link();
  }

  /** Link the new rows as the server does those it renders: a page of them at a time. */
  async #link() {
    if (this.#isLinking) return;
    this.#isLinking = true;
    try {
      for (let row; (row = this.#rows.querySelector("tr.session-new:not([data-linked])")); ) {
        const query = new URLSearchParams({ after: String(Number(seqOf(row)) - 1) });
        if (this.#bar.dataset.kind) query.set("kind", this.#bar.dataset.kind);
        const answer = await fetch(`links/?${query}`);
        const { links } = await answer.json();
        if (!links[seqOf(row)]) break;
        for (const [seq, leads] of Object.entries(links)) this.#linkRow(seq, leads);
      }
    } catch {
      // Offline, or signed out: the rows say all they say without links; the next row asks again.
    } finally {
      this.#isLinking = false;
    }
  }

  /**
   * @param {string} seq
   * @param {{event?: string, receipt?: string, trace?: string}} leads
   */
  #linkRow(seq, { event, receipt, trace }) {
    const row = /** @type {HTMLElement | null} */ (
      this.#rows.querySelector(`tr.session-new#seq-${seq}:not([data-linked])`)
    );
    if (!row) return;
    row.dataset.linked = "";
    if (event) part(row, "[data-part=seq]").replaceChildren(link(event, seq));
    const rest = part(row, ".session-links a");
    if (receipt) rest.before(link(receipt, "Receipt"), " ");
    if (trace) {
      const leaving = link(trace, "Trace");
      leaving.rel = "noreferrer";
      rest.before(leaving, " ");
    }
  }

  /** Whether the last row can be seen: above the bar, which is never below the screen. */
  get #isAtEnd() {
    const { top } = (this.#rows.lastElementChild ?? this.#rows).getBoundingClientRect();
    return top >= 0 && top < this.#bar.getBoundingClientRect().top;
  }

  #toEnd() {
    this.#rows.lastElementChild?.scrollIntoView({ block: "nearest" });
  }

  /**
   * A row like those of the server.
   * @param {SessionEvent} event
   */
  #row({ seq, at, actor, kind, data }) {
    const row = /** @type {HTMLElement} */ (
      /** @type {DocumentFragment} */ (this.#template.content.cloneNode(true)).firstElementChild
    );
    const { text, staff, ...rest } = /** @type {Record<string, unknown>} */ (data);
    row.id = `seq-${seq}`;
    part(row, "[data-part=seq]").textContent = String(seq);
    part(row, "[data-part=at]").textContent = at.slice(0, 19).replace("T", " ");
    part(row, "[data-part=actor]").textContent = actor;
    if (staff !== true) part(row, ".session-staff").remove();
    const [says, happened] = [part(row, ".session-text"), part(row, "[data-part=kind]")];
    if (typeof text === "string" && text) {
      says.textContent = text;
      happened.remove();
    } else {
      happened.textContent = spaced(kind);
      says.remove();
    }
    const pattern = part(row, ".session-detail");
    for (const [name, value] of Object.entries(rest).sort()) {
      if (isEmpty(value)) continue;
      const detail = /** @type {HTMLElement} */ (pattern.cloneNode(true));
      part(detail, "[data-part=name]").textContent = spaced(name);
      part(detail, "[data-part=value]").textContent = typeof value === "string" ? value : JSON.stringify(value);
      pattern.before(detail);
    }
    pattern.remove();
    const unseen = new URLSearchParams();
    if (this.#bar.dataset.kind) unseen.set("kind", this.#bar.dataset.kind);
    unseen.set("unseen", String(seq));
    unseen.set("seq", String(seq));
    part(row, ".session-links a").setAttribute("href", `?${unseen}#participants`);
    return row;
  }
}

/** What the states of a connection are called that is not open. */
const CONNECTION = {
  connecting: "Connecting…",
  waiting: "Connecting again…",
  offline: "You are offline",
  stopped: "No longer live",
};

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {ParentNode} within
 * @param {string} selector
 * @returns {T}
 */
function part(within, selector) {
  const found = within.querySelector(selector);
  if (!found) throw new Error(`The page has no ${selector}`);
  return /** @type {T} */ (found);
}

/**
 * @param {string} href
 * @param {string} text
 */
function link(href, text) {
  const made = document.createElement("a");
  made.href = href;
  made.textContent = text;
  return made;
}

/** @param {{here?: string[] | null, count: number}} presence */
const who = ({ here, count }) => (here ? here.join(", ") || "nobody" : `${count} people`);

/** @param {unknown} value */
const isEmpty = (value) =>
  [null, undefined, "", false].includes(/** @type {any} */ (value)) ||
  (typeof value === "object" && Object.keys(/** @type {object} */ (value)).length === 0);

/** @param {string} name */
const spaced = (name) => name.replaceAll("_", " ");

/** @param {Element | null} row */
const seqOf = (row) => row?.id.replace("seq-", "") ?? "";

if (document.getElementById("live")) new Live();
