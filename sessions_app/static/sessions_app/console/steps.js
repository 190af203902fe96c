/** What one can do with a session besides writing in it: each asks, and then calls a flow. */

import { ask } from "./dialogs.js";

/** @typedef {{session_id: string, title: string}} Session */

/** @type {[string, string][]} */
const ROLES = [
  ["member", "Member: reads and writes"],
  ["observer", "Observer: only reads"],
];

export class Steps {
  /** @param {import("../sessions/client.js").SessionsClient} client */
  constructor(client) {
    this.client = client;
  }

  /**
   * @param {(sessionId: string) => void} open
   */
  create(open) {
    return ask({
      title: "New session",
      action: "Create",
      fields: [
        { name: "title", label: "Title", most: 200, required: true },
        { name: "people", label: "With", hint: "User names, separated by commas. You can invite others later." },
      ],
      run: async ({ title, people = "" }) => {
        const names = [...new Set(people.split(/[\s,]+/).filter(Boolean))];
        const participants = names.map((user) => ({ user, role: "member" }));
        const { session_id } = await this.client.call("create_session", { title, participants });
        open(session_id);
      },
    });
  }

  /** @param {Session} session */
  invite({ session_id }) {
    return ask({
      title: "Invite somebody",
      action: "Invite",
      fields: [
        { name: "user", label: "User name", required: true },
        { name: "role", label: "As", options: ROLES },
      ],
      run: (values) => this.client.call("add_participant", { session_id, ...values }),
    });
  }

  /** @param {Session} session */
  rename({ session_id, title }) {
    return ask({
      title: "Rename the session",
      action: "Rename",
      fields: [{ name: "title", label: "Title", value: title, most: 200, required: true }],
      run: (values) => this.client.call("rename_session", { session_id, ...values }),
    });
  }

  /** @param {Session} session */
  end({ session_id }) {
    return ask({
      title: "End the session?",
      action: "End it",
      warning: "Nobody can write in it then. You can reopen it.",
      fields: [{ name: "reason", label: "Why (everybody can read it)", most: 1000 }],
      run: ({ reason }) => this.client.call("end_session", reason ? { session_id, reason } : { session_id }),
    });
  }

  /** @param {Session} session */
  reopen({ session_id }) {
    return ask({
      title: "Reopen the session?",
      action: "Reopen it",
      run: () => this.client.call("resume_session", { session_id }),
    });
  }

  /** @param {Session} session */
  leave({ session_id }) {
    return ask({
      title: "Leave the session?",
      action: "Leave",
      warning: "You cannot read it any more then, unless an owner adds you again.",
      run: () => this.client.call("leave_session", { session_id }),
    });
  }

  /**
   * What is not sent does not stay on a machine that others may use.
   * @param {HTMLFormElement} form
   */
  signOut(form) {
    const number = this.client.outbox.length;
    return ask({
      title: "Sign out?",
      action: "Delete and sign out",
      warning: `What you wrote last is not sent yet (${number}). It is deleted from this machine.`,
      run: async () => {
        for (const { key } of this.client.outbox) this.client.discard(key);
        form.submit();
      },
    });
  }

  /**
   * @param {Session} session
   * @param {string} user
   */
  remove({ session_id }, user) {
    return ask({
      title: `Remove ${user}?`,
      action: "Remove",
      warning: "They cannot read the session any more then.",
      run: () => this.client.call("remove_participant", { session_id, user }),
    });
  }
}
