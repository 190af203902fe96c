"""The load generator: a process of its own, one thread, no framework. A plan in, figures out.

    python -m bench.load < plan.json > result.json

It finds acknowledgements and deliveries by one search over whatever bytes came together, so that
it needs less of a processor than any server it measures; how much, it says.
"""

import json
import os
import select
import socket
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from bench.dialects import DIALECTS, NUMBER
from bench.frames import pong_frame, text_frame, walk

#: How long anything may take that is not measured, in seconds.
PATIENCE = 60.0

Heard = Callable[["Client", bytes], None]


class Client:
    """One socket. Until `heard` is set, what comes is kept in `inbox`."""

    def __init__(self, port: int, path: str, token: str | None, room: str) -> None:
        self.room = room
        self.received: list[bytes] = []
        self.sent: dict[int, float] = {}
        self.inbox = bytearray()
        self.heard: Heard | None = None
        self.open = False
        self.closed: bytes | None = None
        self._buffer = bytearray()
        self._out = b""
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(("127.0.0.1", port))
        bearer = f"Authorization: Bearer {token}\r\n" if token else ""
        self._handshake = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{bearer}"
            "Sec-WebSocket-Version: 13\r\n\r\n"
        ).encode()

    def begin(self) -> None:
        """The connection is there: ask for the WebSocket."""
        self.write(self._handshake)

    def say(self, *payloads: bytes) -> None:
        self.write(b"".join(map(text_frame, payloads)))

    def write(self, data: bytes) -> None:
        """Write now; what the socket does not take is written with what comes next."""
        data = self._out + data
        try:
            taken = self.socket.send(data)
        except BlockingIOError:
            taken = 0
        self._out = data[taken:]

    def read(self) -> None:
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        if not data:
            self.closed = self.closed or b"cut off"
            return
        buffer = self._buffer
        buffer += data
        if not self.open:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if not buffer.startswith(b"HTTP/1.1 101"):
                self.closed = bytes(buffer[:end])
                return
            self.open = True
            del buffer[: end + 4]
        found = walk(buffer)
        if found.pings or found.closed is not None:
            self.closed = found.closed
            for ping in found.pings:
                self.write(pong_frame(ping))
        complete = bytes(buffer[: found.end])
        del buffer[: found.end]
        if complete == b"\x81\x012":  # Engine.IO asks whether we are there
            self.say(b"3")
        if self.heard is not None:
            self.heard(self, complete)
        else:
            self.inbox += complete


