"""The index of texts, as its migration makes it, on both databases."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from django.db import connections, transaction
from django.db.migrations.executor import MigrationExecutor

from sessions_app.models import Event, Session, User
from tests.databases import EACH_DATABASE
from tests.sessions_app.adapters.databases import is_waiting

T = TypeVar("T")

NAME = "event_by_stretch"
MIGRATION = import_module("sessions_app.migrations.0007_event_by_stretch").Migration
ADD, _ = MIGRATION.operations

on_both = pytest.mark.parametrize("alias", EACH_DATABASE)


def run(alias: str, way: str) -> None:
    """Run the operation `forwards` or `backwards`, as `migrate` does."""
    connection = connections[alias]
    loader = MigrationExecutor(connection).loader
    before = loader.project_state([("sessions_app", "0006_event_by_text")])
    after = loader.project_state([("sessions_app", "0007_event_by_stretch")])
    states = (before, after) if way == "forwards" else (after, before)
    with connection.schema_editor(atomic=MIGRATION.atomic) as editor:
        getattr(ADD, f"database_{way}")("sessions_app", editor, *states)


def indexes(alias: str) -> set[str]:
    """The names of the indexes of the log."""
    connection = connections[alias]
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, Event._meta.db_table)
    return {name for name, each in found.items() if each["index"]}


@contextmanager
def without(alias: str) -> Iterator[None]:
    """No such index, and afterwards it is there again, whole."""
    run(alias, "backwards")
    try:
        yield
    finally:
        run(alias, "forwards")
        assert NAME in indexes(alias)


@on_both
def test_there_and_back(alias: str) -> None:
    """The migration makes the index, and takes it away when it is undone."""
    assert NAME in indexes(alias)
    with without(alias):
        assert NAME not in indexes(alias)


def stored(query: str) -> Any:
    """What PostgreSQL knows of the index."""
    with connections["postgres"].cursor() as cursor:
        cursor.execute(query, [NAME])
        return cursor.fetchone()


def identity() -> Any:
    """Which index it is, and whether it is used."""
    return stored("SELECT indexrelid, indisvalid FROM pg_index WHERE indexrelid = %s::regclass")


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, databases=["postgres"])
def test_what_was_left_half_built() -> None:
    """An index that an interrupted migration has left invalid is built anew by the next."""
    before = identity()
    assert before[1]
    with connections["postgres"].cursor() as cursor:
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [NAME]
        )
    run("postgres", "forwards")
    number, is_valid = identity()
    assert is_valid
    assert number != before[0]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, databases=["postgres"])
def test_what_is_there_stays() -> None:
    """An index that is whole is not built a second time."""
    before = identity()
    run("postgres", "forwards")
    assert identity() == before


def write(session: Session, seq: int) -> None:
    """Write an event; waits for no lock longer than five seconds."""
    with transaction.atomic(using="postgres"):
        with connections["postgres"].cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '5s'")
        Event.objects.using("postgres").create(
            session=session, seq=seq, kind="k", actor="ann", data={}, at=datetime.now(UTC)
        )


def in_a_thread(work: Callable[[], T]) -> T:
    """What `work` returns, with connections of the thread's own."""
    try:
        return work()
    finally:
        connections.close_all()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, databases=["postgres"])
def test_nobody_waits() -> None:
    """Others write while it is built, even while it waits for one who takes very long."""
    ann = User.objects.using("postgres").create(username="ann")
    now = datetime.now(UTC)
    session = Session.objects.using("postgres").create(
        id=uuid4(), title="t", owner=ann, created_at=now, last_activity=now, last_seq=2
    )
    with without("postgres"), ThreadPoolExecutor(2) as threads:
        with transaction.atomic(using="postgres"):
            write(session, 1)
            building = threads.submit(in_a_thread, lambda: run("postgres", "forwards"))
            # Asked outside the transaction, in which the answer would stay the same.
            while not threads.submit(in_a_thread, lambda: is_waiting("postgres")).result():
                assert not building.done()
            threads.submit(in_a_thread, lambda: write(session, 2)).result()
            assert not building.done()
        building.result()
    assert Event.objects.using("postgres").count() == 2
