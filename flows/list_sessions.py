"""List the sessions one takes part in."""

import base64
from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct

from flows.actor import Actor
from flows.atoms.actor import actor
from flows.atoms.sessions import Bookmark, Sessions, Summary, sessions
from flows.engine import Context, flow, need
from flows.errors import InvalidValue, Unavailable
from flows.events import timestamp
from flows.input import Input, Search
from flows.session import Status

Limit: TypeAlias = Annotated[int, Meta(ge=1, le=200)]


class ListSessions(Input, frozen=True, kw_only=True):
    """Which sessions: by status, by a plain piece of the title, after a page's `next`."""

    status: Status | None = None
    search: Search | None = None
    before: str | None = None
    limit: Limit = 50


class SessionList(Struct, frozen=True):
    """A page; `next` is for `before`, None on the last page."""

    sessions: list[Summary]
    next: str | None


@flow(faults=(InvalidValue, Unavailable))
async def list_sessions(
    ctx: Context[ListSessions],
    *,
    sessions: Sessions = need(sessions),
    actor: Actor = need(actor),
) -> SessionList:
    """List the sessions one takes part in, newest activity first."""
    input = ctx.input
    found = await sessions.list_for(
        actor,
        status=input.status,
        search=input.search or "",
        before=None if input.before is None else read_cursor(input.before),
        # One more than asked for tells whether there is another page.
        limit=input.limit + 1,
    )
    return page(found, input.limit)


def page(found: list[Summary], limit: int) -> SessionList:
    """The first `limit` of `found`, and where to go on if there are more."""
    if len(found) <= limit:
        return SessionList(found, None)
    last = found[limit - 1]
    return SessionList(found[:limit], write_cursor(Bookmark(last.last_activity, last.session_id)))


def write_cursor(bookmark: Bookmark) -> str:
    """A bookmark as an opaque word."""
    return base64.urlsafe_b64encode(msgspec.json.encode(bookmark)).decode()


def read_cursor(cursor: str) -> Bookmark:
    """The bookmark in a word that `write_cursor` made; InvalidValue for any other."""
    try:
        bookmark = msgspec.json.decode(
            base64.b64decode(cursor, altchars=b"-_", validate=True), type=Bookmark
        )
        moment = datetime.fromisoformat(bookmark.last_activity)
        # Only what we have written: one spelling of the time, of the id and of the whole.
        if timestamp(moment) == bookmark.last_activity and write_cursor(bookmark) == cursor:
            return bookmark
    except (ValueError, OverflowError):  # msgspec's and base64's errors are ValueErrors
        ...
    raise InvalidValue("$.before", "Expected the `next` of an earlier page")
