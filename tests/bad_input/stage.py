"""What a case finds when it begins: people, sessions, tokens, and somebody who watches."""

import itertools
import json
import random
import string
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from tests.bad_input.catalogue import Case, Template
from tests.bad_input.raw import Answer, Headers, connection, request_bytes
from tests.servers import FAMILIES, ROLES, Person, Server
from tests.wire import Client

_families = itertools.cycle(range(FAMILIES))


@dataclass
class Stage:
    """A fresh session, with its owner at work and its member watching."""

    server: Server
    people: Mapping[str, Person]
    #: The owner, on a connection that is not the case's.
    owner: Client
    #: The member watches the session, and writes in another one of their own, `aside`.
    member: Client
    aside: str
    session: str
    head: int
    values: dict[str, str | int | Callable[[], str]] = field(default_factory=dict)

    @property
    def template(self) -> Template:
        """Fills in the placeholders of the case."""
        return Template(self.values)

    async def connect(self, role: str = "owner") -> Client:
        """A new connection of somebody, welcomed."""
        client = await Client.connect(self.server.url, self.people[role].token)
        await client.until(lambda: client.notifications("welcome") or None)
        return client

    def ledger(self) -> dict[str, Any]:
        """What is stored, in numbers that any write but one `aside` changes."""
        aside = UUID(self.aside)
        key = aside.hex if self.server.database.vendor == "sqlite" else str(aside)
        query = ", ".join(f"({each})" for each in _LEDGER.values())
        parameters = [key] * query.count("?")
        (numbers,) = self.server.database.rows(f"SELECT {query}", parameters)
        return dict(zip(_LEDGER, numbers, strict=True))

    async def log(self, session_id: str | None = None) -> list[dict[str, Any]]:
        """The events of a session, read by its owner."""
        page = await self.owner.call(
            "list_events", session_id=session_id or self.session, after=0, limit=500
        )
        events: list[dict[str, Any]] = page["events"]
        return events

    def told_to_member(self, since: int) -> list[dict[str, Any]]:
        """What the member was told from their frame `since` on, other than of their own doing."""
        told = self.member.told(since)
        return [each for each in told if each["params"]["session_id"] != self.aside]


_LEDGER = {
    "sessions": "SELECT count(*) FROM sessions_app_session WHERE id <> ?",
    "heads": "SELECT coalesce(sum(last_seq), 0) FROM sessions_app_session WHERE id <> ?",
    "ended": "SELECT count(ended_at) FROM sessions_app_session WHERE id <> ?",
    "events": "SELECT count(*) FROM sessions_app_event WHERE session_id <> ?",
    "receipts": "SELECT count(*) FROM sessions_app_receipt WHERE session_id <> ?",
    "participants": "SELECT count(*) FROM sessions_app_participant WHERE session_id <> ?",
    "left": "SELECT count(left_seq) FROM sessions_app_participant WHERE session_id <> ?",
    "seen": "SELECT sum(seen_seq) FROM sessions_app_participant WHERE session_id <> ?",
    "tokens": "SELECT count(*) FROM sessions_app_accesstoken",
    "users": "SELECT count(*) FROM sessions_app_user",
}


@asynccontextmanager
async def staged(server: Server, case: Case) -> AsyncIterator[Stage]:
    """Everything that `case` names, made new; afterwards the connections are closed."""
    number = next(_families)
    people = {role: server.people[f"{role}{number}"] for role in ROLES}
    async with (
        await Client.connect(server.url, people["owner"].token) as owner,
        await Client.connect(server.url, people["member"].token) as member,
    ):
        participants = [
            {"user": people[role].name, "role": role} for role in ("member", "observer")
        ]
        created = await _create(owner, participants)
        aside = await _create(member)
        session, head = created["session_id"], created["seq"]
        await member.watch(session, after=head)
        stage = Stage(server, people, owner, member, aside["session_id"], session, head)
        stage.values = await _values(stage, case)
        yield stage


async def _create(client: Client, participants: Any = ()) -> dict[str, Any]:
    return await client.call(
        "create_session", title="Roof", participants=list(participants), key=uuid4().hex
    )


async def _values(stage: Stage, case: Case) -> dict[str, str | int | Callable[[], str]]:
    """What the placeholders stand for; what is costly only if the case names it."""
    server, people = stage.server, stage.people
    token = people["owner"].token
    values: dict[str, str | int | Callable[[], str]] = {
        "session": stage.session,
        "session_upper": stage.session.upper(),
        "missing_session": str(uuid4()),
        "head": stage.head,
        "key": lambda: uuid4().hex,
        "id": lambda: uuid4().hex,
        "n4": "".join(random.choices(string.ascii_letters + string.digits, k=4)),  # noqa: S311
        "token": token,
        "other_token": people["member"].token,
        "token_cut": token[:-1],
        "token_swapcase": token.swapcase(),
        "revoked_token": server.people["revoked"].token,
        "disabled_token": server.people["disabled"].token,
        "cookie": f"sessionid={people['owner'].cookie}",
        "host": server.host,
        "hostname": "127.0.0.1",
        "origin": f"http://{server.host}",
        **{role: people[role].name for role in ROLES},
    }
    costly: dict[str, Callable[[Stage], Awaitable[str | int]]] = {
        "other_session": _other_session,
        "ended_session": _ended_session,
        "foreign_session": _foreign_session,
        "ticket": _ticket,
        "used_ticket": _used_ticket,
        "ticket_cut": _ticket_cut,
        "event_pk": _event_pk,
    }
    for name, make in costly.items():
        if case.names(name):
            values[name] = await make(stage)
    return values


async def _other_session(stage: Stage) -> str:
    return str((await _create(stage.owner))["session_id"])


async def _ended_session(stage: Stage) -> str:
    session = await _other_session(stage)
    await stage.owner.call("end_session", session_id=session, key=uuid4().hex)
    return session


async def _foreign_session(stage: Stage) -> str:
    async with await stage.connect("outsider") as outsider:
        return str((await _create(outsider))["session_id"])


async def _ticket(stage: Stage) -> str:
    headers = {"Authorization": f"Bearer {stage.people['owner'].token}"}
    answer = await ask(stage.server, "POST", "/api/tickets/", headers)
    assert answer is not None
    assert answer.status == 200, answer.body
    return str(json.loads(answer.body)["ticket"])


async def _used_ticket(stage: Stage) -> str:
    ticket = await _ticket(stage)
    async with await Client.connect(f"{stage.server.url}?ticket={ticket}") as client:
        await client.until(lambda: client.notifications("welcome") or None)
    return ticket


async def _ticket_cut(stage: Stage) -> str:
    return (await _ticket(stage))[:-1]


async def _event_pk(stage: Stage) -> int:
    ((pk,),) = stage.server.database.rows("SELECT max(id) FROM sessions_app_event")
    return int(pk)


async def ask(
    server: Server, method: str, path: str, headers: Headers | None = None, body: bytes = b""
) -> Answer | None:
    """Send an HTTP request as it stands; None if the connection ends without an answer."""
    usual: Headers = {
        "Host": server.host,
        "Connection": "close",
        "Content-Length": str(len(body)),
    }
    async with connection("127.0.0.1", server.port) as there:
        await there.send(request_bytes(method, path, {**usual, **(headers or {})}, body))
        return await there.answer()
