// The wire of Flow Sessions, for whoever writes a client. Made by `manage.py schema --write`.

export type Id = number | string;

/** Who is to take part, and as what. */
export interface AddParticipant {
  key: string;
  session_id: string;
  user: string;
  role: "member" | "observer";
}

/**
 * `actor` has added one to a session, or given one another role, by its event `seq`.
 *
 * A hint, for who connected with `?added=1` and does not watch the session: it may be lost, and
 * `list_sessions` has them all.
 */
export interface AddedParams {
  session_id: string;
  seq: number;
  role: Role;
  actor: string;
}

/** The session is already as asked; nothing was written. */
export interface AlreadyDoneError {
  code: -32009;
  message: string;
  data: {
    code: "already_done";
    retry: false;
  };
}

/** The credentials end in so many milliseconds. */
export interface AuthExpiringParams {
  in_ms: number;
}

/** A write is stored; `seq` is where it left the session, `duplicate` that it was so before. */
export interface Committed {
  seq: number;
  duplicate: boolean;
}

/** The session is not at `if_head` any more, but at `head`. */
export interface ConflictError {
  code: -32009;
  message: string;
  data: {
    code: "conflict";
    head: number;
    retry: false;
  };
}

/** A new session, owned by who asks. */
export interface CreateSession {
  key: string;
  title?: string;
  metadata?: Record<string, unknown>;
  participants?: NewParticipant[];
}

/** A session is stored; `seq` is its position after the last event of its creation. */
export interface Created {
  session_id: string;
  seq: number;
  duplicate: boolean;
}

/** The process is about to end: connect to another. */
export interface DrainingError {
  code: -32053;
  message: string;
  data: {
    code: "draining";
    retry: true;
    retry_after_ms: number;
  };
}

/** The process ends: connect anew at a moment of one's own from low to high. */
export interface DrainingParams {
  reconnect_in_ms: [number, number];
  deadline_ms: number;
}

/** A session, and why it ends. */
export interface EndSession {
  key: string;
  session_id: string;
  reason?: string | null;
}

/**
 * One numbered entry of a session's log, as clients get it.
 *
 * `at` is UTC with milliseconds, `2026-11-22T19:03:11.412Z`; `key` is the author's own and is
 * shown to nobody else.
 *
 * Clients pass over kinds that they do not know.
 */
export type Event = SessionCreatedEvent | SessionRenamedEvent | SessionEndedEvent | SessionResumedEvent | ParticipantAddedEvent | ParticipantRemovedEvent | MessageSentEvent;

/** A page of events, ascending; `more` are beyond it in the direction that was read. */
export interface EventList {
  events: Event[];
  head: number;
  more: boolean;
}

/** The caller may not do this. */
export interface ForbiddenError {
  code: -32003;
  message: string;
  data: {
    code: "forbidden";
    retry: false;
  };
}

/** Which session. */
export interface GetSession {
  session_id: string;
}

/** Something went wrong in the server; its log has the `trace`. */
export interface InternalError {
  code: -32603;
  message: string;
  data: {
    code: "internal_error";
    trace: string;
    retry: true;
    retry_after_ms: number;
  };
}

/** A value is wrong; `path` is where. */
export interface InvalidInputError {
  code: -32602;
  message: string;
  data: {
    code: "invalid_input";
    path: string;
    retry: false;
  };
}

/** The frame is no JSON-RPC 2.0 request. */
export interface InvalidRequestError {
  code: -32600;
  message: string;
  data: {
    code: "invalid_request";
    retry: false;
  };
}

/** The key was used before, with other params. */
export interface KeyConflictError {
  code: -32009;
  message: string;
  data: {
    code: "key_conflict";
    retry: false;
  };
}

/** The kinds of events there are; clients ignore kinds that they do not know. */
export type Kind = "message_sent" | "participant_added" | "participant_removed" | "session_created" | "session_ended" | "session_renamed" | "session_resumed";

