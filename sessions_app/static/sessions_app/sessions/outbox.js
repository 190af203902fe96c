/** Writes that are not known to be stored, kept where they outlive the page, in the order made. */

/** As many as may be kept; whoever writes more while offline is told. */
const MOST = 500;

/**
 * A write as it is kept.
 * @typedef {object} Entry
 * @property {string} key
 * @property {string} method
 * @property {Record<string, any>} params
 * @property {number} at when it was made, in milliseconds since 1970
 */

/**
 * Where to keep them: `localStorage` is one. Several pages of one user may share it: a write that
 * two of them send has one key, so it is done once.
 * @typedef {object} Keep
 * @property {number} length
 * @property {(index: number) => string | null} key
 * @property {(name: string) => string | null} getItem
 * @property {(name: string, value: string) => void} setItem
 * @property {(name: string) => void} removeItem
 */

export class Outbox {
  /** @type {Map<string, Entry>} */ #entries = new Map();
  /** Those that the store would not take. @type {Map<string, Entry>} */ #unstored = new Map();
  /** @type {Keep | null} */ #keep;
  #prefix;

  /**
   * @param {Keep | null} keep null: in memory only
   * @param {string} user whose they are: another user's are not to be sent as this one's
   */
  constructor(keep, user) {
    this.#keep = keep;
    this.#prefix = `flow-sessions.outbox.${user}.`;
    this.refresh();
  }

  /** @returns {Entry[]} */
  get entries() {
    return [...this.#entries.values()];
  }

  /** @param {string} key */
  has(key) {
    return this.#entries.has(key);
  }

  /** Whether no more may be kept. */
  get isFull() {
    return this.#entries.size >= MOST;
  }

  /** @param {Entry} entry */
  add(entry) {
    this.#entries.set(entry.key, entry);
    try {
      // An item for each: pages that write at the same time do not overwrite each other's.
      if (this.#keep) this.#keep.setItem(this.#prefix + entry.key, JSON.stringify(entry));
      else this.#unstored.set(entry.key, entry);
    } catch {
      this.#unstored.set(entry.key, entry);
    }
  }

  /** @param {string} key */
  remove(key) {
    this.#entries.delete(key);
    this.#unstored.delete(key);
    this.#keep?.removeItem(this.#prefix + key);
  }

  /** Take over what other pages have added and removed. */
  refresh() {
    const found = [...this.#unstored.values(), ...this.#stored()];
    found.sort((one, other) => one.at - other.at);
    this.#entries = new Map(found.map((entry) => [entry.key, entry]));
  }

  /**
   * Whether what is stored under `name` is one of these.
   * @param {string | null} name null: all of the store has changed
   */
  concerns(name) {
    return name === null || name.startsWith(this.#prefix);
  }

  *#stored() {
    for (let index = 0; index < (this.#keep?.length ?? 0); index++) {
      const name = this.#keep?.key(index);
      if (!name?.startsWith(this.#prefix)) continue;
      try {
        /** @type {Entry} */ const entry = JSON.parse(this.#keep?.getItem(name) ?? "");
        if (this.#prefix + entry.key === name) yield entry;
      } catch {
        // Whatever stands there, we have not written it.
      }
    }
  }
}
