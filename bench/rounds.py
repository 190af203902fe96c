"""One run: a contender is started, put under load, read and checked."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from bench.completeness import problems
from bench.contenders import LOAD_PROCESSOR, ROOT, Contender, Ours
from bench.figures import percentile


class Run(Struct):
    """What one run has shown. Nothing of a run with problems counts."""

    contender: str
    work: str
    messages: int = 0
    seconds: float = 0
    rate: float = 0
    p50_ms: float = 0
    p99_ms: float = 0
    cpu_us: float = 0
    load_cpu: float = 0
    problems: list[str] = []
    more: dict[str, Any] = {}

    @property
    def counts(self) -> bool:
        return not self.problems

    @property
    def possible(self) -> float:
        """Messages per second if nothing but the server's busiest process limited them."""
        busiest: float = max(self.more["each_cpu"])
        return self.messages / busiest


Arrange = Callable[[Contender], dict[str, Any]]


def run(contender: Contender, work: str, arrange: Arrange) -> Run:
    """Start it, have the load generator do what `arrange` plans, and check what came of it."""
    with contender:
        plan = {"dialect": contender.dialect, **arrange(contender)}
        plan |= {"ports": contender.ports, "pids": contender.pids}
        done = subprocess.run(
            [sys.executable, "-m", "bench.load"],
            cwd=ROOT,
            input=json.dumps(plan).encode(),
            capture_output=True,
            preexec_fn=lambda: os.sched_setaffinity(0, [LOAD_PROCESSOR]),
            check=False,
        )
        if done.returncode:
            said = done.stderr.decode()[-600:] + contender.log()[-600:]
            return Run(contender.name, work, problems=[said.strip()])
        result = {"work": plan["work"], **json.loads(done.stdout)}
        return _read(contender, work, result, verified=plan.get("verified", False))


def _read(contender: Contender, work: str, result: dict[str, Any], *, verified: bool) -> Run:
    found = [f"refused: {each}" for each in result["refused"]]
    if result["unanswered"]:
        found.append(f"{result['unanswered']} never answered")
    if "acknowledged" in result and result["work"] in ("replay", "paging"):
        # What was stored is known: it is what the database was filled with.
        numbers = result["acknowledged"]
        found += problems(
            acknowledged=numbers, stored=numbers, delivered=result["delivered"], ordered=True
        )
    elif "acknowledged" in result:
        found += problems(
            acknowledged=result["acknowledged"],
            stored=contender.stored(),
            delivered=result["delivered"],
            ordered=contender.ordered,
        )
    more: dict[str, Any] = {
        name: result[name]
        for name in ("deliveries", "bytes_per_socket", "each_cpu")
        if name in result
    }
    if verified and isinstance(contender, Ours):
        said = contender.verify()
        if not said.startswith("All is well"):
            found.append(said[:500])
    seconds, messages = result.get("wall", 0.0), result["messages"]
    latencies = result["latencies"] or [0.0]
    return Run(
        contender=contender.name,
        work=work,
        messages=messages,
        seconds=seconds,
        rate=messages / seconds if seconds else 0,
        p50_ms=percentile(latencies, 50) * 1000,
        p99_ms=percentile(latencies, 99) * 1000,
        cpu_us=result.get("server_cpu", 0) / max(1, messages) * 1e6,
        load_cpu=result.get("load_cpu", 0),
        problems=found[:5],
        more=more,
    )
