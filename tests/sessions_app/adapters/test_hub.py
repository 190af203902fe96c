"""The hub: what is committed anywhere reaches those who watch here, whatever the doorbell does."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from msgspec import UNSET
from msgspec.structs import replace
from structlog.testing import capture_logs

from flows.errors import Unavailable
from flows.events import Event
from sessions_app.adapters.additions import Addition
from sessions_app.adapters.doorbell import NODES, RING, Committed, Noted, Pace, Present
from sessions_app.adapters.feed import Entry
from sessions_app.adapters.hub import MEET_AFTER, PAGE, Hub
from tests.sessions_app.adapters.streets import BUSY, STILL, Street, settle, until

ID = UUID("0197c5a0-0000-7000-8000-000000000001")


class Log:
    """A log in memory, which can be away."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.away = False
        self.failing = False
        self.deleted = False
        self.reads = 0
        self.checks = 0

    def append(self, count: int = 1, text: str = "x") -> list[Event]:
        made = [
            Event(
                session_id=ID,
                seq=len(self.events) + index + 1,
                kind="message_sent",
                actor="ann",
                at="t",
                key=UNSET,
                data={"text": text},
            )
            for index in range(count)
        ]
        self.events += made
        return made

    async def read(self, session_id: UUID, *, after: int, limit: int) -> list[Event]:
        self.reads += 1
        if self.away:
            raise Unavailable
        return self.events[after : after + limit]

    async def heads(self, session_ids: Collection[UUID]) -> dict[UUID, int]:
        self.checks += 1
        if self.away:
            raise Unavailable
        if self.failing:
            raise LookupError
        return {} if self.deleted else dict.fromkeys(session_ids, len(self.events))


class Listener:
    """A reader that takes everything."""

    def __init__(self, user: str = "ann") -> None:
        self.user = user
        self.live = True
        self.granted = 0
        self.live_at = 0.0
        self.met = False
        self.observing = False
        self.got: list[int] = []
        self.notes: list[str] = []
        self.stopped = False
        self.forgotten = False
        self.news = asyncio.Event()

    def push(self, entries: Sequence[Entry]) -> None:
        self.got += [each.event.seq for each in entries]
        self.news.set()

    def note(self, frame: str, *, origin: str | None) -> None:
        if origin != "me":
            self.notes.append(frame)
            self.news.set()

    def stop(self, reason: str) -> None:
        assert reason == "deleted", "nobody is removed here"
        self.stopped = True
        self.news.set()

    def forget(self) -> None:
        self.forgotten = True

    async def has(self, *seqs: int) -> bool:
        while self.got != list(seqs):
            self.news.clear()
            await self.news.wait()
        return True


@asynccontextmanager
async def running(
    log: Log, street: Street | None = None, pace: Pace | None = None
) -> AsyncIterator[Hub]:
    hub = Hub(log, street, pace=pace or Pace())
    hub.start()
    await settle()
    try:
        yield hub
    finally:
        await hub.close()


async def watch(hub: Hub, log: Log, user: str = "ann") -> Listener:
    listener = Listener(user)
    await hub.register([ID])
    hub.follow(ID, listener, head=len(log.events))
    hub.release([ID])
    return listener


async def test_what_is_committed_here_arrives_at_once() -> None:
    """A process's own events reach its readers without any doorbell, and without a read."""
    log = Log()
    async with running(log) as hub:
        listener = await watch(hub, log)
        hub.committed(log.append(3))
        assert listener.got == [1, 2, 3]
        assert log.reads == 0


async def test_what_is_committed_elsewhere_arrives_with_the_doorbell() -> None:
    """Another process's events come with its doorbell, and are not read."""
    log, street = Log(), Street()
    async with running(log, street) as here, running(log, street) as there:
        listener = await watch(here, log)
        there.committed(log.append(2))
        assert await listener.has(1, 2)
        assert log.reads == 0


async def test_a_large_event_is_read() -> None:
    """An event that is too large for the doorbell is only announced by it."""
    log, street = Log(), Street()
    async with running(log, street) as here, running(log, street) as there:
        listener = await watch(here, log)
        there.committed(log.append(1, text="x" * 20_000))
        assert await listener.has(1)
        assert log.reads == 1


async def test_a_process_does_not_listen_to_its_own_doorbell() -> None:
    """What a process has told its readers already does not come a second time."""
    log, street = Log(), Street()
    async with running(log, street) as hub:
        listener = await watch(hub, log)
        hub.committed(log.append())
        await settle()
        assert len(street.sent) == 1
        assert listener.got == [1]