/** This connection reads too slowly and is `behind` by so many events, until `live`. */
export interface LaggingParams {
  session_id: string;
  behind: number;
}

/** The session to leave. */
export interface LeaveSession {
  key: string;
  session_id: string;
}

/** More than the server grants, which is `limit`. */
export interface LimitReachedError {
  code: -32013;
  message: string;
  data: {
    code: "limit_reached";
    limit: number;
    retry: false;
  };
}

/** The limits of protocol, sections 1 and 9, as `welcome` tells them. */
export interface Limits {
  frame_bytes: number;
  batch: number;
  in_flight: number;
  watching: number;
  rate: Rate;
}

/** Which part of the log: after a position, before one, or its end. */
export interface ListEvents {
  session_id: string;
  after?: number | null;
  before?: number | null;
  kinds?: Kind[] | null;
  limit?: number;
}

/** Which sessions: by status, by a plain piece of the title, after a page's `next`. */
export interface ListSessions {
  status?: Status | null;
  search?: string | null;
  before?: string | null;
  limit?: number;
}

/** The replay is over at `head`: what follows happens now. */
export interface LiveParams {
  session_id: string;
  head: number;
}

/** Everything up to `seq` has been seen. */
export interface MarkSeen {
  session_id: string;
  seq: number;
}

/** Nothing more to tell. */
export type Marked = Record<string, unknown>;

/**
 * Somebody wrote something; `reply_to` is the seq of an earlier event.
 *
 * `staff`: its author takes no part in the session, and wrote by right.
 */
export interface MessageSent {
  text: string;
  reply_to?: number;
  metadata?: Record<string, unknown>;
  staff?: boolean;
}

/**
 * Somebody wrote something; `reply_to` is the seq of an earlier event.
 *
 * `staff`: its author takes no part in the session, and wrote by right.
 */
export interface MessageSentEvent {
  session_id: string;
  seq: number;
  kind: "message_sent";
  actor: string;
  at: string;
  key?: string;
  data: MessageSent;
}

/** There is no such method, or not at this door. */
export interface MethodNotFoundError {
  code: -32601;
  message: string;
  data: {
    code: "method_not_found";
    retry: false;
  };
}

/** Who takes part from the beginning. */
export interface NewParticipant {
  user: string;
  role: "member" | "observer";
}

/** Which session, after which position, and why (for the audit). */
export interface ObserveSession {
  session_id: string;
  after: number;
  epoch?: string | null;
  reason?: string;
}

/** The frame is no JSON. */
export interface ParseError {
  code: -32700;
  message: string;
  data: {
    code: "parse_error";
    retry: false;
  };
}

/** Who takes part, as what, and up to which seq they have seen (0: nothing). */
export interface Participant {
  user: string;
  role: Role;
  seen: number;
}

/** A user takes part in the session, or has another role in it. */
export interface ParticipantAdded {
  user: string;
  role: Role;
}

/** A user takes part in the session, or has another role in it. */
export interface ParticipantAddedEvent {
  session_id: string;
  seq: number;
  kind: "participant_added";
  actor: string;
  at: string;
  key?: string;
  data: ParticipantAdded;
}

/** A user takes part no more; one who left is its author. */
export interface ParticipantRemoved {
  user: string;
}

/** A user takes part no more; one who left is its author. */
export interface ParticipantRemovedEvent {
  session_id: string;
  seq: number;
  kind: "participant_removed";
  actor: string;
  at: string;
  key?: string;
  data: ParticipantRemoved;
}

/** Nothing to say. */
export type Ping = Record<string, never>;

/** The heads of all that is watched, by session: a client behind one watches again. */
export interface PingParams {
  heads: Record<string, number>;
}

/** Nothing to tell. */
export type Pong = Record<string, unknown>;

/** Who watches the session now: `here` names them; when there are too many, `count` counts. */
export interface PresenceParams {
  session_id: string;
  here?: string[];
  count?: number;
}

/** A token bucket: `burst` at once, then `per_second`. */
export interface Rate {
  burst: number;
  per_second: number;
}

