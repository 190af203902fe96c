"""Listing who is connected."""

from typing import Any

import pytest

from flows.actor import Right
from flows.errors import Forbidden, Unavailable
from flows.list_connections import ListConnections, list_connections
from tests.flows.people import come, staff, without
from tests.flows.stage import Stage

VIEWER = staff(Right.VIEW)


async def listed(stage: Stage, **asked: Any) -> tuple[list[str], str | None]:
    page = await stage.run(list_connections, ListConnections(**asked), by=VIEWER)
    return [each.connection for each in page.connections], page.next


async def test_works(stage: Stage) -> None:
    """Those of all nodes are listed by id; of a user, of a node, of both."""
    assert await listed(stage) == ([], None)
    come(stage)
    assert await listed(stage) == (["c1", "c2", "c3"], None)
    assert await listed(stage, user="ann") == (["c1", "c3"], None)
    assert await listed(stage, node="n1") == (["c1", "c2"], None)
    assert await listed(stage, user="ann", node="n2") == (["c3"], None)
    assert await listed(stage, user="nobody") == ([], None)


async def test_pages(stage: Stage) -> None:
    """`next` leads to the next page; the last one, also one that is full, has none."""
    come(stage)
    assert await listed(stage, limit=2) == (["c1", "c2"], "c2")
    assert await listed(stage, limit=2, after="c2") == (["c3"], None)
    assert await listed(stage, limit=3) == (["c1", "c2", "c3"], None)


@pytest.mark.parametrize(
    ("field", "value"), [("limit", 0), ("limit", 1001), ("after", ""), ("user", ""), ("node", "")]
)
async def test_bad_input(stage: Stage, field: str, value: object) -> None:
    """What cannot be is refused by path."""
    await stage.invalid(f"$.{field}", list_connections, {field: value}, by=VIEWER)


async def test_who_may(stage: Stage) -> None:
    """It takes the right to view."""
    come(stage)
    for by in without(Right.VIEW):
        await stage.refused(Forbidden, list_connections, ListConnections(), by=by)


async def test_unavailable(stage: Stage) -> None:
    """When the store cannot be reached, this is said."""
    stage.connections.available = False
    await stage.refused(Unavailable, list_connections, ListConnections(), by=VIEWER)
