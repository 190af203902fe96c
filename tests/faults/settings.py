"""The settings of servers under faults: those of all servers under test, and the crash point."""

from tests.served import *  # noqa: F403

FLOWS_SCOPE = "tests.faults.crashing.make_scope"
