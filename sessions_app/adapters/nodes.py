"""What a node writes down of itself and its connections, and what it is asked: units of work.

Rows are written when something is new, and many at a time: a node with ten thousand sockets
of which none comes or goes writes one row every few seconds. Times that nodes compare are the
database's, so that no node's clock decides who is alive.
"""

import os
import socket
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from msgspec import Struct

from sessions_app import models

#: A node that has said nothing for so long is removed, with its connections, by any other.
DEAD = timedelta(seconds=25)

#: So long nodes can read what they are asked: one that cannot reach the database for longer has
#: missed it.
ASKED = timedelta(minutes=2)

#: Rows in one transaction: on SQLite, everybody who writes waits for it.
MOST_ROWS = 200


class Row(Struct, frozen=True):
    """What is written of a connection."""

    id: str
    user_id: int
    since: datetime
    last_seen: datetime
    watching: int
    observing: int
    lag: int
    #: What `last_seen` is on the loop's clock; it is not written.
    heard_at: float = 0.0


class Instruction(Struct, frozen=True):
    """What all nodes are asked."""

    id: int
    subject: str
    target: str
    reconnect: bool


class NodeGone(Exception):
    """Others have taken this node for dead, and removed what it had written down."""


def announce(node: str, *, using: str) -> None:
    """Write down that the node is there."""
    models.Node.objects.using(using).update_or_create(
        name=node,
        defaults={
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": Now(),
            "last_seen": Now(),
            "clock": timezone.now(),
        },
    )


def write(
    node: str, new: Sequence[Row], gone: Collection[str], *, draining: bool, using: str
) -> None:
    """The node is there; `new` is what connections are like, `gone` are no more.

    At most MOST_ROWS of each. Raises NodeGone, and then nothing was written.
    """
    with transaction.atomic(using=using, durable=True):
        rows = models.Node.objects.using(using).filter(name=node)
        if not rows.update(last_seen=Now(), clock=timezone.now(), draining=draining):
            raise NodeGone(node)
        connections = models.Connection.objects.using(using)
        if gone:
            connections.filter(pk__in=gone).delete()
        connections.bulk_create(
            [
                models.Connection(
                    id=each.id,
                    node_id=node,
                    user_id=each.user_id,
                    since=each.since,
                    last_seen=each.last_seen,
                    watching=each.watching,
                    observing=each.observing,
                    lag=each.lag,
                )
                for each in new
            ],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=["last_seen", "watching", "observing", "lag"],
        )


def sweep(*, using: str) -> None:
    """Remove nodes that are dead, and what was asked long ago."""
    dead = models.Node.objects.using(using).filter(last_seen__lt=Now() - DEAD)
    old = models.Instruction.objects.using(using).filter(at__lt=Now() - ASKED)
    for each in (dead, old):
        # To look costs nobody anything; to delete takes the lock of SQLite, also for nothing.
        if each.exists():
            each.delete()


def leave(node: str, *, using: str) -> None:
    """The node ends, and so do its connections."""
    models.Node.objects.using(using).filter(name=node).delete()


def instructions(*, using: str) -> list[Instruction]:
    """What nodes were asked lately, in order."""
    asked = models.Instruction.objects.using(using).order_by("pk")
    return [Instruction(*row) for row in asked.values_list("pk", "subject", "target", "reconnect")]
