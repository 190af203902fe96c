"""How whole sessions are deleted."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connections

from sessions_app.adapters.archive import delete
from sessions_app.adapters.whole import make_users, store, users
from sessions_app.models import Session
from sessions_app.seeding import made_up, names


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, databases=["postgres"])
def test_by_index() -> None:
    """Nothing that is deleted is looked for by reading a table, even if little is known of it."""
    using = "postgres"
    plans: list[str] = []
    people = names(4)
    make_users(people, using=using)
    sessions = list(made_up(20, 400, 4, seed=1, until=datetime(2026, 1, 1, tzinfo=UTC)))
    store(sessions, users(people, using=using), using=using)
    ids = [each.replay.record.session_id for each in sessions]

    def explain(execute: Callable[..., Any], sql: str, params: Any, many: Any, context: Any) -> Any:
        if sql.startswith("DELETE"):
            with context["connection"].connection.cursor() as cursor:
                plans.append("".join(row[0] for row in cursor.execute(f"EXPLAIN {sql}", params)))
        return execute(sql, params, many, context)

    with connections[using].execute_wrapper(explain):
        assert len(delete(ids[:10], lambda each: True, using=using)) == 10
    assert len(plans) == 4
    assert [plan for plan in plans if "Seq Scan" in plan] == []
    assert Session.objects.using(using).count() == 10
    with connections[using].cursor() as cursor:
        cursor.execute("SHOW enable_seqscan")
        assert cursor.fetchone() == ("on",)
