// Talk in a session, from the contract alone: node talk.mjs ws://127.0.0.1:8000/ws/ TOKEN [SESSION]
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import WebSocket from "ws";

const [url, token, given] = process.argv.slice(2);
const unanswered = new Map(); // by id: sent again, with the same key, until there is an answer
let session = given, last = 0, ids = 0, failures = 0, socket, epoch;

const send = (frame) => socket?.readyState === WebSocket.OPEN && socket.send(frame);
function call(method, params) {
  const frame = JSON.stringify({ jsonrpc: "2.0", id: ++ids, method, params });
  if (params.key) unanswered.set(ids, frame); // a watch is asked for anew by each connection
  send(frame);
}
const watch = () => call("watch_sessions", { sessions: [{ session_id: session, after: last }], epoch });
const write = (text) => call("send_message", { session_id: session, text, key: randomUUID() });

function take({ id, method, params, result, error }) {
  if (method === "welcome") {
    epoch ??= params.epoch;
    if (session) watch();
    for (const frame of unanswered.values()) send(frame);
  } else if (method === "event" && params.session_id === (session ?? params.session_id)) {
    if (params.seq > last + 1) return watch(); // a gap: ask again from the last one
    if (params.seq === last + 1) console.log(++last, params.actor, params.kind, JSON.stringify(params.data));
  } else if (error?.data.retry) setTimeout(() => send(unanswered.get(id)), error.data.retry_after_ms);
  else if (error || result?.refused?.length) console.error(error?.message ?? result.refused[0].code);
  if (result?.session_id && !session) console.log("session", (session = result.session_id));
  if (!error?.data.retry) unanswered.delete(id);
}

function connect() {
  socket = new WebSocket(url, "sessions.v1.jsonrpc", { headers: { authorization: `Bearer ${token}` } });
  socket.on("open", () => (failures = 0)).on("error", () => {}).on("message", (text) => take(JSON.parse(text)));
  socket.on("close", (code) => {
    if (code >= 4500) process.exit(console.error("stopped:", code) ?? 1);
    setTimeout(connect, Math.random() * Math.min(20_000, 500 * 2 ** failures++));
  });
}
if (!given) call("create_session", { title: "Talk", key: randomUUID() });
connect();
createInterface({ input: process.stdin }).on("line", write).on("close", () => process.exit());
