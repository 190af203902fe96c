"""How much the server grants to one connection and to one user."""

from msgspec import Struct

from flows.engine import atom


class Rate(Struct, frozen=True):
    """A token bucket: `burst` at once, then `per_second`."""

    burst: int = 40
    per_second: int = 20


class Limits(Struct, frozen=True, kw_only=True):
    """The limits of protocol, sections 1 and 9, as `welcome` tells them."""

    frame_bytes: int = 65_536
    batch: int = 64
    in_flight: int = 32
    watching: int = 1_000
    rate: Rate = Rate()


@atom
def limits() -> Limits:
    """The protocol's defaults; the composition root presets those of the settings."""
    return Limits()