async def test_who_is_added_is_told_on_every_node() -> None:
    """Whoever is added to a session is told of here and, by the doorbell, on nodes where nobody
    watches it; what is too large for the doorbell is told here only.
    """
    log, street = Log(), Street()
    async with running(log, street) as here, running(log, street) as there:
        near: list[Addition] = []
        far: list[Addition] = []
        there.on_added, here.on_added = near.append, far.append
        here.attend(lambda: None)
        await settle()
        for padding in (0, 20_000, 0):
            data = {"user": "bob", "role": "member", "padding": "x" * padding}
            (event,) = log.append()
            there.committed([replace(event, kind="participant_added", data=data)])
            there.committed(log.append())
            assert near[-1] == Addition(ID, "bob", "member", "ann", event.seq)
            await settle()
        assert far == [near[0], near[2]]


async def test_a_hole_is_repaired_by_one_read() -> None:
    """When a doorbell was lost, the next one shows the hole, and one read fills it for all."""
    log, street = Log(), Street()
    async with running(log, street) as here, running(log, street) as there:
        listeners = [await watch(here, log) for _ in range(3)]
        street.deaf = True
        there.committed(log.append(2))
        await settle()
        street.deaf = False
        there.committed(log.append(1))
        for listener in listeners:
            assert await listener.has(1, 2, 3)
        assert log.reads == 1


async def test_with_no_doorbell_at_all_everything_arrives() -> None:
    """The check finds what no doorbell has told, page by page."""
    log, street = Log(), Street()
    async with running(log, street) as here:
        listener = await watch(here, log)
        log.append(PAGE + 1)
        await here.check()
        assert await listener.has(*range(1, PAGE + 2))


async def test_a_broken_doorbell_breaks_nothing() -> None:
    """When the layer raises, commits, watches and the check go on."""
    log, street = Log(), Street()
    street.broken = True
    async with running(log, street) as hub:
        listener = await watch(hub, log)
        hub.committed(log.append(2))
        assert listener.got == [1, 2]
        log.append()
        await hub.check()
        assert await listener.has(1, 2, 3)


async def test_a_log_that_is_away_is_asked_again() -> None:
    """A repair that cannot read leaves the hole to the next check."""
    log = Log()
    async with running(log) as hub:
        listener = await watch(hub, log)
        log.append()
        await hub.check()
        log.away = True
        await settle()
        with pytest.raises(Unavailable):
            await hub.check()
        log.away = False
        await hub.check()
        assert await listener.has(1)


async def test_notes_reach_every_process_and_not_their_origin() -> None:
    """What is ephemeral is told to all who watch, here and elsewhere, but not to its origin."""
    log, street = Log(), Street()
    async with running(log, street) as here, running(log, street) as there:
        near, far = await watch(here, log), await watch(there, log)
        here.seen(ID, user="ann", seq=3, origin="me")
        here.signal(ID, actor="ann", name="typing", data={}, origin=None)
        while len(far.notes) < 1:
            far.news.clear()
            await far.news.wait()
        typing = (
            '{"jsonrpc":"2.0","method":"signal","params":'
            f'{{"session_id":"{ID}","actor":"ann","name":"typing","data":{{}}}}}}'
        )
        assert near.notes == [typing]
        assert far.notes == [typing]


async def test_a_feed_goes_with_its_last_reader() -> None:
    """Nothing is kept of a session that nobody here watches."""
    log = Log()
    async with running(log) as hub:
        listener = await watch(hub, log)
        other = await watch(hub, log)
        hub.leave(ID, listener)
        assert ID in hub.feeds
        hub.leave(ID, other)
        assert hub.feeds == {}


async def test_a_feed_stays_while_somebody_may_still_follow() -> None:
    """A request that was refused does not take the feed from another that is under way."""
    log = Log()
    async with running(log) as hub:
        await hub.register([ID])
        await hub.register([ID])
        hub.release([ID])
        hub.committed(log.append())
        listener = Listener()
        hub.follow(ID, listener, head=0)
        hub.release([ID])
        assert listener.got == [1]


async def test_of_another_epochs_log_nothing_is_known() -> None:
    """When the log is another one, who watched is told nothing more, and who comes now is given
    nothing of the old one, though a request under way has kept its feed.
    """
    log = Log()
    async with running(log) as hub:
        before = await watch(hub, log)
        hub.committed(log.append(3))
        await hub.register([ID])
        log.events.clear()
        hub.begin_anew()
        assert before.forgotten
        hub.leave(ID, before)

        after = await watch(hub, log)
        hub.release([ID])
        feed = hub.feeds[ID]
        assert (feed.position, feed.known_head, feed.after(0)) == (0, 0, None)
        hub.committed(log.append(1))
        assert (before.got, after.got) == ([1, 2, 3], [1])


