"""Sessions' logs as files: JSON Lines for programs, CSV for spreadsheets; in constant memory."""

import csv
import io
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django import forms
from django.http import HttpRequest, StreamingHttpResponse

from flows.actor import Actor
from flows.atoms.actor import actor as actor_tag
from flows.atoms.audit import reason as reason_tag
from flows.engine import Scope
from flows.events import Event
from flows.export_session import export_session
from sessions_app.admin.deeds import ReasonForm
from sessions_app.models import Session
from sessions_app.scope import make_scope, scope_of
from sessions_app.staff import staff_actor


class Form(NamedTuple):
    """How a file is written: what comes first, and each event."""

    title: str
    content_type: str
    head: bytes
    line: Callable[[Event], bytes]


#: Bytes that are sent at a time, about.
CHUNK = 32 * 1024

#: What a spreadsheet may take for a formula, also behind what is not seen: blanks, marks that turn
#: the direction, those of zero width.
_FORMULA = re.compile(
    r"[\s\u00ad\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]"
)

COLUMNS = ("session_id", "seq", "at", "actor", "kind", "text", "data")


def export(
    request: HttpRequest, chosen: Sequence[Session], answers: dict[str, Any]
) -> StreamingHttpResponse:
    """The logs of the chosen sessions, one after the other, as a file to be kept.

    What is refused while it is written breaks it off, so that nobody takes it for complete.
    """
    ids = [session.pk for session in chosen]
    events = events_of(
        ids,
        actor=staff_actor(request.user),
        reason=answers["reason"],
        scope=scope_of(request),
    )
    name, form = answers["format"], FORMS[answers["format"]]
    stem = f"session-{ids[0]}" if len(ids) == 1 else "sessions"
    return StreamingHttpResponse(
        in_chunks(events, form),
        content_type=form.content_type,
        headers={"Content-Disposition": f'attachment; filename="{stem}.{name}"'},
    )


async def events_of(
    session_ids: Iterable[UUID], *, actor: Actor, reason: str, scope: Scope | None
) -> AsyncGenerator[Event]:
    """The events of these sessions, each session's as of one moment."""
    async with (
        opened(scope) as flows,
        flows.create_context(actor_tag(actor), reason_tag(reason)) as ctx,
    ):
        for session_id in session_ids:
            async with ctx.stream_raw(export_session, {"session_id": str(session_id)}) as events:
                async for event in events:
                    yield event


@asynccontextmanager
async def opened(scope: Scope | None) -> AsyncIterator[Scope]:
    """The process's scope, or else one that ends with the block."""
    if scope is not None:
        yield scope
        return
    async with make_scope() as short_lived:
        yield short_lived


async def in_chunks(events: AsyncGenerator[Event], form: Form) -> AsyncIterator[bytes]:
    """`events` as bytes, many at a time."""
    chunk = bytearray(form.head)
    async with aclosing(events):
        async for event in events:
            chunk += form.line(event)
            if len(chunk) >= CHUNK:
                yield bytes(chunk)
                chunk.clear()
    yield bytes(chunk)


def as_json(event: Event) -> bytes:
    """An event as a line of JSON."""
    return msgspec.json.encode(event) + b"\n"


def as_row(*cells: object) -> bytes:
    """Cells as a line of CSV (RFC 4180) that no spreadsheet takes for formulas."""
    line = io.StringIO()
    csv.writer(line).writerow(harmless(str(cell)) for cell in cells)
    return line.getvalue().encode()


def harmless(cell: str) -> str:
    """`cell` behind an apostrophe if a spreadsheet would compute it."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def row_of(event: Event) -> bytes:
    """An event as a line of CSV: the text of a message in a column of its own."""
    data = dict(event.data)
    text = data.pop("text", "")
    rest = json.dumps(data, ensure_ascii=False) if data else ""
    return as_row(event.session_id, event.seq, event.at, event.actor, event.kind, text, rest)


FORMS: dict[str, Form] = {
    "jsonl": Form("JSON Lines, as clients are told", "application/x-ndjson", b"", as_json),
    "csv": Form("CSV, for spreadsheets", "text/csv; charset=utf-8", as_row(*COLUMNS), row_of),
}


class ExportForm(ReasonForm):
    """As what, and why."""

    format = forms.ChoiceField(choices=[(name, form.title) for name, form in FORMS.items()])

    field_order = ("format", "reason")
