"""`manage.py disconnect`: close a user's connections."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from flows.disconnect_user import disconnect_user
from sessions_app.management.operators import as_json, run_for_operator


class Command(BaseCommand):
    """Close a user's connections."""

    help = (
        "Close all connections of a user, on every node, within a second or two: with 4511, or "
        "with 4002 if their clients are to come back. They may sign in again; to keep them out, "
        "disable the user or revoke their tokens in the admin, whose history tells of this, too."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose, and whether they are to come back."""
        parser.add_argument("user", help="name of the user")
        parser.add_argument("--reconnect", action="store_true", help="have their clients come back")
        parser.add_argument("--reason", default="", help="why; staff can read it in the history")
        parser.add_argument("--json", action="store_true", help="print the flow's result")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask all nodes."""
        params = {each: options[each] for each in ("user", "reconnect", "reason")}
        done = run_for_operator(disconnect_user, params)
        if options["json"]:
            self.stdout.write(as_json(done))
        else:
            self.stdout.write(f"Connections that are being closed: {done.connections}.")
