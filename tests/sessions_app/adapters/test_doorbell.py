"""The doorbell: all that a node has to say at a moment is one message to all the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec
import pytest
from structlog.testing import capture_logs

from flows.events import Event
from sessions_app.adapters.doorbell import (
    DOORBELL_BYTES,
    MESSAGE_BYTES,
    NODES,
    Committed,
    Doorbell,
    Noted,
    Pace,
    Present,
    Said,
    events_of,
)
from tests.sessions_app.adapters.streets import STILL, Street, settle, until


def id_of(number: int) -> UUID:
    return UUID(int=number)


def event(number: int, seq: int = 1, text: str = "x") -> Event:
    return Event(
        session_id=id_of(number),
        seq=seq,
        kind="message_sent",
        actor="ann",
        at="2026-11-22T19:03:11.412Z",
        key="k",
        data={"text": text},
    )


class Node:
    """A node that has heard something."""

    def __init__(self, street: Street, name: str, pace: Pace) -> None:
        self.heard: list[tuple[str, Said]] = []
        self.bell = Doorbell(
            street, node=name, hear=lambda *heard: self.heard.append(heard), pace=pace
        )

    def seqs(self) -> list[tuple[int, int]]:
        """The sessions and seqs of the events that came."""
        return [
            (each.session_id.int, each.seq)
            for _, said in self.heard
            if isinstance(said, Committed) and said.events
            for each in events_of(said)
        ]


@asynccontextmanager
async def node(street: Street, name: str, pace: Pace = STILL) -> AsyncIterator[Node]:
    made = Node(street, name, pace)
    made.bell.start()
    await settle()
    await made.bell.join()
    try:
        yield made
    finally:
        await made.bell.close()


async def test_all_of_a_turn_is_one_message() -> None:
    """What is said of many sessions in one turn of the loop goes together, in order."""
    street = Street()
    async with node(street, "here") as here, node(street, "there") as there:
        for number in range(1, 51):
            there.bell.committed(id_of(number), [event(number)])
        there.bell.committed(id_of(1), [event(1, 2)])
        there.bell.say(Noted(id_of(7), "frame", None))
        there.bell.say(Present(id_of(8), ["ann", "bob"]))
        await until(lambda: len(here.heard) == 52)
        assert len(street.sent) == there.bell.rung == here.bell.heard == 1
        assert here.seqs() == [(1, 1), (1, 2), *((number, 1) for number in range(2, 51))]
        assert here.heard[50:] == [
            ("there", Noted(id_of(7), "frame", None)),
            ("there", Present(id_of(8), ["ann", "bob"])),
        ]
        assert there.heard == []


async def test_an_event_arrives_as_it_was() -> None:
    """An event that came with the doorbell is in a frame what it would be at home."""
    street = Street()
    made = event(1, 9, "H\u00e9 \u2028 \U0001f600")
    async with node(street, "here") as here, node(street, "there") as there:
        there.bell.committed(id_of(1), [made])
        await until(lambda: bool(here.heard))
        ((_, said),) = here.heard
        assert isinstance(said, Committed)
        assert said.head == 9
        (came,) = events_of(said)
        assert msgspec.json.encode(came) == msgspec.json.encode(made)


async def test_while_a_message_is_on_its_way_the_next_is_gathered() -> None:
    """However often something is said meanwhile, it is one message more."""
    street = Street()
    async with node(street, "here") as here, node(street, "there") as there:
        street.answers.clear()
        there.bell.committed(id_of(1), [event(1)])
        await settle()
        for number in range(2, 40):
            there.bell.committed(id_of(number), [event(number)])
            await asyncio.sleep(0)
        street.answers.set()
        await until(lambda: len(here.heard) == 39)
        assert len(street.sent) == 2


async def test_events_that_are_large_are_only_told_of() -> None:
    """Of a session whose events are large only the head travels; others' events do."""
    street = Street()
    async with node(street, "here") as here, node(street, "there") as there:
        there.bell.committed(id_of(1), [event(1, 4, "x" * DOORBELL_BYTES)])
        there.bell.committed(id_of(2), [event(2)])
        await until(lambda: len(here.heard) == 2)
        assert here.heard[0] == ("there", Committed(id_of(1), 4, b""))
        assert here.seqs() == [(2, 1)]


async def test_no_message_is_too_large() -> None:
    """Much that is said at once goes in several messages, all of it and in order."""
    street = Street()
    async with node(street, "here") as here, node(street, "there") as there:
        for number in range(1, 101):
            there.bell.committed(id_of(number), [event(number, text="x" * 10_000)])
        await until(lambda: len(here.heard) == 100)
        assert here.seqs() == [(number, 1) for number in range(1, 101)]
        sizes = [len(message["said"]) for message in street.sent]
        assert len(sizes) == 4
        assert max(sizes) < MESSAGE_BYTES + DOORBELL_BYTES


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"node": "there"}, id="an earlier version's"),
        pytest.param({"node": "there", "said": b"\xc1"}, id="no msgpack"),
        pytest.param(
            {"node": "there", "said": msgspec.msgpack.encode([["moved", 1]])},
            id="a later version's",
        ),
        pytest.param(
            {"node": "there", "said": msgspec.msgpack.encode([["present", "x", [1]]])},
            id="nonsense",
        ),
        pytest.param({"node": "there", "said": "text"}, id="another type"),
    ],
)
async def test_what_is_not_understood(message: dict[str, object]) -> None:
    """A message that is no doorbell's is told to the log, and the next one is heard."""
    street = Street()
    async with node(street, "here") as here, node(street, "there") as there:
        with capture_logs() as logs:
            await street.group_send(NODES, message)
            await settle()
        assert {each["event"] for each in logs} == {"doorbell_not_understood"}
        assert here.heard == []
        there.bell.committed(id_of(1), [event(1)])
        await until(lambda: here.seqs() == [(1, 1)])


async def test_who_only_tells_does_not_hear() -> None:
    """A process that watches nothing and waits for nothing is not in the group."""
    street = Street()
    async with node(street, "here") as here:
        quiet = Node(street, "quiet", Pace(check_every=3600, rejoin_every=0.001, patience=3600))
        quiet.bell.start()
        here.bell.committed(id_of(1), [event(1)])
        quiet.bell.committed(id_of(2), [event(2)])
        await until(lambda: here.seqs() == [(2, 1)])
        await settle()
        assert quiet.heard == []
        assert len(street.groups[NODES]) == 1
        await quiet.bell.close()
