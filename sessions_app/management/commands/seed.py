"""`manage.py seed`: sessions to try things out with, as many as you like."""

from argparse import ArgumentParser
from datetime import UTC, datetime, time
from itertools import islice
from time import perf_counter
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, transaction

from sessions_app.adapters.whole import Whole, make_users, store, users
from sessions_app.management.commands.list_sessions import positive
from sessions_app.management.operators import as_json
from sessions_app.management.progress import progress
from sessions_app.models import Session
from sessions_app.seeding import made_up, names

#: Sessions per transaction.
BATCH = 200


class Command(BaseCommand):
    """Make up sessions."""

    help = (
        "Fill the database with made-up sessions of the last year: users who cannot sign in, "
        "titles, messages, replies, sessions that have ended, and how far everybody has read. The "
        "same options on the same day give the same sessions, so that running it again adds what "
        "is missing. Everything that it makes passes `verify`. Refuses outside DEBUG without --yes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How much of it."""
        for name, default in (("sessions", 100), ("events", 5_000), ("users", 20)):
            parser.add_argument(
                f"--{name}", type=positive, default=default, help="(default: %(default)s)"
            )
        parser.add_argument(
            "--seed", type=positive, default=1, help="another number, other sessions"
        )
        parser.add_argument("--yes", action="store_true", help="also where DEBUG is off")
        parser.add_argument("--quiet", action="store_true", help="print nothing")
        parser.add_argument("--json", action="store_true", help="print what was made as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make them."""
        if not settings.DEBUG and not options["yes"]:
            raise CommandError("Made-up sessions belong in no real database; --yes if you mean it")
        sessions, events = options["sessions"], options["events"]
        if events < sessions:
            raise CommandError("Every session has at least one event: --events is too small")
        began = perf_counter()
        people = names(options["users"])
        made = {"sessions": 0, "events": 0}
        today = datetime.combine(datetime.now(UTC).date(), time(), UTC)
        story = made_up(sessions, events, len(people), seed=options["seed"], until=today)
        user_ids = with_ids(people)
        with progress(events, "events", quiet=options["quiet"]) as bar:
            while batch := list(islice(story, BATCH)):
                with transaction.atomic(durable=True):
                    new = missing(batch)
                    store(new, user_ids, using=DEFAULT_DB_ALIAS)
                made["sessions"] += len(new)
                made["events"] += sum(len(each.events) for each in new)
                bar.update(sum(len(each.events) for each in batch))
        seconds = round(perf_counter() - began, 1)
        if options["json"]:
            self.stdout.write(as_json({**made, "seconds": seconds}))
        elif not options["quiet"]:
            self.stdout.write(
                f"Made {made['sessions']} sessions with {made['events']} events in {seconds} s."
            )


def with_ids(people: list[str]) -> dict[str, int]:
    """The ids of these users; those who are not there are made."""
    with transaction.atomic(durable=True):
        known = users(people, using=DEFAULT_DB_ALIAS)
        make_users(set(people) - known.keys(), using=DEFAULT_DB_ALIAS)
        return users(people, using=DEFAULT_DB_ALIAS)


def missing(batch: list[Whole]) -> list[Whole]:
    """Those that are not there yet."""
    ids: list[UUID] = [each.replay.record.session_id for each in batch]
    there = set(Session.objects.filter(pk__in=ids).values_list("pk", flat=True))
    return [each for each in batch if each.replay.record.session_id not in there]
