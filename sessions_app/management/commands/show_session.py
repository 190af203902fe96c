"""`manage.py show_session`: a session's facts and the end of its log."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from flows.events import Event
from flows.get_session import Snapshot, get_session
from flows.list_events import EventList, list_events
from sessions_app.management.commands.list_sessions import positive
from sessions_app.management.operators import as_json, run_for_operator
from sessions_app.sentences import plain, sentence

#: The most that the flow gives at once.
PAGE = 500


class Command(BaseCommand):
    """Show a session."""

    help = "Show a session: its facts, who takes part, and the last events of its log, in order."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which one, and how much of its log."""
        parser.add_argument("session", help="id of the session")
        parser.add_argument(
            "--events", type=positive, default=20, metavar="N",
            help="how many events, counted from the last one (default: %(default)s)",
        )  # fmt: skip
        parser.add_argument(
            "--json", action="store_true", help='print {"session": …, "events": […]}'
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Show it."""
        session_id = options["session"]
        session = run_for_operator(get_session, {"session_id": session_id})
        events = last_events(session_id, options["events"])
        if options["json"]:
            self.stdout.write(as_json({"session": session, "events": events}))
            return
        for fact in facts(session):
            self.stdout.write(fact)
        self.stdout.write("")
        for event in events:
            self.stdout.write(
                plain(
                    f"#{event.seq:<5} {event.at}  {sentence(event.kind, event.actor, event.data)}"
                )
            )


def last_events(session_id: str, number: int) -> list[Event]:
    """The last `number` events, ascending, read page by page from the end."""
    events: list[Event] = []
    while True:
        page: EventList = run_for_operator(
            list_events,
            {
                "session_id": session_id,
                "before": events[0].seq if events else None,
                "limit": min(PAGE, number - len(events)),
            },
        )
        events = page.events + events
        if not page.more or len(events) == number:
            return events


def facts(session: Snapshot) -> list[str]:
    """What there is to say of a session, a line each."""
    people = ", ".join(f"{each.user} ({each.role})" for each in session.participants)
    ended = f", ended {session.ended_at}" if session.ended_at else ""
    return [
        f"{session.session_id}  {plain(session.title)}".rstrip(),
        f"{session.status}, {session.seq} events, began {session.created_at}{ended}",
        plain(f"participants: {people}"),
        *([plain(f"metadata: {session.metadata}")] if session.metadata else []),
    ]
