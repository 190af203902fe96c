/** Elements. What people write gets into the page as text only, never as markup. */

/**
 * An element with attributes, listeners (`onclick`…) and children; text is text.
 * @param {string} tag
 * @param {Record<string, any>} [attributes] null and false: left out
 * @param {...(Node | string | null)} children
 * @returns {HTMLElement}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * The page's element with that id, which the template has.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function part(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no #${id}`);
  return /** @type {T} */ (found);
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

/**
 * A moment, as short as it can be told today.
 * @param {string} at
 */
export function time(at) {
  const date = new Date(at);
  const isToday = date.toDateString() === new Date().toDateString();
  const text = isToday ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`;
  return el("time", { datetime: at, title: full.format(date) }, text);
}

/**
 * The beginning of a text, in one line.
 * @param {string} text
 * @param {number} most
 */
export function beginning(text, most) {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > most ? `${line.slice(0, most)}…` : line;
}

/**
 * Say something to who does not see the screen.
 * @param {string} text
 */
export function announce(text) {
  const line = el("p", {}, text);
  part("announcements").append(line);
  setTimeout(() => line.remove(), 5_000);
}
