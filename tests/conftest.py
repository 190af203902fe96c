"""What all tests share: no connection is left open, and what a missing service skips."""

import inspect
import os
from collections.abc import Callable, Generator, Iterator

import pytest
from django.db import connections

from tests.backends.clearing import make_them_no_more
from tests.services import (
    browser_problem,
    nginx_problem,
    node_problem,
    postgres_problem,
    redis_problem,
)

#: Set where nothing may be skipped for want of a service.
REQUIRED = bool(os.environ.get("REQUIRE_SERVICES"))

#: Markers of tests that need a service, and what tells why it cannot be used.
SERVICES: dict[str, Callable[[], str | None]] = {
    "postgres": postgres_problem,
    "redis": redis_problem,
    "nginx": nginx_problem,
    "node": node_problem,
    "browser": browser_problem,
}


#: Two fill two cores: most tests wait for a server, a browser or a database of their own.
PROCESSES = 2


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run all there is in two processes, a module in one of them; what is named, in this one.

    `-n` says otherwise. So does `--cov` on its own: it has to know of `-n` before this is asked.
    """
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    is_free = config.getoption("numprocesses", 0) is None and not hasattr(config, "workerinput")
    is_plain = not (config.option.usepdb or config.pluginmanager.hasplugin("_cov"))
    if is_whole and is_free and is_plain:
        config.option.numprocesses = PROCESSES
        config.option.dist = "loadscope"
        config.option.loadscopereorder = False


def pytest_configure(config: pytest.Config) -> None:
    for service in SERVICES:
        config.addinivalue_line("markers", f"{service}: skipped, with the reason, without it")


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where nothing may be skipped, a skip is a failure."""
    report = yield
    if REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"REQUIRE_SERVICES is set, but this was skipped: {report.longrepr}"
    return report


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


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """The databases with their content types and permissions, which no test deletes."""
    make_them_no_more()


@pytest.fixture(autouse=True)
def close_connections() -> Iterator[None]:
    """No test leaves a connection behind, which would lock SQLite or keep PostgreSQL busy."""
    yield
    connections.close_all()
