"""A look at what is stored, on each database: what is damaged is found, while others write."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import Error, connections, transaction
from django.db.models import F, Model

from flows.actor import SYSTEM
from flows.events import (
    BODIES,
    MessageSent,
    ParticipantAdded,
    ParticipantRemoved,
    Role,
    SessionEnded,
    SessionRenamed,
    SessionResumed,
)
from flows.session import Session
from flows.verification import Finding
from sessions_app import models
from sessions_app.adapters.audit import PAGE, Audit, snapshot
from tests.fakes import FixedClock
from tests.sessions_app.adapters.nodes import BOB, CID, Gate, Node

#: A session and the database it is in: damages it.
Damage = Callable[[UUID, str], object]


async def play(node: Node, clock: FixedClock) -> UUID:
    """A session in which everything has happened that can; its head is 14."""
    id = await node.begin(ParticipantAdded("cid", Role.OBSERVER), key="a1")
    await node.say(id, "It leaks.", by=BOB, key="b1")
    await node.write(id, SessionRenamed("Wall"), by=BOB, key="b2")
    await node.write(id, ParticipantAdded("cid", Role.MEMBER), key="a2")
    clock.advance(seconds=1)
    await node.write(id, ParticipantRemoved("cid"), by=CID, key="c1")
    await node.write(id, ParticipantAdded("dan", Role.MEMBER), key="a3")
    await node.write(id, ParticipantRemoved("dan"), key="a4")
    await node.write(id, ParticipantAdded("dan", Role.OBSERVER), key="a5")
    await node.write(id, SessionEnded("Dry"), by=SYSTEM, key="s1")
    await node.write(id, SessionResumed(), key="a6")
    await node.write(id, MessageSent("a"), MessageSent("b", reply_to=4), key="a7")
    await node.log.mark_seen(id, by=BOB, decide=lambda session: session.seq)
    return id


def look(alias: str) -> tuple[list[tuple[int | None, str]], Audit]:
    """What is wrong anywhere, and what was looked at."""
    audit = Audit(using=alias)
    findings = [each for id in audit.everything() for each in audit.look(id)]
    return [(each.seq, each.what) for each in findings], audit


def rows(model: type[Model], alias: str, **conditions: Any) -> Any:
    return model._default_manager.using(alias).filter(**conditions)


def event(seq: int, /, **change: Any) -> Damage:
    return lambda id, alias: rows(models.Event, alias, session=id, seq=seq).update(**change)


def stored(**change: Any) -> Damage:
    return lambda id, alias: rows(models.Session, alias, pk=id).update(**change)


def seat(user: str, /, **change: Any) -> Damage:
    return lambda id, alias: rows(
        models.Participant, alias, session=id, user__username=user
    ).update(**change)


def receipt(key: str, /, **change: Any) -> Damage:
    return lambda id, alias: rows(models.Receipt, alias, session=id, key=key).update(**change)


def without(model: type[Model], **conditions: Any) -> Damage:
    return lambda id, alias: rows(model, alias, session=id, **conditions).delete()


def another_owner(id: UUID, alias: str) -> None:
    bob = models.User.objects.using(alias).get(username="bob")
    rows(models.Session, alias, pk=id).update(owner=bob)


def elsewhere(id: UUID, alias: str) -> None:
    """The receipt of `b1` belongs to another session."""
    other = models.Session.objects.using(alias).exclude(pk=id).get()
    rows(models.Receipt, alias, key="b1").update(session=other, seq=2)


async def test_sound(node: Node, clock: FixedClock) -> None:
    """A database in which everything has happened that can is sound, and all of it was read."""
    id = await play(node, clock)
    assert {each.kind for each in await node.events(id)} == BODIES.keys()
    await node.begin(key="other")
    findings, audit = await node.log.run(look, node.alias)
    assert findings == []
    assert (audit.sessions, audit.events, audit.receipts) == (2, 16, 12)
    assert await node.log.run(audit.size) == 16


async def test_nothing(node: Node) -> None:
    """An empty database is sound; so is a session that does not exist, or no more."""
    findings, audit = await node.log.run(look, node.alias)
    assert (findings, audit.sessions, await node.log.run(audit.size)) == ([], 0, 0)
    assert await node.log.run(lambda: list(audit.look(uuid4()))) == []
    assert audit.sessions == 0


async def test_pages(node: Node) -> None:
    """However many sessions there are, each is looked at once; one that begins later is not."""
    first = await node.begin()
    row = await node.log.run(
        lambda: models.Session.objects.using(node.alias).select_related("owner").get()
    )
    ids = {UUID(int=number) for number in range(1, 2 * PAGE + 2)}

    def multiply(ids: Iterable[UUID]) -> None:
        common = {"owner": row.owner, "last_seq": 1}
        times = {"created_at": row.created_at, "last_activity": row.last_activity}
        made = [models.Session(id=each, **common, **times) for each in ids]
        models.Session.objects.using(node.alias).bulk_create(made)

    def read() -> list[UUID]:
        every = Audit(using=node.alias).everything()
        found = [next(every)]
        multiply([UUID(int=2**128 - 1)])
        return found + list(every)

    await node.log.run(multiply, ids)
    assert await node.log.run(read) == sorted({*ids, first})


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        pytest.param(without(models.Event, seq=6), (7, "the event before is #5"), id="a hole"),
        pytest.param(without(models.Event, seq=1), (2, "the event before is #0"), id="no begin"),
        pytest.param(
            without(models.Event, seq=14), (None, "last_seq is 14, in the log 13"), id="no end"
        ),
        pytest.param(
            without(models.Event), (None, "last_seq is 14, in the log 0"), id="no log at all"
        ),
        pytest.param(event(6, seq=99), (7, "the event before is #5"), id="another seq"),
        pytest.param(stored(last_seq=15), (None, "last_seq is 15"), id="head beyond"),
        pytest.param(stored(last_seq=13), (None, "last_seq is 13"), id="head before"),
        pytest.param(stored(message_count=9), (None, "message_count is 9"), id="count"),
        pytest.param(stored(title="x"), (None, "title is 'x', in the log 'Wall'"), id="title"),
        pytest.param(stored(metadata={}), (None, "metadata is {}"), id="metadata"),
        pytest.param(
            stored(status="ended", ended_at=F("created_at")),
            (None, "status is 'ended', in the log 'open'"),
            id="status",
        ),
        pytest.param(
            stored(created_at=F("last_activity")), (None, "created_at is "), id="created"
        ),
        pytest.param(
            stored(last_activity=F("created_at")), (None, "last_activity is "), id="activity"
        ),
        pytest.param(another_owner, (None, "owner is bob, in the log ann"), id="owner"),
        pytest.param(
            seat("bob", role="observer"), (None, "the role of bob is 'observer'"), id="role"
        ),
        pytest.param(seat("bob", left_seq=14), (None, "bob left is 14"), id="not in it"),
        pytest.param(seat("cid", left_seq=None), (None, "cid left is nothing"), id="still in it"),
        pytest.param(seat("dan", joined_seq=8), (None, "dan joined is 8"), id="join"),
        pytest.param(
            without(models.Participant, user__username="bob"),
            (None, "bob takes part, or did, in the log only"),
            id="no seat",
        ),
        pytest.param(seat("bob", seen_seq=15), (None, "bob has seen #15"), id="cursor"),
        pytest.param(event(9, at=F("at") - timedelta(days=1)), (9, "its time "), id="time"),
        pytest.param(event(4, data={"text": 1}), (4, "its data are not"), id="data"),
        pytest.param(event(4, kind="x"), (4, "there is no kind 'x'"), id="kind"),
        pytest.param(event(4, key="x"), (4, "the receipt of the key 'b1'"), id="another key"),
        pytest.param(event(4, key=""), (4, "the receipt of the key 'b1'"), id="no key"),
        pytest.param(event(4, actor="ann"), (4, "the receipt of the key 'b1'"), id="author"),
        pytest.param(
            without(models.Receipt, key="b1"), (4, "there is no receipt of"), id="no receipt"
        ),
        pytest.param(receipt("b1", seq=5), (4, "there is no receipt of"), id="receipt elsewhere"),
        pytest.param(receipt("a7", seq=15), (15, "the receipt of"), id="receipt beyond"),
        pytest.param(receipt("a1", seq=2), (2, "the receipt of the key 'a1'"), id="half a write"),
        pytest.param(receipt("b1", actor="ann"), (4, "the receipt of"), id="receipt of another"),
        pytest.param(elsewhere, (4, "there is no receipt of the key 'b1'"), id="other session"),
    ],
)  # fmt: skip
async def test_damage(
    node: Node, clock: FixedClock, damage: Damage, expected: tuple[int | None, str]
) -> None:
    """What is damaged in one session is found there; then it is not sound any more."""
    await node.begin(key="other")
    id = await play(node, clock)
    await node.log.run(damage, id, node.alias)
    findings, audit = await node.log.run(look, node.alias)
    assert any(seq == expected[0] and what.startswith(expected[1]) for seq, what in findings), (
        findings
    )
    assert audit.sessions == 2


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(event(6, seq=5), id="a seq twice"),
        pytest.param(event(6, seq=0), id="seq zero"),
        pytest.param(event(6, session=uuid4()), id="an event of nowhere"),
        pytest.param(stored(last_seq=0), id="no head"),
        pytest.param(stored(status="lost"), id="no status"),
        pytest.param(stored(status="ended"), id="ended, but never"),
        pytest.param(stored(ended_at=F("created_at")), id="open, but ended"),
        pytest.param(stored(owner=0), id="owned by nobody"),
        pytest.param(seat("bob", role="king"), id="no role"),
        pytest.param(seat("cid", left_seq=F("joined_seq")), id="left before joining"),
        pytest.param(receipt("b1", key="b2"), id="a key twice"),
        pytest.param(receipt("b1", session=uuid4()), id="a receipt of nowhere"),
    ],
)
async def test_what_the_database_forbids(node: Node, clock: FixedClock, damage: Damage) -> None:
    """Some damage cannot be: the database itself refuses it."""
    id = await play(node, clock)

    def do() -> None:
        with transaction.atomic(using=node.alias):
            damage(id, node.alias)
            # Whether keys refer to something is checked at the end, and here at once.
            connections[node.alias].check_constraints()

    with pytest.raises(Error):
        await node.log.run(do)
    assert (await node.log.run(look, node.alias))[0] == []


async def test_while_others_write(node: Node, clock: FixedClock) -> None:
    """A session that is written to while it is read is read as it was; nobody has to wait."""
    id = await play(node, clock)
    session, gate, audit = await node.log.find(id), Gate(), Audit(using=node.alias)

    def slowly() -> list[Finding]:
        return list(audit.look(id, read=partial(gate, _session(session))))

    reading = asyncio.create_task(node.log.run(slowly))
    await gate.reached()
    await node.say(id, "c", key="later")
    await node.write(id, ParticipantRemoved("bob"), key="last")
    gate.open()
    assert await reading == []
    assert (audit.events, audit.receipts) == (14, 11)
    findings, audit = await node.log.run(look, node.alias)
    assert (findings, audit.events) == ([], 16)


def _session(session: Session | None) -> Session:
    assert session is not None
    return session


async def test_snapshot(node: Node) -> None:
    """Whatever is read in a snapshot, and when, is as of its first query."""
    id = await node.begin()
    session, gate = _session(await node.log.find(id)), Gate()

    def twice() -> list[int]:
        events = models.Event.objects.using(node.alias)
        with snapshot(using=node.alias):
            before = events.count()
            gate(session)
            return [before, events.count()]

    reading = asyncio.create_task(node.log.run(twice))
    await gate.reached()
    await node.say(id, "x")
    gate.open()
    assert await reading == [2, 2]
    assert len(await node.events(id)) == 3


async def test_snapshot_leaves_nothing_behind(node: Node) -> None:
    """After a snapshot its thread writes as before, also when something went wrong in it."""

    def fail() -> None:
        with snapshot(using=node.alias):
            assert models.User.objects.using(node.alias).count() == 4
            raise ZeroDivisionError

    def use() -> bool:
        with pytest.raises(ZeroDivisionError):
            fail()
        models.User.objects.using(node.alias).create(username="eve")
        return models.User.objects.using(node.alias).filter(username="eve").exists()

    assert await node.log.run(use)


async def test_snapshot_is_no_part_of_a_transaction(node: Node) -> None:
    """A transaction that is open already would be of another moment: that is refused."""

    def use() -> None:
        with transaction.atomic(using=node.alias), snapshot(using=node.alias):
            pass

    with pytest.raises(RuntimeError):
        await node.log.run(use)
