/** How calls, watches and connections fail. */

/** The server refused a call: `code` is the stable name, `path` where the mistake is. */
export class CallFailed extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {Record<string, unknown>} [data] what came with it: `path`, `head`, `limit`…
   */
  constructor(code, message, data = {}) {
    super(message);
    this.name = "CallFailed";
    this.code = code;
    this.data = data;
    this.path = typeof data.path === "string" ? data.path : null;
  }
}

/** The server does not want this client any more, or the client was closed: nothing is sent again. */
export class Stopped extends Error {
  /** @param {number} code the close code; 1000 where the client closed itself */
  constructor(code) {
    super(VERDICTS[code] ?? `The server wants no more of this client (${code})`);
    this.name = "Stopped";
    this.code = code;
  }
}

/** What a final close code means for a person. @type {Record<number, string>} */
export const VERDICTS = {
  1000: "The client is closed",
  4501: "You are not signed in",
  4502: "You were signed out",
  4506: "The server speaks no version of the protocol that this client speaks",
  4511: "A member of staff has closed the connection",
  4512: "You have too many connections open",
  4513: "The server takes no binary frames",
  4514: "A frame was too large",
  4515: "There were too many bad frames",
  4520: "This account is disabled",
};

/**
 * Whether to stop after this close code; after any other one, one connects again.
 * @param {number} code
 */
export const isFinal = (code) => code >= 4500 && code <= 4999;

/**
 * The failure that a reply's `error` tells of.
 * @param {{code: number, message: string, data?: Record<string, unknown>}} error
 */
export function failureOf(error) {
  const data = error.data ?? {};
  return new CallFailed(String(data.code ?? error.code), error.message, data);
}
