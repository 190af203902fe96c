"""`manage.py run_flow`: any flow that clients may call, from a shell."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from flows.actor import SYSTEM, Actor
from sessions_app.management.operators import as_json, find_user, run_for_operator
from sessions_app.protocol import CONNECTION_ONLY, PUBLIC, Error, decode_params
from sessions_app.sentences import plain


class Command(BaseCommand):
    """Run a flow."""

    help = (
        "Run a flow with its params as JSON and print its result as JSON; a refusal goes to "
        "standard error, as `code: message`, with the path of a mistake in the params. Flows: "
        + ", ".join(sorted(PUBLIC.keys() - CONNECTION_ONLY))
        + "."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What, with what, and as whom."""
        parser.add_argument("name", help="the flow, such as send_message")
        parser.add_argument(
            "params", nargs="?", default="{}", help="its params, a JSON object (default: {})"
        )
        parser.add_argument(
            "--as", dest="user", metavar="USER",
            help="act as this user, with their rights (default: the system, which may do anything)",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        """Run it."""
        name = options["name"]
        flow = PUBLIC.get(name)
        if flow is None:
            raise CommandError(f"There is no flow {plain(name)!r}")
        if name in CONNECTION_ONLY:
            raise CommandError(f"{name} needs a connection; only the WebSocket has it")
        actor = SYSTEM if options["user"] is None else Actor(find_user(options["user"]).username)
        self.stdout.write(
            as_json(run_for_operator(flow, read_params(options["params"]), actor=actor))
        )


def read_params(text: str) -> dict[str, Any]:
    """The params that `text` spells; CommandError if it is no JSON object."""
    # What the shell gave that is no UTF-8 is no JSON either.
    params = decode_params(text.encode(errors="surrogateescape"), None)
    if isinstance(params, Error):
        raise CommandError(f"The params are wrong: {params.message}")
    return params
