"""A real process whose Redis goes away."""

import asyncio
import json
from collections.abc import AsyncIterator
from secrets import token_hex
from urllib.parse import urlsplit

import pytest

from tests.faults.proxies import Proxy
from tests.servers import Database, Server
from tests.services import REDIS_URL
from tests.wire import Client

pytestmark = [pytest.mark.postgres, pytest.mark.redis]


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    proxy = await Proxy(urlsplit(REDIS_URL).port or 6379).__aenter__()
    yield proxy
    await proxy.__aexit__()


async def test_a_lost_redis_is_a_line_and_no_traceback(postgres: Database, proxy: Proxy) -> None:
    """The log says once what is so and what it means; people go on, and no socket is closed."""

    server = Server(
        postgres, redis_prefix=f"test-{token_hex(4)}", REDIS_URL=f"redis://127.0.0.1:{proxy.port}/0"
    )
    try:
        await asyncio.to_thread(server.start)
        async with await Client.connect(server.url, server.people["owner0"].token) as client:
            session = (await client.call("create_session", key=token_hex(8)))["session_id"]
            await client.has_events(session, 1)
            await proxy.__aexit__()
            # Until it has been noticed on both ways, and a second later once more.
            async with asyncio.timeout(20):
                while "Redis is away" not in server.log or "doorbell_failed" not in server.log:
                    await client.write(session, "Is anybody there?")
                    await asyncio.sleep(0.1)
            lines = [json.loads(each) for each in server.log.splitlines()]
            lost = [each for each in lines if str(each["event"]).startswith("Redis is away")]
            assert [each["level"] for each in lost] == ["warning"]
            assert not any("exception" in each for each in lines)
            assert client.close_code is None
        assert server.complaints() == []
    finally:
        await asyncio.to_thread(server.close)
