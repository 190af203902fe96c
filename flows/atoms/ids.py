"""Ids of new sessions."""

import os
import time
from collections.abc import Callable
from typing import TypeAlias
from uuid import UUID

from flows.engine import atom

NewId: TypeAlias = Callable[[], UUID]


@atom
def new_id() -> NewId:
    """Makes UUIDs of version 7: they sort by the time they were made."""
    return lambda: uuid7(time.time_ns() // 1_000_000, os.urandom(10))


def uuid7(milliseconds: int, randomness: bytes) -> UUID:
    """A UUIDv7 (RFC 9562, section 5.7) of a Unix time and ten random bytes."""
    value = (milliseconds & (2**48 - 1)) << 80 | int.from_bytes(randomness, "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
