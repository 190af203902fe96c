"""Sessions, the log of each, and ending them."""

import re
import secrets
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.core.paginator import Page, Paginator
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from flows.end_session import end_session
from sessions_app.admin.history import compact, text_of
from sessions_app.admin.read_only import ReadOnlyAdmin, as_uuid
from sessions_app.models import Event, Participant, Session, User
from sessions_app.protocol import error_of, is_expected
from sessions_app.scope import run_each, scope_of
from sessions_app.staff import staff_actor

#: Events on a page of a session's log.
EVENTS_PER_PAGE = 100

#: Participants on a session's page; the list of participants has them all.
PARTICIPANTS_SHOWN = 100

#: Owners that the filter offers; where there are more, one searches.
OWNERS_OFFERED = 20

#: Sessions that can be ended at once: each is a write, and somebody waits for the page.
ENDED_AT_ONCE = 100


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
    """Whose sessions, where their owners are few enough to choose from."""

    title = "owner"
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        owning = Session.objects.filter(owner=OuterRef("pk"))
        owners = User.objects.filter(Exists(owning)).order_by("username")
        offered = list(owners.values_list("pk", "username")[: OWNERS_OFFERED + 1])
        if len(offered) > OWNERS_OFFERED:
            return []
        return [(str(pk), name) for pk, name in offered]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        if not self.value():
            return queryset
        chosen = [int(pk) for pk, _ in self.lookup_choices if pk == self.value()]
        return queryset.filter(owner__in=chosen)


class EndForm(forms.Form):
    """Why sessions are ended. How long a reason may be, the flow says."""

    reason = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        help_text="Those who take part can read it, and it is kept in the log.",
    )


class LogLine(NamedTuple):
    """An event as a person reads it."""

    event: Event
    kind: str
    text: str
    details: list[tuple[str, str]]


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin[Session]):
    """All sessions, and each with its log. It is ended by a flow, like from any other door."""

    actions = ("end_sessions",)
    list_display = (
        "__str__",
        "status",
        "owner",
        "participants_now",
        "message_count",
        "last_activity",
    )
    list_filter = ("status", ActivityFilter, OwnerFilter)
    list_select_related = ("owner",)
    sortable_by = ("last_activity",)
    search_fields = ("id", "title", "owner__username", "participants__user__username")
    search_help_text = "The id of a session, words of its title, or the beginning of a user's name"
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
        "metadata",
    )
    change_form_template = "admin/sessions_app/session/change_form.html"

    class Media:
        css = {"all": ["sessions_app/admin.css"]}

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Whether who asks may end sessions."""
        return request.user.has_perm("sessions_app.moderate_session")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        here = Participant.objects.filter(session=OuterRef("pk"), left_seq=None)
        number = here.order_by().values("session").annotate(number=Count("pk")).values("number")
        queryset = super().get_queryset(request)
        return queryset.annotate(participant_count=Coalesce(Subquery(number), 0))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Session], search_term: str
    ) -> tuple[QuerySet[Session], bool]:
        if not search_term:
            return queryset, False
        if session_id := as_uuid(search_term):
            return queryset.filter(pk=session_id), False
        users = User.objects.filter(username__istartswith=search_term).values("pk")
        theirs = Participant.objects.filter(user__in=users).values("session")
        return queryset.filter(Q(title__icontains=search_term) | Q(pk__in=theirs)), False

    @admin.display(description="participants")
    def participants_now(self, session: Session) -> int:
        """How many take part now."""
        number: int = session.participant_count  # type: ignore[attr-defined]
        return number

    # -- a session's page ------------------------------------------------------------------------

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: Session | None = None,
    ) -> HttpResponse:
        """The page of a session: its facts, who takes part, and a page of its log."""
        if obj is not None:
            context |= self._surroundings(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _surroundings(self, request: HttpRequest, session: Session) -> dict[str, Any]:
        may_see = request.user.has_perms
        context: dict[str, Any] = {"may_end": self.has_end_permission(request)}
        if may_see(["sessions_app.view_participant"]):
            here = session.participants.filter(left_seq=None).select_related("user")
            context["participants"] = here.order_by("pk")[:PARTICIPANTS_SHOWN]
        if may_see(["sessions_app.view_event"]):
            page = page_of_log(session, request.GET.get("page"))
            context["log_page"] = page
            context["log_pages"] = page.paginator.get_elided_page_range(page.number)
            context["log"] = list(lines(session, page.object_list))
        return context

    # -- ending ----------------------------------------------------------------------------------

    @admin.action(description="End selected sessions", permissions=["end"])
    def end_sessions(
        self, request: HttpRequest, queryset: QuerySet[Session]
    ) -> HttpResponse | None:
        """Ask why, then end each of them."""
        chosen = list(queryset[: ENDED_AT_ONCE + 1])
        if len(chosen) > ENDED_AT_ONCE:
            messages.error(request, f"At most {ENDED_AT_ONCE} sessions can be ended at once.")
            return None
        form = EndForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            self._end(request, chosen, form.cleaned_data["reason"])
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": "End sessions",
            "opts": self.opts,
            "sessions": chosen,
            "form": form,
            "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/sessions_app/session/end_sessions.html", context)

    def _end(self, request: HttpRequest, sessions: Iterable[Session], reason: str) -> None:
        actor = staff_actor(request.user)
        inputs = {
            session: {"session_id": str(session.pk), "reason": reason, "key": secrets.token_hex(16)}
            for session in sessions
        }
        outcomes = run_each(end_session, inputs.values(), actor=actor, scope=scope_of(request))
        for session, outcome in zip(inputs, outcomes, strict=True):
            if not isinstance(outcome, Exception):
                messages.success(request, f"“{session}” has ended.")
            elif is_expected(outcome):
                messages.error(request, f"“{session}”: {error_of(outcome, '').message}.")
            else:
                raise outcome


def page_of_log(session: Session, number: str | None) -> Page[int]:
    """A page of the session's log by its number, as seqs; the newest one for any other word.

    Seqs have no holes, so a page is known by its number, without counting.
    """
    paginator: Paginator[int] = Paginator(range(1, session.last_seq + 1), EVENTS_PER_PAGE)
    # Eighteen digits: Python reads no more than a few thousand.
    asked = int(number) if number and re.fullmatch("[0-9]{1,18}", number) else 0
    return paginator.page(asked if 1 <= asked <= paginator.num_pages else paginator.num_pages)


def lines(session: Session, seqs: Any) -> Iterator[LogLine]:
    """The events of consecutive `seqs`, in order."""
    for event in session.events.filter(seq__gte=seqs[0], seq__lte=seqs[-1]).order_by("seq"):
        data = event.data if isinstance(event.data, dict) else {"data": event.data}
        text = text_of(event)
        yield LogLine(
            event,
            event.kind.replace("_", " "),
            text,
            [
                (name.replace("_", " "), value if isinstance(value, str) else compact(value))
                # PostgreSQL does not keep the order in which they were written.
                for name, value in sorted(data.items())
                if value not in ("", {}, None) and not (text and name == "text")
            ],
        )
