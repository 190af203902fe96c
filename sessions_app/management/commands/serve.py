"""`manage.py serve`: the production server."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string


class Command(BaseCommand):
    """Serve the sockets, the HTTP door and the admin with uvicorn."""

    help = (
        "Serve the sockets, the HTTP door and the admin until SIGTERM or Ctrl-C. Run as many "
        "of these as you like, on one PostgreSQL and one Redis."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to listen."""
        parser.add_argument("--host", default="127.0.0.1", help="address (default: %(default)s)")
        parser.add_argument(
            "--port", type=int, default=8000, help="port, 0 for any (default: %(default)s)"
        )
        parser.add_argument("--fd", type=int, help="serve on this listening socket instead")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until stopped."""
        try:
            # The process knows the app, not the other way round: settings name its server.
            import_string(settings.FLOWS_SERVER)(
                host=options["host"], listen_port=options["port"], fd=options["fd"]
            )
        except OSError as error:
            raise CommandError(f"Cannot listen there: {error}") from error
