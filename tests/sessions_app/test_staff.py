"""What users may do as staff."""

import pytest
from django.contrib.auth.models import AnonymousUser

from flows.actor import Actor, Right
from sessions_app.models import User
from sessions_app.staff import PERMISSIONS, rights_of, staff_actor
from tests.sessions_app.rows import make_staff

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("right", PERMISSIONS)
def test_one_permission(right: Right) -> None:
    """Each permission gives one right, and no other."""
    user = make_staff("boss", PERMISSIONS[right].removeprefix("sessions_app."))
    assert rights_of(user) == {right}
    assert staff_actor(user) == Actor("boss", frozenset({right}))


def test_who_has_none() -> None:
    """Who is no staff, not active or not signed in has no right, whatever permissions there are."""
    user = make_staff("boss", "read_session", "moderate_session")
    for lost in ("is_staff", "is_active"):
        fresh = User.objects.get(pk=user.pk)
        setattr(fresh, lost, False)
        assert rights_of(fresh) == frozenset()
    assert rights_of(User(username="root", is_superuser=True)) == frozenset()
    assert rights_of(AnonymousUser()) == frozenset()
    assert rights_of(make_staff("other")) == frozenset()


def test_superusers() -> None:
    """A superuser has every right."""
    assert rights_of(User.objects.create_superuser("root")) == set(PERMISSIONS)
