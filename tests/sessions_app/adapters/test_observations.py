"""Who observes which session on one node."""

from uuid import UUID

from sessions_app.adapters.observations import Observations
from sessions_app.adapters.presence import LEAVING_SECONDS

ONE = (UUID("0197c5a0-0000-7000-8000-000000000001"), "boss", "A complaint")
OTHER = (ONE[0], "boss", "Spam")


def test_what_goes_on() -> None:
    """It goes on while any connection has it, and for a while after one was lost."""
    now = 0.0
    observations = Observations(lambda: now)
    assert not observations.goes_on(ONE)
    observations.begin(ONE)
    observations.begin(ONE)
    observations.end(ONE, lost=False)
    assert observations.goes_on(ONE)
    assert not observations.goes_on(OTHER)
    observations.end(ONE, lost=True)
    now += LEAVING_SECONDS - 0.1
    assert observations.goes_on(ONE)
    now += 0.1
    assert not observations.goes_on(ONE)


def test_what_has_ended() -> None:
    """What was ended on purpose is over at once, also if it had been lost before."""
    observations = Observations(lambda: 0.0)
    for lost in (True, False):
        observations.begin(ONE)
        observations.end(ONE, lost=lost)
        assert observations.goes_on(ONE) is lost
