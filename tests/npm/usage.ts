// What the published types allow, and what they refuse. Compiled by a test, never run.
import type {
  CallError,
  CloseCode,
  Event,
  Methods,
  Notification,
  Params,
  ReconnectCode,
  Request,
  Result,
  SessionsClient,
} from "../../sessions_app/static/sessions_app/sessions.d.ts";

declare function call<M extends keyof Methods>(method: M, params: Params<M>): Promise<Result<M>>;

export async function calls(): Promise<number> {
  const created = await call("create_session", { title: "Roof repair", key: "c-1" });
  const { seq, duplicate } = await call("send_message", {
    session_id: created.session_id,
    text: "It leaks.",
    key: "c-2",
  });
  await call("ping", {});
  const page = await call("list_sessions", { status: "open" });
  const session = await call("get_session", { session_id: created.session_id });
  const role: "member" | "observer" | "owner" | undefined = session.participants[0]?.role;
  // @ts-expect-error: there is no such method
  await call("send_mesage", {});
  // @ts-expect-error: a key is missing
  await call("send_message", { session_id: created.session_id, text: "x" });
  // @ts-expect-error: a text is no number
  await call("send_message", { session_id: created.session_id, text: 7, key: "k" });
  // @ts-expect-error: there is no such param
  await call("ping", { colour: "red" });
  // @ts-expect-error: an owner cannot be added
  await call("add_participant", { session_id: "s", user: "bob", role: "owner", key: "k" });
  // @ts-expect-error: a result has no such field
  void page.total;
  return duplicate || role === "owner" || page.next === null ? 0 : seq;
}

export function told(notification: Notification): string {
  switch (notification.method) {
    case "welcome":
      return `${notification.params.user} ${notification.params.limits.rate.burst}`;
    case "event":
      return shown(notification.params);
    case "draining": {
      const [low, high] = notification.params.reconnect_in_ms;
      return `${low} ${high}`;
    }
    case "live":
      // @ts-expect-error: that is for `lagging`
      return String(notification.params.behind);
    default:
      return "";
  }
}

export function shown(event: Event): string {
  switch (event.kind) {
    case "message_sent":
      return `${event.actor}: ${event.data.text} ${event.data.reply_to ?? ""}`;
    case "participant_added":
      return `${event.data.user} is ${event.data.role}`;
    case "session_renamed":
      // @ts-expect-error: a title has no text
      return event.data.text;
    default:
      return event.kind;
  }
}

export function failed(error: CallError): number | string {
  switch (error.data.code) {
    case "conflict":
      return error.data.head;
    case "rate_limited":
      return error.data.retry_after_ms;
    case "invalid_input":
      return error.data.path;
    // @ts-expect-error: there is no such code
    case "tired":
      return 0;
    default:
      return error.message;
  }
}

export const request: Request<"ping"> = { jsonrpc: "2.0", id: 1, method: "ping", params: {} };
export const again: ReconnectCode = 4001;
export const final: CloseCode = 4501;
// @ts-expect-error: that one is final
export const wrong: ReconnectCode = 4501;

// -- the client ------------------------------------------------------------------------------------

declare const client: SessionsClient;

export async function talks(): Promise<string> {
  const { session_id } = await client.call("create_session", { title: "Roof repair" });
  client.on("presence", ({ session_id, here }) => [session_id, here]);
  client.on("state", (state) => state.name === "open" && state.welcome.user);
  for await (const event of client.watch(session_id, { after: -1 })) {
    if (event.kind === "message_sent") return event.data.text;
  }
  // @ts-expect-error: the text is missing
  await client.call("send_message", { session_id });
  // @ts-expect-error: there is no such news
  client.on("weather", () => {});
  client.close();
  return "";
}
