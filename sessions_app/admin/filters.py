"""What narrows the list of sessions."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from sessions_app.admin.read_only import as_uuid
from sessions_app.expressions import BEGINNING, STRETCH, Stretch, TextBeginning
from sessions_app.models import Event, Participant, Session, User

#: Owners that the filter offers; where there are more, one types the beginning of a name.
OWNERS_OFFERED = 20

#: Of so many of the latest messages of a text the sessions are found.
MESSAGES_FOUND = 1_000


class ActivityFilter(admin.SimpleListFilter):
    """When something last happened."""

    title = "last activity"
    parameter_name = "active"

    SPANS = {
        "hour": timedelta(hours=1),
        "day": timedelta(days=1),
        "week": timedelta(weeks=1),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, f"Within the last {name}") for name in self.SPANS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        span = self.SPANS.get(self.value() or "")
        if span is None:
            return queryset
        return queryset.filter(last_activity__gte=timezone.now() - span)


class OwnerFilter(admin.SimpleListFilter):
    """Whose sessions: a name to choose while owners are few, and to type where they are many.

    What is typed is a name or the beginning of some; the owners that it fits are offered.
    """

    title = "owner"
    parameter_name = "owner"
    template = "admin/sessions_app/owner_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        owning = Session.objects.filter(owner=OuterRef("pk"))
        owners = User.objects.filter(Exists(owning)).order_by("username")
        names = list(owners.values_list("username", flat=True)[: OWNERS_OFFERED + 1])
        self.are_many = len(names) > OWNERS_OFFERED
        if self.are_many:
            fitting = owners.filter(username__istartswith=self.value() or "")
            names = list(fitting.values_list("username", flat=True)[:OWNERS_OFFERED])
        return [(name, name) for name in names]

    def has_output(self) -> bool:
        return bool(self.lookup_choices) or self.value() is not None

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        typed = self.value()
        if not typed:
            return queryset
        owner = User.objects.filter(username=typed).values_list("pk", flat=True).first()
        if owner is not None:
            return queryset.filter(owner=owner)
        owners = User.objects.filter(username__istartswith=typed).values("pk")
        return queryset.filter(owner__in=owners)

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """The names to choose, and first of all what the form has to bring along."""
        params = changelist.get_filters_params()
        kept = {**params, "q": changelist.query} if changelist.query else params
        all_, *names = super().choices(changelist)
        others = [(name, value) for name, value in kept.items() if name != self.parameter_name]
        yield {**all_, "kept": flat(others)}
        yield from names


def flat(params: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    """Parameters of an address, with those of many values spelled out."""
    return [
        (name, str(value))
        for name, values in params
        for value in (values if isinstance(values, list) else [values])
    ]


def sessions_with(words: str, *, reading: bool) -> Q:
    """The sessions that a search finds.

    By their id, words of their title, the beginning of the name of somebody who takes part or did,
    and, for those who may read, the whole text of a message.
    """
    if session_id := as_uuid(words):
        return Q(pk=session_id)
    users = User.objects.filter(username__istartswith=words).values("pk")
    theirs = Participant.objects.filter(user__in=users).values("session")
    found = Q(title__icontains=words) | Q(pk__in=theirs)
    return found | Q(pk__in=sessions_saying(words)) if reading else found


def sessions_saying(text: str) -> set[UUID]:
    """The sessions in which exactly this was said, by the latest messages that say it."""
    return set(messages_of(text).values_list("session", flat=True)[:MESSAGES_FOUND])


def messages_of(text: str) -> QuerySet[Event]:
    """The messages of exactly this text, the latest first."""
    found = Event.objects.alias(stretch=Stretch("id"), beginning=TextBeginning("data"))
    # The first two conditions are what the index has.
    found = found.filter(stretch__in=_stretches(), beginning=text[:BEGINNING])
    return found.filter(data__text=text, kind="message_sent").order_by("-id")


def _stretches() -> range:
    """The stretches of the log that there are, on the database that the admin reads."""
    ids = Event.objects.values_list("id", flat=True)
    first, last = ids.order_by("id").first(), ids.order_by("-id").first()
    return (
        range(0) if first is None or last is None else range(first // STRETCH, last // STRETCH + 1)
    )
