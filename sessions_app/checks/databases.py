"""Databases that would lose what was acknowledged, lock, or starve."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from sessions_app.adapters.log import POSTGRES_LANES, READERS

#: In seconds: another writer's transaction is waited for.
SHORTEST_TIMEOUT = 5


@register(Tags.compatibility)
def databases_are_safe(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """The database does what the promises need."""
    return mistakes(settings.DATABASES["default"])


def mistakes(config: Mapping[str, Any]) -> list[CheckMessage]:
    """What is wrong with the settings of a database."""
    engine = str(config.get("ENGINE", ""))
    if engine.endswith("sqlite3"):
        return list(_sqlite(config.get("OPTIONS", {})))
    if "postgres" in engine:
        return list(_postgres(config))
    return [
        Error(
            f"{engine or 'No database'} is not supported.",
            hint="DATABASE_URL names a SQLite file or a PostgreSQL database.",
            id="sessions_app.E010",
        )
    ]


def _sqlite(options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    pragmas = str(options.get("init_command", "")).upper().replace(" ", "")
    if options.get("transaction_mode") != "IMMEDIATE":
        yield Error(
            "SQLite's transactions begin as readers.",
            hint='OPTIONS["transaction_mode"] = "IMMEDIATE": one that turns into a writer fails '
            'with "database is locked".',
            id="sessions_app.E011",
        )
    if "JOURNAL_MODE=WAL" not in pragmas:
        yield Error(
            "SQLite keeps no write-ahead log: whoever reads waits for whoever writes.",
            hint='Add "PRAGMA journal_mode=WAL;" to OPTIONS["init_command"].',
            id="sessions_app.E012",
        )
    if "SYNCHRONOUS=FULL" not in pragmas and "SYNCHRONOUS=EXTRA" not in pragmas:
        yield Error(
            "SQLite does not wait for the disk: a power cut loses what was acknowledged.",
            hint='Add "PRAGMA synchronous=FULL;" to OPTIONS["init_command"].',
            id="sessions_app.E013",
        )
    if options.get("timeout", 5) < SHORTEST_TIMEOUT:
        yield Warning(
            f"SQLite gives up waiting for other writers after {options['timeout']} s.",
            hint=f'Set OPTIONS["timeout"] to {SHORTEST_TIMEOUT} at least; 20 is a good value.',
            id="sessions_app.W014",
        )


def _postgres(config: Mapping[str, Any]) -> Iterator[CheckMessage]:
    pool = config.get("OPTIONS", {}).get("pool")
    needed = POSTGRES_LANES + READERS
    if not pool:
        yield Warning(
            "PostgreSQL has no connection pool: every HTTP request opens a connection.",
            hint='OPTIONS["pool"] = {"max_size": 20, …}, with CONN_MAX_AGE = 0.',
            id="sessions_app.W015",
        )
    elif isinstance(pool, Mapping) and pool.get("max_size", pool.get("min_size", 4)) < needed:
        yield Warning(
            "PostgreSQL's pool is smaller than the threads that may ask it for a connection.",
            hint=f'Set OPTIONS["pool"]["max_size"] to {needed} at least.',
            id="sessions_app.W016",
        )
    if config.get("CONN_MAX_AGE", 0) != 0:
        yield Error(
            "CONN_MAX_AGE keeps a connection per thread, for ever under ASGI.",
            hint="Set CONN_MAX_AGE = 0; the pool keeps connections.",
            id="sessions_app.E017",
        )
    if config.get("OPTIONS", {}).get("isolation_level") is not None:
        yield Warning(
            "PostgreSQL's isolation level is not the one that this server was tried with.",
            hint='Leave OPTIONS["isolation_level"] out: READ COMMITTED, with locks on rows.',
            id="sessions_app.W018",
        )
    if config.get("ATOMIC_REQUESTS"):
        yield Error(
            "ATOMIC_REQUESTS holds a transaction around each page.",
            hint="Leave it out: what is acknowledged would not be committed yet.",
            id="sessions_app.E019",
        )
