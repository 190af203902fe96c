/** Who takes part in a session, who is here, who types, and how far each has read. */

import { el, part } from "./dom.js";

/** How long somebody types after they last said so, in milliseconds. */
const TYPING_FOR = 5_000;

/** @typedef {{user: string, role: string, seen: number}} Participant */

export class People {
  /** @type {Map<string, Participant>} */ #participants = new Map();
  /** @type {Set<string>} */ #here = new Set();
  /** How many are here; null: that is not known. @type {number | null} */ #count = null;
  /** @type {Map<string, number>} */ #typing = new Map();

  /**
   * @param {string} user
   * @param {(user: string) => void} remove
   */
  constructor(user, remove) {
    this.user = user;
    part("participants").addEventListener("click", (event) => {
      const button = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[data-remove]"));
      if (button?.dataset.remove) remove(button.dataset.remove);
    });
  }

  /** The role of who is signed in; null: they take no part. */
  get role() {
    return this.#participants.get(this.user)?.role ?? null;
  }

  /** How far the others have read. */
  get cursors() {
    const others = [...this.#participants.values()].filter(({ user }) => user !== this.user);
    return new Map(others.filter(({ seen }) => seen > 0).map(({ user, seen }) => [user, seen]));
  }

  /** @param {Participant[]} participants */
  open(participants) {
    this.#participants = new Map(participants.map((each) => [each.user, { ...each }]));
    this.unknown();
  }

  /** Nobody tells who is here. */
  unknown() {
    for (const name of [...this.#typing.keys()]) this.stopped(name);
    this.present({});
  }

  /** @param {import("../sessions/watch.js").SessionEvent} event */
  happened({ kind, actor, seq, data }) {
    if (kind === "message_sent") {
      this.stopped(actor);
      this.seen(actor, seq);
    }
    if (kind === "participant_added") this.#participants.set(data.user, { user: data.user, role: data.role, seen: 0 });
    if (kind === "participant_removed") this.#participants.delete(data.user);
    if (kind.startsWith("participant_")) this.show();
  }

  /**
   * @param {string} user
   * @param {number} seq
   */
  seen(user, seq) {
    const participant = this.#participants.get(user);
    if (participant) participant.seen = Math.max(participant.seen, seq);
  }

  /** @param {{here?: string[], count?: number}} presence */
  present({ here, count }) {
    this.#here = new Set(here ?? []);
    this.#count = count ?? here?.length ?? null;
    this.show();
  }

  /** @param {string} user */
  types(user) {
    clearTimeout(this.#typing.get(user));
    this.#typing.set(user, setTimeout(() => this.stopped(user), TYPING_FOR));
    this.#showTyping();
  }

  /** @param {string} user */
  stopped(user) {
    clearTimeout(this.#typing.get(user));
    if (this.#typing.delete(user)) this.#showTyping();
  }

  show() {
    const all = this.#participants.size;
    const here = this.#count === null ? "" : `, ${this.#count} here`;
    part("people-count").textContent = `${all} ${all === 1 ? "person" : "people"}${here}`;
    const mayRemove = this.role === "owner";
    part("participants").replaceChildren(
      ...[...this.#participants.values()].map(({ user, role }) => {
        const isHere = this.#here.has(user);
        return el(
          "li",
          { class: isHere ? "here" : null },
          el("span", { class: "name" }, user, user === this.user ? " (you)" : ""),
          el("span", { class: "facts data" }, isHere ? `${role} · here` : role),
          mayRemove && user !== this.user
            ? el("button", { type: "button", "data-remove": user, "aria-label": `Remove ${user}` }, "Remove")
            : null,
        );
      }),
    );
  }

  #showTyping() {
    const names = [...this.#typing.keys()];
    const who = names.length > 3 ? `${names.length} people` : names.join(", ");
    part("typing").textContent = names.length ? `${who} ${names.length > 1 ? "are" : "is"} typing…` : "";
  }
}
