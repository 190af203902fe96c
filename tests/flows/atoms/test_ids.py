"""Ids of new sessions."""

import time
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from flows.atoms.ids import new_id, uuid7
from flows.engine import Scope

MILLISECONDS = st.integers(0, 2**48 - 1)
RANDOMNESS = st.binary(min_size=10, max_size=10)


def test_example() -> None:
    """The example of RFC 9562, appendix A.6, comes out as it is written there."""
    randomness = (0xCC3 << 64 | 0x18C4DC0C0C07398F).to_bytes(10, "big")
    made = uuid7(0x017F22E279B0, randomness)
    assert UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f") == made


@given(MILLISECONDS, RANDOMNESS)
def test_version(milliseconds: int, randomness: bytes) -> None:
    """Whatever the time and the randomness, it is a UUID of version 7 and holds the time."""
    made = uuid7(milliseconds, randomness)
    assert (made.version, made.variant) == (7, RFC_4122)
    assert milliseconds == made.int >> 80


@given(MILLISECONDS, MILLISECONDS, RANDOMNESS, RANDOMNESS)
def test_sorts_by_time(early: int, late: int, one: bytes, other: bytes) -> None:
    """Ids sort by the millisecond in which they were made, as numbers and as text."""
    early, late = sorted((early, late))
    a, b = uuid7(early, one), uuid7(late, other)
    if early != late:
        assert a < b
        assert str(a) < str(b)


@given(MILLISECONDS, RANDOMNESS, RANDOMNESS)
def test_randomness(milliseconds: int, one: bytes, other: bytes) -> None:
    """74 of the 80 random bits are in the id: two that differ there differ."""
    mask = ~(0xF << 76 | 0x3 << 62)
    a, b = int.from_bytes(one, "big") & mask, int.from_bytes(other, "big") & mask
    assert (a == b) == (uuid7(milliseconds, one) == uuid7(milliseconds, other))


async def test_atom() -> None:
    """The atom makes a new id each time, of this very moment."""
    async with Scope() as scope:
        make = await scope.resolve(new_id)
        before = time.time_ns() // 1_000_000
        made = [make() for _ in range(100)]
        after = time.time_ns() // 1_000_000
    assert len(set(made)) == 100
    assert all(before <= each.int >> 80 <= after for each in made)
