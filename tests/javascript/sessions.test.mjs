/** `sessions.js`: what it asks, repeats and tells. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { CallFailed, SessionsClient, Stopped } from "../../sessions_app/static/sessions_app/sessions.js";
import { Keep, begin, connected, outcome, settle } from "./fakes.mjs";

const seqs = (socket) => socket.asked("watch_sessions").map(({ params }) => params.sessions[0].after);

/** Reads a watch in the background. */
function read(watch) {
  const told = { seqs: [], end: null };
  (async () => {
    for await (const { seq } of watch) told.seqs.push(seq);
    told.end = "over";
  })().catch((error) => (told.end = error));
  return told;
}

test("It offers the subprotocol, and asks for several messages in a frame.", async () => {
  const { sockets } = await begin();
  assert.deepEqual(sockets[0].protocols, ["sessions.v1.jsonrpc"]);
  assert.equal(sockets[0].url, "ws://sessions.example/ws/?batch=1&added=1");
});

test("A ticket is asked for before each connection.", async () => {
  let number = 0;
  const { sockets, clock } = await begin({ ticket: async () => `t${++number}` });
  sockets[0].cut();
  await clock.pass(500);
  assert.deepEqual(sockets.map(({ url }) => new URL(url).searchParams.get("ticket")), ["t1", "t2"]);
});

test("A token goes into a header.", async () => {
  const { sockets } = await begin({ token: "fs_1" });
  assert.deepEqual(sockets[0].how, { headers: { Authorization: "Bearer fs_1" } });
});

test("A call is answered with its result.", async () => {
  const { client, socket } = await connected();
  const called = client.call("get_session", { session_id: "s" });
  await settle();
  socket.reply(socket.sent[0], { title: "Roof repair" });
  assert.deepEqual(await called, { title: "Roof repair" });
});

test("Several messages may come in one frame, and replies in any order.", async () => {
  const { client, socket } = await connected();
  const calls = [client.call("get_session"), client.call("list_sessions")];
  await settle();
  const [one, two] = socket.sent;
  socket.give([{ id: two.id, result: 2 }, { id: one.id, result: 1 }]);
  assert.deepEqual(await Promise.all(calls), [1, 2]);
});

test("A refusal is told by its code, with its path.", async () => {
  const { client, socket } = await connected();
  const called = client.call("send_message", { session_id: "s", text: 7 });
  await settle();
  socket.refuse(socket.sent[0], "invalid_input", { path: "$.text" });
  const error = await called.catch((each) => each);
  assert.ok(error instanceof CallFailed);
  assert.deepEqual([error.code, error.path], ["invalid_input", "$.text"]);
  assert.deepEqual(client.outbox, []);
});

test("What the server asks to repeat is repeated after the time that it says, by the same key.", async () => {
  const { client, clock, socket } = await connected({ chance: () => 0 });
  const called = client.call("send_message", { session_id: "s", text: "a" });
  await settle();
  socket.refuse(socket.sent[0], "rate_limited", { retry: true, retry_after_ms: 700 });
  await clock.pass(699);
  assert.equal(socket.sent.length, 1);
  await clock.pass(1);
  assert.deepEqual(socket.sent[1], socket.sent[0]);
  socket.reply(socket.sent[1], { seq: 2 });
  assert.deepEqual(await called, { seq: 2 });
});

test("A read that the server never takes is given up; a write is not.", async () => {
  const { client, clock, socket } = await connected({ chance: () => 0 });
  const calls = [client.call("get_session"), client.call("end_session", { session_id: "s" })];
  for (const call of calls) call.catch(() => {});
  for (let round = 0; round < 30; round++) {
    await settle();
    for (const request of socket.sent.splice(0))
      socket.refuse(request, "unavailable", { retry: true, retry_after_ms: 10 });
    await clock.pass(10);
  }
  assert.equal((await outcome(calls[0])).code, "unavailable");
  assert.equal(await outcome(calls[1]), undefined);
});

