"""`manage.py rotate_epoch`, and what clients then are told."""

import asyncio
import io
import re
import sys
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.management.base import CommandError

from project.application import Application
from sessions_app.adapters.wiring import door
from sessions_app.models import Event, Log, Receipt, Session
from tests.sessions_app.commands.running import call, stored
from tests.sessions_app.sockets import Client, people, serving

pytestmark = pytest.mark.django_db(transaction=True)


def epochs() -> list[str]:
    return list(Log.objects.values_list("epoch", flat=True))


def rotate() -> tuple[str, str]:
    """Rotate without being asked; the old epoch and the new one, as they are printed."""
    output = call("rotate_epoch", "--yes")
    found = re.fullmatch(r"The epoch was (\w+) and is (\w+)\.\n", output.out)
    assert found is not None
    assert output.err == ""
    return found[1], found[2]


def test_another_epoch() -> None:
    """The log has another epoch each time, and nothing else has changed."""
    Log.objects.create(epoch="e1")
    before = stored()
    first, second = rotate(), rotate()
    assert first[0] == "e1"
    assert first[1] == second[0]
    assert len({"e1", *first, *second}) == 3
    assert epochs() == [second[1]]
    assert stored() == before


def test_the_first_epoch() -> None:
    """A log that had no epoch yet has one afterwards."""
    old, new = rotate()
    assert old != new
    assert epochs() == [new]


