"""Tests of what makes a benchmark's run count."""

from bench.completeness import problems

ACKNOWLEDGED = {"a": [1, 2, 3]}


def of(*, stored: list[int], delivered: list[list[int]], ordered: bool = True) -> list[str]:
    return problems(
        acknowledged=ACKNOWLEDGED, stored={"a": stored}, delivered={"a": delivered}, ordered=ordered
    )


def test_a_complete_run_has_no_problems() -> None:
    """Everything stored once and delivered once to each, in the database's order, counts."""
    assert of(stored=[1, 3, 2], delivered=[[1, 3, 2], [1, 3, 2]]) == []


def test_what_was_acknowledged_and_not_stored_is_found() -> None:
    """A message that is acknowledged and not in the database makes the run fail."""
    assert of(stored=[1, 3], delivered=[[1, 2, 3]], ordered=False) == [
        "a: stored: 1 missing, e.g. 2"
    ]


def test_what_one_member_did_not_get_is_found() -> None:
    """A message that one of several members did not get makes the run fail."""
    assert of(stored=[1, 2, 3], delivered=[[1, 2, 3], [1, 2]]) == [
        "a: delivered to member 1: 1 missing, e.g. 3"
    ]


def test_what_is_there_twice_is_found() -> None:
    """A message stored or delivered twice makes the run fail."""
    assert of(stored=[1, 2, 2, 3], delivered=[[1, 2, 3, 3]], ordered=False) == [
        "a: stored: 1 more than once, e.g. 2",
        "a: delivered to member 0: 1 more than once, e.g. 3",
    ]


def test_what_nobody_was_promised_is_found() -> None:
    """A message that was stored and never acknowledged makes the run fail."""
    assert of(stored=[1, 2, 3, 4], delivered=[[1, 2, 3]], ordered=False) == [
        "a: stored: 1 never acknowledged, e.g. 4"
    ]


def test_another_order_than_stored_is_found_where_one_is_promised() -> None:
    """Of a server that promises an order, a delivery in another one makes the run fail."""
    assert of(stored=[1, 2, 3], delivered=[[1, 3, 2]]) == [
        "a: delivered to member 0: in another order than stored"
    ]
    assert of(stored=[1, 2, 3], delivered=[[1, 3, 2]], ordered=False) == []


def test_a_room_without_members_is_no_proof() -> None:
    """Where nobody could have got anything, nothing has been shown."""
    assert of(stored=[1, 2, 3], delivered=[]) == ["a: has no members"]