test("Writes of one session are sent one after the other, others beside them.", async () => {
  const { client, socket } = await connected();
  for (const text of ["a", "b"]) void client.call("send_message", { session_id: "s", text });
  void client.call("send_message", { session_id: "other", text: "c" });
  void client.call("get_session", { session_id: "s" });
  await settle();
  assert.deepEqual(socket.sent.map(({ params }) => params.text), ["a", "c", undefined]);
  socket.reply(socket.sent[0], { seq: 2 });
  assert.equal(socket.sent.at(-1).params.text, "b");
});

test("No more is in flight than the server grants.", async () => {
  const { client, socket } = await connected();
  for (let number = 0; number < 100; number++) void client.call("get_session");
  await settle();
  assert.equal(socket.sent.length, 28);
  socket.reply(socket.sent[0], {});
  assert.equal(socket.sent.length, 29);
});

test("A frame that would be too large is not sent.", async () => {
  const { client, socket } = await connected();
  const error = await client.call("send_message", { session_id: "s", text: "ä".repeat(40_000) }).catch((each) => each);
  assert.equal(error.code, "too_large");
  assert.deepEqual([socket.sent, client.outbox], [[], []]);
});

test("What got no answer is sent again on the next connection, with the same key.", async () => {
  const { client, clock, socket, sockets } = await connected();
  const called = client.call("send_message", { session_id: "s", text: "a" });
  await settle();
  socket.cut();
  await clock.pass(500);
  sockets[1].welcome();
  assert.deepEqual(sockets[1].sent, socket.sent);
  sockets[1].reply(sockets[1].sent[0], { seq: 2, duplicate: true });
  assert.deepEqual(await called, { seq: 2, duplicate: true });
});

test("What is kept is sent once on a connection, however it came to be known.", async () => {
  const { client, clock, socket, sockets } = await connected({ keep: new Keep(), user: "ann" });
  void client.call("end_session", { session_id: "s" });
  await settle();
  socket.cut();
  await clock.pass(500);
  sockets[1].welcome();
  await settle();
  assert.deepEqual(sockets[1].sent, socket.sent);
  sockets[1].reply(sockets[1].sent[0], { seq: 2 });
  await settle();
  assert.equal(sockets[1].sent.length, 1);
});

test("Only so much is kept; then one is told.", async () => {
  const { client } = await begin();
  for (let number = 0; number < 500; number++) void client.call("end_session", { session_id: "s" });
  const error = await client.call("end_session", { session_id: "s" }).catch((each) => each);
  assert.deepEqual([error.code, client.outbox.length], ["limit_reached", 500]);
});

test("What is written while there is no connection is kept, in order.", async () => {
  const { client, sockets } = await begin();
  for (const text of ["a", "b", "c"]) void client.call("send_message", { session_id: "s", text });
  assert.deepEqual(client.outbox.map(({ params }) => params.text), ["a", "b", "c"]);
  sockets[0].welcome();
  for (const text of ["a", "b", "c"]) {
    const request = sockets[0].sent.at(-1);
    assert.equal(request.params.text, text);
    sockets[0].reply(request, {});
    await settle();
  }
  assert.deepEqual(client.outbox, []);
});

test("A signal is not kept: late, it would say nothing.", async () => {
  const { client } = await begin();
  const error = await client.call("signal", { session_id: "s", name: "typing" }).catch((each) => each);
  assert.equal(error.code, "not_connected");
});

test("What one page has left another one sends, by the same key; and only its own user's.", async () => {
  const keep = new Keep();
  const first = await begin({ keep, user: "ann" });
  void first.client.call("send_message", { session_id: "s", text: "a" }).catch(() => {});
  first.client.close();

  const { socket: bobs } = await connected({ keep, user: "bob" }).catch(() => ({ socket: { sent: [] } }));
  assert.deepEqual(bobs.sent, []);

  const { client, socket } = await connected({ keep, user: "ann" });
  assert.equal(socket.sent[0].params.text, "a");
  let written = null;
  client.on("written", ({ result }) => (written = result));
  socket.reply(socket.sent[0], { seq: 9 });
  await settle();
  assert.deepEqual([written, client.outbox, keep.length], [{ seq: 9 }, [], 0]);
});