class Load:
    """The clients of one run."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.dialect = DIALECTS[plan["dialect"]]
        self.poll = select.epoll()
        self.clients: list[Client] = []
        self._by_fd: dict[int, Client] = {}
        self.refused: list[str] = []

    # -- the loop

    def turn(self, seconds: float = 0.1) -> None:
        for fd, mask in self.poll.poll(seconds):
            client = self._by_fd[fd]
            if mask & select.EPOLLOUT:
                self.poll.modify(fd, select.EPOLLIN)
                client.begin()
            else:
                client.read()
                if client.closed is not None:
                    self.poll.unregister(fd)

    def until(self, done: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        end = time.monotonic() + patience
        while not done():
            self.turn()
            if time.monotonic() > end:
                lost = [each.closed for each in self.clients if each.closed]
                refused = [
                    bytes(each.inbox)[-300:]
                    for each in self.clients
                    if self.dialect.refused in each.inbox
                ]
                raise SystemExit(
                    f"waited {patience:.0f} s in vain for: {what}; closed: {lost[:3]};"
                    f" refused: {refused[:3]}"
                )

    # -- connecting

    def connect(self, people: Iterable[dict[str, Any]]) -> list[Client]:
        """Open sockets, a hundred at a time, which no server's backlog minds."""
        made = []
        for number, person in enumerate(people):
            made.append(self.dial(person))
            if number % 100 == 99:
                self._opened(made)
        self._opened(made)
        return made

    def dial(self, person: dict[str, Any]) -> Client:
        client = Client(
            self.plan["ports"][len(self.clients) % len(self.plan["ports"])],
            self.dialect.path(person["room"]),
            person.get("token"),
            person["room"],
        )
        self.clients.append(client)
        self._by_fd[client.socket.fileno()] = client
        self.poll.register(client.socket, select.EPOLLIN | select.EPOLLOUT)
        return client

    def _opened(self, clients: list[Client]) -> None:
        self.until(lambda: all(each.open for each in clients), "handshakes")

    def join(self, clients: list[Client]) -> None:
        """Have all of them get what happens in their room."""
        for client in clients:
            client.inbox.clear()
            for each in self.dialect.greeting(client.room):
                client.say(each)
        if (word := self.dialect.joined) is not None:
            self.until(lambda: all(word in each.inbox for each in clients), "joining")

    # -- messages

    def messages(self) -> dict[str, Any]:
        """Everybody writes; each acknowledgement is answered with the next message."""
        self.connect(self.plan["people"])
        self.join(self.clients)
        writers = Writers(self)
        for client in self.clients:
            client.heard = writers.heard
        for client in self.clients:
            writers.write(client, self.plan["outstanding"])
        self._for(self.plan["warm_up"])
        writers.latencies.clear()
        meter = Meter(self.plan["pids"])
        self._for(self.plan["seconds"])
        figures = meter.read()
        latencies, writers.going = list(writers.latencies), False
        end = time.monotonic() + 30
        while not writers.done() and time.monotonic() < end:
            self.turn()
        return {
            **figures,
            "messages": len(latencies),
            "latencies": latencies,
            "refused": writers.refused,
            "unanswered": sum(len(each.sent) for each in self.clients),
            "acknowledged": writers.acknowledged,
            "delivered": {
                room: [list(map(int, each.received)) for each in self.clients if each.room == room]
                for room in writers.acknowledged
            },
        }

    def _for(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.turn(left)

    # -- one writes, many watch

    def fan_out(self) -> dict[str, Any]:
        """One event at a time to all who watch; the next when the last of them has it."""
        clients = self.connect(self.plan["people"])
        self.join(clients)
        writer, room = clients[0], clients[0].room
        got, number = 0, 0
        acknowledged: list[int] = []

        def heard(client: Client, data: bytes) -> None:
            nonlocal got
            if found := NUMBER.findall(data):
                client.received += found
                got += len(found)
            if client is writer:
                acknowledged.extend(map(int, self.dialect.acknowledged.findall(data)))

        for client in clients:
            client.heard = heard
        durations: list[float] = []
        meter = Meter(self.plan["pids"])
        end = time.perf_counter() + self.plan["seconds"]
        complete = True
        while complete and time.perf_counter() < end:
            number += 1
            begun = time.perf_counter()
            writer.say(self.dialect.message(room, number))
            wanted = number * len(clients)
            while got < wanted or len(acknowledged) < number:
                self.turn(0.2)
                if time.perf_counter() - begun > 10:
                    complete = False
                    break
            durations.append(time.perf_counter() - begun)
        return {
            **meter.read(),
            "messages": number,
            "deliveries": got,
            "latencies": durations,
            "refused": self.refused,
            "unanswered": number - len(acknowledged),
            "acknowledged": {room: acknowledged},
            "delivered": {room: [list(map(int, each.received)) for each in clients]},
        }

    # -- many come at once, and stay

    def storm(self) -> dict[str, Any]:
        """All connect and join at once."""
        people = self.plan["people"]
        meter = Meter(self.plan["pids"])
        word = self.dialect.joined
        joined: dict[Client, float] = {}

        def heard(client: Client, data: bytes) -> None:
            if client not in joined and word is not None and word in data:
                joined[client] = time.perf_counter()

        begun = time.perf_counter()
        waiting = [self.dial(each) for each in people]
        for client in waiting:
            client.heard = heard
        while len(joined) < len(people):
            self.turn()
            still = []
            for client in waiting:
                if not client.open:
                    still.append(client)
                    continue
                if word is None:
                    joined[client] = time.perf_counter()
                client.say(*self.dialect.greeting(client.room))
            waiting = still
            if time.perf_counter() - begun > PATIENCE:
                break
        lost = [repr(each.closed) for each in self.clients if each.closed is not None]
        return {
            **meter.read(),
            "messages": len(joined),
            "latencies": [at - begun for at in joined.values()],
            "refused": lost[:3],
            "unanswered": len(people) - len(joined),
        }

    def idle(self) -> dict[str, Any]:
        """All connect, join, and say nothing more."""
        self.connect(self.plan["people"][:20])
        self.join(self.clients)
        self._for(1)
        before = memory(self.plan["pids"])
        more = self.connect(self.plan["people"][20:])
        self.join(more)
        self._for(self.plan["seconds"])
        after = memory(self.plan["pids"])
        return {
            "bytes_per_socket": (after - before) / len(more),
            "messages": len(more),
            "latencies": [],
            "refused": [],
            "unanswered": sum(each.closed is not None for each in self.clients),
        }

    # -- reading a long log

    def replay(self) -> dict[str, Any]:
        """One client gets a whole log: by watching it from its beginning."""
        (client,) = self.connect(self.plan["people"][:1])
        room = client.room.encode()
        return self._read_log(
            client,
            lambda _: (
                b'{"jsonrpc":"2.0","id":1,"method":"watch_sessions","params":'
                b'{"sessions":[{"session_id":"%b","after":0}]}}' % room
            ),
        )

    def paging(self) -> dict[str, Any]:
        """The same by asking for page after page."""
        (client,) = self.connect(self.plan["people"][:1])
        room, limit = client.room.encode(), self.plan["limit"]
        return self._read_log(
            client,
            lambda after: (
                b'{"jsonrpc":"2.0","id":1,"method":"list_events","params":'
                b'{"session_id":"%b","after":%d,"limit":%d}}' % (room, after, limit)
            ),
            paged=True,
        )

    def _read_log(
        self, client: Client, ask: Callable[[int], bytes], *, paged: bool = False
    ) -> dict[str, Any]:
        wanted = self.plan["events"]
        client.inbox.clear()
        meter = Meter(self.plan["pids"])
        begun = time.perf_counter()
        client.say(ask(0))
        numbers: list[bytes] = []
        answered = 0

        def heard(client: Client, data: bytes) -> None:
            nonlocal answered
            numbers.extend(NUMBER.findall(data))
            if paged and b'"result"' in data:
                answered += 1
                if b'"more":true' in data:
                    # Numbers begin with 1, and the session with its creation.
                    client.say(ask(len(numbers) + 1))

        client.heard = heard
        self.until(lambda: len(numbers) >= wanted, f"{wanted} events")
        took = time.perf_counter() - begun
        return {
            **meter.read(),
            "messages": wanted,
            "latencies": [took],
            "refused": [],
            "unanswered": 0,
            "acknowledged": {client.room: list(range(1, wanted + 1))},
            "delivered": {client.room: [list(map(int, numbers))]},
        }


class Writers:
    """Clients who always have so many messages under way, and what became of these."""

    def __init__(self, load: Load) -> None:
        self._dialect = load.dialect
        self._clients = load.clients
        self._number = 0
        self.going = True
        self.latencies: list[float] = []
        self.refused: list[str] = []
        self.acknowledged: dict[str, list[int]] = {each.room: [] for each in load.clients}

    def write(self, client: Client, count: int) -> None:
        now = time.perf_counter()
        payloads = []
        for _ in range(count):
            self._number += 1
            client.sent[self._number] = now
            payloads.append(self._dialect.message(client.room, self._number))
        client.say(*payloads)

    def heard(self, client: Client, data: bytes) -> None:
        client.received += NUMBER.findall(data)
        if self._dialect.refused in data and len(self.refused) < 5:
            self.refused.append(data[:500].decode("latin-1"))
        if acks := self._dialect.acknowledged.findall(data):
            now = time.perf_counter()
            for each in map(int, acks):
                self.latencies.append(now - client.sent.pop(each))
                self.acknowledged[client.room].append(each)
            if self.going:
                self.write(client, len(acks))

    def done(self) -> bool:
        """Whether all that was written is acknowledged, and was delivered to everybody."""
        return all(
            not each.sent and len(each.received) >= len(self.acknowledged[each.room])
            for each in self._clients
        )


class Meter:
    """What a stretch of time has cost the server's processes and this one."""

    def __init__(self, pids: list[int]) -> None:
        self._servers = {pid: processor([pid]) for pid in pids}
        self._mine = time.process_time()
        self._at = time.perf_counter()

    def read(self) -> dict[str, Any]:
        wall = time.perf_counter() - self._at
        since = [processor([pid]) - before for pid, before in self._servers.items()]
        return {
            "wall": wall,
            "server_cpu": sum(since),
            "each_cpu": since,
            "load_cpu": (time.process_time() - self._mine) / wall,
        }


def processor(pids: list[int]) -> float:
    """The processor time that processes have had so far, in seconds."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            ticks += sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pids: list[int]) -> int:
    """What processes hold in memory that nobody else does, in bytes."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Private_"))
    return total * 1024


def main() -> None:
    plan = json.load(sys.stdin)
    load = Load(plan)
    json.dump(getattr(load, plan["work"])(), sys.stdout)


if __name__ == "__main__":
    main()
