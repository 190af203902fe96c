"""What commands share: flows run for operators, and mistakes that become one clear line."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
from django.core.management.base import CommandError

from flows.actor import SYSTEM, Actor
from flows.engine import Flow
from sessions_app.models import User
from sessions_app.protocol import error_of, is_expected
from sessions_app.scope import run
from sessions_app.sentences import plain

O = TypeVar("O")  # noqa: E741


def run_for_operator(flow: Flow[Any, O], raw: object, *, actor: Actor = SYSTEM) -> O:
    """Run `flow` as `actor`; CommandError with the code, the text and the path if it refuses."""
    with as_command_error():
        return run(flow, raw, actor=actor)


@contextmanager
def as_command_error() -> Iterator[None]:
    """What a flow refuses in this block is a CommandError with the code, the text and the path."""
    try:
        yield
    except Exception as problem:
        if not is_expected(problem):
            raise
        error = error_of(problem, "")
        path = error.data.get("path")
        where = f" - at `{path}`" if path else ""
        raise CommandError(plain(f"{error.name}: {error.message}{where}")) from problem


def as_json(value: object) -> str:
    """`value` as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def find_user(name: str) -> User:
    """The active user of that name; CommandError if there is none."""
    # What cannot be printed is in no user's name, and some of it in no database.
    user = User.objects.filter(username=name).first() if name == plain(name) else None
    if user is None:
        raise CommandError(f"There is no user {plain(name)!r}")
    if not user.is_active:
        raise CommandError(f"The user {name!r} is not active")
    return user