test("A refused write of an earlier page is told.", async () => {
  const keep = new Keep();
  const first = await begin({ keep, user: "ann" });
  void first.client.call("send_message", { session_id: "s", text: "a" }).catch(() => {});
  first.client.close();
  const { client, socket } = await connected({ keep, user: "ann" });
  const refused = [];
  client.on("refused", ({ entry, error }) => refused.push([entry.params.text, error.code]));
  socket.refuse(socket.sent[0], "session_ended");
  await settle();
  assert.deepEqual([refused, client.outbox], [[["a", "session_ended"]], []]);
});

test("What is given up is not sent, and not told as refused.", async () => {
  const keep = new Keep();
  const { client, sockets } = await begin({ keep, user: "ann" });
  const refused = [];
  client.on("refused", (each) => refused.push(each));
  const calls = ["a", "b"].map((text) => client.call("send_message", { session_id: "s", text }).catch((each) => each));
  client.discard(client.outbox[0].key);
  assert.equal((await calls[0]).code, "discarded");
  sockets[0].welcome();
  await settle();
  assert.deepEqual(sockets[0].sent.map(({ params }) => params.text), ["b"]);
  assert.deepEqual([refused, client.outbox.length, keep.length], [[], 1, 1]);
});

test("A store that takes nothing more loses nothing of this page.", async () => {
  const keep = new Keep();
  keep.setItem = () => {
    throw new Error("full");
  };
  const { client, clock, sockets } = await connected({ keep, user: "ann" });
  void client.call("send_message", { session_id: "s", text: "a" });
  sockets[0].cut();
  await clock.pass(500);
  sockets[1].welcome();
  await settle();
  assert.equal(client.outbox.length, 1);
  sockets[1].reply(sockets[1].sent[0], {});
  await settle();
  assert.equal(client.outbox.length, 0);
});

test("Somebody else's sign-in stops the client before anything is sent.", async () => {
  const { client, sockets } = await begin({ user: "bob" });
  const called = client.call("send_message", { session_id: "s", text: "a" }).catch((each) => each);
  sockets[0].welcome();
  assert.ok((await called) instanceof Stopped);
  assert.deepEqual([sockets[0].sent, client.state.name], [[], "stopped"]);
});

test("A watch tells each event once and in order, and asks again for what is missing.", async () => {
  const { client, socket } = await connected();
  const told = read(client.watch("s"));
  await settle();
  socket.reply(socket.sent[0], { watching: [{ session_id: "s", head: 2 }], refused: [] });
  for (const seq of [1, 2, 2, 1, 4, 5]) socket.event(seq);
  await settle();
  assert.deepEqual([told.seqs, seqs(socket)], [[1, 2], [0, 2]]);
  for (const seq of [3, 4, 5]) socket.event(seq);
  await settle();
  assert.deepEqual(told.seqs, [1, 2, 3, 4, 5]);
});

test("What is known already is no reason to ask again.", async () => {
  const { client, socket } = await connected();
  const told = read(client.watch("s"));
  await settle();
  socket.reply(socket.sent[0], { watching: [{ session_id: "s", head: 2 }], refused: [] });
  for (const seq of [1, 2, 1, 2]) socket.event(seq);
  await settle();
  assert.deepEqual([told.seqs, seqs(socket)], [[1, 2], [0]]);
});

