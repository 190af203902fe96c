"""`manage.py schema`: the contract, for whoever writes a client."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from sessions_app import contract

#: Where what is made from the flows is kept, under the project's folder.
COMMITTED = {
    "json": Path("docs/schema/sessions.v1.json"),
    "types": Path("sessions_app/static/sessions_app/sessions.d.ts"),
}


class Command(BaseCommand):
    """Print the contract, or write or check the files that hold it."""

    help = "Print the contract that clients rely on, made from the flows."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """In which form, and whether to compare or to write."""
        parser.add_argument(
            "--format",
            choices=tuple(COMMITTED),
            default="json",
            help="AsyncAPI 3 as JSON, or TypeScript types (default: json)",
        )
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--check", action="store_true", help="fail if a committed file is stale")
        what.add_argument("--write", action="store_true", help="write the committed files")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print, check or write it."""
        if options["check"]:
            self._check()
        elif options["write"]:
            for form, path in COMMITTED.items():
                (settings.BASE_DIR / path).write_text(rendered(form), encoding="utf-8")
        else:
            self.stdout.write(rendered(options["format"]), ending="")

    def _check(self) -> None:
        stale = [str(path) for form, path in COMMITTED.items() if committed(path) != rendered(form)]
        if stale:
            raise CommandError(f"{', '.join(stale)}: run `manage.py schema --write` and look at it")


def rendered(form: str) -> str:
    """The contract as a text in this form."""
    if form == "types":
        return contract.types(contract.document())
    return contract.printed(contract.document())


def committed(path: Path) -> str | None:
    """What the file holds, None if there is none."""
    whole = settings.BASE_DIR / path
    return whole.read_text(encoding="utf-8") if whole.is_file() else None
