"""What staff have done, in Django's own record of it, which the admin shows beside every object."""

import getpass
import os
import socket
from collections.abc import Sequence

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.hashers import make_password
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from flows.actor import SYSTEM_NAME
from flows.atoms.audit import Act, Subject
from sessions_app import models
from sessions_app.sentences import plain

MODELS: dict[Subject, type[Model]] = {
    "session": models.Session,
    "user": models.User,
    "connection": models.Connection,
    "node": models.Node,
}

#: Django's entries are of users. This one stands for all operators, and nobody can sign in as it.
OPERATOR = "manage.py"

#: As long as Django's column.
NAME_LENGTH = 200


def keep_acts(acts: Sequence[Act], *, using: str) -> None:
    """Write `acts` down, in the transaction that there is.

    Only commands act as the system: these acts are of the user `manage.py`, and say whose process
    it was.
    """
    users = models.User.objects.using(using).filter(username__in={act.by for act in acts})
    ids = dict(users.values_list("username", "pk"))
    if any(act.by == SYSTEM_NAME for act in acts):
        ids[SYSTEM_NAME] = _operator_id(using)
    entries = [_entry(act, ids[act.by], using) for act in acts if act.by in ids]
    LogEntry.objects.using(using).bulk_create(entries)


def _entry(act: Act, user_id: int, using: str) -> LogEntry:
    subject = _subject(act, using)
    return LogEntry(
        user_id=user_id,
        content_type=ContentType.objects.db_manager(using).get_for_model(MODELS[act.kind]),
        object_id=act.id if subject is None else str(subject.pk),
        object_repr=(act.id if subject is None else str(subject))[:NAME_LENGTH],
        action_flag=CHANGE,
        change_message=message_of(act),
    )


def message_of(act: Act) -> str:
    """What the history says of `act`, beside the name of the user."""
    done = f"{act.done} by {operator()}" if act.by == SYSTEM_NAME else act.done
    return f"{done}: {act.reason}" if act.reason else done


def operator() -> str:
    """Who runs this process on which machine, as far as the environment tells."""
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        name = f"user {os.getuid()}"  # in a container, most have no name
    return plain(f"{name}@{socket.gethostname()}")


def _operator_id(using: str) -> int:
    nobody = {"is_active": False, "password": make_password(None)}
    user, _ = models.User.objects.using(using).get_or_create(username=OPERATOR, defaults=nobody)
    return user.pk


def _subject(act: Act, using: str) -> Model | None:
    """What it was done to, if it is still there."""
    model = MODELS[act.kind]
    name = "username" if act.kind == "user" else "pk"
    found: Model | None = model.objects.using(using).filter(**{name: act.id}).first()  # type: ignore[attr-defined]
    return found