test("On the next connection it is watched from the last event, with the epoch of the position.", async () => {
  const { client, clock, socket, sockets } = await connected();
  const told = read(client.watch("s"));
  await settle();
  socket.reply(socket.sent[0], { watching: [{ session_id: "s", head: 0 }], refused: [] });
  socket.event(1);
  socket.cut();
  await clock.pass(500);
  sockets[1].welcome({ epoch: "e2" });
  assert.deepEqual(sockets[1].sent[0].params, { sessions: [{ session_id: "s", after: 1 }], epoch: "e1" });
  sockets[1].reply(sockets[1].sent[0], { watching: [], refused: [{ session_id: "s", code: "unrecoverable_position", head: 0 }] });
  await settle();
  assert.deepEqual([told.seqs, told.end.code], [[1], "unrecoverable_position"]);
});

test("Watching only what is new continues from the head over connections.", async () => {
  const { client, clock, socket, sockets } = await connected();
  const told = read(client.watch("s", { after: -1 }));
  await settle();
  socket.reply(socket.sent[0], { watching: [{ session_id: "s", head: 7 }], refused: [] });
  socket.cut();
  await clock.pass(500);
  sockets[1].welcome();
  assert.deepEqual(seqs(sockets[1]), [7]);
  sockets[1].event(8);
  await settle();
  assert.deepEqual(told.seqs, [8]);
});

test("The head in a ping shows a last event that is missing.", async () => {
  const { client, socket } = await connected();
  read(client.watch("s", { after: 3 }));
  await settle();
  socket.reply(socket.sent[0], { watching: [{ session_id: "s", head: 3 }], refused: [] });
  socket.tell("ping", { heads: { s: 3 } });
  socket.tell("ping", { heads: { s: 4 } });
  await settle();
  assert.deepEqual(seqs(socket), [3, 3]);
});

test("A refused watch, and one that is taken away, end with the reason.", async () => {
  const { client, socket } = await connected();
  const told = ["s", "other"].map((id) => read(client.watch(id)));
  await settle();
  assert.equal(socket.asked("watch_sessions").length, 1, "both are asked for in one call");
  socket.reply(socket.sent[0], {
    watching: [{ session_id: "s", head: 0 }],
    refused: [{ session_id: "other", code: "session_not_found" }],
  });
  socket.tell("unwatched", { session_id: "s", reason: "removed" });
  await settle();
  assert.deepEqual(told.map(({ end }) => end.code), ["removed", "session_not_found"]);
});

test("What is observed is asked for by itself, with the reason, and again on the next connection.", async () => {
  const { client, clock, socket, sockets } = await connected();
  const told = read(client.observe("s", { after: 3, reason: "A complaint" }));
  await settle();
  const [asked] = socket.sent;
  assert.deepEqual([asked.method, asked.params], ["observe_session", { session_id: "s", after: 3, reason: "A complaint" }]);
  socket.reply(asked, { session_id: "s", head: 3 });
  for (const seq of [4, 6]) socket.event(seq);
  await settle();
  const again = { session_id: "s", after: 4, reason: "A complaint", epoch: "e1" };
  assert.deepEqual([told.seqs, socket.sent.at(-1).params], [[4], again]);
  socket.cut();
  await clock.pass(500);
  sockets[1].welcome();
  assert.deepEqual(sockets[1].sent.map(({ method, params }) => [method, params]), [["observe_session", again]]);
  sockets[1].tell("unwatched", { session_id: "s", reason: "forbidden" });
  await settle();
  assert.deepEqual([told.seqs, told.end.code], [[4], "forbidden"]);
});

test("Observing only what is new begins at the head, beside what is watched.", async () => {
  const { client, socket } = await connected();
  const told = [read(client.observe("s", { after: -1 })), read(client.watch("other"))];
  await settle();
  assert.deepEqual(socket.sent.map(({ method }) => method).sort(), ["observe_session", "watch_sessions"]);
  socket.reply(socket.asked("observe_session")[0], { session_id: "s", head: 7 });
  for (const seq of [7, 8]) socket.event(seq);
  socket.event(1, { session_id: "other" });
  await settle();
  assert.deepEqual(told.map(({ seqs }) => seqs), [[8], [1]]);
});

