"""`manage.py list_sessions`: all sessions, newest activity first."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand

from flows.atoms.sessions import Summary
from flows.list_sessions import SessionList, list_sessions
from flows.session import Status
from sessions_app.management.operators import as_json, run_for_operator
from sessions_app.sentences import plain

#: The most that the flow gives at once.
PAGE = 200


class Command(BaseCommand):
    """List sessions."""

    help = "List all sessions, those with the latest activity first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which ones, and how many."""
        parser.add_argument("--status", choices=[str(status) for status in Status])
        parser.add_argument("--search", help="only those with this in their title")
        parser.add_argument(
            "--limit", type=positive, default=50, help="how many at most (default: %(default)s)"
        )
        parser.add_argument("--json", action="store_true", help="print an array of JSON objects")

    def handle(self, *args: Any, **options: Any) -> None:
        """List them."""
        found = find(options["status"], options["search"], options["limit"])
        if options["json"]:
            self.stdout.write(as_json(found))
            return
        for each in found:
            self.stdout.write(line(each))
        self.stderr.write(f"{len(found)} session{'' if len(found) == 1 else 's'}")


def find(status: str | None, search: str | None, limit: int) -> list[Summary]:
    """The first `limit` sessions, page after page."""
    found: list[Summary] = []
    before: str | None = None
    while True:
        page: SessionList = run_for_operator(
            list_sessions,
            {
                "status": status,
                "search": search,
                "before": before,
                "limit": min(PAGE, limit - len(found)),
            },
        )
        found += page.sessions
        before = page.next
        if before is None or len(found) == limit:
            return found


def line(session: Summary) -> str:
    """A session on one line: id, status, last activity, head, title."""
    return "  ".join(
        [
            str(session.session_id),
            f"{session.status:5}",
            session.last_activity,
            f"#{session.head:<6}",
            plain(session.title),
        ]
    ).rstrip()


def positive(word: str) -> int:
    """A number from 1 on, for argparse."""
    if not word.isascii() or not word.isdigit() or len(word) > 9 or int(word) == 0:
        raise ArgumentTypeError(f"expected a number from 1 on, got {word!r}")
    return int(word)
