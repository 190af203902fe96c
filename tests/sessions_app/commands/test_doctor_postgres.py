"""What `manage.py doctor` finds in PostgreSQL."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from django.core.checks import CheckMessage
from django.db import connections

from sessions_app.adapters.examination import examine
from sessions_app.adapters.examination.postgres import crowded, directory_of, unsafe
from sessions_app.models import Node

#: A server as it is when nobody has changed it.
GOOD = {
    "default_transaction_isolation": "read committed",
    "synchronous_commit": "on",
    "fsync": "on",
    "full_page_writes": "on",
    "transaction_read_only": "off",
    "autovacuum": "on",
    "max_connections": "100",
    "superuser_reserved_connections": "3",
}
POOL = {"pool": {"min_size": 0, "max_size": 20}}


def ids(found: Iterable[CheckMessage]) -> list[str]:
    """The ids of what is found; each says what to do."""
    told = list(found)
    assert all(each.hint for each in told)
    return [str(each.id).removeprefix("sessions_app.") for each in told]


@pytest.mark.parametrize(
    ("name", "value", "id"),
    [
        ("default_transaction_isolation", "serializable", "E060"),
        ("default_transaction_isolation", "repeatable read", "E060"),
        ("synchronous_commit", "off", "E061"),
        ("fsync", "off", "E061"),
        ("full_page_writes", "off", "E061"),
        ("transaction_read_only", "on", "E062"),
        ("autovacuum", "off", "W063"),
    ],
)
def test_unsafe(name: str, value: str, id: str) -> None:
    """Each setting that breaks a promise is found; none is where nobody has changed them."""
    assert ids(unsafe(GOOD)) == []
    assert ids(unsafe({**GOOD, name: value})) == [id]


@pytest.mark.parametrize("value", ["local", "remote_write", "remote_apply"])
def test_safe(value: str) -> None:
    """What waits for one disk at least loses nothing when a process crashes."""
    assert ids(unsafe({**GOOD, "synchronous_commit": value})) == []


def test_crowded() -> None:
    """As many processes as may take all connections are enough; one more is found."""
    assert ids(crowded(GOOD, 3, POOL)) == []
    assert ids(crowded(GOOD, 4, POOL)) == ["W064"]
    assert ids(crowded({**GOOD, "reserved_connections": "14"}, 3, POOL)) == ["W064"]
    assert ids(crowded(GOOD, 12, {})) == []
    assert ids(crowded(GOOD, 13, {})) == ["W064"]


def test_directory() -> None:
    """The disk is looked at where the database is on this machine, and says where it is."""
    told = {"data_directory": "/data"}
    for host in ("", "localhost", "127.0.0.1", "/run/postgresql"):
        assert directory_of(told, host) == "/data"
    assert directory_of(told, "db.example.com") is None
    assert directory_of({}, "localhost") is None


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, databases=["postgres"])
def test_living() -> None:
    """What a connection really gets counts, and how many processes there are."""
    now = datetime.now(UTC)

    def found() -> set[str]:
        return set(ids(examine(using="postgres", now=now, free=0)))

    before = found()
    assert not before & {"E060", "E061", "E062", "W064"}
    with connections["postgres"].cursor() as cursor:
        cursor.execute("SET default_transaction_isolation = 'serializable'")
        cursor.execute("SET synchronous_commit = off")
        try:
            assert found() - before == {"E060", "E061"}
        finally:
            cursor.execute("RESET ALL")
    Node.objects.using("postgres").bulk_create(
        Node(name=f"n{number}", host="h", pid=1, started=now, last_seen=now, clock=now)
        for number in range(1_000)
    )
    assert found() - before == {"W064"}
