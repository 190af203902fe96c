"""Tests of the benchmark's own WebSocket frames, against the library's."""

import pytest
from websockets.frames import Frame, Opcode

from bench.frames import text_frame, walk


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_frames_of_any_size_are_stepped_over(size: int) -> None:
    """A text of any size is found, and nothing after it that is not complete."""
    data = Frame(Opcode.TEXT, b"x" * size).serialize(mask=False)
    found = walk(data + b"\x81", keep=True)
    assert (found.end, found.texts) == (len(data), [b"x" * size])


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_part_of_a_frame_is_left(size: int) -> None:
    """A frame of which the last byte is missing is no frame yet."""
    data = Frame(Opcode.TEXT, b"x" * size).serialize(mask=False)[:-1]
    assert walk(data).end == 0


def test_pings_and_closes_are_told() -> None:
    """What wants an answer is not taken for a text."""
    ping = Frame(Opcode.PING, b"there?").serialize(mask=False)
    close = Frame(Opcode.CLOSE, b"\x0f\xa1").serialize(mask=False)
    found = walk(ping + close, keep=True)
    assert (found.texts, found.pings, found.closed) == ([], [b"there?"], b"\x0f\xa1")


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_what_is_sent_is_masked_as_a_client_must(size: int) -> None:
    """A frame says its size and that it is masked, with a mask of zeroes."""
    payload = b"x" * size
    header, mask, rest = text_frame(payload).rpartition(b"\0\0\0\0" + payload)
    assert (header[0], header[1] & 0x80, mask, rest) == (0x81, 0x80, b"\0\0\0\0" + payload, b"")
