"""`manage.py create_token`: a bearer token for a user."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, transaction

from flows.actor import SYSTEM_NAME
from flows.atoms.audit import Act
from sessions_app.adapters.acts import keep_acts
from sessions_app.management.operators import find_user
from sessions_app.models import AccessToken
from sessions_app.sentences import plain
from sessions_app.tokens import issue_token


class Command(BaseCommand):
    """Issue a bearer token."""

    help = (
        "Issue a bearer token for a user and print it, and nothing else, on standard output: "
        'TOKEN=$(manage.py create_token ann). It cannot be shown again; "Access tokens" in the '
        "admin lists and revokes what was issued."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose, and what for."""
        parser.add_argument("user", help="name of the user it stands for")
        parser.add_argument("--name", default="", help="what it is for, up to 100 characters")

    def handle(self, *args: Any, **options: Any) -> None:
        """Issue it."""
        user, name = find_user(options["user"]), options["name"]
        try:
            AccessToken(user=user, name=name).clean_fields(exclude=["digest"])
        except ValidationError as error:
            raise CommandError(f"--name: {' '.join(error.messages)}") from error
        if name != plain(name):
            raise CommandError("--name: Expected text without control characters")
        act = Act(by=SYSTEM_NAME, done="Issued a token", kind="user", id=user.username, reason=name)
        with transaction.atomic():
            token = issue_token(user, name)
            keep_acts([act], using=DEFAULT_DB_ALIAS)
        self.stdout.write(token)
