/**
 * A client for a session server, for browsers and Node, without dependencies.
 *
 *     const client = new SessionsClient();
 *     const { session_id } = await client.call("create_session", { title: "Roof repair" });
 *     for await (const event of client.watch(session_id)) console.log(event.seq, event.kind);
 *
 * It connects again whenever it has to, repeats what was not answered by the same key, and tells
 * each event of a watched session once and in order. `docs/clients.md` says how to use it.
 */

export { SessionsClient } from "./sessions/client.js";
export { CallFailed, Stopped } from "./sessions/errors.js";
