"""A session's events as people read them: a part of the log, and who has seen how much of it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet
from django.urls import reverse
from django.utils.http import urlencode

from flows.events import BODIES
from sessions_app.adapters.connections import connected
from sessions_app.admin.history import compact, text_of
from sessions_app.models import Event, Participant, Receipt, Session

#: Events on a page.
PAGE = 100

#: Events before the one that is jumped to.
CONTEXT = 20

#: Participants that are shown; the list of participants has them all.
PARTICIPANTS_SHOWN = 100

#: Kinds whose data say no more than the list of participants does.
KNOWN_ANYWAY = frozenset({"participant_added", "participant_removed"})


class Wanted(NamedTuple):
    """Which part of a log: before a seq, after one, around one, or its end; of all kinds or one."""

    before: int | None = None
    after: int | None = None
    seq: int | None = None
    kind: str | None = None
    unseen: int | None = None

    def address(self, **others: int | str) -> str:
        """The query of another part, of the same kind."""
        kept = {"kind": self.kind, "unseen": self.unseen, **others}
        return "?" + urlencode({name: value for name, value in kept.items() if value is not None})


def wanted(query: Mapping[str, str]) -> Wanted:
    """What an address asks for; what it cannot mean is left out."""
    seqs = {name: seq_of(query.get(name)) for name in ("before", "after", "seq", "unseen")}
    kind = query.get("kind")
    return Wanted(**seqs, kind=kind if kind in BODIES else None)


def seq_of(word: str | None) -> int | None:
    """The seq that `word` spells. Eighteen digits: databases have no larger numbers."""
    word = (word or "").strip().removeprefix("#")
    return int(word) if re.fullmatch("[0-9]{1,18}", word) else None


class Part(NamedTuple):
    """Consecutive events, and whether there are older and newer ones."""

    events: Sequence[Event]
    older: bool
    newer: bool


def part_of_log(session: Session, wanted: Wanted) -> Part:
    """The events that are wanted, ascending; one query, however long the log is."""
    log = session.events.filter(seq__lte=session.last_seq)
    if wanted.kind is not None:
        log = log.filter(kind=wanted.kind)
    after = wanted.after
    if wanted.seq is not None:
        # No further than the head, so that something is shown.
        after = max(0, min(wanted.seq, session.last_seq) - CONTEXT - 1)
    if after is not None and wanted.before is None:
        found = list(log.filter(seq__gt=after).order_by("seq")[: PAGE + 1])
        return Part(found[:PAGE], older=after > 0, newer=len(found) > PAGE)
    if wanted.before is not None:
        log = log.filter(seq__lt=wanted.before)
    found = list(log.order_by("-seq")[: PAGE + 1])
    newer = wanted.before is not None and wanted.before <= session.last_seq
    return Part(found[:PAGE][::-1], older=len(found) > PAGE, newer=newer)


def pages(part: Part, wanted: Wanted, head: int) -> list[tuple[str, str]]:
    """Where else one can go: what each link is called, and its address."""
    first = part.events[0].seq if part.events else head + 1
    last = part.events[-1].seq if part.events else 0
    links = []
    if part.older:
        links += [("First", wanted.address(after=0)), ("Older", wanted.address(before=first))]
    if part.newer:
        links += [("Newer", wanted.address(after=last)), ("Latest", wanted.address())]
    return links


class Line(NamedTuple):
    """An event as a person reads it."""

    event: Event
    kind: str
    text: str
    details: list[tuple[str, str]]
    is_staff: bool
    trace_url: str
    receipt: int | None
    #: The page of who has not seen it.
    unseen: str


def lines(
    events: Sequence[Event],
    wanted: Wanted,
    *,
    reading: bool,
    receipts: Mapping[tuple[str, str], int],
) -> Iterator[Line]:
    """`events` as lines; what they say only for those who may read it."""
    for event in events:
        says = reading or event.kind in KNOWN_ANYWAY
        data = event.data if isinstance(event.data, dict) else {"data": event.data}
        text = text_of(event) if reading else ""
        yield Line(
            event,
            event.kind.replace("_", " "),
            text,
            list(details(data, text)) if says else [],
            data.get("staff") is True,
            settings.TRACE_URL.replace("{trace}", event.trace) if event.trace else "",
            receipts.get((event.actor, event.key)),
            wanted.address(seq=event.seq, unseen=event.seq),
        )


def links(
    events: Sequence[Event], *, opening: bool, receipts: Mapping[tuple[str, str], int]
) -> dict[int, dict[str, str]]:
    """Where the lines of `events` lead to, by seq: to the event itself only for who may open it."""
    found: dict[int, dict[str, str]] = {}
    for line in lines(events, Wanted(), reading=False, receipts=receipts):
        event = line.event
        there = {"event": reverse("admin:sessions_app_event_change", args=[event.pk])}
        found[event.seq] = there if opening else {}
        if line.receipt:
            address = reverse("admin:sessions_app_receipt_change", args=[line.receipt])
            found[event.seq]["receipt"] = address
        if line.trace_url:
            found[event.seq]["trace"] = line.trace_url
    return found


def details(data: dict[str, Any], text: str) -> Iterator[tuple[str, str]]:
    """What there is to say beside the text, as names and values."""
    # Sorted, since PostgreSQL does not keep the order in which they were written.
    for name, value in sorted(data.items()):
        if value in ("", {}, None, False) or (text and name == "text") or name == "staff":
            continue
        yield name.replace("_", " "), value if isinstance(value, str) else compact(value)


def receipts_of(events: Iterable[Event]) -> dict[tuple[str, str], int]:
    """The receipts of what `events` came of: their primary keys by actor and key; one query."""
    keyed = {(event.actor, event.key) for event in events if event.key}
    # By the index of both; the pairs that nobody asked for are dropped.
    found = Receipt.objects.filter(
        actor__in={actor for actor, _ in keyed}, key__in={key for _, key in keyed}
    )
    rows = found.values_list("actor", "key", "pk")
    return {(actor, key): pk for actor, key, pk in rows if (actor, key) in keyed}


def seats(session: Session, unseen: int | None) -> QuerySet[Participant]:
    """Who takes part now; with `unseen`, those who have neither seen that event nor written it."""
    here = session.participants.filter(left_seq=None).select_related("user").order_by("pk")
    here = here.annotate(is_here=is_connected())
    if unseen is None:
        return here
    authors = session.events.filter(seq=unseen).values("actor")
    return here.filter(seen_seq__lt=unseen).exclude(user__username__in=authors)


def is_connected() -> Exists:
    """Whether a participant has a socket open, on any node that is alive."""
    return Exists(connected("default").filter(user=OuterRef("user")))
