"""`manage.py tail`: what happens, as it happens."""

import asyncio
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.core.management.base import BaseCommand
from django.db import DEFAULT_DB_ALIAS

from flows.events import Event
from sessions_app.adapters.bell import Bell
from sessions_app.adapters.tailing import Tail
from sessions_app.management.commands.verify import one
from sessions_app.sentences import plain, sentence

#: How often to look at least, in seconds.
EVERY = 1.0

#: Waits for so many seconds, or for less when there may be news.
Rest: TypeAlias = Callable[[float], object]


class Command(BaseCommand):
    """Follow what happens."""

    help = (
        "Print what happens in a session, or in all of them, as it happens, until Ctrl-C. The "
        "database is looked at once a second, and for a single session at once when Redis tells "
        "of it: nothing is missed and nothing comes twice."
    )

    #: Rests between two looks; None: as is best for what is followed.
    rest: Rest | None = None

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which, and how to tell."""
        parser.add_argument("session", nargs="?", help="id of the session (default: all)")
        parser.add_argument("--json", action="store_true", help="print events as JSON, one a line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look again and again."""
        chosen = None if options["session"] is None else one(options["session"])
        tail = Tail(chosen, using=DEFAULT_DB_ALIAS)
        try:
            with resting(chosen) as rest:
                while True:
                    for event in tail.news():
                        self.stdout.write(as_line(event, json=options["json"]))
                    self.stdout.flush()
                    (self.rest or rest)(EVERY)
        except (KeyboardInterrupt, BrokenPipeError):
            return


@contextmanager
def resting(session_id: UUID | None) -> Iterator[Rest]:
    """What rests between two looks at a session, or at all of them: too many for a look a ring."""
    layer = get_channel_layer()
    # The in-memory layer tells nothing of other processes.
    if session_id is None or layer is None or isinstance(layer, InMemoryChannelLayer):
        yield time.sleep
        return
    bell = Bell(session_id, layer)
    with asyncio.Runner() as runner:
        yield lambda seconds: runner.run(bell.wait(seconds))


def as_line(event: Event, *, json: bool) -> str:
    """An event on a line."""
    if json:
        return msgspec.json.encode(event).decode()
    said = sentence(event.kind, event.actor, event.data)
    return plain(f"{event.at}  {event.session_id}  #{event.seq:<5} {said}")
