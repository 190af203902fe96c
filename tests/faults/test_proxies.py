"""The proxies break what they are told to break, and nothing else."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest

from tests.faults.proxies import DoorbellProxy, Proxy, is_published, read_reply

PUBLISHED = b"*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$%d\r\n%b\r\n"


def published(text: bytes) -> bytes:
    return PUBLISHED % (len(text), text)


@contextlib.asynccontextmanager
async def echo(greeting: bytes = b"") -> AsyncIterator[int]:
    """A server that greets and then repeats what it hears; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        with contextlib.suppress(OSError):
            while heard := await reader.read(1000):
                writer.write(heard)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_what_is_not_broken_passes() -> None:
    """Both ways, until one side ends it."""
    async with echo() as port, Proxy(port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()


async def test_a_cut_resets() -> None:
    """The client is told that the connection is gone, and not that it was ended."""
    async with echo() as port, Proxy(port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"hello")
        await reader.readexactly(5)
        (link,) = proxy.links
        link.cut()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_silence_is_not_told_and_ends() -> None:
    """What was said meanwhile arrives afterwards."""
    async with echo() as port, Proxy(port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"one")
        await reader.readexactly(3)
        (link,) = proxy.links
        link.passing.clear()
        writer.write(b"two")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.05)
        link.passing.set()
        assert await reader.readexactly(3) == b"two"
        writer.close()


async def doorbells(lost: float, doubled: float, reordered: float) -> bytes:
    """What arrives of two replies and three doorbells."""
    rings = published(b"1") + published(b"22") + published(b"333")
    async with echo(b"+OK\r\n" + rings + b":1\r\n") as port:
        proxy = DoorbellProxy(port, random.Random(1))  # noqa: S311
        proxy.lost, proxy.doubled, proxy.reordered = lost, doubled, reordered
        async with proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            arrived = await reader.readuntil(b":1\r\n")
            with contextlib.suppress(TimeoutError):
                arrived += await asyncio.wait_for(reader.read(1000), 0.05)
            writer.close()
    return arrived


async def test_doorbells_are_lost_doubled_and_reordered() -> None:
    """Only what was published is touched: replies to commands stay as they are."""
    one, two, three = published(b"1"), published(b"22"), published(b"333")
    assert await doorbells(0, 0, 0) == b"+OK\r\n" + one + two + three + b":1\r\n"
    assert await doorbells(1, 0, 0) == b"+OK\r\n:1\r\n"
    assert await doorbells(0, 1, 0) == b"+OK\r\n" + one * 2 + two * 2 + three * 2 + b":1\r\n"
    assert await doorbells(0, 0, 1) == b"+OK\r\n" + two + one + b":1\r\n" + three


@pytest.mark.parametrize(
    ("reply", "is_bell"),
    [
        (b"+OK\r\n", False),
        (b":7\r\n", False),
        (b"$-1\r\n", False),
        (b"$5\r\na\r\nbc\r\n", False),
        (b"*-1\r\n", False),
        (b"*3\r\n$9\r\nsubscribe\r\n$4\r\nroom\r\n:1\r\n", False),
        (b"%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n", False),
        (published(b"\r\n*3\r\n"), True),
        (b">" + published(b"x")[1:], True),
    ],
)
async def test_replies_are_read_as_a_whole(reply: bytes, is_bell: bool) -> None:  # noqa: FBT001
    """RESP 2 and 3, with whatever is in them."""
    reader = asyncio.StreamReader()
    reader.feed_data(reply + b"+next\r\n")
    assert await read_reply(reader) == reply
    assert await read_reply(reader) == b"+next\r\n"
    assert is_published(reply) is is_bell
