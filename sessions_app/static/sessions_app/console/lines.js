/** What an event looks like: a line of the conversation. */

import { beginning, el, time } from "./dom.js";

/**
 * @typedef {import("../sessions/watch.js").SessionEvent} SessionEvent
 * @typedef {object} Surroundings
 * @property {string} user
 * @property {(seq: number) => Promise<SessionEvent | null>} find an event of the session
 */

/**
 * What happened, in words.
 * @param {SessionEvent} event
 * @returns {string}
 */
export function sentence(event) {
  const { kind, actor, data } = event;
  switch (kind) {
    case "message_sent":
      return `${actor}: ${data.text}`;
    case "session_created":
      return `${actor} created the session`;
    case "session_renamed":
      return `${actor} renamed it to “${data.title}”`;
    case "session_ended":
      return `${actor} ended the session${data.reason ? `: ${data.reason}` : ""}`;
    case "session_resumed":
      return `${actor} reopened the session`;
    case "participant_added":
      return `${actor} added ${data.user} as ${data.role}`;
    case "participant_removed":
      return actor === data.user ? `${actor} left` : `${actor} removed ${data.user}`;
    default:
      // A kind that is newer than this page.
      return `${actor}: ${/** @type {any} */ (event).kind.replaceAll("_", " ")}`;
  }
}

/**
 * @param {SessionEvent} event
 * @param {Surroundings} surroundings
 */
export function line(event, surroundings) {
  const { seq, kind, at, actor } = event;
  const place = el("a", { class: "place data", href: `#${seq}`, tabindex: "-1", "aria-label": `Message ${seq}` }, `#${seq}`);
  const row = el("li", { id: `e${seq}`, "data-seq": seq, tabindex: "-1" });
  if (kind !== "message_sent") {
    row.className = "happening";
    row.append(el("p", {}, el("span", {}, sentence(event)), " ", el("span", { class: "data" }, time(at))));
    return row;
  }
  row.className = actor === surroundings.user ? "message mine" : "message";
  row.append(
    el("p", { class: "head" }, el("b", {}, actor), " ", el("span", { class: "data" }, time(at)), " ", place),
    ...quote(event, surroundings),
    el("p", { class: "text" }, event.data.text),
    el("button", { type: "button", class: "reply", "data-reply": seq, tabindex: "-1", "aria-label": `Reply to ${actor}` }, "Reply"),
  );
  return row;
}

/**
 * What a message replies to.
 * @param {SessionEvent} event
 * @param {Surroundings} surroundings
 */
function quote({ kind, data }, { find }) {
  if (kind !== "message_sent" || !data.reply_to) return [];
  const link = el("a", { class: "quote", href: `#${data.reply_to}`, tabindex: "-1" }, `In reply to #${data.reply_to}`);
  find(data.reply_to)
    .then((found) => found && (link.textContent = beginning(sentence(found), 120)))
    .catch(() => {});
  return [link];
}
