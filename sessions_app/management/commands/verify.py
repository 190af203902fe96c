"""`manage.py verify`: whether all that is stored is as it must be."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS
from tqdm import tqdm

from flows.verification import Finding
from sessions_app.adapters.audit import Audit
from sessions_app.models import Session
from sessions_app.sentences import plain


class Command(BaseCommand):
    """Verify what is stored."""

    help = (
        "Check every session: that its log has no hole and goes forward in time, that what is "
        "stored of it is what its log amounts to, and that each key has the receipt of what came "
        "of it. Servers may be running. Prints what is wrong, a line each, and then fails; or "
        "how much was checked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which sessions, and how to tell."""
        parser.add_argument("--session", metavar="ID", help="check only this one")
        parser.add_argument(
            "--json", action="store_true", help="print JSON objects, one a line, the counts last"
        )
        parser.add_argument("--quiet", action="store_true", help="show no progress")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look at them, and tell."""
        audit = Audit(using=DEFAULT_DB_ALIAS)
        found = suspects = 0
        chosen = options["session"]
        session_ids: Iterable[UUID] = audit.everything() if chosen is None else [one(chosen)]
        # A bar is for people: none where nobody looks.
        bar = tqdm(
            total=audit.size() if chosen is None else None,
            unit=" events",
            disable=options["quiet"] or not sys.stderr.isatty(),
        )
        with bar:
            for session_id in session_ids:
                before = found
                for finding in audit.look(session_id, read=bar.update):
                    bar.clear()
                    self.stdout.write(as_line(finding, json=options["json"]))
                    found += 1
                suspects += found > before
        counts = {
            "sessions": audit.sessions,
            "events": audit.events,
            "receipts": audit.receipts,
            "findings": found,
        }
        if options["json"]:
            self.stdout.write(msgspec.json.encode(counts).decode())
        if found:
            raise CommandError(f"Findings: {found}, sessions that have some: {suspects}")
        if not options["json"]:
            self.stdout.write(
                f"All is well. Sessions: {audit.sessions}, events: {audit.events}, "
                f"receipts: {audit.receipts}."
            )


def one(word: str) -> UUID:
    """The session of that id; CommandError if there is none."""
    try:
        session_id = UUID(word)
    except ValueError:
        raise CommandError(f"{word!r} is no id of a session") from None
    if not Session.objects.filter(pk=session_id).exists():
        raise CommandError("There is no such session")
    return session_id


def as_line(finding: Finding, *, json: bool) -> str:
    """A finding on a line."""
    if json:
        return msgspec.json.encode(finding).decode()
    seq = "" if finding.seq is None else f"#{finding.seq}"
    return plain(f"{finding.session_id}  {seq:7}  {finding.what}")
