/** How the connection is, where it is not as it should be. */

import { el, part } from "./dom.js";

/** A break that is mended sooner is nobody's concern, in milliseconds. */
const GRACE = 700;

export class Banner {
  #banner = part("banner");
  #timer = 0;

  /** @param {import("../sessions/client.js").SessionsClient} client */
  constructor(client) {
    this.client = client;
    client.on("state", () => this.#look());
    this.#look();
  }

  #look() {
    clearTimeout(this.#timer);
    const state = this.client.state;
    document.body.dataset.connection = state.name;
    if (state.name === "open") {
      this.#banner.hidden = true;
      this.#banner.replaceChildren();
    } else if (state.name === "stopped") {
      const again = el("a", { href: `/sign-in/?next=${encodeURIComponent(location.pathname)}` }, "Sign in again");
      const reload = el("a", { href: location.pathname }, "Load the page again");
      this.#say(`${state.why.message}.`, [4501, 4502, 4520].includes(state.why.code) ? again : reload);
    } else if (state.name === "offline") {
      this.#say("You are offline. What you write is kept, and sent when the network is back.");
    } else {
      this.#timer = setTimeout(() => {
        const now = el("button", { type: "button", onclick: () => this.client.connectNow() }, "Try now");
        this.#say("Connecting… What you write is kept, and sent then.", now);
      }, GRACE);
    }
  }

  /**
   * @param {string} text
   * @param {...Node} more
   */
  #say(text, ...more) {
    this.#banner.hidden = false;
    this.#banner.replaceChildren(el("span", {}, text), ...more);
  }
}
