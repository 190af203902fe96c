"""WebSocket frames as a client writes and reads them, with the least work. No I/O."""

from typing import NamedTuple

TEXT, CLOSE, PING = 0x1, 0x8, 0x9


def text_frame(payload: bytes) -> bytes:
    """A text frame. Its mask is zero, which costs nothing here and the server as much as any."""
    return _header(TEXT, len(payload)) + payload


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping."""
    return _header(0xA, len(payload)) + payload


def _header(opcode: int, size: int) -> bytes:
    first = 0x80 | opcode
    if size < 126:
        return bytes((first, 0x80 | size, 0, 0, 0, 0))
    if size < 65_536:
        return bytes((first, 0xFE, *size.to_bytes(2, "big"), 0, 0, 0, 0))
    return bytes((first, 0xFF, *size.to_bytes(8, "big"), 0, 0, 0, 0))


class Walk(NamedTuple):
    """What is complete in a buffer: up to where, and the frames that want to be looked at."""

    end: int
    texts: list[bytes] | None
    pings: list[bytes]
    closed: bytes | None


def walk(buffer: bytes | bytearray, *, keep: bool = False) -> Walk:
    """Step over the complete frames of a server; with `keep`, copy their texts."""
    position, size = 0, len(buffer)
    texts: list[bytes] | None = [] if keep else None
    pings: list[bytes] = []
    closed = None
    while size - position >= 2:
        first, length = buffer[position], buffer[position + 1]
        begin = position + 2
        if length == 126:
            begin = position + 4
            length = int.from_bytes(buffer[position + 2 : begin], "big")
        elif length == 127:
            begin = position + 10
            length = int.from_bytes(buffer[position + 2 : begin], "big")
        if begin + length > size:
            break
        position = begin + length
        if first == 0x81:
            if texts is not None:
                texts.append(bytes(buffer[begin:position]))
        elif first & 0xF == PING:
            pings.append(bytes(buffer[begin:position]))
        elif first & 0xF == CLOSE:
            closed = bytes(buffer[begin:position])
    return Walk(position, texts, pings, closed)
