// `sessions.js` as a program: commands in, what happens out, a line of JSON each.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { SessionsClient } from "../../sessions_app/static/sessions_app/sessions.js";

const WebSocket = createRequire(new URL("../npm/package.json", import.meta.url))("ws");
let client;
let stopped = false;

const tell = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

function fail(error, otherwise) {
  if (error.name !== "Stopped") return tell({ ...otherwise, code: error.code });
  if (!stopped) tell({ told: "stopped", code: error.code });
  stopped = true;
}

async function call({ ref, method, params }) {
  try {
    tell({ told: "result", ref, result: await client.call(method, params) });
  } catch (error) {
    fail(error, { told: "error", ref });
  }
}

async function watch({ session, after }) {
  try {
    for await (const event of client.watch(session, { after })) tell({ told: "event", event });
  } catch (error) {
    fail(error, { told: "unwatched", session });
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.do === "open")
    client = new SessionsClient({
      url: command.url,
      token: command.token,
      WebSocket: WebSocket.WebSocket ?? WebSocket,
      chance: () => 0,
    });
  else if (command.do === "call") void call(command);
  else void watch(command);
}
