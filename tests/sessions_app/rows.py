"""Rows for tests of what only reads them, made without flows."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Permission

from sessions_app.models import Event, Participant, Receipt, Session, User

#: The moment at which every row's time begins.
BEGIN = datetime(2026, 11, 22, 19, 3, 11, 412_000, tzinfo=UTC)

#: What must show as text, whoever wrote it and wherever it stands.
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=y> {{ 7|add:7 }} & \u202e"


def make_staff(name: str, *permissions: str) -> User:
    """A member of staff who may do what `permissions` name, `view_session`, and nothing else."""
    user = User.objects.create_user(name, is_staff=True)
    found = Permission.objects.filter(
        content_type__app_label="sessions_app", codename__in=permissions
    )
    assert len(found) == len(permissions)
    user.user_permissions.set(found)
    return user


def session_id(number: int) -> UUID:
    """The id of the session `number`."""
    return UUID(int=0x01970000_0000_7000_8000_000000000000 + number)


def make_sessions(owner: User, number: int, **fields: Any) -> list[Session]:
    """Sessions 1 to `number`, each with two participants; the last one is the latest active."""
    other, _ = User.objects.get_or_create(username="participant")
    common = {"owner": owner, "last_seq": 1, "created_at": BEGIN, **fields}
    sessions = Session.objects.bulk_create(
        Session(
            id=session_id(each),
            **{
                "title": f"Session {each}",
                "last_activity": BEGIN + timedelta(seconds=each),
                **common,
            },
        )
        for each in range(1, number + 1)
    )
    Participant.objects.bulk_create(
        Participant(session=session, user=user, role=role, joined_seq=1)
        for session in sessions
        for user, role in ((owner, "owner"), (other, "member"))
    )
    return sessions


def make_log(session: Session, number: int, text: str = "It leaks.") -> None:
    """The log of `session`: its creation, then messages, `number` events in all."""
    Event.objects.bulk_create(
        Event(
            session=session,
            seq=seq,
            kind="session_created" if seq == 1 else "message_sent",
            actor=session.owner.username,
            data={"title": session.title, "metadata": {}} if seq == 1 else {"text": text},
            key=f"key-{seq}",
            at=BEGIN + timedelta(seconds=seq),
        )
        for seq in range(1, number + 1)
    )
    session.last_seq = number
    session.message_count = number - 1
    session.save()


def make_receipt(session: Session, actor: str, key: str) -> Receipt:
    """A key that somebody used to begin a session."""
    return Receipt.objects.create(
        actor=actor,
        key=key,
        flow="create_session",
        fingerprint=bytes(range(32)),
        session=session,
        seq=1,
        at=BEGIN,
    )