async def test_what_is_waiting_is_rung_before_the_end() -> None:
    """A hub that closes rings what was committed last."""
    log, street = Log(), Street()
    async with running(log, street) as hub:
        hub.committed(log.append())
    assert heads(street) == [1]


def heads(street: Street) -> list[int]:
    """Which heads were told to others."""
    return [each.head for each in street.said() if isinstance(each, Committed)]


def here(listener: Listener) -> list[list[str]]:
    """Who the listener was told is here, each time."""
    told = [json.loads(note) for note in listener.notes]
    return [each["params"]["here"] for each in told if each["method"] == "presence"]


async def test_who_watches_learns_who_is_here_on_any_node() -> None:
    """Newcomers are told who is here, the others when it changes; nobody twice the same."""
    log, street = Log(), Street()
    async with running(log, street) as one, running(log, street) as two:
        ann, bob = await watch(one, log, "ann"), await watch(two, log, "bob")
        for hub in (one, two):
            hub.look_around()
        assert (here(ann), here(bob)) == ([["ann"]], [["bob"]])
        await settle()
        for _ in range(3):
            for hub in (one, two):
                hub.look_around()
        assert (here(ann)[1:], here(bob)[1:]) == ([["ann", "bob"]], [["ann", "bob"]])


async def test_who_has_just_come_is_told_a_little_later() -> None:
    """Nobody is told who is here before they have been live for a while."""
    log = Log()
    async with running(log) as hub:
        listener = await watch(hub, log)
        listener.live_at = asyncio.get_running_loop().time()
        hub.look_around()
        assert here(listener) == []
        listener.live_at -= MEET_AFTER
        hub.look_around()
        assert here(listener) == [["ann"]]


async def test_the_last_one_to_leave_a_node_is_told_to_the_others() -> None:
    """A node on which nobody watches any more says so."""
    log, street = Log(), Street()
    async with running(log, street) as one, running(log, street) as two:
        await watch(one, log, "ann")
        bob = await watch(two, log, "bob")
        two.look_around()
        two.leave(ID, bob)
        await settle()
        assert [each.users for each in street.said() if isinstance(each, Present)] == [["bob"], []]


# -- what may not hold it up -----------------------------------------------------------------------


async def test_a_check_that_fails_is_not_the_last() -> None:
    """Whatever a check raises, the next one is made."""
    log = Log()
    async with running(log, pace=BUSY) as hub:
        listener = await watch(hub, log)
        log.failing = True
        await until(lambda: log.checks > 2)
        log.failing = False
        log.append()
        assert await listener.has(1)


async def test_presence_that_fails_keeps_no_event_back() -> None:
    """Whatever is wrong with telling who is there, it does not stop the check."""

    class Deaf(Listener):
        def note(self, frame: str, *, origin: str | None) -> None:
            raise LookupError

    log = Log()
    async with running(log, pace=BUSY) as hub:
        listener = await watch(hub, log)
        with capture_logs() as logs:
            hub.follow(ID, Deaf(), head=len(log.events))
            await until(lambda: {"look_around_failed"} <= {each["event"] for each in logs})
        log.append()
        assert await listener.has(1)


async def test_a_layer_that_hangs_holds_nothing_up() -> None:
    """A layer that neither answers nor raises stops no watch and no check; when it answers again,
    its groups are joined again, and the doorbell is rung.
    """
    log, street = Log(), Street()
    async with running(log, street, BUSY) as here, running(log, street, BUSY) as there:
        street.answers.clear()
        listener = await watch(here, log)
        there.committed(log.append())
        assert await listener.has(1)
        checks = log.checks
        await until(lambda: log.checks > checks + 20)
        log.append()
        assert await listener.has(1, 2)

        street.answers.set()
        await until(lambda: bool(street.groups))
        there.committed(log.append())
        await until(lambda: 3 in heads(street))
        assert await listener.has(1, 2, 3)


