/** The page to talk in: puts its parts together, and follows the address. */

import { SessionsClient } from "../sessions/client.js";
import { Banner } from "./banner.js";
import { Conversation } from "./conversation.js";
import { part } from "./dom.js";
import { List } from "./list.js";
import { Steps } from "./steps.js";
import { Store } from "./store.js";

const user = document.body.dataset.user ?? "";

/** Some browsers forbid it, and then what is not sent lives as long as the page. */
function keep() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}

const client = new SessionsClient({ user, keep: keep() });
const store = new Store(client, user, {
  changed: () => list.changed(),
  happened: (event) => conversation.happened(event),
  gone: (sessionId, why) => conversation.gone(sessionId, why),
});
const steps = new Steps(client);
const conversation = new Conversation(client, store, user, steps);
const list = new List(store, (sessionId) => visit(`/sessions/${sessionId}/`));
new Banner(client);

/** @param {string} address */
function visit(address) {
  history.pushState(null, "", address);
  void follow();
}

/** Show what the address says: a session, and a place in it. */
async function follow() {
  const sessionId = location.pathname.match(/^\/sessions\/([0-9a-f-]{36})\/$/)?.[1] ?? null;
  const place = location.hash.match(/^#(\d{1,15})$/);
  const seq = place && Number(place[1]);
  document.body.dataset.view = sessionId ? "conversation" : "list";
  list.mark(sessionId);
  part("conversation").hidden = !sessionId;
  part("nothing").hidden = Boolean(sessionId);
  if (!sessionId) return conversation.close();
  const isNew = conversation.session?.session_id !== sessionId;
  try {
    await conversation.open(sessionId, seq);
  } catch (error) {
    part("title").textContent = /** @type {Error} */ (error).message;
    conversation.composer.allow("There is nothing to read here.");
    part("details-toggle").hidden = part("details").hidden = true;
  }
  if (isNew && seq === null) part("title").focus();
}

/** @param {boolean} isOpen */
function showDetails(isOpen) {
  part("details").hidden = !isOpen;
  part("details-toggle").setAttribute("aria-expanded", String(isOpen));
}

part("new").addEventListener("click", () => void steps.create((id) => visit(`/sessions/${id}/`)));
for (const name of /** @type {const} */ (["invite", "rename", "end", "reopen"]))
  part(name).addEventListener("click", () => void steps[name](conversation.session));
part("leave").addEventListener("click", async () => {
  if (await steps.leave(conversation.session)) visit("/");
});
part("sign-out").addEventListener("submit", (event) => {
  if (!client.outbox.length) return;
  event.preventDefault();
  void steps.signOut(/** @type {HTMLFormElement} */ (event.target));
});
part("details-toggle").addEventListener("click", () => showDetails(Boolean(part("details").hidden)));
part("back").addEventListener("click", (event) => {
  event.preventDefault();
  visit("/");
  part("search").focus();
});
addEventListener("popstate", () => void follow());

showDetails(matchMedia("(min-width: 1120px)").matches);
list.filter();
void follow();
