/** The list of sessions: search, status, what is unread. */

import { el, part, time } from "./dom.js";
import { unreadOf } from "./store.js";

/** After so long without a key one has finished a word, in milliseconds. */
const PAUSE = 250;

export class List {
  #list = part("list");
  #more = part("more");
  #note = part("list-note");
  #search = /** @type {HTMLInputElement} */ (part("search"));
  #status = /** @type {HTMLSelectElement} */ (part("status"));
  /** @type {string | null} */ #current = null;
  #isDue = false;

  /**
   * @param {import("./store.js").Store} store
   * @param {(sessionId: string) => void} open
   */
  constructor(store, open) {
    this.store = store;
    let timer = 0;
    this.#search.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.filter(), PAUSE);
    });
    this.#status.addEventListener("change", () => this.filter());
    this.#more.addEventListener("click", () => this.store.more().catch(() => {}));
    this.#list.addEventListener("click", (event) => {
      const link = /** @type {Element} */ (event.target).closest("a");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      open(link.dataset.session ?? "");
    });
  }

  filter() {
    /** @type {{search?: string, status?: string}} */ const filter = {};
    if (this.#search.value) filter.search = this.#search.value;
    if (this.#status.value) filter.status = this.#status.value;
    this.#note.textContent = "Loading…";
    this.store.filter(filter).catch((error) => (this.#note.textContent = error.message));
  }

  /** @param {string | null} sessionId the one that is open */
  mark(sessionId) {
    this.#current = sessionId;
    this.changed();
  }

  /** Show how it is now, once for all that changes in one turn. */
  changed() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#render();
    });
  }

  #render() {
    const found = this.store.listed;
    const isFiltered = this.#search.value || this.#status.value;
    this.#note.textContent = found.length ? "" : isFiltered ? "Nothing found." : "No sessions yet.";
    this.#more.hidden = !this.store.hasMore;
    document.title = (this.store.unread ? `(${this.store.unread}) ` : "") + "Flow Sessions";
    const rows = new Map([...this.#list.children].map((row) => [/** @type {HTMLElement} */ (row).dataset.session, row]));
    /** @type {Element | null} */ let place = this.#list.firstElementChild;
    for (const summary of found) {
      const row = this.#row(summary, rows.get(summary.session_id));
      rows.delete(summary.session_id);
      // Moving a row takes the focus away from it: only what is in the wrong place is moved.
      if (row === place) place = row.nextElementSibling;
      else this.#list.insertBefore(row, place);
    }
    for (const row of rows.values()) row.remove();
  }

  /**
   * @param {import("./store.js").Summary} summary
   * @param {Element | undefined} row
   */
  #row(summary, row) {
    const { session_id, title, status, last_activity } = summary;
    const isCurrent = session_id === this.#current;
    const unread = unreadOf(summary);
    const state = JSON.stringify([title, status, last_activity, unread, isCurrent]);
    if (row instanceof HTMLElement && row.dataset.state === state) return row;
    const item = row instanceof HTMLElement ? row : el("li", { "data-session": session_id });
    item.dataset.state = state;
    const link = item.querySelector("a") ?? el("a", { href: `/sessions/${session_id}/`, "data-session": session_id });
    if (isCurrent) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    link.replaceChildren(
      el("span", { class: "name" }, title || "Untitled"),
      el("span", { class: "facts data" }, time(last_activity), status === "ended" ? " · ended" : ""),
      ...(unread
        ? [el("span", { class: "unread data" }, String(unread), el("span", { class: "hidden" }, " unread"))]
        : []),
    );
    item.replaceChildren(link);
    return item;
  }
}