test("To be refused ends what was to be observed; to be asked to wait does not.", async () => {
  const { client, clock, socket } = await connected();
  const told = read(client.observe("s"));
  await settle();
  socket.refuse(socket.sent[0], "rate_limited", { retry: true, retry_after_ms: 50 });
  await clock.pass(50);
  socket.refuse(socket.asked("observe_session")[1], "forbidden");
  await settle();
  assert.deepEqual([told.seqs, told.end.code], [[], "forbidden"]);
  await assert.rejects(client.call("observe_session", { session_id: "s", after: 0 }), /Use `watch` or `observe`/);
});

test("A reader that is slow costs a position, and misses nothing.", async () => {
  const { client, socket } = await connected();
  const watch = client.watch("s");
  await settle();
  socket.reply(socket.sent[0], { watching: [{ session_id: "s", head: 0 }], refused: [] });
  for (let seq = 1; seq <= 1_500; seq++) socket.event(seq);
  for (let seq = 1; seq <= 1_000; seq++) assert.equal((await watch.next()).value.seq, seq);
  const next = watch.next();
  await settle();
  assert.deepEqual(seqs(socket), [0, 1_000]);
  socket.event(1_001);
  assert.equal((await next).value.seq, 1_001);
});

test("Leaving the loop ends the watch.", async () => {
  const { client, socket } = await connected();
  const reading = (async () => {
    for await (const event of client.watch("s")) return event.seq;
  })();
  await settle();
  socket.event(1);
  assert.equal(await reading, 1);
  assert.deepEqual(socket.sent.at(-1), { jsonrpc: "2.0", method: "unwatch_sessions", params: { session_ids: ["s"] } });
});

test("It connects again later and later, at most 20 s apart.", async () => {
  const { clock, sockets, states } = await begin();
  const waits = [];
  for (let attempt = 1; attempt <= 8; attempt++) {
    sockets.at(-1).cut();
    const before = clock.time;
    while (sockets.length === attempt) await clock.pass(100);
    waits.push(clock.time - before);
  }
  assert.deepEqual(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000]);
  assert.equal(states.at(-1), "waiting");
});

test("After a connection that has lasted, the first wait is short again.", async () => {
  const { clock, sockets } = await begin();
  for (let attempt = 0; attempt < 6; attempt++) {
    sockets.at(-1).cut();
    await clock.pass(20_000);
  }
  sockets.at(-1).welcome();
  await clock.pass(5_000);
  const before = sockets.length;
  sockets.at(-1).cut();
  await clock.pass(500);
  assert.equal(sockets.length, before + 1);
});

for (const [code, stops] of [[4000, false], [4001, false], [4499, false], [4500, true], [4501, true], [4999, true], [1012, false]])
  test(`The close code ${code} ${stops ? "stops" : "does not stop"} it.`, async () => {
    const { client, clock, socket, sockets } = await connected();
    const called = client.call("get_session").catch((error) => error);
    await settle();
    socket.cut(code);
    await clock.pass(60_000);
    assert.equal(sockets.length > 1, !stops);
    if (stops) assert.equal((await outcome(called)).code, code);
  });

