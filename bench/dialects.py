"""How each server spells the same work: connecting, writing, acknowledgements, deliveries.

Every message's text has `~` and eight digits in it, its number. Whoever gets the message gets
that text, so that one search over the bytes that came counts what was delivered. What texts and
keys begin with is in no order, as in life: where an index of them is kept, that is what costs.
"""

import re
from typing import ClassVar

#: A message's number, as its text carries it through every server.
NUMBER = re.compile(rb"~(\d{8})")

#: What people write is about that long.
PADDING = " The roof over the second floor leaks since Monday; bring a ladder."


def text_of(number: int) -> str:
    """The text of a message."""
    return f"{scattered(number):08x} ~{number:08d}{PADDING}"


def scattered(number: int) -> int:
    """One of 2**32 numbers for each number, neighbours far apart."""
    return number * 2_654_435_761 % 2**32  # Knuth's multiplicative hash


class Dialect:
    """The peers' own: plain JSON, the room is in the path, and who is connected has joined."""

    acknowledged: ClassVar[re.Pattern[bytes]] = re.compile(rb'"ack": ?(\d+)')
    #: What tells that something was refused.
    refused: ClassVar[bytes] = b'"error"'

    def path(self, room: str) -> str:
        return f"/ws/{room}/"

    def greeting(self, room: str) -> list[bytes]:
        """What is to be said before anything else."""
        return []

    #: What comes when a client has joined; None: nothing, it has by then.
    joined: ClassVar[bytes | None] = None

    def message(self, room: str, number: int) -> bytes:
        return b'{"id":%d,"text":"%b"}' % (number, text_of(number).encode())


class Ours(Dialect):
    """JSON-RPC; a room is a session, which somebody has to create."""

    acknowledged = re.compile(rb'"id":(\d+),"result"')
    joined = b'"method":"live"'

    def __init__(self, *, arrays: bool = True) -> None:
        self._arrays = arrays

    def path(self, room: str) -> str:
        return "/ws/?batch=1" if self._arrays else "/ws/"

    def greeting(self, room: str) -> list[bytes]:
        return [
            # With an id, so that a refusal is told.
            b'{"jsonrpc":"2.0","id":0,"method":"watch_sessions","params":'
            b'{"sessions":[{"session_id":"%b","after":-1}]}}' % room.encode()
        ]

    def message(self, room: str, number: int) -> bytes:
        return (
            b'{"jsonrpc":"2.0","id":%d,"method":"send_message","params":'
            b'{"session_id":"%b","text":"%b","key":"%08x%d"}}'
            % (number, room.encode(), text_of(number).encode(), scattered(number), number)
        )


class SocketIo(Dialect):
    """Socket.IO 5 on a WebSocket; 40 connects, 42 is an event, 43 acknowledges one."""

    acknowledged = re.compile(rb"43(\d+)\[")
    joined = b'"joined"'

    def path(self, room: str) -> str:
        return "/socket.io/?EIO=4&transport=websocket"

    def greeting(self, room: str) -> list[bytes]:
        return [b"40", b'42["join","%b"]' % room.encode()]

    def message(self, room: str, number: int) -> bytes:
        return b'42%d["message","%b"]' % (number, text_of(number).encode())


DIALECTS: dict[str, Dialect] = {
    "ours": Ours(),
    "ours, no arrays": Ours(arrays=False),
    "plain": Dialect(),
    "socketio": SocketIo(),
}
