"""Where the microseconds of one message go, by parts of the way that it takes.

    python -m bench.profile [--against REVISION] [--outstanding 10] [--processes 1]

py-spy looks at the server's threads five hundred times a second while 50 clients write; what it
sees of each part, as a share of all, is a share of the CPU time that a message costs.
"""

import argparse
import collections
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench import works
from bench.__main__ import another_tree
from bench.contenders import ROOT, Contender, Ours
from bench.rounds import run

SECONDS = 8

#: The parts, and what of a stack, from its innermost call outwards, says that it is in one.
PARTS: dict[str, tuple[str, ...]] = {
    "commit": ("BaseDatabaseWrapper._commit",),
    "doorbell": ("sessions_app/adapters/doorbell.py", "channels_redis/", "redis/"),
    "SQL": ("sessions_app/adapters/statements.py", "django/db/"),
    "encode": ("event_frame (", "notification (", "reply (sessions_app", "array (sessions_app"),
    "decode": (
        "decode (sessions_app",
        "_decode_one (",
        "peek (sessions_app",
        "flows/engine/parsing",
    ),
    "fan-out": (
        "sessions_app/adapters/hub.py",
        "sessions_app/adapters/feed.py",
        "(sessions_app/watches.py",
    ),
    "write to the socket": ("Outbox.write", "WebSocketsSansIOProtocol.send", "Protocol.send"),
    "lane: turns, rows, receipts": ("Lane._work",),
    "hand over to the lane, fingerprint": ("DjangoSessions.commit",),
    "flow and engine": ("Scope.run", "execute (sessions_app"),
    "admission, order, task": ("sessions_app/connection.py",),
    "read from the socket": ("data_received", "SessionsConsumer", "uvicorn/protocols"),
    "handshakes and checks": ("Threads._work", "sessions_app/keeper.py"),
}


def part_of(frames: Iterable[str]) -> str:
    """The part that a stack is in."""
    for frame in reversed(list(frames)):
        for part, marks in PARTS.items():
            if any(mark in frame for mark in marks):
                return part
    return "event loop"


def profile(tree: Path, outstanding: int, processes: int) -> str:
    """Per process the table, and the functions that most was seen of, as text."""
    contender = Ours(tree=tree, postgres=processes > 1, processes=processes)
    arrange = works.messages(50, 5, outstanding, SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        watching: dict[Path, subprocess.Popen[bytes]] = {}

        def watched(contender: Contender) -> dict[str, Any]:
            plan = arrange(contender)
            for pid in contender.pids:
                file = Path(folder) / f"{pid}"
                watching[file] = spy_on(pid, file)
            return plan

        done = run(contender, "profile", watched)
        for spy in watching.values():
            spy.wait()
        seen = [file.read_text() for file in watching]
    if not done.counts:
        raise SystemExit(f"the run does not count: {done.problems}")
    head = (
        f"50 clients, {outstanding} outstanding: {done.rate:,.0f} messages/s,"
        f" {done.cpu_us:.0f} us of CPU each"
    )
    shares = [each / done.messages * 1e6 for each in done.more["each_cpu"]]
    tables = [table(text, share) for text, share in zip(seen, shares, strict=True)]
    if processes == 1:
        return f"{head}\n\n{tables[0]}"
    titles = [f"Process {number}, {share:.0f} us:" for number, share in enumerate(shares, 1)]
    return "\n\n".join([head, *(f"{a}\n\n{b}" for a, b in zip(titles, tables, strict=True))])


def spy_on(pid: int, file: Path) -> "subprocess.Popen[bytes]":
    """Have py-spy write down what a process does."""
    spy = str(Path(sys.executable).with_name("py-spy"))
    how = f"record -r 500 -d {SECONDS} --nonblocking -f raw"
    return subprocess.Popen(
        [spy, *how.split(), "-o", file, "-p", str(pid)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def table(text: str, cpu_us: float) -> str:
    """What a process does, by parts and by functions, given what a message costs it."""
    parts: collections.Counter[str] = collections.Counter()
    inside: collections.Counter[str] = collections.Counter()
    for stack, count in (line.rsplit(" ", 1) for line in text.splitlines()):
        if not stack:
            continue  # it could not be read while it changed
        frames = stack.split(";")
        parts[part_of(frames)] += int(count)
        inside.update(dict.fromkeys({frame.rsplit(":", 1)[0] for frame in frames}, int(count)))
    seen = parts.total()
    lines = [
        *(f"{count / seen * cpu_us:7.1f} us  {part}" for part, count in parts.most_common()),
        "",
        "What is below which function (us per message):",
        "",
        *(f"{count / seen * cpu_us:7.1f}  {name})" for name, count in inside.most_common(120)),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--against", metavar="REVISION", help="profile this revision instead")
    parser.add_argument("--outstanding", type=int, default=10, help="messages per client")
    parser.add_argument("--processes", type=int, default=1, help="several: PostgreSQL and Redis")
    options = parser.parse_args()
    with another_tree(options.against) as tree:
        print(profile(tree or ROOT, options.outstanding, options.processes))


if __name__ == "__main__":
    main()
