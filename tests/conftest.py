"""What all tests share: no connection is left open, and what a missing service skips."""

import inspect
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.db import connections

from tests.services import postgres_problem, redis_problem

#: Markers of tests that need a service, and what tells why it cannot be used.
SERVICES: dict[str, Callable[[], str | None]] = {
    "postgres": postgres_problem,
    "redis": redis_problem,
}


def pytest_configure(config: pytest.Config) -> None:
    for service in SERVICES:
        config.addinivalue_line("markers", f"{service}: skipped, with the reason, without it")
    if "postgres" in settings.DATABASES:
        settings.DATABASES["postgres"]["ENGINE"] = "tests.postgres"
        # By default it would be made after `default`, also for tests that do not use that one.
        settings.DATABASES["postgres"]["TEST"]["DEPENDENCIES"] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    refused = [item.nodeid for item in items if mixes_threads_and_rollback(item)]
    if refused:
        raise pytest.UsageError(
            "async tests need @pytest.mark.django_db(transaction=True), since their queries run in"
            " other threads, outside the transaction that is rolled back: " + ", ".join(refused)
        )
    for item in items:
        for service, problem in SERVICES.items():
            if item.get_closest_marker(service) and (reason := problem()):
                item.add_marker(pytest.mark.skip(reason=reason))


def mixes_threads_and_rollback(item: pytest.Item) -> bool:
    """Whether an async test uses the database in a transaction that would be rolled back."""
    if not inspect.iscoroutinefunction(getattr(item, "function", None)):
        return False
    fixtures: list[str] = getattr(item, "fixturenames", [])
    if "transactional_db" in fixtures:
        return False
    marker = item.get_closest_marker("django_db")
    if marker is None:
        return "db" in fixtures
    return not (marker.kwargs.get("transaction") or (marker.args and marker.args[0]))


@pytest.fixture(autouse=True)
def close_connections() -> Iterator[None]:
    """No test leaves a connection behind, which would lock SQLite or keep PostgreSQL busy."""
    yield
    connections.close_all()
