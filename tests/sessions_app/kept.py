"""An open connection as the keeper and the heartbeat see it, without a socket."""

from sessions_app.adapters.additions import Addition
from sessions_app.auth import Identity
from sessions_app.close_codes import Close


class KeptConnection:
    """A connection of a user that does nothing, and remembers how it was closed."""

    def __init__(self, id_: str, identity: Identity, *, now: float = 0.0) -> None:
        self.id = id_
        self.epoch = "e1"
        self.identity = identity
        self.opened_at = self.heard_at = self.ping_at = now
        self.warned = False
        self.watching = self.observing = self.lag = 0
        self.closed: list[Close] = []

    def look(self, now: float) -> None: ...
    def ping(self) -> None: ...
    def tell(self, method: str, params: dict[str, object]) -> None: ...
    def stop_observing(self) -> None: ...
    def tell_added(self, addition: Addition) -> None: ...

    def close_with(self, why: Close) -> None:
        self.closed.append(why)

    async def finish(self, why: Close) -> None:
        self.closed.append(why)
