"""Whether a run counts: everything acknowledged is stored once and was delivered once to each."""

from collections import Counter
from collections.abc import Mapping, Sequence


def problems(
    *,
    acknowledged: Mapping[str, Sequence[int]],
    stored: Mapping[str, Sequence[int]],
    delivered: Mapping[str, Sequence[Sequence[int]]],
    ordered: bool,
) -> list[str]:
    """What is wrong with a run, a sentence each; none if it counts.

    By room: the numbers of the messages that were acknowledged, that are in the database (in its
    order) and, for each member, that came. With `ordered`, they must come in the database's order.
    """
    found: list[str] = []
    for room, numbers in acknowledged.items():
        kept = stored.get(room, ())
        found += _differences(f"{room}: stored", Counter(numbers), Counter(kept))
        for member, came in enumerate(delivered.get(room, ())):
            name = f"{room}: delivered to member {member}"
            differences = _differences(name, Counter(numbers), Counter(came))
            found += differences
            if ordered and not differences and list(came) != list(kept):
                found.append(f"{name}: in another order than stored")
        if not delivered.get(room):
            found.append(f"{room}: has no members")
    return found


def _differences(what: str, wanted: Counter[int], got: Counter[int]) -> list[str]:
    found = []
    if missing := wanted - got:
        found.append(f"{what}: {missing.total()} missing, e.g. {min(missing)}")
    if twice := {number for number, count in got.items() if count > 1}:
        found.append(f"{what}: {len(twice)} more than once, e.g. {min(twice)}")
    if more := got.keys() - wanted.keys():
        found.append(f"{what}: {len(more)} never acknowledged, e.g. {min(more)}")
    return found
