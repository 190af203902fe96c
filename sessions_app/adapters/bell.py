"""An ear for one session's doorbell, for whoever looks at the log by themselves."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog

from sessions_app.adapters.doorbell import NODES, Layer, committed_in

logger = structlog.get_logger(__name__)


class Bell:
    """Rings when something is committed in a session, as far as the channel layer tells.

    Only that it rings counts. It may ring for nothing or not at all: whoever waits looks at the log
    afterwards, in either case.
    """

    def __init__(self, session_id: UUID, layer: Layer) -> None:
        self._session_id = session_id
        self._layer = layer
        self._rung = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    async def wait(self, seconds: float) -> bool:
        """Wait until it rings, for so long at most; whether it did."""
        if self._listening is None or self._listening.done():
            # On its own: a layer forgets the channel of whoever stops to listen.
            self._listening = asyncio.get_running_loop().create_task(self._listen())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), seconds)
        has_rung = self._rung.is_set()
        self._rung.clear()
        return has_rung

    async def _listen(self) -> None:
        try:
            channel = await self._layer.new_channel()
            await self._layer.group_add(NODES, channel)
            while True:
                self._hear(await self._layer.receive(channel))
        except Exception as error:  # noqa: BLE001
            # Whatever is wrong with the layer, it is only a doorbell; the next wait tries again.
            logger.debug("doorbell_deaf", error=repr(error))

    def _hear(self, message: dict[str, Any]) -> None:
        try:
            if self._session_id in committed_in(message):
                self._rung.set()
        except (KeyError, TypeError, ValueError):
            # Another version's, or somebody else's: it may be of this session.
            self._rung.set()