test("A drain is left for another connection first, and nothing is told of it.", async () => {
  const { client, clock, socket, sockets, states } = await connected();
  const told = read(client.watch("s"));
  const called = client.call("send_message", { session_id: "s", text: "a" });
  await settle();
  const [write, watch] = [socket.asked("send_message")[0], socket.asked("watch_sessions")[0]];
  socket.reply(watch, { watching: [{ session_id: "s", head: 0 }], refused: [] });
  socket.tell("draining", { reconnect_in_ms: [100, 300], deadline_ms: 9_000 });
  await clock.pass(299);
  assert.equal(sockets.length, 1);
  await clock.pass(1);
  sockets[1].welcome();
  socket.event(1);
  assert.equal(socket.closedWith, null, "the old one serves until the new one does");
  sockets[1].reply(sockets[1].asked("watch_sessions")[0], { watching: [{ session_id: "s", head: 1 }], refused: [] });
  sockets[1].event(1);
  sockets[1].event(2);
  await settle();
  assert.equal(socket.closedWith, 1000);
  assert.deepEqual(sockets[1].asked("send_message"), [write]);
  sockets[1].reply(write, { seq: 2 });
  await called;
  await clock.pass(20_000);
  assert.deepEqual([told.seqs, states, sockets.length], [[1, 2], ["open", "open"], 2]);
});

test("A connection that has gone silent is replaced.", async () => {
  const { clock, socket, sockets } = await connected();
  await clock.pass(25_000);
  socket.tell("ping", { heads: {} });
  await clock.pass(50_000);
  assert.equal(sockets.length, 1);
  await clock.pass(40_000);
  assert.equal(sockets.length, 2);
});

test("Nothing is sent after it was closed.", async () => {
  const { client, clock, socket, sockets } = await connected();
  const told = read(client.watch("s"));
  client.close();
  await clock.pass(60_000);
  assert.deepEqual([sockets.length, socket.closedWith, told.end.code], [1, 1000, 1000]);
  await assert.rejects(client.call("ping"), Stopped);
});

test("Writes that are kept need an owner.", () => {
  assert.throws(() => new SessionsClient({ keep: new Keep() }), /needs `user`/);
});

test("A watch that was left does not end the next one of its session.", async () => {
  const { client, socket } = await connected();
  const first = client.watch("s");
  await first.return();
  const told = read(client.watch("s"));
  await first.return();
  await settle();
  socket.event(1);
  await settle();
  assert.deepEqual(told, { seqs: [1], end: null });
});

// -- in a page ---------------------------------------------------------------------------------------

/** A page's events, for one test. */
function page(t) {
  const target = new EventTarget();
  globalThis.addEventListener = target.addEventListener.bind(target);
  globalThis.removeEventListener = target.removeEventListener.bind(target);
  t.after(() => {
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  });
  return (name, more = {}) => target.dispatchEvent(Object.assign(new Event(name), more));
}

test("When the network goes, the connection is dropped; when it is back, there is one at once.", async (t) => {
  const happens = page(t);
  const { sockets, states } = await connected();
  happens("offline");
  assert.equal(sockets[0].closedWith, 1000);
  happens("online");
  await settle();
  sockets[1].welcome();
  await settle();
  assert.deepEqual([sockets.length, states.at(-1), states.includes("offline")], [2, "open", true]);
});

test("What another page writes is shown here, and sent from here only if that page does not.", async (t) => {
  const happens = page(t);
  const keep = new Keep();
  const { client, clock, socket } = await connected({ keep, user: "ann" });
  const lengths = [];
  client.on("outbox", (entries) => lengths.push(entries.length));
  const write = (key) => {
    const name = `flow-sessions.outbox.ann.${key}`;
    const params = { session_id: "s", text: key, key };
    keep.setItem(name, JSON.stringify({ key, method: "send_message", params, at: 1 }));
    happens("storage", { key: name });
    return name;
  };
  const sent = write("sent");
  keep.removeItem(sent);
  happens("storage", { key: sent });
  await clock.pass(5_000);
  write("left");
  await clock.pass(4_999);
  assert.deepEqual([lengths, socket.sent], [[1, 0, 1], []]);
  await clock.pass(1);
  assert.deepEqual(socket.sent.map(({ params }) => params.text), ["left"]);
});

test("A client that has stopped listens to the page no more.", async (t) => {
  const happens = page(t);
  const { client, sockets } = await connected();
  client.close();
  happens("online");
  await settle();
  assert.equal(sockets.length, 1);
});
