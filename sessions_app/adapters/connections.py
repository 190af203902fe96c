"""Who is connected, as the nodes have written it down, and what they are asked: the port."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from django.db import transaction
from django.db.models import Count, QuerySet
from django.db.models.functions import Now

from flows.atoms.audit import Act, Subject
from flows.atoms.connections import Connected, NodeStatus
from flows.events import timestamp
from sessions_app import models
from sessions_app.adapters.acts import keep_acts

T = TypeVar("T")

#: A node that has said nothing for so long is not there: twice as long as it may be late.
ALIVE = timedelta(seconds=20)


class Run(Protocol):
    """Runs a unit of database work in a thread of its own."""

    def __call__(self, unit: Callable[..., T], /, *args: Any, **kwargs: Any) -> Awaitable[T]: ...


class StoredConnections:
    """The port `Connections` on the database `using`; `on_asked` is told when nodes are asked."""

    def __init__(self, run: Run, *, using: str, on_asked: Callable[[], None]) -> None:
        self._run = run
        self._using = using
        self._on_asked = on_asked

    async def find(
        self, *, user: str | None, node: str | None, after: str | None, limit: int
    ) -> list[Connected]:
        return await self._run(
            find, user=user, node=node, after=after, limit=limit, using=self._using
        )

    async def nodes(self) -> list[NodeStatus]:
        return await self._run(nodes, using=self._using)

    async def close_user(self, user: str, *, reconnect: bool, act: Act) -> int | None:
        return await self._ask(close_user, user, reconnect=reconnect, act=act)

    async def close(self, connection: str, *, reconnect: bool, act: Act) -> bool:
        return await self._ask(close, connection, reconnect=reconnect, act=act)

    async def drain(self, node: str, *, act: Act) -> bool:
        return await self._ask(drain, node, act=act)

    async def _ask(self, unit: Callable[..., T], target: str, **asked: Any) -> T:
        answer = await self._run(unit, target, **asked, using=self._using)
        self._on_asked()
        return answer


def alive(using: str) -> "QuerySet[models.Node]":
    """The nodes that have said within the last seconds that they are there."""
    return models.Node.objects.using(using).filter(last_seen__gte=Now() - ALIVE)


def connected(using: str) -> "QuerySet[models.Connection]":
    """The connections of nodes that are alive."""
    found = models.Connection.objects.using(using)
    return found.filter(node__last_seen__gte=Now() - ALIVE)


def find(
    *, user: str | None, node: str | None, after: str | None, limit: int, using: str
) -> list[Connected]:
    """One query, along the primary key."""
    found = connected(using).select_related("user").order_by("pk")
    if user is not None:
        found = found.filter(user__username=user)
    if node is not None:
        found = found.filter(node=node)
    if after is not None:
        found = found.filter(pk__gt=after)
    return [
        Connected(
            connection=each.pk,
            node=each.node_id,
            user=each.user.username,
            since=timestamp(each.since),
            last_seen=timestamp(each.last_seen),
            watching=each.watching,
            observing=each.observing,
            lag=each.lag,
        )
        for each in found[:limit]
    ]


def nodes(*, using: str) -> list[NodeStatus]:
    """The nodes that are alive, by name, and how many connections each has."""
    return [
        NodeStatus(
            node=each.name,
            host=each.host,
            pid=each.pid,
            started=timestamp(each.started),
            last_seen=timestamp(each.last_seen),
            clock=timestamp(each.clock),
            draining=each.draining,
            connections=each.number,
        )
        for each in alive(using).annotate(number=Count("connections")).order_by("name")
    ]


def close_user(user: str, *, reconnect: bool, act: Act, using: str) -> int | None:
    """Ask all nodes, also those that have not yet said that the user is there."""
    if not models.User.objects.using(using).filter(username=user).exists():
        return None
    _ask("user", user, act, using=using, reconnect=reconnect)
    return connected(using).filter(user__username=user).count()


def close(connection: str, *, reconnect: bool, act: Act, using: str) -> bool:
    """Ask all nodes; the one whose connection it is does it."""
    if not connected(using).filter(pk=connection).exists():
        return False
    _ask("connection", connection, act, using=using, reconnect=reconnect)
    return True


def drain(node: str, *, act: Act, using: str) -> bool:
    """Ask the node."""
    if not alive(using).filter(pk=node).exists():
        return False
    _ask("node", node, act, using=using)
    return True


def _ask(subject: Subject, target: str, act: Act, *, using: str, reconnect: bool = False) -> None:
    with transaction.atomic(using=using, durable=True):
        models.Instruction.objects.using(using).create(
            subject=subject, target=target, reconnect=reconnect, at=Now()
        )
        keep_acts([act], using=using)
