"""The composition root: what every port is bound to in this process."""

from collections.abc import Callable
from functools import cache

from django.conf import settings

from flows.atoms.announcer import announcer
from flows.atoms.archive import archive
from flows.atoms.audit import audit
from flows.atoms.connections import connections
from flows.atoms.limits import Limits, Rate, limits
from flows.atoms.sessions import sessions
from flows.engine import Extension, Scope, preset
from project.spans import tracer
from sessions_app.adapters.wiring import (
    hub_announcer,
    stored_acts,
    stored_archive,
    stored_connections,
    stored_sessions,
)
from sessions_app.extensions import CountExecutions, LogExecutions, TraceExecutions


def make_scope(*more: Extension) -> Scope:
    """A scope on the database and the channel layer of the settings; to be opened and closed.

    `more` extensions are the outermost.
    """
    return Scope(
        presets=[
            preset(sessions, stored_sessions),
            preset(announcer, hub_announcer),
            preset(archive, stored_archive),
            preset(audit, stored_acts),
            preset(connections, stored_connections),
            preset(limits, Limits(**settings.LIMITS, rate=Rate(**settings.RATE))),
        ],
        extensions=[*more, *extensions()],
    )


def extensions() -> list[Extension]:
    """What the settings ask for."""
    asked: list[tuple[bool, Callable[[], Extension]]] = [
        (settings.LOG_FLOWS, LogExecutions),
        (settings.METRICS, counted),
        (settings.TRACING, lambda: TraceExecutions(tracer())),
    ]
    return [make() for wanted, make in asked if wanted]


@cache
def counted() -> CountExecutions:
    """One for the process, whatever scopes it makes: its metrics have one register."""
    return CountExecutions()
