"""`manage.py demo`: everything to try the server out, with one command."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from flows.actor import Actor
from flows.create_session import create_session
from flows.send_message import send_message
from sessions_app.management.operators import run_for_operator
from sessions_app.models import AccessToken, User
from sessions_app.tokens import issue_token, revoke_token

PASSWORD = "demo"  # noqa: S105 - it is printed
TOKEN_NAME = "demo"  # noqa: S105

#: Who talks in the demo session.
PEOPLE = ("ann", "bob")

MESSAGES = [
    ("ann", "It leaks over the kitchen, right below the chimney."),
    ("bob", "I can come on Thursday at nine. Is there a ladder?"),
    ("ann", "There is one in the shed. Thursday is fine."),
]

#: Part of the keys under which the session is made: another number for other words, or a database
#: that has had a demo before refuses them.
EDITION = 1


class Command(BaseCommand):
    """Try the server out."""

    help = (
        "Prepare the database, make users to try things out with (ann, bob and the superuser "
        f"admin, each with the password “{PASSWORD}”) and a session with a few messages, print "
        "where everything is, and serve. Running it again changes nothing but the tokens. Refuses "
        "unless DEBUG is on: everybody knows these passwords."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to serve."""
        parser.add_argument("--port", type=int, default=8000, help="(default: %(default)s)")
        parser.add_argument(
            "--no-serve", dest="serve", action="store_false", help="prepare and print only"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare, tell, serve."""
        if not settings.DEBUG:
            raise CommandError("The demo is for trying things out: it runs with DEBUG only")
        call_command("migrate", interactive=False, verbosity=0)
        users = [make_user(name) for name in PEOPLE]
        admin = make_user("admin", is_staff=True, is_superuser=True)
        session_id = make_session()
        tokens = {user.username: renew_token(user) for user in users}
        self.stdout.write(welcome(options["port"], session_id, tokens, [*users, admin]))
        self.stdout.flush()
        if options["serve"]:
            call_command("serve", port=options["port"])


def make_user(name: str, **fields: bool) -> User:
    """The demo user of that name; one who is there already stays as they are."""
    user = User.objects.filter(username=name).first()
    if user is None:
        user = User(username=name, **fields)
        user.set_password(PASSWORD)
        user.save()
    return user


def make_session() -> UUID:
    """The demo session, as clients would make it; the keys let it be made once."""
    owner, *others = PEOPLE
    created = run_for_operator(
        create_session,
        {
            "title": "Roof repair",
            "participants": [{"user": name, "role": "member"} for name in others],
            "key": f"demo-{EDITION}",
        },
        actor=Actor(owner),
    )
    for number, (name, text) in enumerate(MESSAGES, 1):
        message = {
            "session_id": str(created.session_id),
            "text": text,
            "key": f"demo-{EDITION}-{number}",
        }
        run_for_operator(send_message, message, actor=Actor(name))
    return created.session_id


def renew_token(user: User) -> str:
    """A demo token of `user`; the ones of earlier demos, which nobody can read any more, go."""
    for token in AccessToken.objects.filter(user=user, name=TOKEN_NAME, revoked_at=None):
        revoke_token(token.pk)
    return issue_token(user, TOKEN_NAME)


def welcome(port: int, session_id: UUID, tokens: dict[str, str], users: list[User]) -> str:
    """What is where, and how to get in."""
    changed = [user.username for user in users if not user.check_password(PASSWORD)]
    but = f" (but not {', '.join(changed)}, whose password was changed)" if changed else ""
    return "\n".join(
        [
            f"Admin    http://127.0.0.1:{port}/admin/  (user admin)",
            f"Socket   ws://127.0.0.1:{port}/ws/",
            f"Session  {session_id}",
            f"Users    {', '.join(user.username for user in users)}; password {PASSWORD}{but}",
            *(f"Token    {name:7}{token}" for name, token in tokens.items()),
            "",
            "Talk in it from two other terminals, the second one with bob's token:",
            f"  python manage.py chat {session_id} \\",
            f"    --url ws://127.0.0.1:{port}/ws/ --token {tokens[PEOPLE[0]]}",
            "",
        ]
    )
