"""What PostgreSQL really does, whatever the settings here ask for."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.checks import CheckMessage, Error, Warning
from django.db.backends.base.base import BaseDatabaseWrapper

from sessions_app.adapters.log import POSTGRES_LANES, READERS

#: Each setting with the values that would break a promise, and what follows from them.
UNSAFE: Mapping[str, tuple[frozenset[str], str, str]] = {
    "default_transaction_isolation": (
        frozenset({"repeatable read", "serializable"}),
        "Concurrent writes fail instead of waiting for each other.",
        "sessions_app.E060",
    ),
    "synchronous_commit": (
        frozenset({"off"}),
        "A crash of the database loses what was acknowledged.",
        "sessions_app.E061",
    ),
    "fsync": (
        frozenset({"off"}),
        "A power cut loses what was acknowledged, or all.",
        "sessions_app.E061",
    ),
    "full_page_writes": (
        frozenset({"off"}),
        "A power cut may leave torn pages.",
        "sessions_app.E061",
    ),
    "transaction_read_only": (
        frozenset({"on"}),
        "Nothing can be written: a copy that only follows, perhaps.",
        "sessions_app.E062",
    ),
}

#: What each is set to when nobody has changed it, which is right.
RIGHT = {"default_transaction_isolation": "read committed", "transaction_read_only": "off"}

#: What is read beside them; what this user may not see is not there.
ALSO = (
    "autovacuum",
    "data_directory",
    "max_connections",
    "reserved_connections",
    "superuser_reserved_connections",
)


def settings_of(connection: BaseDatabaseWrapper) -> dict[str, str]:
    """The server's settings that matter, as they are for this connection."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [[*UNSAFE, *ALSO]]
        )
        return dict(cursor.fetchall())


def unsafe(settings: Mapping[str, str]) -> Iterator[CheckMessage]:
    """Settings that break what this server promises, or wear it out."""
    for name, (bad, why, id) in UNSAFE.items():
        if (value := settings.get(name)) in bad:
            hint = f"{why} Set it to {RIGHT.get(name, 'on')}, for the server, database and role."
            yield Error(f"PostgreSQL's {name} is {value}.", hint=hint, id=id)
    if settings.get("autovacuum") == "off":
        yield Warning(
            "PostgreSQL's autovacuum is off.",
            hint="Turn it on: without it, queries are planned blindly, and the room of what was "
            "deleted is never used again.",
            id="sessions_app.W063",
        )


def crowded(
    settings: Mapping[str, str], processes: int, options: Mapping[str, Any]
) -> Iterator[CheckMessage]:
    """Whether `processes` servers may ask for more connections than there are."""
    given = int(settings["max_connections"]) - sum(
        int(settings.get(name, 0))
        for name in ("reserved_connections", "superuser_reserved_connections")
    )
    pool = options.get("pool")
    # Without a pool nothing bounds them: then it is the least.
    pooled = pool.get("max_size", pool.get("min_size", 4)) if isinstance(pool, Mapping) else 0
    each = POSTGRES_LANES + READERS + int(pooled)
    if processes * each > given:
        yield Warning(
            f"{processes} processes may ask for {processes * each} connections to PostgreSQL, "
            f"which gives {given}.",
            hint=f'Raise max_connections, or lower OPTIONS["pool"]["max_size"]: each process '
            f"may take that many and {POSTGRES_LANES + READERS} more.",
            id="sessions_app.W064",
        )


def directory_of(settings: Mapping[str, str], host: str) -> str | None:
    """Where the database is on this machine's disk; None if it is elsewhere, or not told."""
    here = host in ("", "localhost", "127.0.0.1", "::1") or host.startswith("/")
    return settings.get("data_directory") if here else None
