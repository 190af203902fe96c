"""`manage.py seed`."""

import json

import pytest
from django.core.management.base import CommandError
from django.test import override_settings

from sessions_app.models import Event, Participant, Receipt, Session, User
from tests.sessions_app.commands.running import call, stored

pytestmark = pytest.mark.django_db(transaction=True)

FEW = ("--sessions", "30", "--events", "400", "--users", "7", "--yes")


def test_makes_as_many_as_asked() -> None:
    """There are exactly as many sessions, events and users as asked for, and all is sound."""
    assert "30 sessions with 400 events" in call("seed", *FEW).out
    assert (Session.objects.count(), Event.objects.count(), User.objects.count()) == (30, 400, 7)
    assert call("verify").out.startswith("All is well. Sessions: 30, events: 400")
    assert Session.objects.filter(status="ended").exists()
    assert Participant.objects.filter(seen_seq__gt=0).exists()
    assert Receipt.objects.exists()
    assert Event.objects.values("data").distinct().count() > 100
    assert not any(user.has_usable_password() for user in User.objects.all())


def test_again() -> None:
    """Running it again changes nothing; what is missing is made again."""
    call("seed", *FEW)
    before = stored()
    made = json.loads(call("seed", *FEW, "--json").out)
    assert (made["sessions"], made["events"]) == (0, 0)
    assert stored() == before
    lost = Session.objects.first()
    assert lost is not None
    lost.delete()
    assert json.loads(call("seed", *FEW, "--json").out)["sessions"] == 1
    assert Event.objects.count() == 400


def test_another_seed() -> None:
    """Another number makes other sessions."""
    call("seed", *FEW)
    call("seed", *FEW, "--seed", "2")
    assert Session.objects.count() == 60


def test_quiet() -> None:
    """Who wants to hear nothing hears nothing."""
    assert call("seed", *FEW, "--quiet") == ("", "")


def test_too_few_events() -> None:
    """Every session has an event."""
    with pytest.raises(CommandError, match="at least one event"):
        call("seed", "--sessions", "9", "--events", "8", "--yes")
    assert not Session.objects.exists()


@override_settings(DEBUG=False)
def test_not_in_a_real_database() -> None:
    """Outside DEBUG it has to be meant, and nothing is made."""
    with pytest.raises(CommandError, match="--yes"):
        call("seed")
    assert not User.objects.exists()
