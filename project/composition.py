"""The composition root: what every port is bound to in this process."""

from django.conf import settings

from flows.atoms.announcer import announcer
from flows.atoms.limits import Limits, Rate, limits
from flows.atoms.sessions import sessions
from flows.engine import Scope, preset
from sessions_app.adapters.wiring import hub_announcer, stored_sessions


def make_scope() -> Scope:
    """A scope on the database and the channel layer of the settings; to be opened and closed."""
    return Scope(
        presets=[
            preset(sessions, stored_sessions),
            preset(announcer, hub_announcer),
            preset(limits, Limits(**settings.LIMITS, rate=Rate(**settings.RATE))),
        ]
    )
