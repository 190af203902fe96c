"""`manage.py export_session`: a session's whole log as JSON Lines."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from asgiref.sync import async_to_sync
from django.core.management.base import BaseCommand
from tqdm import tqdm

from flows.actor import SYSTEM
from flows.atoms.actor import actor
from flows.export_session import export_session
from flows.get_session import get_session
from sessions_app.management.operators import as_command_error, run_for_operator
from sessions_app.scope import make_scope


class Command(BaseCommand):
    """Export a session."""

    help = (
        "Write a session's log as it is now, from its first event to its last, one JSON object "
        "a line. However long it is, a page of it is in memory at a time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which session, and where to."""
        parser.add_argument("session", help="id of the session")
        parser.add_argument(
            "--output", type=Path, metavar="FILE", help="write to FILE (default: standard output)"
        )
        parser.add_argument("--quiet", action="store_true", help="show no progress")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it; a file appears only when it is complete."""
        params = {"session_id": options["session"]}
        head = run_for_operator(get_session, params).seq
        # A bar is for people: none where nobody looks.
        bar = tqdm(total=head, unit=" events", disable=options["quiet"] or not sys.stderr.isatty())
        output: Path | None = options["output"]
        with bar:
            if output is None:
                async_to_sync(write)(params, sys.stdout.buffer, bar)
                return
            partial = output.with_name(f"{output.name}.partial")
            with partial.open("wb") as file:
                async_to_sync(write)(params, file, bar)
            partial.replace(output)


async def write(params: dict[str, Any], file: BinaryIO, bar: "tqdm[Any]") -> None:
    """Write each event of the session as a line."""
    encoder = msgspec.json.Encoder()
    with as_command_error():
        async with (
            make_scope() as scope,
            scope.create_context(actor(SYSTEM)) as ctx,
            ctx.stream_raw(export_session, params) as events,
        ):
            async for event in events:
                file.write(encoder.encode(event) + b"\n")
                bar.update()
