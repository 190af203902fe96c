"""`manage.py stats`."""

import json

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from sessions_app.adapters.statistics import database_bytes
from sessions_app.models import Event
from tests.sessions_app.commands.running import HOSTILE, begin, call, say, stored

pytestmark = pytest.mark.django_db(transaction=True)


def test_as_json() -> None:
    """Everything is counted; what happened before the days that are asked for is in the sums."""
    large, small = begin("ann", "Roof", "bob"), begin("ann")
    for _ in range(3):
        say(large, "bob", "It leaks.")
    call("end_session", str(small))
    Event.objects.filter(seq=3).update(at="2020-01-01T00:00:00Z")
    before = stored()
    told = json.loads(call("stats", "--json", "--largest", "1").out)
    (day,) = told.pop("messages_by_day").items()
    assert day[1] == 2
    assert told.pop("database_bytes") > 10_000
    assert told == {
        "sessions": {"ended": 1, "open": 1},
        "events": 7,
        "messages": 3,
        "receipts": 6,
        "users": 2,
        "largest": [{"session_id": str(large), "title": "Roof", "events": 5}],
        "connections": {},
    }
    assert stored() == before


def test_for_people() -> None:
    """People read lines, whatever a title holds; an empty database has its lines, too."""
    assert call("stats").out.startswith("Sessions     0\nEvents       0,")
    begin("ann", HOSTILE)
    lines = call("stats").out.splitlines()
    assert lines[0] == "Sessions     1 (1 open)"
    assert all(line.isprintable() for line in lines)


def test_however_much_there_is() -> None:
    """More sessions take no more queries."""
    begin("ann")
    with CaptureQueriesContext(connections["default"]) as few:
        call("stats")
    for _ in range(3):
        begin("ann")
    with CaptureQueriesContext(connections["default"]) as many:
        call("stats")
    assert len(few) == len(many)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, databases=["postgres"])
def test_on_postgres() -> None:
    """PostgreSQL knows how large it is."""
    assert database_bytes("postgres") > 1_000_000
