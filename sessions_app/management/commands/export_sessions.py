"""`manage.py export_sessions`: the logs of many sessions, as JSON Lines."""

import asyncio
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS

from flows.actor import SYSTEM
from flows.atoms.actor import actor
from flows.atoms.archive import Overview, Which
from flows.engine import Scope
from flows.export_session import ExportSession, export_session
from flows.session import Status
from sessions_app.adapters.archive import survey
from sessions_app.management.commands.prune import days
from sessions_app.management.operators import as_command_error, as_json
from sessions_app.management.progress import progress
from sessions_app.scope import make_scope

#: Sessions that are looked up together.
PAGE = 500


class Command(BaseCommand):
    """Export sessions."""

    help = (
        "Write the logs of sessions into a directory, a file ID.jsonl each, as export_session "
        "does. A file appears only when it is complete, and one that has all events already is "
        "left as it is: run it again to go on, or to bring the directory up to date. However many "
        "events there are, a page of them is in memory at a time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which, and where to."""
        parser.add_argument("directory", type=directory, help="made if it is not there")
        parser.add_argument("--status", choices=[str(status) for status in Status])
        parser.add_argument(
            "--ended-before", type=days, metavar="AGE", help="ended so long ago: 90d, 12h, 8w"
        )
        parser.add_argument(
            "--inactive-for", type=days, metavar="AGE", help="nothing happened for so long"
        )
        parser.add_argument("--json", action="store_true", help="print the counts as JSON")
        parser.add_argument("--quiet", action="store_true", help="print nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write what is missing."""
        now = datetime.now(UTC)
        ended, inactive = options["ended_before"], options["inactive_for"]
        which = Which(
            status=None if options["status"] is None else Status(options["status"]),
            ended_before=None if ended is None else now - timedelta(days=ended),
            inactive_since=None if inactive is None else now - timedelta(days=inactive),
        )
        try:
            written, there = asyncio.run(export(which, options["directory"], options["quiet"]))
        except OSError as error:
            raise CommandError(f"Cannot write there: {error}") from error
        if options["json"]:
            self.stdout.write(as_json({"written": written, "complete_before": there}))
        elif not options["quiet"]:
            self.stdout.write(f"Written: {written}, complete before: {there}.")


async def export(which: Which, directory: Path, quiet: bool) -> tuple[int, int]:  # noqa: FBT001
    """Write each session that is not there yet; how many were written, and how many were there."""
    written = there = 0
    with progress(None, "sessions", quiet=quiet) as bar, as_command_error():
        async with make_scope() as scope:
            after: UUID | None = None
            while page := await asyncio.to_thread(
                survey, which, after=after, limit=PAGE, using=DEFAULT_DB_ALIAS
            ):
                after = page[-1].session_id
                for session in page:
                    file = directory / f"{session.session_id}.jsonl"
                    if is_complete(file, session):
                        there += 1
                    else:
                        await write(scope, session.session_id, file)
                        written += 1
                    bar.update()
    return written, there


async def write(scope: Scope, session_id: UUID, file: Path) -> None:
    """Write a session's log; the file appears when it is complete."""
    encoder = msgspec.json.Encoder()
    partial = file.with_name(f"{file.name}.partial")
    with partial.open("wb") as lines:
        async with (
            scope.create_context(actor(SYSTEM)) as ctx,
            ctx.stream(export_session, ExportSession(session_id=session_id)) as events,
        ):
            async for event in events:
                lines.write(encoder.encode(event) + b"\n")
    partial.replace(file)


def is_complete(file: Path, session: Overview) -> bool:
    """Whether the last line of `file` is the session's last event."""
    try:
        with file.open("rb") as lines:
            # The longest event, and more: twice what a frame may have.
            lines.seek(max(0, file.stat().st_size - 262_144))
            last = lines.read().splitlines()[-1]
        return bool(msgspec.json.decode(last)["seq"] == session.events)
    except (FileNotFoundError, IndexError, KeyError, TypeError, msgspec.DecodeError):
        return False


def directory(word: str) -> Path:
    """A directory, made if need be; for argparse."""
    path = Path(word)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentTypeError(f"cannot be made: {error.strerror}") from None
    return path
