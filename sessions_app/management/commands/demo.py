"""`manage.py demo`: everything to try the server out, with one command."""

from argparse import ArgumentParser
from typing import Any, TypeAlias
from uuid import UUID

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from flows.actor import Actor
from flows.add_participant import add_participant
from flows.create_session import create_session
from flows.end_session import end_session
from flows.engine import Flow
from flows.input import Mutation
from flows.mark_seen import mark_seen
from flows.rename_session import rename_session
from flows.send_message import send_message
from sessions_app.management.operators import run_for_operator
from sessions_app.models import AccessToken, User
from sessions_app.tokens import issue_token, revoke_token

PASSWORD = "demo"  # noqa: S105 - it is printed
TOKEN_NAME = "demo"  # noqa: S105

#: Whom one can be in the two windows.
PEOPLE = ("ann", "bob")

#: Who takes part besides.
OTHERS = ("carol",)

Step: TypeAlias = tuple[str, Flow[Any, Any], dict[str, Any]]

#: Who does what in the demo's session, after ann has created it with bob in it; in order.
STORY: list[Step] = [
    ("ann", send_message, {"text": "It leaks over the kitchen, right below the chimney."}),
    ("bob", send_message, {"text": "I can come on Thursday at nine. Is there a ladder?"}),
    ("ann", send_message, {"text": "There is one in the shed. Thursday is fine.", "reply_to": 4}),
    ("ann", add_participant, {"user": "carol", "role": "member"}),
    ("carol", send_message, {"text": "Bring the sealing tape, please: the flashing is loose."}),
    ("bob", rename_session, {"title": "Roof repair, north side"}),
    ("bob", send_message, {"text": "Will do. Photos help:\n- from below\n- from the hatch"}),
    ("ann", send_message, {"text": "<b>The beam is dry.</b> Photos tonight.", "reply_to": 9}),
    ("bob", mark_seen, {"seq": 9}),
]  # fmt: skip

#: An earlier one, which is over.
EARLIER: list[Step] = [
    ("bob", send_message, {"text": "No heating on the second floor."}),
    ("ann", send_message, {"text": "The pump. It runs again."}),
    ("bob", end_session, {"reason": "It is warm"}),
]

#: Part of the keys under which all is made: another number for another story, or a database that
#: has had a demo before refuses it.
EDITION = 2


class Command(BaseCommand):
    """Try the server out."""

    help = (
        "Prepare the database, make users to try things out with (ann, bob, carol and the "
        f"superuser admin, each with the password “{PASSWORD}”) and two sessions, print what to "
        "open in two browser windows, and serve. Running it again changes nothing but the tokens. "
        "Refuses unless DEBUG is on: everybody knows these passwords."
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
        users = [make_user(name) for name in (*PEOPLE, *OTHERS)]
        admin = make_user("admin", is_staff=True, is_superuser=True)
        make_session("bob", "Heating, second floor", "ann", EARLIER)
        session_id = make_session("ann", "Roof repair", "bob", STORY)
        tokens = {user.username: renew_token(user) for user in users[: len(PEOPLE)]}
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


def make_session(owner: str, title: str, other: str, story: list[Step]) -> UUID:
    """A session, as clients would make it; the keys let each step be done once."""
    key = f"demo-{EDITION}-{owner}"
    others = [{"user": other, "role": "member"}]
    creation = {"title": title, "participants": others, "key": key}
    created = run_for_operator(create_session, creation, actor=Actor(owner))
    session_id: UUID = created.session_id
    for number, (name, flow, params) in enumerate(story, 1):
        writes = issubclass(flow.input_type, Mutation)
        step = params | ({"key": f"{key}-{number}"} if writes else {})
        run_for_operator(flow, {"session_id": str(session_id), **step}, actor=Actor(name))
    return session_id


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
            f"Page     http://127.0.0.1:{port}/sessions/{session_id}/",
            "         as ann in one window, and as bob in a private one",
            f"Admin    http://127.0.0.1:{port}/admin/  (user admin)",
            f"Socket   ws://127.0.0.1:{port}/ws/",
            f"Session  {session_id}",
            f"Users    {', '.join(user.username for user in users)}; password {PASSWORD}{but}",
            *(f"Token    {name:7}{token}" for name, token in tokens.items()),
            "",
            "Or talk from two other terminals, the second one with bob's token:",
            f"  python manage.py chat {session_id} \\",
            f"    --url ws://127.0.0.1:{port}/ws/ --token {tokens[PEOPLE[0]]}",
            "",
        ]
    )
