/** A session's events as a window of lines that moves over the log: bounded, however long that is. */

import { el, part } from "./dom.js";
import { line } from "./lines.js";

/** Lines that are in the page at most, and how many come at a time. */
const MOST = 300;
export const PAGE = 100;

/** So near to its end one is at it, and so near to the edge of the window more is asked for. */
const NEAR_END = 60;
const NEAR_EDGE = 600;

/**
 * @typedef {import("../sessions/watch.js").SessionEvent} SessionEvent
 * @typedef {object} Pages
 * @property {(seq: number) => Promise<SessionEvent[]>} before the page before `seq`
 * @property {(seq: number) => Promise<SessionEvent[]>} after the page after `seq`
 * @property {() => void} reachedEnd the last event is on the screen
 * @property {(event: SessionEvent) => void} reply
 */

export class Timeline {
  #scroller = part("timeline");
  #lines = part("lines");
  #latest = part("latest");
  /** The events of the lines. @type {SessionEvent[]} */ #events = [];
  #head = 0;
  #isLoading = false;
  /** @type {Pages} */ #pages;
  /** @type {import("./lines.js").Surroundings} */ #surroundings;

  /**
   * @param {Pages} pages
   * @param {import("./lines.js").Surroundings} surroundings
   */
  constructor(pages, surroundings) {
    this.#pages = pages;
    this.#surroundings = surroundings;
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#latest.addEventListener("click", () => this.toEnd());
    this.#lines.addEventListener("click", (event) => this.#clicked(/** @type {Element} */ (event.target)));
    this.#lines.addEventListener("keydown", (event) => this.#pressed(event));
  }

