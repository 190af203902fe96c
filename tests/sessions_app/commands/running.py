"""Commands run as an operator would, and sessions for them to work on."""

from io import StringIO
from typing import NamedTuple
from uuid import UUID, uuid4

from django.core.management import call_command

from flows.actor import Actor
from flows.create_session import create_session
from flows.send_message import send_message
from sessions_app.models import AccessToken, Event, Participant, Receipt, Session, User
from sessions_app.scope import run

#: What would move the cursor, ring the bell or turn the text around in a terminal.
HOSTILE = "\x1b[2J\x07 one\ntwo \u202e"


class Output(NamedTuple):
    """What a command printed."""

    out: str
    err: str


def call(name: str, *arguments: str) -> Output:
    """Run a command; raises what it raises."""
    out, err = StringIO(), StringIO()
    call_command(name, *arguments, stdout=out, stderr=err)
    return Output(out.getvalue(), err.getvalue())


def begin(owner: str, title: str = "", *members: str) -> UUID:
    """A session of `owner`, who is made if need be, with `members`."""
    for name in (owner, *members):
        User.objects.get_or_create(username=name)
    participants = [{"user": name, "role": "member"} for name in members]
    raw = {"title": title, "participants": participants, "key": uuid4().hex}
    return run(create_session, raw, actor=Actor(owner)).session_id


def say(session_id: UUID, who: str, text: str) -> int:
    """Write a message; its seq."""
    raw = {"session_id": str(session_id), "text": text, "key": uuid4().hex}
    return run(send_message, raw, actor=Actor(who)).seq


def stored() -> list[object]:
    """Everything that commands may write."""
    models = (Session, Participant, Event, Receipt, AccessToken, User)
    return [list(model.objects.order_by("pk").values()) for model in models]
