/** Where one writes; and what was written, until it is in the log. */

import { beginning, el, part } from "./dom.js";
import { sentence } from "./lines.js";

/** How often others are told that one is typing, in milliseconds. */
const TYPING_EVERY = 3_000;

/**
 * @typedef {import("../sessions/outbox.js").Entry} Entry
 * @typedef {import("../sessions/watch.js").SessionEvent} SessionEvent
 */

export class Composer {
  #form = /** @type {HTMLFormElement} */ (part("composer"));
  #text = /** @type {HTMLTextAreaElement} */ (part("message"));
  #replying = part("replying");
  #pending = part("pending");
  /** @type {string | null} */ #sessionId = null;
  /** @type {SessionEvent | null} */ #replyTo = null;
  #toldTypingAt = -Infinity;
  /** What was begun in each session. @type {Map<string, string>} */ #drafts = new Map();
  /** Stored, but not on the screen yet. @type {Map<string, Entry>} */ #stored = new Map();
  /** Refused, until the person has seen why. @type {Map<string, {entry: Entry, error: Error}>} */ #refused = new Map();

  /**
   * @param {import("../sessions/client.js").SessionsClient} client
   * @param {() => void} sent
   */
  constructor(client, sent) {
    this.client = client;
    this.sent = sent;
    client.on("outbox", () => this.#show());
    client.on("state", () => this.#show());
    client.on("written", ({ entry }) => {
      if (entry.method === "send_message") this.#stored.set(entry.key, entry);
    });
    client.on("refused", ({ entry, error }) => {
      if (entry.method === "send_message") this.#refused.set(entry.key, { entry, error });
      this.#show();
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#text.addEventListener("keydown", (press) => {
      if (press.isComposing) return;
      if (press.key === "Enter" && !press.shiftKey) {
        press.preventDefault();
        this.#send();
      } else if (press.key === "Escape" && this.#replyTo) this.reply(null);
    });
    this.#text.addEventListener("input", () => this.#tellTyping());
  }

  /** @param {string | null} sessionId */
  open(sessionId) {
    if (this.#sessionId) this.#drafts.set(this.#sessionId, this.#text.value);
    this.#sessionId = sessionId;
    this.#text.value = this.#drafts.get(sessionId ?? "") ?? "";
    this.#stored.clear();
    this.reply(null);
    this.#show();
  }

  /**
   * Whether one may write here, and else why not.
   * @param {string} why empty: one may
   */
  allow(why) {
    const note = part("readonly");
    note.textContent = why;
    note.hidden = !why;
    this.#form.hidden = Boolean(why);
  }

  /** @param {SessionEvent | null} event */
  reply(event) {
    this.#replyTo = event;
    this.#replying.hidden = event === null;
    this.#replying.replaceChildren();
    if (!event) return;
    this.#replying.append(
      el("span", {}, `Reply to ${beginning(sentence(event), 80)}`),
      el("button", { type: "button", onclick: () => this.reply(null), "aria-label": "Do not reply" }, "×"),
    );
    this.focus();
  }

  focus() {
    this.#text.focus();
  }

  /**
   * It is in the log, and on the screen.
   * @param {SessionEvent} event
   */
  happened(event) {
    if (event.key && this.#stored.delete(event.key)) this.#show();
    else if (event.key) this.#show(event.key);
  }

  #send() {
    const [sessionId, text] = [this.#sessionId, this.#text.value];
    if (!sessionId || !text) return;
    /** @type {Record<string, unknown>} */ const params = { session_id: sessionId, text };
    if (this.#replyTo) params.reply_to = this.#replyTo.seq;
    this.#text.value = "";
    this.#toldTypingAt = -Infinity;
    this.reply(null);
    // What comes of it is told by `written` and `refused`, for those of an earlier page, too.
    this.client.call("send_message", params).catch((error) => {
      // It never got as far as the outbox.
      if (error.code === "limit_reached") this.#text.value = text;
    });
    this.sent();
    this.#text.focus();
  }

  #tellTyping() {
    const now = performance.now();
    if (!this.#text.value || now - this.#toldTypingAt < TYPING_EVERY) return;
    this.#toldTypingAt = now;
    this.client.call("signal", { session_id: this.#sessionId, name: "typing" }).catch(() => {});
  }

  /** @param {string} [arrived] the key of one that is in the log before it was answered */
  #show(arrived) {
    const isHere = (/** @type {Entry} */ { method, params }) =>
      method === "send_message" && params.session_id === this.#sessionId;
    const unsent = this.client.outbox.filter(isHere).filter(({ key }) => key !== arrived);
    const stored = [...this.#stored.values()].filter(isHere);
    const state = this.client.state.name === "open" ? "Sending…" : "Not sent yet";
    this.#pending.replaceChildren(
      ...stored.map((entry) => this.#row(entry, "Sent")),
      ...unsent.map((entry) => this.#row(entry, state)),
      ...[...this.#refused.values()].filter(({ entry }) => isHere(entry)).map((each) => this.#refusedRow(each)),
    );
  }

  /**
   * @param {Entry} entry
   * @param {string} state
   */
  #row({ params }, state) {
    return el("li", { class: "message mine waiting" }, el("p", { class: "text" }, params.text), el("p", { class: "data" }, state));
  }

  /** @param {{entry: Entry, error: Error}} refused */
  #refusedRow({ entry, error }) {
    const forget = () => {
      this.#refused.delete(entry.key);
      this.#show();
    };
    const again = () => {
      this.#text.value = entry.params.text;
      forget();
      this.focus();
    };
    const row = this.#row(entry, `Not sent: ${error.message}`);
    row.classList.add("refused");
    row.append(
      el("div", { class: "actions" }, el("button", { type: "button", onclick: forget }, "Discard"), el("button", { type: "button", onclick: again }, "Write again")),
    );
    return row;
  }
}