async def test_a_doorbell_that_is_never_rung() -> None:
    """After a while the layer is not waited for any more: the next doorbell is rung."""
    log, street = Log(), Street()
    impatient = Pace(check_every=3600, rejoin_every=3600, patience=0.001)
    async with running(log, street, impatient) as here, running(log, street, impatient) as there:
        listener = await watch(here, log)
        street.lost = 1
        there.committed(log.append())
        await until(lambda: street.lost == 0)
        there.committed(log.append())
        assert await listener.has(1, 2)


async def test_a_layer_that_hangs_costs_no_memory() -> None:
    """What waits for a layer that hangs is bounded; what is not rung is found by the check."""
    log, street = Log(), Street()
    async with running(log, street, STILL) as here, running(log, street, STILL) as there:
        listener = await watch(here, log)
        street.answers.clear()
        there.committed(log.append())
        await settle()
        for _ in range(RING + 10):
            there.committed(log.append())
            there.seen(ID, user="ann", seq=1, origin=None)
        street.answers.set()
        await until(lambda: len(listener.notes) == RING)
        assert await listener.has(*range(1, 1 + RING + 1))
        await here.check()
        assert await listener.has(*range(1, 1 + RING + 10 + 1))
        assert sum(isinstance(each, Noted) for each in street.said()) == RING


async def test_trouble_with_the_layer_is_told_once() -> None:
    """When the doorbell begins to fail, and when it works again, one line says so."""
    log, street = Log(), Street()
    async with running(log, street, STILL) as hub:
        await watch(hub, log)
        with capture_logs() as logs:
            for street.broken in (True, True, False, False, True):
                hub.committed(log.append())
                await settle()
    told = [each["event"] for each in logs]
    assert told == ["doorbell_failed", "doorbell_works", "doorbell_failed"]


async def test_a_log_with_a_hole_is_not_read_for_ever() -> None:
    """Where the log itself has no next event, one read finds that out, and one more per check."""
    log = Log()
    async with running(log, pace=STILL) as hub:
        await watch(hub, log)
        log.append(3)
        del log.events[0]
        for reads in (1, 2):
            await hub.check()
            await settle()
            assert log.reads == reads


async def test_what_cannot_be_read_from_the_layer_is_skipped() -> None:
    """A message that the layer itself cannot read takes nothing but itself: the next one comes on
    the same channel.
    """
    log, street = Log(), Street()
    async with running(log, street, BUSY) as here, running(log, street, BUSY) as there:
        listener = await watch(here, log)
        await until(lambda: bool(street.groups))
        (channel,) = street.groups[NODES]
        street.queues[channel].put_nowait({"broken": True})
        there.committed(log.append())
        assert await listener.has(1)
        await until(street.queues[channel].empty)
        assert len(street.queues) == 2
        assert street.groups == {NODES: {channel}}


async def test_it_says_how_events_of_others_come() -> None:
    """The mode is the database while the doorbell does not work, and goes back by itself."""
    log, street = Log(), Street()
    async with running(log) as alone:
        assert alone.mode == "alone"
    async with running(log, street) as hub:
        modes = [hub.mode]
        for broken in (True, False):
            street.broken = broken
            hub.committed(log.append())
            await settle()
            modes.append(hub.mode)
        assert modes == ["doorbell", "database", "doorbell"]


async def test_who_watches_a_session_that_is_deleted_is_told() -> None:
    """A watched session that the log has no more was deleted; who only registered is not told."""
    log = Log()
    async with running(log) as hub:
        listener = await watch(hub, log)
        other = ID.__class__(int=7)
        await hub.register([other])
        await hub.check()
        assert not listener.stopped
        log.deleted = True
        await hub.check()
        assert listener.stopped
        assert other in hub.feeds
        hub.release([other])


async def test_what_nodes_are_asked_is_rung_at_once() -> None:
    """Whoever attends hears at once that nodes are asked something, also from a process that is no
    node itself; also when the layer has lost its groups meanwhile.
    """
    log, street = Log(), Street()
    async with (
        running(log, street) as here,
        running(log, street) as there,
        running(log, street, BUSY) as command,
    ):
        heard: list[str] = []
        here.attend(lambda: heard.append("here"))
        there.attend(lambda: heard.append("there"))
        await until(lambda: len(street.groups.get(NODES, ())) == 2)
        command.asked()
        await until(lambda: len(heard) == 2)
        here.asked()
        await until(lambda: len(heard) == 4)
        assert sorted(heard) == ["here", "here", "there", "there"]

    async with running(log, street, BUSY) as again:
        again.attend(lambda: heard.append("again"))
        await until(lambda: bool(street.groups.get(NODES)))
        street.groups.clear()
        await until(lambda: bool(street.groups.get(NODES)))
