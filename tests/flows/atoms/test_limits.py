"""How much the server grants."""

import msgspec

from flows.atoms.limits import Limits, limits
from flows.engine import Scope, preset


async def test_defaults() -> None:
    """Without settings the limits are those of the protocol, section 1."""
    async with Scope() as scope:
        assert msgspec.to_builtins(await scope.resolve(limits)) == {
            "frame_bytes": 65_536,
            "batch": 64,
            "in_flight": 32,
            "watching": 1_000,
            "rate": {"burst": 40, "per_second": 20},
        }


async def test_settings() -> None:
    """The composition root can grant something else."""
    async with Scope(presets=[preset(limits, Limits(watching=3))]) as scope:
        assert (await scope.resolve(limits)).watching == 3
