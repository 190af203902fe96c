"""Tests of what every socket waits by."""

import asyncio

from sessions_app.flag import Flag


async def test_who_comes_when_it_is_set_does_not_wait() -> None:
    """A flag that is set holds nobody."""
    flag = Flag(is_set=True)
    await flag.wait()
    assert flag.is_set()


async def test_everybody_who_waits_goes_on() -> None:
    """All waiters go on when it is set, even if it is cleared before they do."""
    flag = Flag()
    waiters = [asyncio.create_task(flag.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    flag.set()
    flag.clear()
    await asyncio.gather(*waiters)
    assert not flag.is_set()


async def test_who_gives_up_holds_nobody_else() -> None:
    """A waiter that is cancelled is forgotten, and the others still go on."""
    flag = Flag()
    leaves, stays = (asyncio.create_task(flag.wait()) for _ in range(2))
    await asyncio.sleep(0)
    leaves.cancel()
    await asyncio.wait([leaves])
    flag.set()
    await stays
    assert leaves.cancelled()


async def test_who_gives_up_as_it_is_set_is_harmless() -> None:
    """A waiter that is cancelled in the same turn as the flag is set takes nothing from others."""
    flag = Flag()
    leaves, stays = (asyncio.create_task(flag.wait()) for _ in range(2))
    await asyncio.sleep(0)
    leaves.cancel()
    flag.set()
    await asyncio.wait([leaves])
    await stays
