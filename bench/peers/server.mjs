// Node with `ws` and better-sqlite3: the same work, a commit per message, or with GROUPED=1 one for
// all that came in a turn of the event loop. Listens on the descriptor in FD, stores in DATABASE.
import Database from "better-sqlite3";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const database = new Database(process.env.DATABASE);
database.pragma("journal_mode = WAL");
database.pragma("synchronous = FULL");
database.exec(
  `CREATE TABLE IF NOT EXISTS message
   (id INTEGER PRIMARY KEY, room TEXT NOT NULL, text TEXT NOT NULL, at TEXT NOT NULL);
   CREATE INDEX IF NOT EXISTS message_room ON message (room)`,
);
const insert = database.prepare("INSERT INTO message (room, text, at) VALUES (?, ?, ?)");
const begin = database.prepare("BEGIN IMMEDIATE");
const commit = database.prepare("COMMIT");
const rooms = new Map();
const grouped = process.env.GROUPED === "1";
let waiting = [];

function store(room, text) {
  return insert.run(room, text, new Date().toISOString()).lastInsertRowid;
}

function tell({ socket, room, id, text }, event) {
  socket.send(`{"ack":${id}}`);
  const frame = JSON.stringify({ event: Number(event), room, text });
  for (const member of rooms.get(room)) member.send(frame);
}

function storeAll() {
  const batch = waiting;
  waiting = [];
  begin.run();
  const events = batch.map(({ room, text }) => store(room, text));
  commit.run();
  batch.forEach((each, index) => tell(each, events[index]));
}

const http = createServer((request, response) => response.end("ok"));
const sockets = new WebSocketServer({ server: http, perMessageDeflate: false });
sockets.on("connection", (socket, request) => {
  const room = request.url.split("/")[2];
  if (!rooms.has(room)) rooms.set(room, new Set());
  rooms.get(room).add(socket);
  socket.on("close", () => rooms.get(room).delete(socket));
  socket.on("message", (data) => {
    const { id, text } = JSON.parse(data);
    const each = { socket, room, id, text };
    if (!grouped) {
      tell(each, store(room, text));
    } else if (waiting.push(each) === 1) {
      setImmediate(storeAll);
    }
  });
});
http.listen({ fd: Number(process.env.FD) });
