"""Short runs over all faults on each kind of database; `make chaos` makes long ones."""

import pytest

from tests.faults.run import run
from tests.faults.stage import DatabaseKind, missing

#: Of each run, in seconds; setting up and coming to rest come to it.
SECONDS = 20


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_no_promise_breaks(kind: DatabaseKind) -> None:
    """Whatever breaks, all that was told is stored, once, and everybody is shown just that."""
    if (reason := missing(kind)) is not None:
        pytest.skip(reason)
    # The same faults in the same order each time, though never at quite the same moment.
    report = await run(kind, seed=11, seconds=SECONDS)
    assert report.violations == []
    assert report.surprises == []
    assert sum(report.faults.values()) >= 5
    assert report.acknowledged >= 50