/** Too fast. */
export interface RateLimitedError {
  code: -32029;
  message: string;
  data: {
    code: "rate_limited";
    retry: true;
    retry_after_ms: number;
  };
}

/** A session that is not watched, and why; with its position where the client's was wrong. */
export interface Refusal {
  session_id: string;
  code: string;
  head?: number;
  epoch?: string;
}

/** Who is to take part no more. */
export interface RemoveParticipant {
  key: string;
  session_id: string;
  user: string;
}

/** A session and its new title. */
export interface RenameSession {
  key: string;
  session_id: string;
  title: string;
}

/** The session to open again. */
export interface ResumeSession {
  key: string;
  session_id: string;
}

/** What a participant may do; each role includes the ones before it. */
export type Role = "member" | "observer" | "owner";

/** `user` has seen everything up to `seq`. */
export interface SeenParams {
  session_id: string;
  user: string;
  seq: number;
}

/** What is said; with `if_head`, only if nothing was said since. */
export interface SendMessage {
  key: string;
  session_id: string;
  text: string;
  reply_to?: number | null;
  metadata?: Record<string, unknown> | null;
  if_head?: number | null;
}

/** The session began; its author is its owner. */
export interface SessionCreated {
  title: string;
  metadata: Record<string, unknown>;
}

/** The session began; its author is its owner. */
export interface SessionCreatedEvent {
  session_id: string;
  seq: number;
  kind: "session_created";
  actor: string;
  at: string;
  key?: string;
  data: SessionCreated;
}

/** The session takes no more writes. */
export interface SessionEnded {
  reason?: string;
}

/** The session takes no more writes until it is resumed. */
export interface SessionEndedError {
  code: -32009;
  message: string;
  data: {
    code: "session_ended";
    retry: false;
  };
}

/** The session takes no more writes. */
export interface SessionEndedEvent {
  session_id: string;
  seq: number;
  kind: "session_ended";
  actor: string;
  at: string;
  key?: string;
  data: SessionEnded;
}

/** A page; `next` is for `before`, None on the last page. */
export interface SessionList {
  sessions: Summary[];
  next: string | null;
}

/** There is no such session, or none that the caller may know of. */
export interface SessionNotFoundError {
  code: -32004;
  message: string;
  data: {
    code: "session_not_found";
    retry: false;
  };
}

/** The session has another title. */
export interface SessionRenamed {
  title: string;
}

/** The session has another title. */
export interface SessionRenamedEvent {
  session_id: string;
  seq: number;
  kind: "session_renamed";
  actor: string;
  at: string;
  key?: string;
  data: SessionRenamed;
}

/** An ended session is open again. */
export type SessionResumed = Record<string, unknown>;

/** An ended session is open again. */
export interface SessionResumedEvent {
  session_id: string;
  seq: number;
  kind: "session_resumed";
  actor: string;
  at: string;
  key?: string;
  data: SessionResumed;
}

/** What is signalled: `typing`, say, and whatever belongs to it. */
export interface Signal {
  session_id: string;
  name: string;
  data?: Record<string, unknown>;
}

/** Somebody signals something that is not stored: typing, a cursor. */
export interface SignalParams {
  session_id: string;
  actor: string;
  name: string;
  data: Record<string, unknown>;
}

/** Nothing more to tell. */
export type Signalled = Record<string, unknown>;

/** A session as of `seq`: this and the events after `seq` are the session now. */
export interface Snapshot {
  session_id: string;
  seq: number;
  epoch: string;
  title: string;
  status: Status;
  metadata: Record<string, unknown>;
  created_at: string;
  ended_at: string | null;
  participants: Participant[];
}

/** Whether a session takes writes. */
export type Status = "ended" | "open";

/** A session in a list. `role` and `seen` are those of the one who asks. */
export interface Summary {
  session_id: string;
  title: string;
  status: Status;
  role: Role | null;
  head: number;
  seen: number;
  last_activity: string;
}

