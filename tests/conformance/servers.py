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


#: Opens a wire with this token (None: without any), offering these subprotocols, with this query.
Open: TypeAlias = Callable[[str | None, Sequence[str], str], Awaitable[Wire]]

#: Posts to a path with this token, these headers and this body; the status and the answer.
Post: TypeAlias = Callable[[str, str | None, Mapping[str, str], Any], Awaitable[tuple[int, Any]]]


async def run(
    vector: Vector, open_: Open, post: Post, tokens: Mapping[str, str], names: Words
) -> None:
    """Tell the story to a server; raises Mismatch with the step where it is another.

    `tokens` are those of the people in it: ann, bob and carl.
    """
    told = _Told(open_, post, tokens, names)
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

    def __init__(self, open_: Open, post: Post, tokens: Mapping[str, str], words: Words) -> None:
        self.wires: dict[str, Wire] = {}
        #: Where the server may send arrays, what of the last one was not told yet.
        self._arrays: dict[str, list[Any]] = {}
        self._open = open_
        self._post = post
        self._tokens = tokens
        self._words = words
        self._methods: dict[tuple[str, object], str] = {}

    async def take(self, step: Step) -> None:  # noqa: C901 (one case per kind of step)
        match step:
            case {"open": wire}:
                await self._connect(wire, step)
            case {"post": flow}:
                await self._call(flow, step)
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
        offered = step.get("subprotocols", [SUBPROTOCOL])
        query = step.get("query", "")
        self.wires[wire] = opened = await self._open(self._token(step), offered, query)
        if "batch=1" in query:
            self._arrays[wire] = []
        if "chosen" in step:
            self._words.match(step["chosen"], opened.subprotocol)

    def _token(self, step: Step) -> str | None:
        who = step["as"]
        return None if who is None else self._tokens.get(who, "nobody-has-this-token")

    async def _call(self, flow: str, step: Step) -> None:
        headers, body = self._words.fill(step.get("headers", {})), self._words.fill(step["body"])
        path = f"/api/flows/{flow}/"
        status, answer = await self._post(path, self._token(step), headers, body)
        self._words.match(
            {"status": step["status"], "answer": step["answer"]},
            {
                "status": status,
                "answer": answer,
            },
        )

    async def _say(self, wire: str, frame: Any) -> None:
        for each in frame if isinstance(frame, list) else [frame]:
            if isinstance(each, dict) and "id" in each:
                self._methods[wire, each["id"]] = each["method"]
        await self.wires[wire].send(json.dumps(frame))

    async def _next(self, wire: str, expected: Any) -> Any:
        """The next frame; what comes when it will is passed over, unless it is expected."""
        wanted = expected.get("method") if isinstance(expected, dict) else None
        while True:
            frame = await self._receive(wire)
            if isinstance(frame, int):
                return frame
            self._compare(wire, frame)
            method = frame.get("method") if isinstance(frame, dict) else None
            if method not in WHENEVER - {wanted}:
                return frame

    async def _receive(self, wire: str) -> Any:
        """The next frame; where the server may send arrays, the next entry."""
        if waiting := self._arrays.get(wire):
            return waiting.pop(0)
        text = await self.wires[wire].receive()
        if isinstance(text, int):
            return text
        frame = json.loads(text)
        if wire in self._arrays and isinstance(frame, list):
            first, *self._arrays[wire] = frame
            return first
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
