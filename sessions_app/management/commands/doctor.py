"""`manage.py doctor`: whether all is well with the settings and the living system."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.checks import ERROR, CheckMessage, run_checks
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, DatabaseError

from sessions_app.adapters.examination import examine, examine_redis
from sessions_app.management.operators import as_json
from sessions_app.sentences import plain


class Command(BaseCommand):
    """Examine the settings, the database, the clocks, the disk and Redis."""

    help = (
        "Examine the settings (all of check --deploy), what the database really does and how many "
        "connections it gives, migrations, the clocks of the database and of all nodes, the "
        "database's disk where it is this machine's, and whether Redis answers and lets us "
        "publish. Prints what is wrong and what to do about it; fails if there is an error. Prints "
        "nothing where all is well."
    )

    # They are run, and told, with the rest.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How to tell."""
        parser.add_argument("--json", action="store_true", help="print an array of JSON objects")

    def handle(self, *args: Any, **options: Any) -> None:
        """Examine it."""
        found = [*run_checks(include_deployment_checks=True)]
        found += examine_redis(settings.CHANNEL_LAYERS.get("default", {}))
        try:
            found += examine(using=DEFAULT_DB_ALIAS, now=datetime.now(UTC))
        except DatabaseError as error:
            raise CommandError(plain(f"The database cannot be examined: {error}")) from error
        told = [each for each in found if not each.is_silenced()]
        if options["json"]:
            self.stdout.write(as_json([as_fields(each) for each in told]))
        else:
            for each in told:
                self.stdout.write(plain(f"{each.id}  {each.msg}  {each.hint or ''}"))
        errors = sum(each.level >= ERROR for each in told)
        if errors:
            raise CommandError(f"Errors: {errors}")


def as_fields(message: CheckMessage) -> dict[str, Any]:
    """A finding for a script."""
    level = "error" if message.level >= ERROR else "warning"
    return {"id": message.id, "level": level, "what": str(message.msg), "do": message.hint}
