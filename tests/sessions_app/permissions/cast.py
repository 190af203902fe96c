"""The kinds of people there are, and a session in which some of them have a role."""

from typing import Any
from uuid import uuid4

from msgspec import Struct

from flows.actor import Actor, Right
from flows.atoms.actor import actor
from flows.create_session import create_session
from flows.end_session import end_session
from flows.events import Role
from project.application import Application
from sessions_app.models import User
from sessions_app.staff import PERMISSIONS
from sessions_app.tokens import issue_token
from tests.sessions_app.rows import make_staff

V, R, A, D = Right.VIEW, Right.READ, Right.ACT, Right.DRAIN


class Person(Struct, frozen=True):
    """A kind of person: a role in the session, or none, and the rights of a member of staff."""

    name: str
    role: Role | None = None
    rights: frozenset[Right] = frozenset()
    staff: bool = False


#: All who can sign in.
CAST = [
    Person("owner", Role.OWNER),
    Person("member", Role.MEMBER),
    Person("observer", Role.OBSERVER),
    Person("stranger"),
    Person("clerk", staff=True),
    Person("viewer", rights=frozenset({V}), staff=True),
    Person("reader", rights=frozenset({R}), staff=True),
    Person("mover", rights=frozenset({A}), staff=True),
    Person("drainer", rights=frozenset({D}), staff=True),
    Person("auditor", rights=frozenset({V, R}), staff=True),
    Person("boss", rights=frozenset({V, R, A}), staff=True),
    Person("root", rights=frozenset(Right), staff=True),
]

#: Those who can observe a session.
OBSERVERS = [each for each in CAST if R in each.rights]

#: A member of every session, whom others add and remove.
EVE = "eve"


def make_cast() -> dict[str, str]:
    """The users, and a token of each."""
    User.objects.create(username=EVE)
    return {each.name: issue_token(_make(each)) for each in CAST}


def _make(person: Person) -> User:
    if person.name == "root":
        return User.objects.create_superuser("root")
    if person.staff:
        names = [PERMISSIONS[right].removeprefix("sessions_app.") for right in person.rights]
        return make_staff(person.name, *names)
    return User.objects.create(username=person.name)


async def begin(application: Application, *, ended: bool = False) -> str:
    """A new session in which everybody has their role."""

    async def owner_does(flow: Any, **raw: object) -> Any:
        return await application.flows.run_raw(
            flow, {**raw, "key": uuid4().hex}, tags=[actor(Actor("owner"))]
        )

    roles = {"member": "member", "observer": "observer", EVE: "member"}
    participants = [{"user": user, "role": role} for user, role in roles.items()]
    made = await owner_does(create_session, title="Roof repair", participants=participants)
    if ended:
        await owner_does(end_session, session_id=str(made.session_id))
    return str(made.session_id)
