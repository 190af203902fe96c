"""`manage.py rotate_epoch`: tell clients that the log is not the one they knew."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS

from sessions_app.adapters.epochs import rotate


class Command(BaseCommand):
    """Give the log another epoch."""

    help = (
        "Give the log another epoch. To be run once after the database was restored from a backup, "
        "before the servers start again: seqs that were given out since the backup may be given "
        "out again, so that no position which a client remembers can be trusted. A client that "
        "comes back with one is told unrecoverable_position, and begins with a new snapshot. "
        "Sockets that are open are closed with 4002 within two seconds, on all nodes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whether to ask."""
        parser.add_argument("--yes", action="store_true", help="do it without asking")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, and do it."""
        if not options["yes"] and not agreed():
            raise CommandError("Nothing was done")
        old, new = rotate(using=DEFAULT_DB_ALIAS)
        self.stdout.write(f"The epoch was {old} and is {new}.")


def agreed() -> bool:
    """Whether whoever is asked says yes; nobody there says no."""
    try:
        return input(
            "Every client will have to begin with new snapshots. Go on? [y/N] "
        ).lower() in {"y", "yes"}
    except EOFError:
        return False
