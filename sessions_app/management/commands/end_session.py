"""`manage.py end_session`: end a session, as the system."""

import secrets
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from flows.end_session import end_session
from sessions_app.management.operators import as_json, run_for_operator


class Command(BaseCommand):
    """End a session."""

    help = (
        "End a session, as the system: it takes no more writes until an owner resumes it, and "
        "those who are connected are told."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which one, and why."""
        parser.add_argument("session", help="id of the session")
        parser.add_argument("--reason", help="why; those who take part can read it")
        parser.add_argument(
            "--key", help="makes it safe to repeat: the same key does it once (default: a new one)"
        )
        parser.add_argument("--json", action="store_true", help="print the flow's result")

    def handle(self, *args: Any, **options: Any) -> None:
        """End it."""
        done = run_for_operator(
            end_session,
            {
                "session_id": options["session"],
                "reason": options["reason"],
                "key": secrets.token_hex(16) if options["key"] is None else options["key"],
            },
        )
        if options["json"]:
            self.stdout.write(as_json(done))
        else:
            before = " before" if done.duplicate else ""
            self.stdout.write(f"The session has ended{before}, with event #{done.seq}.")
