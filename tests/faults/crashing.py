"""A scope whose process can be told to die between a commit and its reply."""

import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from flows.engine import Call, Extension, Scope

#: Arms the crash point: the next message is committed and never answered.
CRASH = signal.SIGUSR1


class CrashAfterCommit(Extension):
    """Ends the process, as a power cut would, when the first message since `CRASH` is stored."""

    def __init__(self) -> None:
        self._armed = False

    async def start(self, scope: Scope) -> None:
        """Listen for `CRASH`."""
        signal.signal(CRASH, self._arm)

    def _arm(self, *_: object) -> None:
        self._armed = True

    async def wrap_exec(self, call: Call, next: Callable[[], Awaitable[Any]]) -> Any:
        """Run the flow; perhaps nobody will hear of it."""
        result = await next()
        if self._armed and call.flow.name == "send_message" and not result.duplicate:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


def make_scope() -> Scope:
    """The scope of production, with the crash point around everything."""
    from project.composition import make_scope

    return make_scope(CrashAfterCommit())