/** The outcome is not known: repeat the key. */
export interface TimedOutError {
  code: -32054;
  message: string;
  data: {
    code: "timed_out";
    retry: true;
    retry_after_ms: number;
  };
}

/** More bytes than are taken. */
export interface TooLargeError {
  code: -32013;
  message: string;
  data: {
    code: "too_large";
    limit: number;
    retry: false;
  };
}

/** Nobody is signed in, or the token is not known. */
export interface UnauthenticatedError {
  code: -32001;
  message: string;
  data: {
    code: "unauthenticated";
    retry: false;
  };
}

/** The database cannot be reached. */
export interface UnavailableError {
  code: -32053;
  message: string;
  data: {
    code: "unavailable";
    retry: true;
    retry_after_ms: number;
  };
}

/** The log does not have the position: take a snapshot, watch from it. */
export interface UnrecoverablePositionError {
  code: -32010;
  message: string;
  data: {
    code: "unrecoverable_position";
    head: number;
    epoch: string;
    retry: false;
  };
}

/** Which sessions. */
export interface UnwatchSessions {
  session_ids: string[];
}

/** Nothing more to tell. */
export type Unwatched = Record<string, unknown>;

/** Nothing more of this session will come. */
export interface UnwatchedParams {
  session_id: string;
  reason: "deleted" | "forbidden" | "removed";
}

/** A session, and the position after which its events are wanted. */
export interface Watch {
  session_id: string;
  after: number;
}

/** What is watched and what is not; the call itself succeeds. */
export interface WatchResult {
  watching: Watching[];
  refused: Refusal[];
}

/** Which sessions; `epoch` is that of the `welcome` the positions come from. */
export interface WatchSessions {
  sessions: Watch[];
  epoch?: string | null;
}

/** A session that is watched now, and where it is. */
export interface Watching {
  session_id: string;
  head: number;
}

/**
 * The first frame: who and where one is, and what the server grants.
 *
 * `epoch` names the log's history, which positions belong to.
 */
export interface WelcomeParams {
  connection: string;
  user: string;
  epoch: string;
  node: string;
  server: string;
  limits: Limits;
  ping_seconds: number;
}

