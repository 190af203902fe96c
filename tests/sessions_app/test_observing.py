"""Staff observe sessions and write in them over the same socket as everybody."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from pytest_django import Settings

from project.application import Application
from sessions_app.adapters.wiring import door
from sessions_app.models import User
from sessions_app.tokens import issue_token
from tests.sessions_app.rows import make_staff
from tests.sessions_app.sockets import Client, Connect, people, serving, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def tokens() -> dict[str, str]:
    """Ann and Bob are users, the boss reads and acts, the reader reads, the mover only acts."""

    def make() -> dict[str, str]:
        staff = {
            "boss": make_staff("boss", "read_session", "moderate_session"),
            "reader": make_staff("reader", "read_session"),
            "mover": make_staff("mover", "moderate_session"),
        }
        theirs = {name: issue_token(user) for name, user in staff.items()}
        return people("ann", "bob") | theirs

    return await sync_to_async(make)()


async def begin(client: Client, **more: object) -> str:
    made = await client.call("create_session", title="Roof repair", key="begin", **more)
    session_id: str = made["session_id"]
    return session_id


async def next_of(client: Client, method: str) -> dict[str, Any]:
    """The params of the next notification of this name."""
    while (frame := await client.frame()).get("method") != method:
        continue
    params: dict[str, Any] = frame["params"]
    return params


async def test_staff_observe_and_write(connect: Connect) -> None:
    """Staff read along and write in a session; what they write says so, and all is recorded."""
    async with (
        connect("ann") as ann,
        connect("boss") as boss,
    ):
        session_id = await begin(ann)
        told = await boss.call(
            "observe_session", session_id=session_id, after=0, reason="A complaint"
        )
        assert told == {"session_id": session_id, "head": 1}
        assert (await next_of(boss, "event"))["kind"] == "session_created"
        assert (await next_of(boss, "live"))["head"] == 1

        await ann.call("send_message", session_id=session_id, text="It leaks.", key="m")
        assert (await next_of(boss, "event"))["data"] == {"text": "It leaks."}
        await ann.call("signal", session_id=session_id, name="typing")
        assert (await next_of(boss, "signal"))["actor"] == "ann"

        done = await boss.call("send_message", session_id=session_id, text="Hello.", key="m")
        assert done == {"seq": 3, "duplicate": False}
        said = await next_of(ann, "event")
        assert (said["actor"], said["data"]) == ("boss", {"text": "Hello.", "staff": True})

    entries = [each async for each in LogEntry.objects.order_by("pk").values_list(
        "user__username", "object_id", "object_repr", "change_message"
    )]  # fmt: skip
    assert entries == [
        ("boss", session_id, "Roof repair", "Observed: A complaint"),
        ("boss", session_id, "Roof repair", "Wrote as staff"),
    ]


async def test_nothing_is_theirs_before_they_observe(connect: Connect) -> None:
    """To staff who do not observe it a foreign session is none, and their list is their own."""
    async with (
        connect("ann") as ann,
        connect("boss") as boss,
    ):
        session_id = await begin(ann)

        async def refused() -> None:
            for method, params in (
                ("get_session", {}),
                ("list_events", {}),
                ("send_message", {"text": "x", "key": "k"}),
                ("end_session", {"key": "k"}),
                ("signal", {"name": "typing"}),
            ):
                error = await boss.call(method, session_id=session_id, **params)
                assert error["data"]["code"] == "session_not_found", method
            assert (await boss.call("list_sessions"))["sessions"] == []
            watched = await boss.call(
                "watch_sessions", sessions=[{"session_id": session_id, "after": 0}]
            )
            assert [each["code"] for each in watched["refused"]] == ["session_not_found"]

        await refused()
        await boss.call("observe_session", session_id=session_id, after=0)
        assert (await boss.call("list_sessions"))["sessions"] == []
        assert (await boss.call("list_events", session_id=session_id))["head"] == 1
        async with connect("boss") as other:
            error = await other.call("list_events", session_id=session_id)
            assert error["data"]["code"] == "session_not_found"
        await boss.call("unwatch_sessions", session_ids=[session_id])
        await refused()
    assert await LogEntry.objects.acount() == 1


async def test_who_comes_back_is_recorded_once(connect: Connect) -> None:
    """A connection that broke and is there again observes the same; to come back for another
    reason, or after having stopped, is another observation.
    """

    async def recorded() -> int:
        return await LogEntry.objects.acount()

    async with connect("ann") as ann:
        session_id = await begin(ann)
        params = {"session_id": session_id, "after": 1}
        for _ in range(3):
            async with connect("boss") as boss:
                await boss.call("observe_session", **params, reason="A complaint")
                assert await recorded() == 1
        async with connect("boss") as boss:
            await boss.call("observe_session", **params, reason="Another")
            assert await recorded() == 2
            await boss.call("observe_session", **params, reason="Another")
            assert await recorded() == 2
            await boss.call("unwatch_sessions", session_ids=[session_id])
            await boss.call("observe_session", **params, reason="Another")
            assert await recorded() == 3
        async with connect("reader") as reader:
            await reader.call("observe_session", **params, reason="Another")
            assert await recorded() == 4


async def test_rights_are_graded(connect: Connect) -> None:
    """Who may only read cannot write; who may only act cannot observe; a user can do neither."""
    async with (
        connect("ann") as ann,
        connect("reader") as reader,
        connect("mover") as mover,
        connect("bob") as bob,
    ):
        session_id = await begin(ann)
        for client in (mover, bob):
            error = await client.call("observe_session", session_id=session_id, after=0)
            assert error["data"]["code"] == "forbidden"
        await reader.call("observe_session", session_id=session_id, after=0)
        for method, params in (
            ("send_message", {"text": "x"}),
            ("end_session", {}),
            ("remove_participant", {"user": "ann"}),
        ):
            error = await reader.call(method, session_id=session_id, key="k", **params)
            assert error["data"]["code"] == "session_not_found", method
        assert (await reader.call("list_events", session_id=session_id))["head"] == 1


def _no_staff(user: User) -> None:
    user.is_staff = False
    user.save()


def _no_permission(user: User) -> None:
    user.user_permissions.remove(Permission.objects.get(codename="read_session"))


@pytest.mark.parametrize("lose", [_no_staff, _no_permission], ids=["staff", "permission"])
async def test_it_ends_with_the_right(
    application: Application, connect: Connect, lose: Callable[[User], None]
) -> None:
    """Who loses the permission, or is no staff any more, is shown nothing more; others are."""
    async with (
        connect("ann") as ann,
        connect("boss") as boss,
        connect("reader") as reader,
    ):
        session_id = await begin(ann)
        own = await begin(boss)
        for client in (boss, reader):
            await client.call("observe_session", session_id=session_id, after=-1)
        keeper = (await application.flows.resolve(door)).keeper
        await keeper.look(asyncio.get_running_loop().time())
        assert sum(each.observing for each in keeper.connections) == 2

        await sync_to_async(lose)(await User.objects.aget(username="boss"))
        await keeper.look(asyncio.get_running_loop().time())
        assert await next_of(boss, "unwatched") == {
            "session_id": session_id,
            "reason": "forbidden",
        }
        await ann.call("send_message", session_id=session_id, text="Alone?", key="m")
        assert (await next_of(reader, "event"))["data"] == {"text": "Alone?"}
        await boss.call("send_message", session_id=own, text="Mine.", key="m")
        # What they take part in goes on; the foreign message does not come before.
        assert (await next_of(boss, "event"))["data"] == {"text": "Mine."}
        error = await boss.call("list_events", session_id=session_id)
        assert error["data"]["code"] == "session_not_found"


async def test_removing_an_observer_from_the_session(connect: Connect) -> None:
    """Who observes a session goes on when they are removed as a participant: it is by right."""
    async with (
        connect("ann") as ann,
        connect("reader") as reader,
    ):
        session_id = await begin(ann, participants=[{"user": "reader", "role": "member"}])
        await reader.call("observe_session", session_id=session_id, after=-1)
        await ann.call("remove_participant", session_id=session_id, user="reader", key="r")
        assert (await next_of(reader, "event"))["kind"] == "participant_removed"
        await ann.call("send_message", session_id=session_id, text="Gone?", key="m")
        assert (await next_of(reader, "event"))["data"] == {"text": "Gone?"}


@pytest.mark.parametrize("shown", [True, False], ids=["shown", "hidden"])
async def test_whether_observers_are_shown(
    tokens: dict[str, str],
    settings: Settings,
    shown: bool,  # noqa: FBT001
) -> None:
    """Observers are in the presence of a session, or not, as it is set; participants always are."""
    settings.OBSERVERS_ARE_SHOWN = shown
    async with (
        serving() as application,
        Client(application, token=tokens["ann"]) as ann,
        Client(application, token=tokens["reader"]) as reader,
    ):
        session_id = await begin(ann)
        await reader.call("observe_session", session_id=session_id, after=-1)
        here = ["ann", "reader"] if shown else ["ann"]
        for client in (ann, reader):
            told = await next_of(client, "presence")
            assert told == {"session_id": session_id, "here": here}


async def test_it_is_seen_who_observes(application: Application, connect: Connect) -> None:
    """The list of connections says how many sessions a connection observes."""
    async with (
        connect("ann") as ann,
        connect("reader") as reader,
    ):
        session_id = await begin(ann)
        await reader.call("observe_session", session_id=session_id, after=-1)
        connections = (await application.flows.resolve(door)).keeper.connections

        async def counted() -> bool:
            by_id = {each.id: each for each in connections}
            mine = by_id[reader.welcome["connection"]]
            return (mine.watching, mine.observing, mine.lag) == (1, 1, 0)

        await until(counted)


async def test_when_rights_cannot_be_asked(application: Application, connect: Connect) -> None:
    """Without the database, to observe is refused as unavailable and may be tried again."""
    async with connect("reader") as reader:
        log = (await application.flows.resolve(door)).log
        await log.close()
        error = await reader.call(
            "observe_session", session_id="01970000-0000-7000-8000-000000000001", after=0
        )
        assert (error["data"]["code"], error["data"]["retry"]) == ("unavailable", True)


async def test_a_request_that_names_two_sessions(connect: Connect) -> None:
    """Rights count in the session that the flow sees, whichever others the params name before."""
    async with (
        connect("ann") as ann,
        connect("bob") as bob,
        connect("boss") as boss,
    ):
        observed, foreign = await begin(ann), await begin(bob)
        await boss.call("observe_session", session_id=observed, after=0)
        for number, (first, last) in enumerate(((observed, foreign), (foreign, observed))):
            await boss.text(
                f'{{"jsonrpc":"2.0","id":{100 + number},"method":"list_events",'
                f'"params":{{"session_id":"{first}","session_id":"{last}"}}}}'
            )
            answer = await boss.reply(100 + number)
            if last == foreign:
                assert answer["data"]["code"] == "session_not_found"
            else:
                assert [each["session_id"] for each in answer["events"]] == [observed]
