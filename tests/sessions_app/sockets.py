"""The whole ASGI application in this process, and clients of it that need no network."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application

from project.application import Application
from sessions_app.models import User
from sessions_app.routing import websocket
from sessions_app.tokens import issue_token
from tests.validation import mistakes

Headers = list[tuple[bytes, bytes]]


@asynccontextmanager
async def serving() -> AsyncIterator[Application]:
    """The application, opened and closed as a server with a lifespan does it."""
    application = Application(http=get_asgi_application(), websocket=websocket)
    await application.open()
    try:
        yield application
    finally:
        await application.close()


class Client:
    """One WebSocket, from the handshake on. Frames are taken apart, arrays of them too."""

    def __init__(
        self,
        application: Application,
        *,
        token: str | None = None,
        headers: Headers | None = None,
        path: str = "/ws/",
        query: str = "",
        subprotocols: Sequence[str] = (),
    ) -> None:
        present: Headers = [(b"host", b"testserver"), *(headers or [])]
        if token is not None:
            present.append((b"authorization", f"Bearer {token}".encode()))
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": present,
            "client": ("127.0.0.1", 40_000),
            "server": ("127.0.0.1", 80),
            "subprotocols": list(subprotocols),
        }
        make: Any = ApplicationCommunicator  # it has no types
        self.asgi = make(application, scope)
        self.accepted: dict[str, Any] = {}
        self.welcome: dict[str, Any] = {}
        self._count = 0
        self._methods: dict[int, str] = {}
        self._frames: list[dict[str, Any]] = []

    async def handshake(self) -> dict[str, Any]:
        """What the server answers to the opening request."""
        await self.asgi.send_input({"type": "websocket.connect"})
        answer: dict[str, Any] = await self.asgi.receive_output(timeout=5)
        return answer

    async def __aenter__(self) -> "Client":
        self.accepted = await self.handshake()
        assert self.accepted["type"] == "websocket.accept", self.accepted
        self.welcome = (await self.frame())["params"]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.disconnect()

    async def disconnect(self) -> None:
        """Go away, and wait until the server has noticed."""
        if not self.asgi.future.done():
            await self.asgi.send_input({"type": "websocket.disconnect", "code": 1006})
        await self.asgi.wait(timeout=5)

    async def text(self, text: str) -> None:
        """Send a text frame as it stands."""
        await self.asgi.send_input({"type": "websocket.receive", "text": text})

    async def send(self, frame: object) -> None:
        """Send a frame as JSON."""
        await self.text(json.dumps(frame))

    async def message(self) -> dict[str, Any]:
        """The next ASGI message: a frame or a close."""
        message: dict[str, Any] = await self.asgi.receive_output(timeout=5)
        return message

    async def frame(self) -> Any:
        """The next frame, decoded."""
        message = await self.message()
        assert message["type"] == "websocket.send", message
        return kept(json.loads(message["text"]))

    async def frames(self, count: int) -> list[Any]:
        """The next frames."""
        return [await self.frame() for _ in range(count)]

    async def closed(self) -> int:
        """The code with which the server closes, after whatever frames."""
        while (message := await self.message())["type"] != "websocket.close":
            continue
        code: int = message["code"]
        return code

    async def call(self, method: str, **params: object) -> Any:
        """A request's reply; what comes before it is kept for `frame`."""
        self._count += 1
        self._methods[self._count] = method
        await self.send(request(self._count, method, params))
        return await self.reply(self._count)

    async def reply(self, id_: int) -> Any:
        """The result or the error of a request; notifications before it are dropped."""
        while "id" not in (frame := await self.frame()) or frame["id"] != id_:
            continue
        kept(frame, self._methods.get(id_))
        return frame.get("result", frame.get("error"))


#: Makes a socket of somebody, by name; more is as for a `Client`.
Connect: TypeAlias = Callable[..., Client]


def kept(frame: Any, method: str | None = None) -> Any:
    """The same frame, which is as the contract says."""
    assert mistakes(frame, method) == [], frame
    return frame


def request(id_: object, method: str, params: dict[str, object]) -> dict[str, object]:
    """A request's frame."""
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}


def people(*names: str) -> dict[str, str]:
    """Users of these names, and a token of each."""
    return {name: issue_token(User.objects.create(username=name)) for name in names}


async def settle() -> None:
    """Let every task run as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 10) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
