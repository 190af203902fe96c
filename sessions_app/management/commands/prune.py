"""`manage.py prune`: delete sessions that have been kept for long enough."""

import asyncio
import re
from argparse import ArgumentParser, ArgumentTypeError
from time import perf_counter
from typing import Any

from asgiref.sync import async_to_sync
from django.core.management.base import BaseCommand

from flows.actor import SYSTEM
from flows.atoms.actor import actor
from flows.prune_sessions import prune_sessions
from flows.session import Status
from sessions_app.management.operators import as_command_error, as_json
from sessions_app.management.progress import progress
from sessions_app.scope import make_scope

#: Days in a unit.
UNITS = {"h": 1 / 24, "d": 1.0, "w": 7.0}


class Command(BaseCommand):
    """Delete old sessions."""

    help = (
        "Tell which sessions are older than an age; with --yes, delete them with their events and "
        "receipts, a small transaction after the other, so that servers may go on. Who watches "
        "one is told `unwatched` with the reason `deleted` within a second or two, and there is "
        "no such session any more. Safe to interrupt, and to run again. This cannot be undone: "
        "export_sessions keeps what you want to keep."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which, and whether it is meant."""
        parser.add_argument(
            "--ended-before", type=days, metavar="AGE", help="ended so long ago: 90d, 12h, 8w"
        )
        parser.add_argument(
            "--inactive-for", type=days, metavar="AGE", help="nothing happened for so long"
        )
        parser.add_argument("--status", choices=[str(status) for status in Status])
        parser.add_argument("--yes", action="store_true", help="do it (default: only tell)")
        parser.add_argument("--json", action="store_true", help="print the counts as JSON")
        parser.add_argument("--quiet", action="store_true", help="print nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete them, or tell."""
        params = {
            "ended_days": options["ended_before"],
            "inactive_days": options["inactive_for"],
            "status": options["status"],
            "dry_run": not options["yes"],
        }
        counts = {"sessions": 0, "events": 0, "deleted": options["yes"]}
        try:
            async_to_sync(prune)(params, counts, quiet=options["quiet"])
        finally:
            # Also when it was interrupted: what is gone is gone.
            self._tell(counts, options)

    def _tell(self, counts: dict[str, Any], options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(as_json(counts))
        elif not options["quiet"]:
            how = "Deleted" if options["yes"] else "With --yes, this would delete"
            what = f"{counts['sessions']} sessions with {counts['events']} events"
            self.stdout.write(f"{how} {what}.")


async def prune(params: dict[str, Any], counts: dict[str, Any], *, quiet: bool) -> None:
    """Run the flow, and rest after each batch for as long as it took: others write then."""
    with as_command_error(), progress(None, "sessions", quiet=quiet) as bar:
        async with (
            make_scope() as scope,
            scope.create_context(actor(SYSTEM)) as ctx,
            ctx.stream_raw(prune_sessions, params) as batches,
        ):
            began = perf_counter()
            async for batch in batches:
                counts["sessions"] += batch.sessions
                counts["events"] += batch.events
                bar.update(batch.sessions)
                if not params["dry_run"]:
                    await asyncio.sleep(perf_counter() - began)
                began = perf_counter()


def days(word: str) -> float:
    """An age such as 90d, in days; for argparse."""
    found = re.fullmatch(r"(\d{1,6})([hdw])", word, re.ASCII)
    if found is None:
        raise ArgumentTypeError(f"expected an age like 90d, 12h or 8w, got {word!r}")
    return int(found[1]) * UNITS[found[2]]
