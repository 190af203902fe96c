"""Sessions that look as if people had used the server for a while. Made up, the same for a seed."""

# Nothing here is secret; lists of words are better read as words.
# ruff: noqa: S311, SIM905

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from msgspec import UNSET

from flows.atoms.ids import uuid7
from flows.events import Event, timestamp
from flows.replay import replay
from sessions_app.adapters.whole import Whole

#: What is spread over the year before `until`.
YEAR = timedelta(days=365)

_FIRST = (
    "ann bob cid dana eva farid grace hugo ines jan kofi lea mia noor olga pavel rosa sam"
).split()
_LAST = (
    "adler berg costa diaz eriksen fischer garcia haddad ito jansen kaya lopez novak okoro"
).split()
_WHERE = ("Roof Kitchen Cellar Garage Garden Balcony Office Hall Lift Boiler Façade Küche").split()
_WHAT = ("repair leak inspection offer delay invoice complaint painting cleaning renewal").split()
_WORDS = (
    "the leak is back again and we need somebody who can look at it before Thursday "
    "please send photos of the pipe I have ordered the part it arrives tomorrow morning "
    "can you confirm that the price includes driving yes no maybe later thanks a lot "
    "perfect see you there at nine größer naïve 見積もり 👍 <b>bold</b> & more =1+1 "
    "https://example.com/p?id=7"
).split()
_REASONS = ["All dry", "Paid", "No answer", "Duplicate"]


def names(number: int) -> list[str]:
    """The names of `number` users."""
    return [
        f"{_FIRST[each % len(_FIRST)]}.{_LAST[each // len(_FIRST) % len(_LAST)]}{each}"
        for each in range(number)
    ]


def sizes(sessions: int, events: int, random: Random) -> list[int]:
    """How many events each session has: most have few, a few have many; `events` in all."""
    # Nobody has less than one: that it was created.
    weights = [min(random.paretovariate(1.1), 400.0) for _ in range(sessions)]
    whole = sum(weights)
    found = [1 + int((events - sessions) * weight / whole) for weight in weights]
    for each in range(events - sum(found)):
        found[each % sessions] += 1
    return found


def made_up(
    sessions: int, events: int, users: int, *, seed: int, until: datetime
) -> Iterator[Whole]:
    """`sessions` sessions with `events` events in all, of `users` users, one after the other."""
    random = Random(seed)
    people = names(users)
    for number, size in enumerate(sizes(sessions, events, random)):
        # Each by numbers of its own, so that one can be left out without changing the others.
        yield _session(number, size, people, Random(f"{seed} {number}"), until)


def _session(
    number: int, size: int, people: Sequence[str], random: Random, until: datetime
) -> Whole:
    begin = until - YEAR * random.random()
    session_id = uuid7(int(begin.timestamp() * 1000), random.randbytes(10))
    cast = random.sample(people, min(len(people), random.choice([1, 2, 2, 2, 3, 4, 6])))
    log = _Log(session_id, f"seed-{session_id.hex[-12:]}", begin, random, until)
    story = _story(size, cast, random)
    log.write(cast[0], story[: len(cast)] if size >= len(cast) else story[:1])
    for who, kind, data in story[log.seq :]:
        log.write(who, [(who, kind, data)])
    seen = {each: random.randint(0, size) for each in cast if random.random() < 0.9}
    whole = replay(log.events)
    return Whole(log.events, whole, {user: seen.get(user, 0) for user in whole.people})


_Step = tuple[str, str, dict[str, Any]]


def _story(size: int, cast: Sequence[str], random: Random) -> list[_Step]:
    """What happens in `size` events: the cast comes, talks, renames, perhaps ends it."""
    owner, *others = cast
    title = f"{random.choice(_WHERE)} {random.choice(_WHAT)}" if random.random() < 0.95 else ""
    metadata = {"ticket": random.randint(1, 99_999)} if random.random() < 0.3 else {}
    steps: list[_Step] = [(owner, "session_created", {"title": title, "metadata": metadata})]
    present = [owner]
    for user in others[: max(0, size - 1)]:
        role = "observer" if random.random() < 0.15 else "member"
        steps.append((owner, "participant_added", {"user": user, "role": role}))
        present += [user] if role == "member" else []
    ends = size > len(steps) and random.random() < 0.6
    while len(steps) < size - ends:
        steps.append(_talk(len(steps), present, random))
    if ends:
        reason = {"reason": random.choice(_REASONS)} if random.random() < 0.5 else {}
        steps.append((owner, "session_ended", reason))
    return steps


def _talk(seq: int, present: Sequence[str], random: Random) -> _Step:
    who, chance = random.choice(present), random.random()
    if chance < 0.01:
        title = f"{random.choice(_WHERE)} {random.choice(_WHAT)} {seq}"
        return who, "session_renamed", {"title": title}
    data: dict[str, Any] = {"text": " ".join(random.choices(_WORDS, k=random.randint(1, 24)))}
    if chance < 0.1:
        data["reply_to"] = random.randint(1, seq)
    return who, "message_sent", data


class _Log:
    """Events as they come, by writes with keys of their own."""

    def __init__(
        self, session_id: UUID, prefix: str, begin: datetime, random: Random, until: datetime
    ) -> None:
        self.events: list[Event] = []
        self._session_id = session_id
        self._prefix = prefix
        self._at = begin
        self._random = random
        self._until = until

    @property
    def seq(self) -> int:
        return len(self.events)

    def write(self, who: str, steps: Sequence[_Step]) -> None:
        """One write: all its events have one moment, one author and one key."""
        key = f"{self._prefix}-{self.seq + 1}" if who else UNSET
        at = timestamp(self._at)
        for _, kind, data in steps:
            self.events.append(
                Event(
                    session_id=self._session_id,
                    seq=self.seq + 1,
                    kind=kind,
                    actor=who,
                    at=at,
                    key=key,
                    data=data,
                )
            )
        pause = timedelta(seconds=self._random.expovariate(1 / 600))
        self._at = min(self._at + pause, self._until)
