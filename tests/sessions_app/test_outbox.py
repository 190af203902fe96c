"""What waits to be sent on one socket."""

import asyncio
from typing import Any

import pytest

from sessions_app.outbox import MAX_ARRAY, MAX_BYTES, MAX_FRAMES, Outbox


class Socket:
    """An ASGI `send` that can be stalled."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, message: dict[str, Any]) -> None:
        await self.open.wait()
        self.sent.append(message)

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent if "text" in message]


async def test_frames_go_out_in_order_and_then_the_close() -> None:
    """What was put in before the close is sent before it, with the first verdict."""
    socket, outbox = Socket(), Outbox(arrays=False)
    outbox.put("1")
    outbox.put("2")
    outbox.close((4515, "too many"))
    outbox.close((4000, "later"))
    await outbox.write(socket.send)
    close = {"type": "websocket.close", "code": 4515, "reason": "too many"}
    assert socket.texts == ["1", "2"]
    assert socket.sent[-1] == close


async def test_nothing_is_taken_after_the_end() -> None:
    """A frame that comes after the close has been sent is dropped."""
    socket, outbox = Socket(), Outbox(arrays=False)
    outbox.close((4000, "x"))
    await outbox.write(socket.send)
    outbox.put("late")
    assert outbox.closing
    assert not outbox.has_room
    await outbox.room()
    assert socket.texts == []


@pytest.mark.parametrize(
    ("frame", "count"), [("x", MAX_FRAMES), ("x" * (MAX_BYTES // 4), 4)], ids=["frames", "bytes"]
)
async def test_there_is_room_up_to_the_bounds(frame: str, count: int) -> None:
    """There is room until the frames or their bytes reach the bound; when half is sent, again."""
    socket, outbox = Socket(), Outbox(arrays=False)
    for _ in range(count):
        assert outbox.has_room
        outbox.put(frame)
    assert not outbox.has_room
    waiting = asyncio.create_task(outbox.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    writer = asyncio.create_task(outbox.write(socket.send))
    await waiting
    assert outbox.has_room
    outbox.close((4000, "x"))
    await writer
    assert socket.texts == [frame] * count


async def test_a_frame_that_is_not_taken_by_the_peer_is_known_since_when() -> None:
    """While a frame is being sent, the outbox says since when."""
    socket, outbox = Socket(), Outbox(arrays=False)
    socket.open.clear()
    writer = asyncio.create_task(outbox.write(socket.send))
    outbox.put("1")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert outbox.sending_since is not None
    assert outbox.sending_since <= asyncio.get_running_loop().time()
    socket.open.set()
    outbox.close((4000, "x"))
    await writer
    assert outbox.sending_since is None


async def test_frames_of_one_moment_become_one_array_for_those_who_asked() -> None:
    """With arrays, what waits is sent together, up to a batch's size; an array goes alone."""
    socket, outbox = Socket(), Outbox(arrays=True)
    for index in range(MAX_ARRAY + 1):
        outbox.put(str(index))
    for frame in ("[7,8]", "a", "b"):
        outbox.put(frame)
    outbox.close((4000, "x"))
    await outbox.write(socket.send)
    first = f"[{','.join(str(index) for index in range(MAX_ARRAY))}]"
    assert socket.texts == [first, str(MAX_ARRAY), "[7,8]", "[a,b]"]


async def test_a_socket_that_breaks_lets_nobody_wait() -> None:
    """When sending fails, whoever waits for room goes on, and the error is the writer's."""
    outbox = Outbox(arrays=False)
    for _ in range(MAX_FRAMES):
        outbox.put("x")

    async def broken(message: dict[str, Any]) -> None:
        raise ConnectionResetError

    waiting = asyncio.create_task(outbox.room())
    with pytest.raises(ConnectionResetError):
        await outbox.write(broken)
    await waiting
    assert outbox.closing
