"""`manage.py tail`: what happens, as it happens."""

import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

import msgspec
from django.core.management.base import BaseCommand
from django.db import DEFAULT_DB_ALIAS

from flows.events import Event
from sessions_app.adapters.tailing import Tail
from sessions_app.management.commands.verify import one
from sessions_app.sentences import plain, sentence

#: How often to look, in seconds.
EVERY = 1.0


class Command(BaseCommand):
    """Follow what happens."""

    help = (
        "Print what happens in a session, or in all of them, as it happens, until Ctrl-C. The "
        "database is looked at once a second: nothing is missed and nothing comes twice."
    )

    #: Rests between two looks.
    rest: Callable[[float], None] = staticmethod(time.sleep)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which, and how to tell."""
        parser.add_argument("session", nargs="?", help="id of the session (default: all)")
        parser.add_argument("--json", action="store_true", help="print events as JSON, one a line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look again and again."""
        chosen = options["session"]
        tail = Tail(None if chosen is None else one(chosen), using=DEFAULT_DB_ALIAS)
        try:
            while True:
                for event in tail.news():
                    self.stdout.write(as_line(event, json=options["json"]))
                self.stdout.flush()
                self.rest(EVERY)
        except (KeyboardInterrupt, BrokenPipeError):
            return


def as_line(event: Event, *, json: bool) -> str:
    """An event on a line."""
    if json:
        return msgspec.json.encode(event).decode()
    said = sentence(event.kind, event.actor, event.data)
    return plain(f"{event.at}  {event.session_id}  #{event.seq:<5} {said}")
