"""`manage.py doctor`, and what it finds in a living system."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management.base import CommandError
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder
from django.test import override_settings

from sessions_app.adapters.examination import examine
from sessions_app.adapters.examination.database import _disk
from sessions_app.models import Node
from tests.databases import EACH_DATABASE
from tests.sessions_app.commands.running import call


def found(alias: str = "default", *, skew: float = 0, free: int = 0) -> list[str]:
    """The ids of what is found; each says what to do."""
    now = datetime.now(UTC) + timedelta(seconds=skew)
    told = list(examine(using=alias, now=now, free=free))
    assert all(each.hint for each in told)
    # How the tests' PostgreSQL is set up is for whoever runs them.
    return [str(each.id) for each in told if str(each.id)[-3:] < "060"]


@pytest.mark.parametrize("alias", EACH_DATABASE)
def test_clocks(alias: str) -> None:
    """A database or a node whose clock differs is found; nothing is where they agree."""
    assert found(alias) == []
    assert found(alias, skew=60) == ["sessions_app.W053"]
    now = datetime.now(UTC)
    Node.objects.using(alias).create(
        name="n1", host="h", pid=1, started=now, last_seen=now, clock=now - timedelta(seconds=60)
    )
    assert found(alias) == ["sessions_app.W054"]


@pytest.mark.django_db(transaction=True)
def test_disk() -> None:
    """Little room for the database is found; a place that is not here is none."""
    assert found(free=2**62) == ["sessions_app.W052"]
    assert list(_disk(Path("/there/is/no/such/place"), 2**62)) == []


@pytest.mark.django_db(transaction=True)
def test_pragmas() -> None:
    """What SQLite really does counts, not what the settings ask for."""
    with connections["default"].cursor() as cursor:
        cursor.execute("PRAGMA synchronous=OFF")
    assert found() == ["sessions_app.E051"]
    connections["default"].close()


@pytest.mark.django_db(transaction=True)
def test_migrations() -> None:
    """Migrations that were not run are an error: the command fails, and says what to do."""
    recorder = MigrationRecorder(connections["default"])
    last = recorder.migration_qs.filter(app="sessions_app").latest("id")
    last.delete()
    try:
        assert found() == ["sessions_app.E050"]
        with pytest.raises(CommandError, match=r"^Errors: \d"):
            call("doctor")
    finally:
        recorder.record_applied("sessions_app", last.name)


@pytest.mark.django_db(transaction=True)
def test_as_json() -> None:
    """A script gets each finding with what to do; warnings alone do not fail."""
    with override_settings(PING_SECONDS=90):
        told = json.loads(call("doctor", "--json").out)
    (one,) = [each for each in told if each["id"] == "sessions_app.W034"]
    assert one["level"] == "warning"
    assert one["do"] == "25 is a good value."
    assert "sessions_app.W034" not in call("doctor").out
