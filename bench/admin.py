"""How long the admin's pages take on a large database, beside a plain ModelAdmin's.

`DATABASE_URL=… python -m bench.admin` on a database with sessions in it (`manage.py seed`). Each
page is asked for several times; the median counts, and how many queries it took.
"""

import os
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

from django.contrib import admin  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.test import Client, RequestFactory  # noqa: E402
from django.test.utils import override_settings  # noqa: E402
from django.urls import reverse  # noqa: E402

from sessions_app.models import Event, Session, User  # noqa: E402

TIMES = 5


class NaiveSession(admin.ModelAdmin):
    """What one writes first."""

    list_display = ("title", "status", "owner", "participants", "messages", "last_activity")
    list_filter = ("status", "owner")
    date_hierarchy = "last_activity"
    search_fields = ("id", "title", "owner__username", "events__data__text")

    def participants(self, session: Session) -> int:
        return session.participants.filter(left_seq=None).count()

    def messages(self, session: Session) -> int:
        return session.events.filter(kind="message_sent").count()


class NaiveEvent(admin.ModelAdmin):
    """What one writes first."""

    list_display = ("session", "seq", "actor", "kind", "at")
    list_filter = ("kind",)
    date_hierarchy = "at"
    search_fields = ("data",)


class Counted:
    """Counts the queries that pass through it."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, execute: Callable[..., object], *args: object) -> object:
        self.number += 1
        return execute(*args)


def naive(model: type, page: type, boss: User, query: str) -> Callable[[], HttpResponse]:
    """The page of a plain ModelAdmin."""
    made = page(model, admin.site)

    def get() -> HttpResponse:
        request = RequestFactory().get(f"/?{query}")
        request.user = boss
        return made.changelist_view(request).render()

    return get


def tuned(client: Client, address: str) -> Callable[[], HttpResponse]:
    return lambda: client.get(address)


def pages(client: Client, boss: User) -> Iterator[tuple[str, Callable[[], HttpResponse]]]:
    sessions = reverse("admin:sessions_app_session_changelist")
    events = reverse("admin:sessions_app_event_changelist")
    longest = Session.objects.order_by("-last_seq").first()
    message = Event.objects.filter(kind="message_sent").order_by("-id").first()
    assert longest
    assert message
    text = message.data["text"]
    timeline = reverse("admin:sessions_app_session_timeline", args=[longest.pk])
    yield "sessions, naive", naive(Session, NaiveSession, boss, "")
    yield "sessions", tuned(client, sessions)
    yield "sessions, last page", tuned(client, f"{sessions}?p=100")
    yield "sessions, ended", tuned(client, f"{sessions}?status__exact=ended")
    yield "sessions, last day", tuned(client, f"{sessions}?active=day")
    yield "sessions, of an owner", tuned(client, f"{sessions}?owner={longest.owner.username}")
    yield "search a title", tuned(client, f"{sessions}?q={longest.title[:8]}")
    yield "search a text, naive", naive(Session, NaiveSession, boss, f"q={text}")
    yield "search a text", tuned(client, f"{sessions}?q={text}")
    yield (
        "a session",
        tuned(client, reverse("admin:sessions_app_session_change", args=[longest.pk])),
    )
    yield f"timeline of {longest.last_seq}", tuned(client, timeline)
    yield "timeline, in the middle", tuned(client, f"{timeline}?seq={longest.last_seq // 2}")
    yield "timeline, a rare kind", tuned(client, f"{timeline}?kind=session_created")
    yield "events, naive", naive(Event, NaiveEvent, boss, "")
    yield "events", tuned(client, events)
    yield "receipts", tuned(client, reverse("admin:sessions_app_receipt_changelist"))
    yield "participants", tuned(client, reverse("admin:sessions_app_participant_changelist"))
    yield "users", tuned(client, reverse("admin:sessions_app_user_changelist"))


def main() -> None:
    with transaction.atomic(), override_settings(ALLOWED_HOSTS=["*"]):
        boss = User.objects.create_superuser("bench-of-the-admin")
        client = Client()
        client.force_login(boss)
        sessions, events = Session.objects.count(), Event.objects.count()
        print(f"{connection.vendor}: {sessions} sessions, {events} events")
        for name, get in pages(client, boss):
            queries = Counted()
            with connection.execute_wrapper(queries):
                response = get()
            assert response.status_code == 200, (name, response.status_code)
            took = []
            for _ in range(1 if "naive" in name else TIMES):
                begun = perf_counter()
                get()
                took.append(perf_counter() - begun)
            print(f"  {name:26} {queries.number:4} queries {median(took) * 1000:8.0f} ms")
        transaction.set_rollback(True)


if __name__ == "__main__":
    main()
