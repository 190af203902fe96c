"""`manage.py stats`: how much there is."""

from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DEFAULT_DB_ALIAS

from sessions_app.adapters.statistics import Statistics, statistics
from sessions_app.management.commands.list_sessions import positive
from sessions_app.management.operators import as_json
from sessions_app.sentences import plain


class Command(BaseCommand):
    """Tell how much there is."""

    help = (
        "Tell how many sessions, events, messages, receipts and connections there are, messages "
        "by day, the largest sessions, and how much disk the database takes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How far back, how many, and how to tell."""
        parser.add_argument(
            "--days", type=positive, default=14, help="of messages by day (default: %(default)s)"
        )
        parser.add_argument(
            "--largest", type=positive, default=5, help="sessions shown (default: %(default)s)"
        )
        parser.add_argument("--json", action="store_true", help="print a JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Count, and tell."""
        # Whole days, in UTC as everything that is stored.
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        since = midnight - timedelta(days=min(options["days"], 36_500) - 1)
        found = statistics(since=since, largest=options["largest"], using=DEFAULT_DB_ALIAS)
        if options["json"]:
            self.stdout.write(as_json(found))
            return
        for line in lines(found):
            self.stdout.write(plain(line))


def lines(found: Statistics) -> list[str]:
    """What there is to say, a line each."""
    by_status = ", ".join(f"{number} {status}" for status, number in found.sessions.items())
    return [
        f"Sessions     {sum(found.sessions.values())} ({by_status})"
        if by_status
        else "Sessions     0",
        f"Events       {found.events}, of which messages: {found.messages}",
        f"Receipts     {found.receipts}",
        f"Users        {found.users}",
        f"Database     {found.database_bytes / 1_000_000:.1f} MB",
        f"Connections  {sum(found.connections.values())}",
        *(f"  {node}  {number}" for node, number in found.connections.items()),
        *(["Messages by day"] if found.messages_by_day else []),
        *(f"  {day}  {number}" for day, number in found.messages_by_day.items()),
        *(["Largest sessions"] if found.largest else []),
        *(f"  {each.session_id}  #{each.events:<7} {each.title}" for each in found.largest),
    ]
