"""`manage.py import_session`: take in sessions from exports."""

from argparse import ArgumentParser
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError

from flows.import_session import import_session
from sessions_app.management.operators import as_json, run_for_operator
from sessions_app.management.progress import progress
from sessions_app.sentences import plain

Line = dict[str, Any]


class Command(BaseCommand):
    """Import sessions."""

    help = (
        "Take in sessions from files that export_session or export_sessions wrote, with their "
        "ids, numbers, authors and times; a session whole, or not at all. One that is here "
        "already with the same log is left as it is, so that it is safe to run again. Everybody "
        "has seen nothing afterwards. A log whose keys were not exported leaves them free: a "
        "client that repeats one writes again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which files, and who is who."""
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument(
            "--map-user", action="append", default=[], metavar="OLD=NEW",
            help="who is called otherwise here; may be given again",
        )  # fmt: skip
        parser.add_argument(
            "--create-users", action="store_true",
            help="make users who are not here; they cannot sign in until they get a password",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help="print the counts as JSON")
        parser.add_argument("--quiet", action="store_true", help="print nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Take them in, one after the other; stops at the first that cannot be."""
        common = {
            "users": dict(map(pair, options["map_user"])),
            "create_users": options["create_users"],
        }
        counts = {"imported": 0, "there_before": 0}
        with progress(None, "sessions", quiet=options["quiet"]) as bar:
            for file in options["files"]:
                for log in logs(file):
                    try:
                        done = run_for_operator(import_session, {"log": log, **common})
                    except CommandError as error:
                        raise CommandError(f"{plain(str(file))}: {error}") from error
                    counts["there_before" if done.before else "imported"] += 1
                    bar.update()
        if options["json"]:
            self.stdout.write(as_json(counts))
        elif not options["quiet"]:
            self.stdout.write(
                f"Imported: {counts['imported']}, there before: {counts['there_before']}."
            )


def logs(file: Path) -> Iterator[list[Line]]:
    """The log of each session in `file`; one of them is in memory at a time."""
    try:
        for _, group in groupby(lines(file), lambda line: line.get("session_id")):
            yield list(group)
    except OSError as error:
        raise CommandError(f"{plain(str(file))}: {error.strerror}") from error


def lines(file: Path) -> Iterator[Line]:
    """The objects in `file`, a line each."""
    decoder = msgspec.json.Decoder(Line)
    with file.open("rb") as source:
        for number, line in enumerate(source, 1):
            try:
                yield decoder.decode(line)
            except msgspec.DecodeError as error:
                raise CommandError(f"{plain(str(file))}, line {number}: {error}") from error


def pair(word: str) -> tuple[str, str]:
    """OLD=NEW."""
    old, equals, new = word.partition("=")
    if not (old and equals and new):
        raise CommandError(f"--map-user: expected OLD=NEW, got {word!r}")
    return old, new
