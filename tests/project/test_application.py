"""The process's scope: opened first of all, closed last of all."""

from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.test import override_settings

from flows.engine import Scope
from project.application import Application

pytestmark = pytest.mark.django_db(transaction=True)


class Door:
    """An ASGI application that notes the scope it was handed, and answers nothing."""

    def __init__(self) -> None:
        self.flows: list[Scope] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.flows.append(scope["flows"])


def lifespan(application: Application) -> Any:
    make: Any = ApplicationCommunicator  # it has no types
    return make(application, {"type": "lifespan", "asgi": {"version": "3.0"}})


async def test_the_scope_lasts_as_long_as_the_lifespan() -> None:
    """Every connection is handed the one scope, which is closed at the end."""
    door = Door()
    application = Application(http=door, websocket=door)
    life = lifespan(application)
    await life.send_input({"type": "lifespan.startup"})
    assert await life.receive_output(timeout=5) == {"type": "lifespan.startup.complete"}
    for kind in ("http", "websocket"):
        await application({"type": kind}, None, None)
    assert door.flows == [application.flows] * 2
    await life.send_input({"type": "lifespan.shutdown"})
    assert await life.receive_output(timeout=5) == {"type": "lifespan.shutdown.complete"}
    with pytest.raises(RuntimeError):
        _ = application.flows
    await application.close()
    await application.drain()


def nothing_bound() -> Scope:
    return Scope()


@override_settings(FLOWS_SCOPE=f"{__name__}.nothing_bound")
async def test_a_scope_in_which_flows_cannot_run_is_not_served() -> None:
    """A server does not start with a port that nothing is bound to, and says which it is."""
    life = lifespan(Application(http=Door(), websocket=Door()))
    await life.send_input({"type": "lifespan.startup"})
    failed = await life.receive_output(timeout=5)
    assert failed["type"] == "lifespan.startup.failed"
    assert "sessions" in failed["message"]