export interface Methods {
  /** Let somebody take part in a session. */
  add_participant: {
    params: AddParticipant;
    result: Committed;
    faults: "already_done" | "draining" | "forbidden" | "internal_error" | "invalid_input" | "key_conflict" | "limit_reached" | "rate_limited" | "session_ended" | "session_not_found" | "timed_out" | "unavailable";
  };
  /** Begin a session, own it and watch it. */
  create_session: {
    params: CreateSession;
    result: Created;
    faults: "draining" | "forbidden" | "internal_error" | "invalid_input" | "key_conflict" | "limit_reached" | "rate_limited" | "timed_out" | "unavailable";
  };
  /** End a session; it can be read and resumed, but not written in. */
  end_session: {
    params: EndSession;
    result: Committed;
    faults: "already_done" | "draining" | "forbidden" | "internal_error" | "invalid_input" | "key_conflict" | "limit_reached" | "rate_limited" | "session_not_found" | "timed_out" | "unavailable";
  };
  /** Take a snapshot of a session, to watch it from there. */
  get_session: {
    params: GetSession;
    result: Snapshot;
    faults: "draining" | "forbidden" | "internal_error" | "invalid_input" | "limit_reached" | "rate_limited" | "session_not_found" | "timed_out" | "unavailable";
  };
  /** Leave a session, be it open or ended. */
  leave_session: {
    params: LeaveSession;
    result: Committed;
    faults: "draining" | "forbidden" | "internal_error" | "invalid_input" | "key_conflict" | "limit_reached" | "rate_limited" | "session_not_found" | "timed_out" | "unavailable";
  };
  /** Read a page of a session's log. */
  list_events: {
    params: ListEvents;
    result: EventList;
    faults: "draining" | "forbidden" | "internal_error" | "invalid_input" | "limit_reached" | "rate_limited" | "session_not_found" | "timed_out" | "unavailable";
  };
  /** List the sessions one takes part in, newest activity first. */
  list_sessions: {
    params: ListSessions;
    result: SessionList;
    faults: "draining" | "internal_error" | "invalid_input" | "limit_reached" | "rate_limited" | "timed_out" | "unavailable";
  };
  /** Move one's own cursor forward; it never goes back, and it is no event. */
  mark_seen: {
    params: MarkSeen;
    result: Marked;
    faults: "draining" | "forbidden" | "internal_error" | "invalid_input" | "limit_reached" | "rate_limited" | "session_not_found" | "timed_out" | "unavailable";
  };
  /** Watch a session as staff: the events after a position, then live ones. It is recorded. */
  observe_session: {
    params: ObserveSession;
    result: Watching;
    faults: "draining" | "forbidden" | "internal_error" | "invalid_input" | "limit_reached" | "rate_limited" | "session_not_found" | "timed_out" | "unavailable" | "unrecoverable_position";
  };
  /** Answer, so that a client knows the connection and the server to be alive. */
  ping: {
    params: Ping;
    result: Pong;
    faults: "draining" | "internal_error" | "invalid_input" | "limit_reached" | "rate_limited" | "timed_out";
  };
  /** Remove somebody from a session; their watches of it stop at once. */
  remove_participant: {
    params: RemoveParticipant;
    result: Committed;
    faults: "already_done" | "draining" | "forbidden" | "internal_error" | "invalid_input" | "key_conflict" | "limit_reached" | "rate_limited" | "session_ended" | "session_not_found" | "timed_out" | "unavailable";
  };
  /** Give a session a name people remember. */
  rename_session: {
    params: RenameSession;
    result: Committed;
    faults: "draining" | "forbidden" | "internal_error" | "invalid_input" | "key_conflict" | "limit_reached" | "rate_limited" | "session_ended" | "session_not_found" | "timed_out" | "unavailable";
  };
  /** Open an ended session again. */
  resume_session: {
    params: ResumeSession;
    result: Committed;
    faults: "already_done" | "draining" | "forbidden" | "internal_error" | "invalid_input" | "key_conflict" | "limit_reached" | "rate_limited" | "session_not_found" | "timed_out" | "unavailable";
  };
  /** Write a message in an open session. */
  send_message: {
    params: SendMessage;
    result: Committed;
    faults: "conflict" | "draining" | "forbidden" | "internal_error" | "invalid_input" | "key_conflict" | "limit_reached" | "rate_limited" | "session_ended" | "session_not_found" | "timed_out" | "unavailable";
  };
  /** Signal something that is neither stored nor numbered, to all who watch but oneself. */
  signal: {
    params: Signal;
    result: Signalled;
    faults: "draining" | "forbidden" | "internal_error" | "invalid_input" | "limit_reached" | "rate_limited" | "session_ended" | "session_not_found" | "timed_out" | "unavailable";
  };
  /** Receive nothing more of sessions; those that are not watched are no mistake. */
  unwatch_sessions: {
    params: UnwatchSessions;
    result: Unwatched;
    faults: "draining" | "internal_error" | "invalid_input" | "limit_reached" | "rate_limited" | "timed_out";
  };
  /** Receive what happens in sessions: the events after a position, then live ones. */
  watch_sessions: {
    params: WatchSessions;
    result: WatchResult;
    faults: "draining" | "internal_error" | "invalid_input" | "limit_reached" | "rate_limited" | "timed_out" | "unavailable";
  };
}

export interface Notifications {
  added: AddedParams;
  auth_expiring: AuthExpiringParams;
  draining: DrainingParams;
  event: Event;
  lagging: LaggingParams;
  live: LiveParams;
  ping: PingParams;
  presence: PresenceParams;
  seen: SeenParams;
  signal: SignalParams;
  unwatched: UnwatchedParams;
  welcome: WelcomeParams;
}

