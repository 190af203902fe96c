"""Sessions: the list, each with its timeline, and what staff do with them."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from flows.end_session import end_session
from flows.events import BODIES
from flows.export_session import export_session
from flows.resume_session import resume_session
from flows.send_message import send_message
from sessions_app.admin import timeline
from sessions_app.admin.deeds import AT_ONCE, Deed, ask_or_do, tell
from sessions_app.admin.exports import ExportForm, export
from sessions_app.admin.filters import ActivityFilter, OwnerFilter, sessions_with
from sessions_app.admin.read_only import ReadOnlyAdmin
from sessions_app.admin.rights import may_act, may_read
from sessions_app.models import Event, Participant, Session
from sessions_app.scope import run_each, scope_of
from sessions_app.staff import staff_actor


def _of_session(session: Session, reason: str) -> dict[str, Any]:
    return {"session_id": str(session.pk)}


def _facts(session: Session) -> str:
    return f"{session.get_status_display()}, owned by {session.owner}"


END = Deed(
    name="end_sessions",
    flow=end_session,
    title="End sessions",
    warning="Nobody can write in a session that has ended, until it is opened again. Those who "
    "take part are told at once, and can read the reason.",
    button="End",
    done="has ended",
    params=lambda session, reason: {"session_id": str(session.pk), "reason": reason},
    details=_facts,
)
REOPEN = Deed(
    name="reopen_sessions",
    flow=resume_session,
    title="Reopen sessions",
    warning="Those who take part can write again, and are told at once.",
    button="Reopen",
    done="is open again",
    params=_of_session,
    details=_facts,
)
EXPORT = Deed(
    name="export_sessions",
    flow=export_session,
    title="Export sessions",
    warning="Everything that was said in them leaves this server in one file.",
    button="Export",
    done="was exported",
    params=_of_session,
    details=lambda session: f"{session.last_seq} events",
    form=ExportForm,
)


class WriteForm(forms.Form):
    """What staff say in a session. The key makes a form that is sent twice write once."""

    text = forms.CharField(
        max_length=16_384,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
    )
    reason = forms.CharField(
        max_length=1000,
        required=False,
        help_text="Kept with your name in the history; those who take part do not see it.",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    key = forms.CharField(max_length=64, widget=forms.HiddenInput)


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin[Session]):
    """All sessions, and each with its timeline. They change by flows, as from any other door."""

    actions = ("end_sessions", "reopen_sessions", "export_sessions")
    list_display = (
        "__str__",
        "status",
        "owner",
        "participants_now",
        "messages",
        "last_active",
        "here_now",
        "timeline",
    )
    list_filter = ("status", ActivityFilter, OwnerFilter)
    list_select_related = ("owner",)
    sortable_by = ("last_active",)
    search_fields = ("id", "title", "owner__username", "participants__user__username")
    search_help_text = (
        "The id of a session, words of its title, the beginning of a user's name, or, for those "
        "who may read, the whole text of a message"
    )
    fields = (
        "id",
        "title",
        "status",
        "owner",
        "message_count",
        "last_seq",
        "created_at",
        "last_activity",
        "ended_at",
    )
    change_form_template = "admin/sessions_app/session/change_form.html"

    class Media:
        css = {"all": ["sessions_app/admin.css"]}

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether who asks may act."""
        return may_act(request)

    def has_read_permission(self, request: HttpRequest) -> bool:
        """Whether who asks may read what was said."""
        return may_read(request)

    # -- the list --------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        seats = Participant.objects.filter(session=OuterRef("pk"), left_seq=None).order_by()
        here = seats.filter(timeline.is_connected())
        return (
            super()
            .get_queryset(request)
            .annotate(participant_count=number_of(seats), here_count=number_of(here))
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Session], search_term: str
    ) -> tuple[QuerySet[Session], bool]:
        if not search_term:
            return queryset, False
        return queryset.filter(sessions_with(search_term, reading=may_read(request))), False

    @admin.display(description="participants")
    def participants_now(self, session: Session) -> int:
        """How many take part now."""
        number: int = session.participant_count  # type: ignore[attr-defined]
        return number

    @admin.display(description="messages")
    def messages(self, session: Session) -> int:
        """How many were written in it."""
        return session.message_count

    @admin.display(description="last activity", ordering="last_activity")
    def last_active(self, session: Session) -> str:
        """When something last happened in it, in few letters: the list is wide."""
        return date_format(localtime(session.last_activity), "Y-m-d H:i")

    @admin.display(description="here now")
    def here_now(self, session: Session) -> int:
        """How many of them have a socket open, on any node."""
        number: int = session.here_count  # type: ignore[attr-defined]
        return number

    @admin.display(description="log")
    def timeline(self, session: Session) -> SafeString:
        """The way to its timeline."""
        return format_html('<a href="{}">Timeline</a>', timeline_of(session.pk))

    # -- a session's page ------------------------------------------------------------------------

    def get_fields(self, request: HttpRequest, obj: Session | None = None) -> Any:
        # Clients put anything into the metadata.
        return (*self.fields, "metadata") if may_read(request) else self.fields

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: Session | None = None,
    ) -> HttpResponse:
        """The page of a session: its facts, who takes part, and what can be done."""
        if obj is not None:
            context |= surroundings(request, obj, unseen=None)
        return super().render_change_form(request, context, add, change, form_url, obj)

    # -- its timeline ----------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.timeline_view)
        links = self.admin_site.admin_view(self.links_view)
        return [
            path("<uuid:pk>/timeline/", view, name="sessions_app_session_timeline"),
            path("<uuid:pk>/timeline/links/", links, name="sessions_app_session_links"),
            *super().get_urls(),
        ]

    def timeline_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """The page of a session's events; what is posted is said in it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        session = self.get_queryset(request).select_related("owner").filter(pk=pk).first()
        if session is None:
            raise Http404("There is no such session")
        form = WriteForm(initial={"key": secrets.token_hex(16)})
        if request.method == "POST":
            form = WriteForm(request.POST)
            if write(request, session, form):
                return HttpResponseRedirect(timeline_of(pk))
        context = {
            **self.admin_site.each_context(request),
            "title": str(session),
            "opts": self.opts,
            "media": self.media,
            "original": session,
            "form": form,
            **surroundings(request, session, unseen=timeline.seq_of(request.GET.get("unseen"))),
            **log_of(request, session),
        }
        return TemplateResponse(request, "admin/sessions_app/session/timeline.html", context)

    def links_view(self, request: HttpRequest, pk: UUID) -> JsonResponse:
        """Where the rows of a part of the log lead to, for those that came without a reload."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        session = Session.objects.filter(pk=pk).first()
        if session is None:
            raise Http404("There is no such session")
        events = timeline.part_of_log(session, timeline.wanted(request.GET)).events
        may_open = request.user.has_perm("sessions_app.view_event")
        found = timeline.links(events, opening=may_open, receipts=receipts_for(request, events))
        return JsonResponse({"links": found})

    # -- what is done ----------------------------------------------------------------------------

    @admin.action(description="End selected sessions…", permissions=["act"])
    def end_sessions(
        self, request: HttpRequest, queryset: QuerySet[Session]
    ) -> HttpResponseBase | None:
        """Ask why, then end each of them."""
        return ask_or_do(self, request, END, list(queryset[: AT_ONCE + 1]))

    @admin.action(description="Reopen selected sessions…", permissions=["act"])
    def reopen_sessions(
        self, request: HttpRequest, queryset: QuerySet[Session]
    ) -> HttpResponseBase | None:
        """Ask why, then open each of them again."""
        return ask_or_do(self, request, REOPEN, list(queryset[: AT_ONCE + 1]))

    @admin.action(description="Export selected sessions…", permissions=["read"])
    def export_sessions(
        self, request: HttpRequest, queryset: QuerySet[Session]
    ) -> HttpResponseBase | None:
        """Ask as what and why, then send them as a file."""
        return ask_or_do(self, request, EXPORT, list(queryset[: AT_ONCE + 1]), export)


