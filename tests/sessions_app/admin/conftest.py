"""Who uses the admin, and what they find in it."""

from uuid import UUID

import pytest
from django.test import Client

from sessions_app.models import Event, Participant, User
from tests.sessions_app.rows import make_log, make_receipt, make_sessions


@pytest.fixture
def ann(db: None) -> User:
    """Somebody who is no staff."""
    return User.objects.create_user("ann")


@pytest.fixture
def superuser(client: Client, db: None) -> User:
    """Who may do everything, and is signed in."""
    user = User.objects.create_superuser("boss")
    client.force_login(user)
    return user


@pytest.fixture
def history(ann: User) -> dict[str, int | UUID]:
    """One row of each kind of history, by model: its primary key."""
    (session,) = make_sessions(ann, 1)
    make_log(session, 2)
    return {
        "session": session.pk,
        "participant": Participant.objects.earliest("pk").pk,
        "event": Event.objects.earliest("pk").pk,
        "receipt": make_receipt(session, "ann", "c-1").pk,
    }