export interface Errors {
  already_done: AlreadyDoneError;
  conflict: ConflictError;
  draining: DrainingError;
  forbidden: ForbiddenError;
  internal_error: InternalError;
  invalid_input: InvalidInputError;
  invalid_request: InvalidRequestError;
  key_conflict: KeyConflictError;
  limit_reached: LimitReachedError;
  method_not_found: MethodNotFoundError;
  parse_error: ParseError;
  rate_limited: RateLimitedError;
  session_ended: SessionEndedError;
  session_not_found: SessionNotFoundError;
  timed_out: TimedOutError;
  too_large: TooLargeError;
  unauthenticated: UnauthenticatedError;
  unavailable: UnavailableError;
  unrecoverable_position: UnrecoverablePositionError;
}

export type ReconnectCode = 4000 | 4001 | 4002 | 4003 | 4007 | 4008 | 4009 | 4029;

export type StopCode = 4501 | 4502 | 4506 | 4511 | 4512 | 4513 | 4514 | 4515 | 4520;

export type Method = keyof Methods;
export type Params<M extends Method> = Methods[M]["params"];
export type Result<M extends Method> = Methods[M]["result"];

export type Request<M extends Method = Method> = {
  [K in M]: { jsonrpc: "2.0"; id: Id; method: K; params: Params<K> };
}[M];
export interface Reply<M extends Method = Method> {
  jsonrpc: "2.0";
  id: Id;
  result: Result<M>;
}
export interface ErrorReply {
  jsonrpc: "2.0";
  id: Id | null;
  error: CallError;
}

export type Notification = {
  [K in keyof Notifications]: { jsonrpc: "2.0"; method: K; params: Notifications[K] };
}[keyof Notifications];

export type ErrorCode = keyof Errors;
export type CallError = Errors[ErrorCode];

export type CloseCode = ReconnectCode | StopCode;

// -- the client in `sessions.js`, beside this file --------------------------------------------

export declare class CallFailed extends Error {
  readonly code: string;
  readonly path: string | null;
  readonly data: Record<string, unknown>;
}

export declare class Stopped extends Error {
  readonly code: number;
}

export interface OutboxEntry {
  key: string;
  method: string;
  params: Record<string, any>;
  at: number;
}

export interface ClientOptions {
  url?: string | URL;
  ticket?: () => Promise<string>;
  token?: string;
  WebSocket?: any;
  user?: string;
  keep?: {
    readonly length: number;
    key(index: number): string | null;
    getItem(name: string): string | null;
    setItem(name: string, value: string): void;
    removeItem(name: string): void;
  } | null;
}

export type ClientState =
  | { name: "connecting" }
  | { name: "open"; welcome: WelcomeParams }
  | { name: "waiting"; retry_in_ms: number }
  | { name: "offline" }
  | { name: "stopped"; why: Stopped };

export interface ClientNews {
  state: ClientState;
  outbox: OutboxEntry[];
  written: { entry: OutboxEntry; result: any };
  refused: { entry: OutboxEntry; error: Error };
}

/** The params of a flow; a key is chosen where there is none. */
export type Call<M extends Method> = Params<M> extends { key: string }
  ? Omit<Params<M>, "key"> & { key?: string }
  : Params<M>;

export declare class SessionsClient {
  constructor(options?: ClientOptions);
  readonly state: ClientState;
  readonly outbox: OutboxEntry[];
  call<M extends Method>(method: M, params?: Call<M>): Promise<Result<M>>;
  watch(sessionId: string, from?: { after?: number }): AsyncIterableIterator<Event>;
  observe(
    sessionId: string, from?: { after?: number; reason?: string }): AsyncIterableIterator<Event>;
  on<N extends keyof Notifications>(
    name: N, listener: (params: Notifications[N]) => void): () => void;
  on<N extends keyof ClientNews>(name: N, listener: (news: ClientNews[N]) => void): () => void;
  discard(key: string): void;
  connectNow(): void;
  close(): void;
}
