/**
 * Lets a session's timeline in the admin follow what happens, by the protocol that all clients use.
 *
 * Whatever people wrote becomes text only, never markup. The page stays bounded: the oldest rows go.
 */

/** Rows on the page, and events that wait while it is paused. */
const MOST = 500;

const live = document.getElementById("live");
if (live) follow(live, document.getElementById("events"));

function follow(live, rows) {
  const [follow, pause, state] = ["follow", "pause", "state"].map((id) => live.querySelector(`#live-${id}`));
  const session_id = live.dataset.session;
  let last = Number(live.dataset.after);
  let failures = 0;
  let paused = false;
  let waiting = [];
  live.hidden = false;

  follow.addEventListener("click", () => {
    follow.hidden = true;
    pause.hidden = false;
    connect();
  });
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    pause.setAttribute("aria-pressed", String(paused));
    if (!paused) show(waiting.splice(0));
    tell(paused ? "paused" : "live");
  });

  function tell(words) {
    state.textContent = words;
  }

  function connect() {
    tell("connecting…");
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws/`, "sessions.v1.jsonrpc");
    socket.addEventListener("open", () => {
      const params = { session_id, after: last, reason: "Follows the timeline" };
      socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "observe_session", params }));
    });
    socket.addEventListener("message", ({ data }) => hear(JSON.parse(data)));
    socket.addEventListener("close", ({ code }) => {
      if (code >= 4500) return tell(`The server has closed the connection (${code}).`);
      failures += 1;
      tell("connecting again…");
      setTimeout(connect, Math.random() * Math.min(20_000, 500 * 2 ** failures));
    });
  }

  function hear({ method, params, id, error }) {
    if (id === 1 && error) tell(error.message);
    else if (id === 1) {
      failures = 0;
      tell(paused ? "paused" : "live");
    } else if (method === "event" && params.session_id === session_id && params.seq > last) {
      last = params.seq;
      if (paused) wait(params);
      else show([params]);
    } else if (method === "presence" && params.session_id === session_id) {
      const here = params.here ? params.here.join(", ") || "nobody" : `${params.count} people`;
      live.querySelector("#live-here").textContent = `Here now: ${here}`;
    } else if (method === "unwatched") tell(`No longer: ${params.reason}`);
  }

  function wait(event) {
    waiting.push(event);
    if (waiting.length > MOST) waiting.shift();
    tell(`paused, ${waiting.length} new`);
  }

  function show(events) {
    const wanted = live.dataset.kind;
    for (const event of events) {
      if (!wanted || event.kind === wanted) rows.append(row(event));
    }
    while (rows.children.length > MOST) rows.firstElementChild.remove();
  }
}

/** A row as the server makes them. */
function row({ seq, at, actor, kind, data }) {
  const { text, staff, ...rest } = data;
  const what = [text ? made("div", text, "session-text") : made("strong", spaced(kind))];
  for (const [name, value] of Object.entries(rest).sort()) {
    if (value === "" || value === null || (typeof value === "object" && !Object.keys(value).length)) continue;
    const detail = made("div", `${spaced(name)}: `, "session-detail");
    detail.append(made("bdi", typeof value === "string" ? value : JSON.stringify(value)));
    what.push(detail);
  }
  if (text) what[0].dir = "auto";
  const who = [made("bdi", actor), ...(staff ? [" ", made("span", "staff", "session-staff")] : [])];
  const line = made("tr", "", "session-new");
  line.id = `seq-${seq}`;
  line.append(
    cell([String(seq)]),
    cell([at.slice(0, 19).replace("T", " ")], "session-when"),
    cell(who),
    cell(what),
  );
  return line;
}

function cell(parts, name = "") {
  const made_ = made("td", "", name);
  made_.append(...parts);
  return made_;
}

function made(tag, text, name = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (name) element.className = name;
  return element;
}

function spaced(name) {
  return name.replaceAll("_", " ");
}
