"""The log, the receipts and the participants of all sessions: to be read."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from flows.events import BODIES
from flows.remove_participant import remove_participant
from sessions_app.admin.deeds import AT_ONCE, Deed, ask_or_do
from sessions_app.admin.filters import messages_of
from sessions_app.admin.read_only import ReadOnlyAdmin, SessionFilter, as_uuid
from sessions_app.admin.rights import may_act, may_read, may_view
from sessions_app.models import Event, Participant, Receipt


class KindFilter(admin.SimpleListFilter):
    """Narrows one session's events to a kind. No index finds a kind in all sessions."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        if SessionFilter.parameter_name not in request.GET:
            return []
        return [(kind, kind.replace("_", " ")) for kind in BODIES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin[Event]):
    """All events, the latest first; one session's in its own order."""

    list_display = ("seq", "at", "actor", "kind", "summary", "session")
    list_display_links = ("seq", "kind")
    list_filter = (SessionFilter, KindFilter)
    list_select_related = ("session",)
    search_fields = ("session__id",)
    search_help_text = "The id of a session, or the whole text of a message"
    fields = ("session", "seq", "kind", "actor", "at", "key", "trace", "content")
    readonly_fields = ("content",)

    def get_list_display(self, request: HttpRequest) -> Any:
        return readable(self.list_display, request)

    def get_fields(self, request: HttpRequest, obj: Event | None = None) -> Any:
        return readable(self.fields, request)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        # Each is the order of an index; any other would sort all there are.
        return ("session", "-seq") if SessionFilter.parameter_name in request.GET else ("-id",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        if search_term and not as_uuid(search_term):
            said = messages_of(search_term) if may_read(request) else queryset.none()
            return queryset & said, False
        return of_session(queryset, search_term), False

    @admin.display(description="content")
    def summary(self, event: Event) -> str:
        """What it says, on one line."""
        return Truncator(text_of(event) or compact(event.data)).chars(80)

    @admin.display(description="data")
    def content(self, event: Event) -> SafeString:
        """All that it says."""
        pretty = json.dumps(event.data, ensure_ascii=False, indent=2)
        return format_html('<pre class="event-data">{}</pre>', pretty)

    class Media:
        css = {"all": ["sessions_app/admin.css"]}


@admin.register(Receipt)
class ReceiptAdmin(ReadOnlyAdmin[Receipt]):
    """Keys that were used, the latest first."""

    list_display = ("at", "actor", "flow", "key", "session", "seq")
    list_filter = (SessionFilter,)
    list_select_related = ("session",)
    ordering = ("-id",)
    search_fields = ("actor", "session__id")
    search_help_text = "The id of a session, or the whole name of an actor"
    fields = ("actor", "key", "flow", "session", "seq", "at", "fingerprint_in_hex")
    readonly_fields = ("fingerprint_in_hex",)

    def get_fields(self, request: HttpRequest, obj: Receipt | None = None) -> Any:
        # By it, whoever guesses what was said could make sure.
        return readable(self.fields, request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Receipt], search_term: str
    ) -> tuple[QuerySet[Receipt], bool]:
        if search_term and not as_uuid(search_term):
            return queryset.filter(actor=search_term), False
        return of_session(queryset, search_term), False

    @admin.display(description="fingerprint")
    def fingerprint_in_hex(self, receipt: Receipt) -> str:
        """The SHA-256 of the input."""
        return bytes(receipt.fingerprint).hex()


REMOVE = Deed(
    name="remove_participants",
    flow=remove_participant,
    title="Remove participants",
    warning="Who is removed can neither read the session nor write in it any more. Those who take "
    "part are told at once.",
    button="Remove",
    done="has been removed",
    params=lambda seat, reason: {"session_id": str(seat.session_id), "user": seat.user.username},
    called=lambda seat: str(seat.user),
    details=lambda seat: f"{seat.get_role_display()} in “{seat.session}”",
)


@admin.register(Participant)
class ParticipantAdmin(ReadOnlyAdmin[Participant]):
    """Who takes part where, or did."""

    list_display = ("user", "role", "session", "joined_seq", "left_seq", "seen_seq")
    list_filter = (SessionFilter,)
    list_select_related = ("session", "user")
    ordering = ("-id",)
    search_fields = ("user__username", "session__id")
    search_help_text = "The id of a session, or the whole name of a user"
    fields = ("user", "role", "session", "joined_seq", "left_seq", "seen_seq")
    actions = ("remove_participants",)

    def has_view_permission(self, request: HttpRequest, obj: Participant | None = None) -> bool:
        # Who may know of a session may know who takes part in it.
        return may_view(request) or super().has_view_permission(request, obj)

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether who asks may act."""
        return may_act(request)

    @admin.action(description="Remove selected participants…", permissions=["act"])
    def remove_participants(
        self, request: HttpRequest, queryset: QuerySet[Participant]
    ) -> HttpResponseBase | None:
        """Ask why, then remove each of them from the session."""
        return ask_or_do(self, request, REMOVE, list(queryset[: AT_ONCE + 1]))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Participant], search_term: str
    ) -> tuple[QuerySet[Participant], bool]:
        if search_term and not as_uuid(search_term):
            return queryset.filter(user__username=search_term), False
        return of_session(queryset, search_term), False


#: What only those see who may read what was said.
CONTENTS = frozenset({"summary", "content", "fingerprint_in_hex"})


def readable(names: Any, request: HttpRequest) -> Any:
    """Those of the columns or fields that who asks may see."""
    return names if may_read(request) else tuple(each for each in names if each not in CONTENTS)


def of_session(queryset: QuerySet[Any], session_id: str) -> QuerySet[Any]:
    """What of `queryset` belongs to a session; all of it without an id, none with a wrong one."""
    if not session_id:
        return queryset
    return queryset.filter(session=as_uuid(session_id)) if as_uuid(session_id) else queryset.none()


def text_of(event: Event) -> str:
    """The text of a message, nothing for other events."""
    text = event.data.get("text") if isinstance(event.data, dict) else None
    return text if isinstance(text, str) else ""


def compact(data: object) -> str:
    """JSON on one line, as people read it; nothing for what is empty."""
    return json.dumps(data, ensure_ascii=False) if data else ""
