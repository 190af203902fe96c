"""How fast a client may be."""

from flows.atoms.limits import Rate
from sessions_app.rates import Strikes, TokenBucket


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_and_the_next_waits_for_its_token() -> None:
    """A bucket gives its burst at once, and then says how long the next token takes."""
    clock = Clock()
    bucket = TokenBucket(Rate(burst=3, per_second=20), clock)
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 50]


def test_tokens_grow_with_time_up_to_the_burst() -> None:
    """Tokens come back at the rate, and never more of them than the burst."""
    clock = Clock()
    bucket = TokenBucket(Rate(burst=2, per_second=10), clock)
    assert [bucket.take(), bucket.take()] == [0, 0]
    clock.now += 0.1
    assert [bucket.take() > 0, bucket.take() > 0] == [False, True]
    clock.now += 3600
    assert [bucket.take() > 0 for _ in range(3)] == [False, False, True]


def test_a_refused_take_costs_nothing() -> None:
    """Asking while there is no token does not put the next one off."""
    clock = Clock()
    bucket = TokenBucket(Rate(burst=1, per_second=1), clock)
    bucket.take()
    for _ in range(10):
        clock.now += 0.05
        assert bucket.take() > 0
    clock.now += 0.5
    assert bucket.take() == 0


def test_strikes_count_within_their_seconds() -> None:
    """The limit is reached by so many within the time, and not by as many spread out."""
    clock = Clock()
    strikes = Strikes(3, 10.0, clock)
    assert [strikes.count(), strikes.count()] == [False, False]
    clock.now += 10.0
    assert [strikes.count(), strikes.count(), strikes.count()] == [False, False, True]
