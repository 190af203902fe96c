"""What staff have done, in Django's own record of it, which the admin shows beside every object."""

from collections.abc import Sequence

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from flows.atoms.audit import Act, Subject
from sessions_app import models

MODELS: dict[Subject, type[Model]] = {
    "session": models.Session,
    "user": models.User,
    "connection": models.Connection,
    "node": models.Node,
}

#: As long as Django's column.
NAME_LENGTH = 200


def keep_acts(acts: Sequence[Act], *, using: str) -> None:
    """Write `acts` down, in the transaction that there is.

    The system's are left out, since Django's entries are of users: what an operator does is in the
    session's log under the system's name, and who has a shell is known to whoever gave it to them.
    """
    users = models.User.objects.using(using).filter(username__in={act.by for act in acts})
    ids = dict(users.values_list("username", "pk"))
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
        change_message=f"{act.done}: {act.reason}" if act.reason else act.done,
    )


def _subject(act: Act, using: str) -> Model | None:
    """What it was done to, if it is still there."""
    model = MODELS[act.kind]
    name = "username" if act.kind == "user" else "pk"
    found: Model | None = model.objects.using(using).filter(**{name: act.id}).first()  # type: ignore[attr-defined]
    return found
