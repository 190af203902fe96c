"""Ask whether anybody is there."""

from msgspec import Struct

from flows.engine import Context, flow
from flows.input import Input


class Ping(Input, frozen=True, kw_only=True):
    """Nothing to say."""


class Pong(Struct, frozen=True):
    """Nothing to tell."""


@flow()
async def ping(ctx: Context[Ping]) -> Pong:
    """Answer, so that a client knows the connection and the server to be alive."""
    return Pong()
