"""What the doors of one process share."""

from flows.atoms.limits import Limits, Rate
from sessions_app.adapters.hub import Hub
from sessions_app.adapters.log import DjangoSessions
from sessions_app.adapters.wiring import BUCKETS, Door
from tests.fakes import FixedClock


def make_door() -> Door:
    log = DjangoSessions(clock=FixedClock())
    return Door(log, Hub(log, None))


def wait_of(door: Door, user: str) -> int:
    limits = Limits(rate=Rate(burst=1, per_second=1))
    return door.bucket_of(user, limits, lambda: 0.0).take()


def test_a_bucket_is_remembered() -> None:
    """A user has one bucket, ten times that of a connection, whether or not one is open."""
    door = make_door()
    assert [wait_of(door, "ann") for _ in range(11)] == [0] * 10 + [100]
    assert wait_of(door, "bob") == 0
    assert wait_of(door, "ann") == 100


def test_not_all_buckets_are_remembered() -> None:
    """Those who have taken nothing for longest are forgotten first; who takes stays."""
    door = make_door()
    for user in ("ann", "bob"):
        assert [wait_of(door, user) for _ in range(10)] == [0] * 10
    for number in range(BUCKETS - 1):
        wait_of(door, f"user-{number}")
        assert wait_of(door, "bob") == 100
    assert wait_of(door, "ann") == 0