def number_of(seats: QuerySet[Participant]) -> Coalesce:
    """How many of `seats` each session has, as a column."""
    counted = seats.values("session").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted), 0)


def timeline_of(session_id: UUID) -> str:
    """Where a session's timeline is."""
    return reverse("admin:sessions_app_session_timeline", args=[session_id])


def surroundings(request: HttpRequest, session: Session, *, unseen: int | None) -> dict[str, Any]:
    """Who takes part in a session and what can be done with it."""
    seats = timeline.seats(session, unseen)[: timeline.PARTICIPANTS_SHOWN]
    return {
        "may_read": may_read(request),
        "may_act": may_act(request),
        "participants": list(seats),
        "unseen": unseen,
    }


def log_of(request: HttpRequest, session: Session) -> dict[str, Any]:
    """The part of the log that is wanted, as lines, and the ways to the others."""
    wanted = timeline.wanted(request.GET)
    part = timeline.part_of_log(session, wanted)
    receipts = receipts_for(request, part.events)
    return {
        "wanted": wanted,
        "log": list(
            timeline.lines(part.events, wanted, reading=may_read(request), receipts=receipts)
        ),
        "pages": timeline.pages(part, wanted, session.last_seq),
        "is_latest": not part.newer,
        "kinds": [(kind, kind.replace("_", " ")) for kind in BODIES],
    }


def receipts_for(request: HttpRequest, events: Sequence[Event]) -> Mapping[tuple[str, str], int]:
    """The receipts of what `events` came of, for who may see receipts."""
    may_see = request.user.has_perm("sessions_app.view_receipt")
    return timeline.receipts_of(events) if may_see else {}


def write(request: HttpRequest, session: Session, form: WriteForm) -> bool:
    """Say in a session what the form says, as staff; whether it was said."""
    if not may_act(request):
        raise PermissionDenied
    if not form.is_valid():
        return False
    # HTML sends line ends as CRLF.
    text = form.cleaned_data["text"].replace("\r\n", "\n")
    params = {"session_id": str(session.pk), "text": text, "key": form.cleaned_data["key"]}
    (outcome,) = run_each(
        send_message,
        [params],
        actor=staff_actor(request.user),
        reason=form.cleaned_data["reason"] or None,
        scope=scope_of(request),
    )
    return tell(request, "Your message", "is in the session", outcome)
