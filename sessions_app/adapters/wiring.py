"""How the outside is put together: the log, the hub, and what every door shares, made as atoms."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Collection
from weakref import WeakValueDictionary

from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS

from flows.atoms.announcer import Announcer
from flows.atoms.archive import Archive
from flows.atoms.audit import Audit
from flows.atoms.clock import Clock, clock
from flows.atoms.connections import Connections
from flows.atoms.limits import Limits, Rate
from flows.atoms.sessions import Sessions
from flows.engine import atom, need
from sessions_app.adapters.archive import StoredArchive
from sessions_app.adapters.connections import StoredConnections
from sessions_app.adapters.hub import Hub
from sessions_app.adapters.log import DjangoSessions
from sessions_app.auth import Identity
from sessions_app.credentials import Judgement, judge
from sessions_app.heartbeat import Heartbeat
from sessions_app.keeper import Keeper
from sessions_app.rates import Monotonic, TokenBucket

#: Protocol, section 9: a user may do this many times what one of their connections may.
CONNECTIONS_PER_USER = 10

#: The latest users whose bucket is remembered, also while they have no connection.
BUCKETS = 4_096


class Door:
    """What the doors of one process share."""

    def __init__(self, log: DjangoSessions, hub: Hub) -> None:
        self.log = log
        self.hub = hub
        self.keeper = Keeper(self._ask, log.current_epoch, ping_seconds=settings.PING_SECONDS)
        self._buckets: WeakValueDictionary[tuple[str, str], TokenBucket] = WeakValueDictionary()
        self._recent: OrderedDict[tuple[str, str], TokenBucket] = OrderedDict()

    async def _ask(
        self, identities: Collection[Identity], observers: Collection[Identity]
    ) -> Judgement:
        return await self.log.run(judge, identities, observers)

    def bucket_of(self, user: str, limits: Limits, clock: Monotonic) -> TokenBucket:
        """The bucket from which `user` takes here, with all connections and without any."""
        rate = Rate(
            limits.rate.burst * CONNECTIONS_PER_USER, limits.rate.per_second * CONNECTIONS_PER_USER
        )
        return self._bucket(("requests", user), rate, clock)

    def tickets_of(self, user: str, limits: Limits, clock: Monotonic) -> TokenBucket:
        """The bucket from which `user` takes tickets here: each costs the database a row."""
        return self._bucket(("tickets", user), limits.rate, clock)

    def _bucket(self, key: tuple[str, str], rate: Rate, clock: Monotonic) -> TokenBucket:
        bucket = self._buckets.setdefault(key, TokenBucket(rate, clock))
        self._recent[key] = bucket
        self._recent.move_to_end(key)
        if len(self._recent) > BUCKETS:
            self._recent.popitem(last=False)
        return bucket


@atom
async def door(*, clock: Clock = need(clock)) -> AsyncIterator[Door]:
    """The log, and the hub that tells what it commits: the last of it is told before the end."""
    layer = get_channel_layer()
    log = DjangoSessions(clock=clock)
    # The in-memory layer reaches nobody whom the hub does not reach anyway.
    hub = Hub(
        log,
        None if isinstance(layer, InMemoryChannelLayer) else layer,
        observers_are_shown=settings.OBSERVERS_ARE_SHOWN,
    )
    log.on_commit = hub.committed
    log.on_new_epoch = hub.begin_anew
    hub.start()
    door = Door(log, hub)
    hub.on_added = door.keeper.added
    door.keeper.start()
    try:
        yield door
    finally:
        await door.keeper.stop()
        await log.close()
        await hub.close()


@atom
def stored_sessions(*, door: Door = need(door)) -> Sessions:
    """The port `sessions`, as the database has them."""
    return door.log


@atom
def stored_acts(*, door: Door = need(door)) -> Audit:
    """The port `audit`, as the database has it."""
    return door.log


@atom
async def heartbeat(
    *, door: Door = need(door), clock: Clock = need(clock)
) -> AsyncIterator[Heartbeat]:
    """What says that this process is there: only of one that serves, not of every command."""
    beat = Heartbeat(
        door.log.run, door.keeper, node=door.hub.node, using=DEFAULT_DB_ALIAS, clock=clock
    )
    await beat.start()
    door.hub.attend(beat.ring)
    try:
        yield beat
    finally:
        await beat.stop()


@atom
def stored_connections(*, door: Door = need(door)) -> Connections:
    """The port `connections`, as the database has them."""
    return StoredConnections(door.log.run, using=DEFAULT_DB_ALIAS, on_asked=door.hub.asked)


@atom
def stored_archive(*, door: Door = need(door)) -> Archive:
    """The port `archive`, as the database has it."""
    return StoredArchive(door.log.run, using=DEFAULT_DB_ALIAS)


@atom
def hub_announcer(*, door: Door = need(door)) -> Announcer:
    """The port `announcer`: the hub."""
    return door.hub
