"""One open connection: requests in, each run as a flow in a context of its own, frames out."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from msgspec import UNSET, Struct, UnsetType

from flows.actor import Actor, Right
from flows.atoms.actor import actor
from flows.atoms.limits import Limits
from flows.atoms.watcher import watcher
from flows.engine import Flow, Scope
from flows.errors import LimitReached
from flows.input import Mutation
from sessions_app import close_codes, protocol
from sessions_app.adapters.additions import Addition
from sessions_app.adapters.hub import Hub
from sessions_app.auth import Identity
from sessions_app.execute import execute, execute_stream, told
from sessions_app.ordering import Order, Turn
from sessions_app.outbox import Outbox, Send
from sessions_app.protocol import Bad, Error, Request
from sessions_app.rates import Monotonic, Strikes, TokenBucket
from sessions_app.tracing import asked_as, trace
from sessions_app.watches import RequestWatcher, Watches

#: Protocol, section 2: so many bad frames within so many seconds close the socket.
BAD_FRAMES = 20
BAD_FRAMES_SECONDS = 10.0

#: Protocol, section 9: so many further frames while limited close the socket.
FRAMES_WHILE_LIMITED = 100

#: Protocol, section 7: a peer that takes not a byte for so long is not reading, in seconds.
NOT_READING_SECONDS = 30.0

#: Protocol, section 7: who watches nothing and says nothing for so long is idle, in seconds.
IDLE_SECONDS = 300.0

#: How long a connection that is to be closed waits for what is in flight, in seconds.
FINISH_SECONDS = 5.0

#: The errors that say that a frame is wrong.
_BAD = frozenset({"parse_error", "invalid_request", "method_not_found", "invalid_input"})


class Job(Struct, frozen=True):
    """A request that has been let in: its place in the order, and what its answer holds back."""

    request: Request
    watcher: RequestWatcher
    turn: Turn | None
    key: str | None
    session_id: UUID | UnsetType


class Connection:
    """What a client has of this server while its socket is open."""

    # A dict of so many attributes would hold 2 KB.
    __slots__ = (
        "_bucket",
        "_clock",
        "_count",
        "_doomed",
        "_finishing",
        "_flows",
        "_hears_added",
        "_limited",
        "_limits",
        "_methods",
        "_order",
        "_rights",
        "_running",
        "_send",
        "_streams",
        "_strikes",
        "_user_bucket",
        "_who",
        "_writer",
        "epoch",
        "heard_at",
        "id",
        "identity",
        "opened_at",
        "outbox",
        "ping_at",
        "received",
        "user",
        "warned",
        "watches",
    )

    def __init__(
        self,
        identity: Identity,
        *,
        flows: Scope,
        hub: Hub,
        limits: Limits,
        user_bucket: TokenBucket,
        arrays: bool,
        together: bool = False,
        hears_added: bool = False,
        clock: Monotonic,
        rights: Callable[[], Awaitable[frozenset[Right]]],
        methods: Mapping[str, Flow[Any, Any]] = protocol.PUBLIC,
    ) -> None:
        self.id = uuid4().hex[:16]
        self.identity = identity
        self.user = Actor(identity.user)
        self._who = actor(self.user)
        self.outbox = Outbox(arrays=arrays, together=together)
        self.watches = Watches(self.id, identity.user, hub, self.outbox)
        #: Frames that came in.
        self.received = 0
        #: The log's epoch, as `welcome` told it.
        self.epoch = ""
        self.ping_at = 0.0
        self.warned = False
        self._hears_added = hears_added
        self._clock = clock
        self.opened_at = self.heard_at = clock()
        self._flows = flows
        #: What its user may do as staff, at the moment it is asked.
        self._rights = rights
        self._methods = methods
        self._limits = limits
        self._bucket = TokenBucket(limits.rate, clock)
        self._user_bucket = user_bucket
        self._strikes = Strikes(BAD_FRAMES, BAD_FRAMES_SECONDS, clock)
        self._doomed = False
        self._finishing = False
        self._limited = 0
        self._order = Order()
        # Lists: they are short, and nearly always empty, when a set would hold 0.2 KB.
        self._running: list[asyncio.Task[None]] = []
        self._streams: list[asyncio.Task[Any]] = []
        self._count = 0

    # -- what it has counted -----------------------------------------------------------------------

    @property
    def sent(self) -> int:
        """Frames that went out."""
        return self.outbox.sent

    @property
    def delivered(self) -> int:
        """Events that were put on their way."""
        return self.watches.delivered

    @property
    def waiting(self) -> int:
        """Frames that wait to be sent."""
        return self.outbox.waiting

    @property
    def behind(self) -> int:
        """Sessions in which it is fed from the log."""
        return self.watches.behind

    # -- in ----------------------------------------------------------------------------------------

    async def receive(self, text: str) -> None:
        """Take a text frame; returns when the next one may come."""
        if self.outbox.closing:
            return
        self.received += 1
        self.heard_at = self._clock()
        if len(text if text.isascii() else text.encode()) > self._limits.frame_bytes:
            self.outbox.close(close_codes.FRAME_TOO_LARGE)
            return
        if len(self._running) >= self._limits.in_flight:
            await self._let_quick_ones_end()
        self._take(protocol.decode(text, batch=self._limits.batch))
        # Who does not read its replies is not read from.
        await self.outbox.room()

    async def _let_quick_ones_end(self) -> None:
        """Before a request is refused for those in flight, those that wait for nothing may end.

        One turn of the loop runs them, the next one drops them from what is running.
        """
        for _ in range(2):
            if len(self._running) >= self._limits.in_flight:
                await asyncio.sleep(0)

    def _take(self, frame: protocol.Frame) -> None:
        if isinstance(frame, list):
            self._start(self._run_batch([self._admit(entry) for entry in frame]))
            return
        entry = self._admit(frame)
        if isinstance(entry, Job):
            self._start(self._run(entry))
        else:
            self._put(entry)

    def _put(self, reply: str | None) -> None:
        if reply is not None:
            self.outbox.put(reply)
        if self._doomed:
            # After the reply that says why.
            self.outbox.close(close_codes.BAD_FRAMES)

    def _admit(self, entry: Request | Bad) -> Job | str | None:
        """The job that `entry` is, else the frame that refuses it, None if nobody asked."""
        if isinstance(entry, Bad):
            self._strike(entry.error)
            return protocol.error_reply(entry.id, entry.error)
        if (problem := self._limit()) is not None:
            return None if entry.id is UNSET else protocol.error_reply(entry.id, problem)
        return self._job(entry)

    def _limit(self) -> Error | None:
        if self._finishing:
            return protocol.error("draining", "The server is going away; connect again")
        # In this order: what this connection is refused costs the user's others nothing.
        if (wait := self._bucket.take() or self._user_bucket.take()) > 0:
            self._limited += 1
            if self._limited > FRAMES_WHILE_LIMITED:
                self.outbox.close(close_codes.KEPT_SENDING)
            return protocol.error("rate_limited", "Slow down", retry_after_ms=wait)
        self._limited = 0
        if len(self._running) >= self._limits.in_flight:
            limit = LimitReached(self._limits.in_flight, "requests in flight")
            return protocol.error_of(limit, "")
        return None

    def _strike(self, problem: Error) -> None:
        if problem.name in _BAD and self._strikes.count():
            self._doomed = True

    # -- running -----------------------------------------------------------------------------------

    def _job(self, request: Request) -> Job:
        flow = self._methods.get(request.method)
        peek = protocol.peek(request.params)
        writes = flow is not None and issubclass(flow.input_type, Mutation)
        # Watches of one connection are one thing, whatever sessions they name.
        place = "watches" if request.method in protocol.CONNECTION_ONLY else peek.session_id
        turn = None if place is UNSET else self._order.join(place, writes=writes)
        key = peek.key if writes and peek.key is not UNSET and request.id is not UNSET else None
        if key is not None:
            self.watches.hold(key)
        return Job(request, RequestWatcher(self.watches), turn, key, peek.session_id)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        # A task per message has context variables of its own: nothing leaks from one to the next.
        task = asyncio.get_running_loop().create_task(work)
        self._running.append(task)
        task.add_done_callback(self._running.remove)

    async def _run(self, job: Job) -> None:
        try:
            self._put(await self._answer(job))
        finally:
            self._answered(job)

    async def _run_batch(self, entries: Sequence[Job | str | None]) -> None:
        jobs = [entry for entry in entries if isinstance(entry, Job)]
        try:
            # A stream among them may be cut off, which is no answer, and nobody else's affair.
            outcomes = await asyncio.gather(
                *(self._answer(job) for job in jobs), return_exceptions=True
            )
            answers = (None if isinstance(each, BaseException) else each for each in outcomes)
            replies = [next(answers) if isinstance(entry, Job) else entry for entry in entries]
            present = [reply for reply in replies if reply is not None]
            self._put(protocol.array(present) if present else None)
        finally:
            for job in jobs:
                self._answered(job)

    def _answered(self, job: Job) -> None:
        if job.key is not None:
            self.watches.release(job.key)
        job.watcher.answered()

    async def _answer(self, job: Job) -> str | None:
        """Run a flow; the frame that answers, None if none was asked for."""
        self._count += 1
        trace.set(f"{self.id}-{self._count}")
        asked_as.set(job.request.id)
        try:
            if job.turn is not None and job.turn.waits:
                await job.turn.come()
            outcome = await self._execute(job)
        finally:
            if job.turn is not None:
                job.turn.end()
        if isinstance(outcome, Error):
            self._strike(outcome)
        if job.request.id is UNSET:
            return None
        if isinstance(outcome, Error):
            return protocol.error_reply(job.request.id, outcome)
        return protocol.reply(job.request.id, outcome)

    async def _execute(self, job: Job) -> object:
        request = job.request
        flow = self._methods.get(request.method)
        if flow is None:
            return protocol.error("method_not_found", "There is no such method")
        who = self._who
        if self._asks_as_staff(job):
            try:
                who = actor(Actor(self.user.name, await self._rights()))
            except Exception as problem:  # noqa: BLE001 (as for a flow: somebody waits)
                return told(problem, flow)
        tags = (who, watcher(job.watcher))
        if not flow.streaming:
            return await execute(self._flows, flow, request.params, *tags)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (a message has a task of its own)
        self._streams.append(task)
        try:
            return await execute_stream(
                self._flows.create_context(*tags),
                flow,
                request.params,
                partial(self._give, request.id),
            )
        finally:
            self._streams.remove(task)

    def _asks_as_staff(self, job: Job) -> bool:
        """Whether rights count: only to observe a session, or in one that is observed here."""
        observed = self.watches.observed
        return job.request.method in protocol.AS_STAFF or (
            bool(observed) and job.session_id in observed
        )

    async def _give(self, id_: object, item: object) -> None:
        """Send an item of a stream; the next one is asked for when there is room for it."""
        self.outbox.put(protocol.notification("item", {"id": id_, "item": item}))
        await self.outbox.room()

    # -- what others may know ----------------------------------------------------------------------

    @property
    def watching(self) -> int:
        """How many sessions it watches."""
        return len(self.watches.cursors)

    @property
    def observing(self) -> int:
        """How many of them it observes, as staff."""
        return len(self.watches.observed)

    @property
    def lag(self) -> int:
        """How many events it is behind, at most, in one of them."""
        return self.watches.lag

    # -- out ---------------------------------------------------------------------------------------

    def open(self, send: Send) -> None:
        """Send what is to be sent, from now on until the socket is closed from this side."""
        self._send = send
        self._write(self.outbox.write)

    def _write(self, work: Callable[[Send], Awaitable[None]]) -> None:
        async def write() -> None:
            # The client may go away in the middle of a frame; `receive` tells so, too.
            with suppress(OSError):
                await work(self._send)

        self._writer = asyncio.get_running_loop().create_task(write())

    def _abandon(self, why: close_codes.Close) -> None:
        """Close the socket at once: whatever is being sent will never arrive."""
        self.outbox.abandon(why)
        self._writer.cancel()
        self._write(self.outbox.write_close)

    def look(self, now: float) -> None:
        """Close the socket if its peer does not read, or wants nothing."""
        sending = self.outbox.sending_since
        if sending is not None and now - sending > NOT_READING_SECONDS:
            self._abandon(close_codes.NOT_READING)
        elif not self.watches.cursors and now - self.heard_at > IDLE_SECONDS:
            self.outbox.close(close_codes.IDLE)

    def ping(self) -> None:
        """Tell the heads of what is watched, so that a client can see what it misses."""
        if self.outbox.has_room:
            heads = self.watches.heads()
            self.outbox.put(protocol.notification("ping", {"heads": heads}))

    def close_with(self, why: close_codes.Close) -> None:
        """Close the socket after what is being sent."""
        self.outbox.close(why)

    def stop_observing(self) -> None:
        """Show nothing more of what is watched by right."""
        self.watches.stop_observing()

    def tell(self, method: str, params: dict[str, object]) -> None:
        """Send a notification."""
        self.outbox.put(protocol.notification(method, params))

    def tell_added(self, addition: Addition) -> None:
        """Tell it that its user was added to a session, if it asked to hear of that.

        Not where it watches the session, which tells all of it; and only while there is room: it is
        a hint, and nothing depends on it.
        """
        if (
            self._hears_added
            and addition.session_id not in self.watches.cursors
            and self.outbox.has_room
        ):
            params = {
                each: getattr(addition, each) for each in ("session_id", "seq", "role", "actor")
            }
            self.outbox.put(protocol.notification("added", params))

    async def finish(self, why: close_codes.Close) -> None:
        """Answer what is in flight, refuse what still comes, and close the socket."""
        self._finishing = True
        if running := set(self._running) - set(self._streams):
            await asyncio.wait(running, timeout=FINISH_SECONDS)
        self.outbox.close(why)

    async def close(self) -> None:
        """The socket is gone: finish what runs, since a write may be under way, and forget all.

        Only streams are cut off: they are for this reader, and have no end of their own.
        """
        for task in self._streams:
            task.cancel()
        self._writer.cancel()
        while self._running:
            await asyncio.wait(self._running)
        self.watches.close()
        await asyncio.wait([self._writer])
