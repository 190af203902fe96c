"""Exporting sessions from the admin: files in which nothing is computed."""

import csv
import io
import json
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from django.contrib.admin.models import LogEntry
from django.test import AsyncClient, Client
from django.urls import reverse

from flows.actor import Actor
from flows.create_session import create_session
from flows.send_message import send_message
from sessions_app.admin.exports import as_row, harmless
from sessions_app.models import User
from sessions_app.scope import run
from tests.sessions_app.rows import make_staff

LIST = "admin:sessions_app_session_changelist"
TEXTS = ["=cmd()|' /C calc'!A0", 'one\ntwo, "three"', "<script>x</script>", "\u202e@SUM(A1)"]


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("plain", "plain"), ("a=b", "a=b"), ("", ""), ("=1+1", "'=1+1"), ("+1", "'+1"),
        ("-1", "'-1"), ("@x", "'@x"), (" =x", "' =x"), ("\t=x", "'\t=x"), ("\r\n=x", "'\r\n=x"),
        ("\u202e=x", "'\u202e=x"), ("\ufeff=x", "'\ufeff=x"), ("\uff1dx", "'\uff1dx"),
        ("'=x", "'=x"),
    ],
)  # fmt: skip
def test_no_cell_is_a_formula(cell: str, written: str) -> None:
    """What a spreadsheet might compute stands behind an apostrophe; all else is as it was."""
    assert harmless(cell) == written
    assert list(csv.reader(io.StringIO(as_row(cell, 1).decode(), newline=""))) == [[written, "1"]]


def populate() -> list[UUID]:
    """Two sessions with hostile texts, and a superuser."""
    User.objects.create_user("ann")
    User.objects.create_superuser("boss")
    ann, ids = Actor("ann"), []
    for _ in range(2):
        params = {"title": "Roof", "key": uuid4().hex}
        ids.append(run(create_session, params, actor=ann).session_id)
        for text in TEXTS:
            said = {"session_id": str(ids[-1]), "text": text, "key": uuid4().hex}
            run(send_message, said, actor=ann)
    return ids


async def exported(user: str, ids: list[UUID], **form: str) -> tuple[int, str, str]:
    """The status, the headers that matter and the body of what a user is sent."""
    client = AsyncClient()
    await client.aforce_login(await User.objects.aget(username=user))
    form = {"action": "export_sessions", "confirmed": "yes", "reason": "A court", **form}
    response = await client.post(reverse(LIST), {**form, "_selected_action": ids})
    if not response.streaming:
        return response.status_code, "", response.content.decode()
    parts = response.streaming_content  # type: ignore[attr-defined]
    body = b"".join([part async for part in parts])
    return response.status_code, response["Content-Disposition"], body.decode()


@pytest.mark.django_db(transaction=True)
class TestExports:
    async def test_as_json_lines(self) -> None:
        """Each event is a line, as clients get it, of one session after the other; it is logged."""
        ids = await sync_to_async(populate)()
        status, disposition, body = await exported("boss", ids, format="jsonl")
        assert (status, disposition) == (200, 'attachment; filename="sessions.jsonl"')
        events = [json.loads(line) for line in body.removesuffix("\n").split("\n")]
        assert len(events) == 2 * (1 + len(TEXTS))
        assert [each["data"]["text"] for each in events if each["kind"] == "message_sent"] == (
            TEXTS * 2
        )
        entries = [entry async for entry in LogEntry.objects.order_by("pk")]
        assert {entry.object_id for entry in entries} == {str(pk) for pk in ids}
        assert {entry.get_change_message() for entry in entries} == {"Exported: A court"}

    async def test_as_csv(self) -> None:
        """Each event is a row, the text of a message in a column of its own and no formula."""
        ids = await sync_to_async(populate)()
        _, disposition, body = await exported("boss", ids[:1], format="csv")
        assert disposition == f'attachment; filename="session-{ids[0]}.csv"'
        head, *rows = csv.reader(io.StringIO(body, newline=""))
        assert head == ["session_id", "seq", "at", "actor", "kind", "text", "data"]
        assert [row[1] for row in rows] == ["1", "2", "3", "4", "5"]
        assert [row[5] for row in rows] == ["", *map(harmless, TEXTS)]

    @pytest.mark.parametrize("form", [{}, {"format": "exe"}, {"format": "csv", "reason": ""}])
    async def test_asks_as_what_and_why(self, form: dict[str, str]) -> None:
        """Without a format that there is or without a reason it asks again; nothing is sent."""
        ids = await sync_to_async(populate)()
        status, disposition, body = await exported("boss", ids, **form)
        assert (status, disposition) == (200, "")
        assert "errorlist" in body
        assert not await LogEntry.objects.aexists()

    async def test_needs_the_permission(self) -> None:
        """Staff who may view and act, but not read, are sent nothing."""
        ids = await sync_to_async(populate)()
        await sync_to_async(make_staff)("clerk", "view_session", "moderate_session")
        _, disposition, body = await exported("clerk", ids, format="jsonl")
        assert disposition == ""
        assert "cmd()" not in body
        assert not await LogEntry.objects.aexists()


@pytest.mark.django_db(transaction=True)
def test_the_question_comes_first(client: Client) -> None:
    """Choosing the action asks as what and why."""
    ids = populate()
    client.force_login(User.objects.get(username="boss"))
    asked = client.post(reverse(LIST), {"action": "export_sessions", "_selected_action": ids})
    assert 'name="format"' in asked.content.decode()
