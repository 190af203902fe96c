"""A server's side of the vectors: the client's steps are said, and what comes is compared."""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from tests.conformance.vectors import Mismatch, Step, Vector, Words
from tests.validation import mistakes

SUBPROTOCOL = "sessions.v1.jsonrpc"

#: Notifications that come when they will; a vector that is about them names them.
WHENEVER = frozenset({"presence", "ping", "draining", "auth_expiring"})


class Wire(Protocol):
    """One WebSocket to the server under test."""

    @property
    def subprotocol(self) -> str | None:
        """The one that the server has chosen."""
        ...

    async def send(self, frame: str | bytes) -> None:
        """Send a text or a binary frame."""
        ...

    async def receive(self) -> str | int:
        """The next frame, or the code with which the server has closed. Raises TimeoutError."""
        ...

    async def cut(self) -> None:
        """End it without a word."""
        ...


#: Opens a wire with this token (None: without any), offering these subprotocols.
Open: TypeAlias = Callable[[str | None, Sequence[str]], Awaitable[Wire]]


async def run(vector: Vector, open_: Open, tokens: Mapping[str, str], names: Words) -> None:
    """Tell the story to a server; raises Mismatch with the step where it is another.

    `tokens` are those of the people in it: ann, bob and carl.
    """
    told = _Told(open_, tokens, names)
    try:
        for number, step in enumerate(vector.steps):
            try:
                await told.take(step)
            except (Mismatch, TimeoutError, EOFError) as problem:
                raise Mismatch(f"{vector.name}, step {number}, {step}: {problem!r}") from problem
    finally:
        for wire in told.wires.values():
            await wire.cut()


class _Told:
    """A run under way."""

    def __init__(self, open_: Open, tokens: Mapping[str, str], words: Words) -> None:
        self.wires: dict[str, Wire] = {}
        self._open = open_
        self._tokens = tokens
        self._words = words
        self._methods: dict[tuple[str, object], str] = {}

    async def take(self, step: Step) -> None:  # noqa: C901 (one case per kind of step)
        match step:
            case {"open": wire}:
                await self._connect(wire, step)
            case {"say": wire, "frame": frame}:
                await self._say(wire, self._words.fill(frame))
            case {"text": wire, "raw": raw}:
                await self.wires[wire].send(raw * step.get("repeated", 1))
            case {"binary": wire, "base64": data}:
                await self.wires[wire].send(base64.b64decode(data))
            case {"hear": wire, "frame": frame}:
                self._words.match(frame, await self._next(wire, frame))
            case {"eventually": wire, "frame": frame}:
                await self._eventually(wire, frame)
            case {"quiet": wire}:
                await self._expect_quiet(wire)
            case {"cut": wire}:
                await self.wires.pop(wire).cut()
            case {"closed": wire, "code": code}:
                self._words.match(code, await self._next(wire, None))
            case _ if not step.keys() & {"do", "told"}:
                raise Mismatch("no such step for a server")

    async def _connect(self, wire: str, step: Step) -> None:
        who = step["as"]
        token = None if who is None else self._tokens.get(who, "nobody-has-this-token")
        offered = step.get("subprotocols", [SUBPROTOCOL])
        self.wires[wire] = opened = await self._open(token, offered)
        if "chosen" in step:
            self._words.match(step["chosen"], opened.subprotocol)

    async def _say(self, wire: str, frame: Any) -> None:
        for each in frame if isinstance(frame, list) else [frame]:
            if isinstance(each, dict) and "id" in each:
                self._methods[wire, each["id"]] = each["method"]
        await self.wires[wire].send(json.dumps(frame))

    async def _next(self, wire: str, expected: Any) -> Any:
        """The next frame; what comes when it will is passed over, unless it is expected."""
        wanted = expected.get("method") if isinstance(expected, dict) else None
        while True:
            text = await self.wires[wire].receive()
            if isinstance(text, int):
                return text
            frame = json.loads(text)
            self._compare(wire, frame)
            method = frame.get("method") if isinstance(frame, dict) else None
            if method not in WHENEVER - {wanted}:
                return frame

    def _compare(self, wire: str, frame: Any) -> None:
        """What the contract says of it."""
        id_ = frame.get("id") if isinstance(frame, dict) else None
        if found := mistakes(frame, self._methods.get((wire, id_))):
            raise Mismatch("; ".join(found))

    async def _eventually(self, wire: str, expected: Any) -> None:
        while True:
            frame = await self._next(wire, expected)
            if isinstance(frame, int):
                raise Mismatch(f"closed with {frame}")
            if isinstance(frame, dict) and frame.get("method") == expected["method"]:
                self._words.match(expected, frame)
                return

    async def _expect_quiet(self, wire: str) -> None:
        """Nothing has come, nor does anything come before the answer to a ping."""
        await self._say(wire, {"jsonrpc": "2.0", "id": "quiet", "method": "ping"})
        answer = {"jsonrpc": "2.0", "id": "quiet", "result": {}}
        self._words.match(answer, await self._next(wire, None))
