"""In which order the requests of one connection run."""

import asyncio

from sessions_app.ordering import Order


class Runs:
    """Requests that note when they begin and end, and end when they are told to."""

    def __init__(self) -> None:
        self.order = Order()
        self.notes: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, key: str = "s", *, writes: bool) -> None:
        turn = self.order.join(key, writes=writes)
        self.gates[name] = asyncio.Event()

        async def run() -> None:
            await turn.come()
            self.notes.append(f"{name} begins")
            await self.gates[name].wait()
            self.notes.append(f"{name} ends")
            turn.end()

        self.tasks.append(asyncio.create_task(run()))

    async def finish(self, name: str) -> None:
        self.gates[name].set()
        await settle()


async def settle() -> None:
    """Let every task run as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_read_waits_for_the_writes_before_it() -> None:
    """A read begins when all writes before it have ended."""
    runs = Runs()
    runs.start("w1", writes=True)
    runs.start("w2", writes=True)
    runs.start("r", writes=False)
    await settle()
    assert runs.notes == ["w1 begins", "w2 begins"]
    await runs.finish("w2")
    assert runs.notes[2:] == ["w2 ends"]
    await runs.finish("w1")
    assert runs.notes[3:] == ["w1 ends", "r begins"]
    await runs.finish("r")


async def test_a_write_waits_for_the_read_before_it() -> None:
    """A write begins when the read before it has ended, so that the read does not see it."""
    runs = Runs()
    runs.start("r", writes=False)
    runs.start("w1", writes=True)
    runs.start("w2", writes=True)
    await settle()
    assert runs.notes == ["r begins"]
    await runs.finish("r")
    runs.start("w3", writes=True)
    await settle()
    assert runs.notes[1:] == ["r ends", "w1 begins", "w2 begins", "w3 begins"]
    for name in ("w1", "w2", "w3"):
        await runs.finish(name)


async def test_reads_come_one_after_the_other() -> None:
    """Two reads of one session do not overtake each other."""
    runs = Runs()
    runs.start("r1", writes=False)
    runs.start("r2", writes=False)
    await settle()
    assert runs.notes == ["r1 begins"]
    await runs.finish("r1")
    await runs.finish("r2")
    assert runs.notes == ["r1 begins", "r1 ends", "r2 begins", "r2 ends"]


async def test_sessions_do_not_wait_for_each_other() -> None:
    """A request waits only for those of its own session."""
    runs = Runs()
    runs.start("a", "one", writes=False)
    runs.start("b", "two", writes=False)
    await settle()
    assert runs.notes == ["a begins", "b begins"]
    await runs.finish("a")
    await runs.finish("b")


async def test_nothing_is_left_of_a_quiet_session() -> None:
    """When the last request of a session has ended, nothing of it is kept."""
    runs = Runs()
    for index in range(100):
        runs.start(f"r{index}", writes=index % 3 == 0)
    for index in range(100):
        await runs.finish(f"r{index}")
    await asyncio.gather(*runs.tasks)
    assert runs.order._last == {}