  get #first() {
    return this.#events[0]?.seq ?? 1;
  }

  get #last() {
    return this.#events.at(-1)?.seq ?? 0;
  }

  /** Whether the last event of the session is in the window. */
  get #hasEnd() {
    return this.#last >= this.#head;
  }

  /** Whether the last event is on the screen. */
  get isAtEnd() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    return this.#hasEnd && scrollHeight - scrollTop - clientHeight < NEAR_END;
  }

  /**
   * Show these events of a session that has come to `head`.
   * @param {SessionEvent[]} events
   * @param {number} head
   * @param {number | null} [seq] the one to show; null: the last one
   */
  show(events, head, seq = null) {
    this.#events = events;
    this.#head = head;
    this.#lines.replaceChildren(...events.map((event) => line(event, this.#surroundings)));
    this.#lines.lastElementChild?.setAttribute("tabindex", "0");
    if (seq === null) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    else this.#pointTo(seq);
    this.#scrolled();
  }

  /**
   * Something has happened.
   * @param {SessionEvent} event
   */
  append(event) {
    const [hadEnd, wasAtEnd] = [this.#hasEnd, this.isAtEnd];
    this.#head = event.seq;
    if (hadEnd && !this.#isLoading) {
      this.#add([event], "append");
      if (wasAtEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    }
    this.#scrolled();
  }

  /** Show the last event, from wherever one is. */
  async toEnd() {
    if (!this.#hasEnd) {
      const events = await this.#pages.before(this.#head + 1);
      this.show(events, Math.max(this.#head, events.at(-1)?.seq ?? 0));
    }
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#scrolled();
  }

  /** @param {number} seq whether it is in the window; then it is shown */
  reveal(seq) {
    if (seq < this.#first || seq > this.#last) return false;
    this.#pointTo(seq);
    return true;
  }

  /** @param {number} seq */
  event(seq) {
    return this.#events[seq - this.#first] ?? null;
  }

  /**
   * Who has seen what: each name at the last line that they have seen.
   * @param {Map<string, number>} cursors
   */
  showSeen(cursors) {
    for (const old of this.#lines.querySelectorAll(".seen")) old.remove();
    /** @type {Map<number, string[]>} */ const names = new Map();
    for (const [name, seq] of cursors) names.set(seq, [...(names.get(seq) ?? []), name]);
    const wasAtEnd = this.isAtEnd;
    for (const [seq, who] of names)
      lineOf(seq)?.append(el("p", { class: "seen data" }, `Seen by ${who.slice(0, 5).join(", ")}${who.length > 5 ? ` and ${who.length - 5} more` : ""}`));
    if (wasAtEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  // -- the window --------------------------------------------------------------------------------

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    this.#latest.hidden = this.isAtEnd;
    if (this.isAtEnd) this.#pages.reachedEnd();
    if (this.#isLoading || !this.#events.length) return;
    if (scrollTop < NEAR_EDGE && this.#first > 1) void this.#load("prepend");
    else if (scrollHeight - scrollTop - clientHeight < NEAR_EDGE && !this.#hasEnd) void this.#load("append");
  }

  /** @param {"prepend" | "append"} where */
  async #load(where) {
    this.#isLoading = true;
    this.#scroller.setAttribute("aria-busy", "true");
    const events = this.#events;
    try {
      const page = await (where === "prepend" ? this.#pages.before(this.#first) : this.#pages.after(this.#last));
      if (events === this.#events) this.#add(page, where);
    } catch {
      // Without a connection; scrolling asks again.
    } finally {
      this.#isLoading = false;
      this.#scroller.removeAttribute("aria-busy");
    }
    if (events === this.#events) this.#scrolled();
  }

  /**
   * @param {SessionEvent[]} page
   * @param {"prepend" | "append"} where
   */
  #add(page, where) {
    const anchor = this.#anchor();
    const top = anchor?.getBoundingClientRect().top ?? 0;
    this.#lines[where](...page.map((event) => line(event, this.#surroundings)));
    if (where === "prepend") {
      this.#events.unshift(...page);
      for (const { seq } of this.#events.splice(MOST)) lineOf(seq)?.remove();
    } else {
      this.#events.push(...page);
      for (const { seq } of this.#events.splice(0, Math.max(0, this.#events.length - MOST))) lineOf(seq)?.remove();
    }
    // What one reads stays where it is, whatever has come or gone above it.
    if (anchor?.isConnected) this.#scroller.scrollTop += anchor.getBoundingClientRect().top - top;
    if (!this.#lines.querySelector("[tabindex='0']")) this.#lines.lastElementChild?.setAttribute("tabindex", "0");
  }

  /** The first line that can be seen. */
  #anchor() {
    const { top } = this.#scroller.getBoundingClientRect();
    return [...this.#lines.children].find((row) => row.getBoundingClientRect().bottom > top);
  }

  /** @param {number} seq */
  #pointTo(seq) {
    const row = lineOf(seq);
    if (!row) return;
    for (const marked of this.#lines.querySelectorAll(".pointed")) marked.classList.remove("pointed");
    row.classList.add("pointed");
    row.scrollIntoView({ block: "center" });
    this.#focus(row);
  }

  // -- by mouse and by keyboard --------------------------------------------------------------------

  /** @param {Element} target */
  #clicked(target) {
    const button = target.closest("[data-reply]");
    if (button) this.#reply(/** @type {HTMLElement} */ (button.closest("li")));
  }

  /** @param {KeyboardEvent} press */
  #pressed(press) {
    const row = /** @type {HTMLElement | null} */ (/** @type {Element} */ (press.target).closest("li"));
    if (!row || press.ctrlKey || press.metaKey || press.altKey) return;
    const aims = {
      ArrowUp: row.previousElementSibling,
      ArrowDown: row.nextElementSibling,
      Home: this.#lines.firstElementChild,
      End: this.#lines.lastElementChild,
    };
    const aim = aims[/** @type {keyof typeof aims} */ (press.key)];
    if (aim) this.#focus(/** @type {HTMLElement} */ (aim));
    else if (press.key === "Enter" && press.target === row) this.#reply(row);
    else return;
    press.preventDefault();
  }

  /** @param {HTMLElement} row */
  #focus(row) {
    for (const other of this.#lines.querySelectorAll("li[tabindex='0']")) other.setAttribute("tabindex", "-1");
    row.setAttribute("tabindex", "0");
    row.focus({ preventScroll: false });
  }

  /** @param {HTMLElement} row */
  #reply(row) {
    const event = this.event(Number(row.dataset.seq));
    if (event?.kind === "message_sent") this.#pages.reply(event);
  }
}

/** @param {number} seq */
const lineOf = (seq) => document.getElementById(`e${seq}`);
