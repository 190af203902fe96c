"""`python -m tests.conformance COMMAND…`: try a client, as a program, with every vector for one."""

import asyncio
import sys

from tests.conformance import clients
from tests.conformance.drivers import process_driver
from tests.conformance.vectors import Mismatch, Vector, load


async def attempt(
    vector: Vector, command: list[str], *, patience: float = clients.PATIENCE
) -> str | None:
    """What is wrong, None if nothing."""
    try:
        async with (
            clients.scripted_server() as server,
            process_driver(command, server.url) as driver,
        ):
            await clients.run(vector, server, driver, patience=patience)
    except Mismatch as problem:
        return str(problem)
    return None


def main(command: list[str]) -> int:
    """Print a line per vector; 1 if any fails."""
    failed = 0
    for vector in load("client"):
        problem = asyncio.run(attempt(vector, command))
        failed += problem is not None
        sys.stdout.write(f"{'FAILED' if problem else 'ok':7}{problem or vector.name}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