@pytest.mark.parametrize("answer", ["y\n", "Y\n", "yes\n"])
def test_agreed(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Without --yes it asks, and does it for a yes."""
    Log.objects.create(epoch="e1")
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    assert call("rotate_epoch").out.startswith("The epoch was e1 and is ")
    assert epochs() != ["e1"]


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "yesterday\n"])
def test_not_agreed(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Any other answer, and none, change nothing; it fails, so that a script notices."""
    Log.objects.create(epoch="e1")
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    with pytest.raises(CommandError, match=r"^Nothing was done$"):
        call("rotate_epoch")
    assert epochs() == ["e1"]


# -- what clients are told -----------------------------------------------------------------------


async def watch(client: Client, session_id: str, after: int, epoch: str | None = None) -> Any:
    """The result of watching one session."""
    params = {} if epoch is None else {"epoch": epoch}
    place = {"session_id": session_id, "after": after}
    return await client.call("watch_sessions", sessions=[place], **params)


async def events_until_live(client: Client) -> list[int]:
    """The seqs of the events that come before `live`."""
    seqs: list[int] = []
    while (frame := await client.frame())["method"] != "live":
        if frame["method"] == "event":
            seqs.append(frame["params"]["seq"])
    return seqs


async def test_positions_of_the_old_epoch() -> None:
    """A position from before is refused with head and epoch, whatever it is, and none of the
    session's events come; one that follows from a new snapshot is watched from there.
    """
    tokens = await sync_to_async(people)("ann")
    async with serving() as application, Client(application, token=tokens["ann"]) as ann:
        created = await ann.call("create_session", key="c")
        session_id = created["session_id"]
        await ann.call("send_message", session_id=session_id, text="It leaks.", key="m-1")
        before = ann.welcome["epoch"]

    old, new = await sync_to_async(rotate)()
    assert old == before

    # As after a backup, with servers that have started again.
    async with (
        serving() as application,
        Client(application, token=tokens["ann"]) as ann,
        Client(application, token=tokens["ann"]) as other,
    ):
        assert ann.welcome["epoch"] == new
        refusal = {
            "session_id": session_id,
            "code": "unrecoverable_position",
            "head": 2,
            "epoch": new,
        }
        for after in (0, 1, 2, 3):
            result = await watch(ann, session_id, after, old)
            assert result == {"watching": [], "refused": [refusal]}

        # Ann is told nothing of it: the answer to a ping is all that comes.
        await other.call("send_message", session_id=session_id, text="Still.", key="m-2")
        await ann.send({"jsonrpc": "2.0", "id": "p", "method": "ping", "params": {}})
        assert (await ann.frame())["id"] == "p"

        snapshot = await ann.call("get_session", session_id=session_id)
        assert (snapshot["epoch"], snapshot["seq"]) == (new, 3)
        result = await watch(ann, session_id, snapshot["seq"], snapshot["epoch"])
        assert result == {"watching": [{"session_id": session_id, "head": 3}], "refused": []}
        assert await events_until_live(ann) == []
        await other.call("send_message", session_id=session_id, text="Dry.", key="m-3")
        frame = await ann.frame()
        assert (frame["method"], frame["params"]["seq"]) == ("event", 4)


async def look(application: Application) -> None:
    """One look of this process at its connections."""
    keeper = (await application.flows.resolve(door)).keeper
    await keeper.look(asyncio.get_running_loop().time())


def restore() -> None:
    """The one session as it was in a backup: with its first event only."""
    Event.objects.filter(seq__gt=1).delete()
    Receipt.objects.filter(seq__gt=1).delete()
    Session.objects.update(last_seq=1)


async def test_live_sockets_of_all_nodes() -> None:
    """Sockets that are open when the epoch changes are closed with 4002 on every node. Who comes
    again is refused the old position, and is given nothing of what the process knew of the old log.
    """
    tokens = await sync_to_async(people)("ann")
    async with (
        serving() as one,
        serving() as two,
        Client(one, token=tokens["ann"]) as here,
        Client(two, token=tokens["ann"]) as there,
    ):
        session_id = (await here.call("create_session", key="c"))["session_id"]
        assert (await watch(there, session_id, 1))["refused"] == []
        await events_until_live(there)
        for text in ("It leaks.", "Much."):
            await here.call("send_message", session_id=session_id, text=text, key=text)
        await sync_to_async(restore)()
        old, new = await sync_to_async(rotate)()
        assert here.welcome["epoch"] == there.welcome["epoch"] == old
        await look(one)
        await look(two)
        assert [await here.closed(), await there.closed()] == [4002, 4002]

        async with Client(one, token=tokens["ann"]) as again:
            assert again.welcome["epoch"] == new
            await look(one)
            (refused,) = (await watch(again, session_id, 3, old))["refused"]
            assert refused["code"] == "unrecoverable_position"
            snapshot = await again.call("get_session", session_id=session_id)
            result = await watch(again, session_id, snapshot["seq"], snapshot["epoch"])
            assert result == {
                "watching": [{"session_id": session_id, "head": 1}],
                "refused": [],
            }
            assert await events_until_live(again) == []
            await again.call("send_message", session_id=session_id, text="Dry.", key="m")
            frame = await again.frame()
            assert (frame["method"], frame["params"]["seq"]) == ("event", 2)
            assert frame["params"]["data"] == {"text": "Dry."}


async def test_positions_beyond_the_head() -> None:
    """A position that the log does not have is refused in any epoch; -1 is none, and is welcome."""
    tokens = await sync_to_async(people)("ann")
    async with serving() as application, Client(application, token=tokens["ann"]) as ann:
        created = await ann.call("create_session", key="c")
        session_id, epoch = created["session_id"], ann.welcome["epoch"]
        for after, theirs in ((2, epoch), (2, None), (2**53 - 1, epoch), (2, "e0")):
            (refused,) = (await watch(ann, session_id, after, theirs))["refused"]
            assert refused == {
                "session_id": session_id,
                "code": "unrecoverable_position",
                "head": 1,
                "epoch": epoch,
            }
        result = await watch(ann, session_id, -1, "e0")
        assert result == {"watching": [{"session_id": session_id, "head": 1}], "refused": []}


async def test_an_old_position_ends_the_watch() -> None:
    """Whoever asks for a position that is refused does not go on from where they were."""
    tokens = await sync_to_async(people)("ann")
    async with (
        serving() as application,
        Client(application, token=tokens["ann"]) as ann,
        Client(application, token=tokens["ann"]) as other,
    ):
        created = await ann.call("create_session", key="c")
        session_id = created["session_id"]
        assert (await watch(ann, session_id, 1, "e0"))["watching"] == []
        await other.call("send_message", session_id=session_id, text="x", key="m")
        await ann.send({"jsonrpc": "2.0", "id": "p", "method": "ping", "params": {}})
        assert (await ann.frame())["id"] == "p"


async def test_the_others_are_watched() -> None:
    """One position that is refused takes nothing from the other sessions of the same call."""
    tokens = await sync_to_async(people)("ann")
    async with serving() as application, Client(application, token=tokens["ann"]) as ann:
        made = [await ann.call("create_session", key=key) for key in "ab"]
        one, two = (each["session_id"] for each in made)
        places = [{"session_id": one, "after": 1}, {"session_id": two, "after": 9}]
        result = await ann.call("watch_sessions", sessions=places, epoch=ann.welcome["epoch"])
        assert result["watching"] == [{"session_id": one, "head": 1}]
        assert [each["session_id"] for each in result["refused"]] == [two]
