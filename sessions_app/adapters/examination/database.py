"""The database: its migrations, what it really does, its disk, and all clocks."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.core.checks import CheckMessage, Error, Warning
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from sessions_app.adapters.connections import nodes
from sessions_app.adapters.examination import postgres

#: Clocks that differ by more make times in logs hard to read; seqs do not depend on them.
SKEW = timedelta(seconds=2)

#: Less free disk than this is told, in bytes.
FREE = 1_000_000_000


def examine(*, using: str, now: datetime, free: int = FREE) -> Iterator[CheckMessage]:
    """What is wrong with the database `using`, as seen at `now`."""
    yield from _migrations(using)
    if connections[using].vendor == "sqlite":
        yield from _pragmas(using)
        yield from _disk(Path(str(connections[using].settings_dict["NAME"])).parent, free)
    else:
        yield from _postgres(using, free)
    yield from _clocks(using, now)


def _postgres(using: str, free: int) -> Iterator[CheckMessage]:
    config = connections[using].settings_dict
    settings = postgres.settings_of(connections[using])
    yield from postgres.unsafe(settings)
    # Where none has started yet, one will.
    processes = max(1, len(nodes(using=using)))
    yield from postgres.crowded(settings, processes, config["OPTIONS"])
    if directory := postgres.directory_of(settings, str(config["HOST"])):
        yield from _disk(Path(directory), free)


def _migrations(using: str) -> Iterator[CheckMessage]:
    executor = MigrationExecutor(connections[using])
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        yield Error(
            f"Migrations that were not run: {len(plan)}.",
            hint="manage.py migrate",
            id="sessions_app.E050",
        )


def _pragmas(using: str) -> Iterator[CheckMessage]:
    for pragma, good in (("journal_mode", {"wal"}), ("synchronous", {"2", "3"})):
        with connections[using].cursor() as cursor:
            cursor.execute(f"PRAGMA {pragma}")
            value = str(cursor.fetchone()[0])
        if value not in good:
            yield Error(
                f"SQLite's {pragma} is {value}.",
                hint="The settings ask for WAL and FULL; a network's disk cannot do it.",
                id="sessions_app.E051",
            )


def _disk(directory: Path, free: int) -> Iterator[CheckMessage]:
    try:
        left = shutil.disk_usage(directory).free
    except OSError:
        return  # It is in a container, perhaps, or behind a tunnel.
    if left < free:
        yield Warning(
            f"{left // 1_000_000} MB are free where the database is.",
            hint="Make room, or delete old sessions with manage.py prune.",
            id="sessions_app.W052",
        )


def _clocks(using: str, now: datetime) -> Iterator[CheckMessage]:
    hint = "Have all machines keep their time with NTP."
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT CURRENT_TIMESTAMP")
        theirs = cursor.fetchone()[0]
    there = theirs if isinstance(theirs, datetime) else datetime.fromisoformat(theirs)
    there = there if there.tzinfo else there.replace(tzinfo=UTC)
    if abs(there - now) > SKEW:
        yield Warning(
            f"The database's clock differs by {abs(there - now).total_seconds():.0f} s.",
            hint=hint,
            id="sessions_app.W053",
        )
    for node in nodes(using=using):
        apart = abs(datetime.fromisoformat(node.clock) - datetime.fromisoformat(node.last_seen))
        if apart > SKEW:
            yield Warning(
                f"The clock of {node.host} differs by {apart.total_seconds():.0f} s.",
                hint=hint,
                id="sessions_app.W054",
            )
