"""Every flow by every kind of person, over the WebSocket, over HTTP and from inside."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient
from django.utils import timezone

from flows.actor import Actor, Right
from flows.atoms.actor import actor
from flows.engine import Flow
from flows.events import Role
from flows.input import Mutation
from project.application import Application
from sessions_app.inventory import all_flows
from sessions_app.models import Connection, Node, User
from sessions_app.protocol import CONNECTION_ONLY, PUBLIC
from tests.sessions_app.permissions.cast import CAST, EVE, OBSERVERS, A, D, R, V, begin
from tests.sessions_app.sockets import Client, Connect

pytestmark = pytest.mark.django_db(transaction=True)

NONE: frozenset[Right] = frozenset()


class Rule(NamedTuple):
    """Who may: from which role on (None: everybody), or by which right instead.

    `takes`: a right, and no role helps.
    """

    params: Callable[[str], dict[str, object]]
    least: Role | None = None
    instead: Right | None = None
    takes: Right | None = None
    #: In a session that has ended.
    ended: bool = False
    #: Of whom it is not true, and what they are told.
    but: tuple[str, str] = ("", "")


def here(**more: object) -> Callable[[str], dict[str, object]]:
    """The session, and more."""
    return lambda session_id: {"session_id": session_id, **more}


def only(**params: object) -> Callable[[str], dict[str, object]]:
    """These params, whatever session there is."""
    return lambda session_id: params


def watched(session_id: str) -> dict[str, object]:
    return {"sessions": [{"session_id": session_id, "after": 0}]}


MEMBER, OWNER, OBSERVER = Role.MEMBER, Role.OWNER, Role.OBSERVER

#: The flows that clients may call. Without observing, nobody has rights at these doors.
CALLS: dict[str, Rule] = {
    "create_session": Rule(only(title="Mine")),
    "rename_session": Rule(here(title="Wall"), MEMBER, A),
    "end_session": Rule(here(), OWNER, A),
    "resume_session": Rule(here(), OWNER, A, ended=True),
    "add_participant": Rule(here(user=EVE, role="observer"), OWNER, A),
    "remove_participant": Rule(here(user=EVE), OWNER, A),
    "leave_session": Rule(here(), OBSERVER, but=("owner", "forbidden")),
    "send_message": Rule(here(text="Hello"), MEMBER, A),
    "mark_seen": Rule(here(seq=1), OBSERVER, R),
    "list_sessions": Rule(only()),
    "get_session": Rule(here(), OBSERVER, V),
    "list_events": Rule(here(), OBSERVER, R),
    "watch_sessions": Rule(watched, OBSERVER),
    "unwatch_sessions": Rule(lambda id_: {"session_ids": [id_]}),
    "observe_session": Rule(here(after=0), takes=R),
    "signal": Rule(here(name="typing"), OBSERVER, A),
    "ping": Rule(only()),
}

#: A log of one event.
LINE = {
    "session_id": "01970000-0000-7000-8000-000000000001",
    "seq": 1,
    "kind": "session_created",
    "actor": EVE,
    "at": "2026-11-22T19:03:11.412Z",
    "data": {"title": "", "metadata": {}},
}

#: The flows that only the admin and commands run.
INSIDE: dict[str, Rule] = {
    "export_session": Rule(here(), OBSERVER, R),
    "list_connections": Rule(only(), takes=V),
    "list_nodes": Rule(only(), takes=V),
    "disconnect_user": Rule(only(user=EVE), takes=A),
    "disconnect_connection": Rule(only(connection="c1"), takes=A),
    "drain_node": Rule(only(node="n1"), takes=D),
    "import_session": Rule(only(log=[LINE]), takes=Right.DELETE),
    "prune_sessions": Rule(only(ended_days=1), takes=Right.DELETE),
}


def expected(rule: Rule, name: str, role: Role | None, rights: frozenset[Right]) -> str:
    """What somebody is told, as the table has it."""
    if name == rule.but[0]:
        return rule.but[1]
    if rule.takes is not None:
        return "ok" if rule.takes in rights else "forbidden"
    if rule.least is None or rule.instead in rights:
        return "ok"
    if role is None:
        known = V in rights and rule.instead is not None
        return "forbidden" if known else "session_not_found"
    return "ok" if role.allows(rule.least) else "forbidden"


def outcome(answer: dict[str, Any]) -> str:
    """What somebody was told."""
    if answer.get("refused"):
        return str(answer["refused"][0]["code"])
    return str(answer["data"]["code"]) if "code" in answer and "data" in answer else "ok"


def params_of(name: str, rule: Rule, session_id: str) -> dict[str, object]:
    key = {"key": uuid4().hex} if issubclass(PUBLIC[name].input_type, Mutation) else {}
    return {**rule.params(session_id), **key}


def test_every_flow_is_in_a_table() -> None:
    """Each flow says for whom it is: those that clients may call in one table, all others in the
    other.
    """
    assert CALLS.keys() == PUBLIC.keys()
    assert INSIDE.keys() == {each.name for each in all_flows()} - PUBLIC.keys()


@pytest.mark.parametrize("name", CALLS)
async def test_over_the_socket(application: Application, connect: Connect, name: str) -> None:
    """A role decides; staff are strangers, whatever their permissions, as long as they do not ask
    to observe.
    """
    rule = CALLS[name]
    told, right = {}, {}
    for each in CAST:
        session_id = await begin(application, ended=rule.ended)
        async with connect(each.name) as client:
            told[each.name] = outcome(await client.call(name, **params_of(name, rule, session_id)))
        granted = each.rights if rule.takes is not None else NONE
        right[each.name] = expected(rule, each.name, each.role, granted)
    assert told == right


@pytest.mark.parametrize("name", CALLS)
async def test_in_a_session_that_is_observed(
    application: Application, connect: Connect, name: str
) -> None:
    """Who observes a session has their rights in it, and nothing more."""
    rule = CALLS[name]
    told, right = {}, {}
    for each in OBSERVERS:
        session_id = await begin(application, ended=rule.ended)
        async with connect(each.name) as client:
            await client.call("observe_session", session_id=session_id, after=0)
            told[each.name] = outcome(await client.call(name, **params_of(name, rule, session_id)))
        granted = NONE if name == "watch_sessions" else each.rights
        right[each.name] = expected(rule, each.name, None, granted)
    assert told == right


@pytest.mark.parametrize("name", [*CALLS, *INSIDE])
async def test_over_http(application: Application, tokens: dict[str, str], name: str) -> None:
    """As over the socket; who is not known is told so first, and what is not published is not
    there, for nobody.
    """
    rule = CALLS.get(name) or INSIDE[name]
    there = name in PUBLIC and name not in CONNECTION_ONLY
    session_id = await begin(application, ended=rule.ended)
    client = AsyncClient()

    async def post(raw: dict[str, object], token: str | None) -> str:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        answer = await client.post(
            f"/api/flows/{name}/", raw, content_type="application/json", headers=headers
        )
        body = answer.json()
        return outcome(body.get("error", body))

    assert await post(rule.params(session_id), None) == "unauthenticated"
    told, right = {}, {}
    for each in CAST:
        session_id = await begin(application, ended=rule.ended)
        raw = params_of(name, rule, session_id) if name in PUBLIC else rule.params(session_id)
        told[each.name] = await post(raw, tokens[each.name])
        answer = expected(rule, each.name, each.role, NONE)
        right[each.name] = answer if there else "method_not_found"
    assert told == right


async def test_nobody_without_a_name_has_a_socket(application: Application) -> None:
    """Who is not known is closed with 4501 before any call."""
    client = Client(application)
    assert (await client.handshake())["type"] == "websocket.accept"
    assert await client.closed() == 4501
    await client.asgi.wait(timeout=5)


@pytest.mark.parametrize("name", INSIDE)
async def test_not_over_the_socket(application: Application, connect: Connect, name: str) -> None:
    """What only the admin and commands run is no method of the socket, for nobody."""
    session_id = await begin(application)
    async with AsyncExitStack() as stack:
        for each in CAST:
            client = await stack.enter_async_context(connect(each.name))
            answer = await client.call(name, **INSIDE[name].params(session_id))
            assert outcome(answer) == "method_not_found", each.name


def come() -> None:
    """A node that is not this process, with a connection."""
    now = timezone.now()
    node = Node.objects.create(name="n1", host="h", pid=1, started=now, last_seen=now, clock=now)
    eve = User.objects.get(username=EVE)
    Connection.objects.create(id="c1", node=node, user=eve, since=now, last_seen=now)


@pytest.mark.parametrize("name", INSIDE)
async def test_from_inside(application: Application, tokens: dict[str, str], name: str) -> None:
    """What only the admin and commands run takes the right, whoever runs it."""
    rule = INSIDE[name]
    flow = next(each for each in all_flows() if each.name == name)
    await sync_to_async(come)()
    told, right = {}, {}
    for each in CAST:
        session_id = await begin(application)
        who = Actor(each.name, each.rights)
        told[each.name] = await attempt(application, flow, rule.params(session_id), who)
        right[each.name] = expected(rule, each.name, each.role, each.rights)
    assert told == right


async def attempt(
    application: Application, flow: Flow[Any, Any], raw: dict[str, object], who: Actor
) -> str:
    """What a flow tells somebody."""
    try:
        if flow.streaming:
            async with (
                application.flows.create_context(actor(who)) as context,
                context.stream_raw(flow, raw) as items,
            ):
                async for _ in items:
                    ...
        else:
            await application.flows.run_raw(flow, raw, tags=[actor(who)])
    except Exception as error:  # noqa: BLE001
        code: str = getattr(error, "code", repr(error))
        return code
    return "ok"
