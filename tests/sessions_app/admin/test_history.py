"""The lists and pages of events, receipts and participants."""

import pytest
from django.test import Client

from sessions_app.models import Event, User
from tests.sessions_app.admin.pages import shown, url
from tests.sessions_app.rows import BEGIN, make_log, make_receipt, make_sessions

pytestmark = pytest.mark.django_db


def test_events_come_latest_first(client: Client, superuser: User, ann: User) -> None:
    """The list of events begins with the latest; each is told with who, when and what."""
    (session,) = make_sessions(ann, 1)
    make_log(session, 3)
    assert shown(client, url("event")) == [
        "#3 message_sent",
        "#2 message_sent",
        "#1 session_created",
    ]
    content = client.get(url("event")).content.decode()
    assert "It leaks." in content
    assert "Nov. 22, 2026, 7:03 p.m." in content


def test_events_of_a_session(client: Client, superuser: User, ann: User) -> None:
    """One session's events are found by its id, and then by their kind."""
    first, second = make_sessions(ann, 2)
    make_log(first, 3)
    make_log(second, 1)
    address = url("event")
    assert len(shown(client, address)) == 4
    assert shown(client, address, q=str(second.pk)) == ["#1 session_created"]
    assert shown(client, address, session=second.pk) == ["#1 session_created"]
    assert shown(client, address, session=first.pk, kind="session_created") == [
        "#1 session_created"
    ]
    assert shown(client, address, session=first.pk, kind="message_sent")[0] == "#3 message_sent"
    assert shown(client, address, q="leaks") == []
    assert "?kind=" not in client.get(address).content.decode()
    assert "kind=message_sent" in client.get(f"{address}?session={first.pk}").content.decode()


def test_an_event_is_shown_whole(client: Client, superuser: User, ann: User) -> None:
    """An event's page has all of it, its data as it is stored."""
    (session,) = make_sessions(ann, 1)
    event = Event.objects.create(
        session=session, seq=1, kind="message_sent", actor="ann", key="c-1", at=BEGIN,
        data={"text": "Öl & Wasser", "reply_to": 1, "metadata": {"deep": [1, {"x": None}]}},
    )  # fmt: skip
    content = client.get(url("event", "change", event.pk)).content.decode()
    assert "Öl &amp; Wasser" in content
    assert "&quot;reply_to&quot;: 1" in content
    assert "c-1" in content


@pytest.mark.parametrize("data", ["text", 7, [], [1, 2], {}, {"text": 7}, {"text": None}])
def test_events_of_any_shape_are_shown(
    data: object, client: Client, superuser: User, ann: User
) -> None:
    """An event of a kind and shape that nobody knows can be read, in lists and on pages."""
    (session,) = make_sessions(ann, 1)
    event = Event.objects.create(
        session=session, seq=1, kind="something_else", actor="$system", at=BEGIN, data=data
    )
    assert client.get(url("event")).status_code == 200
    assert client.get(url("event", "change", event.pk)).status_code == 200
    content = client.get(url("session", "timeline", session.pk)).content.decode()
    assert "something else" in content


def test_receipts_are_found(client: Client, superuser: User, ann: User) -> None:
    """Receipts are found by their session and by their actor's whole name."""
    first, second = make_sessions(ann, 2)
    make_receipt(first, "ann", "c-1")
    receipt = make_receipt(second, "bob", "c-2")
    assert shown(client, url("receipt")) == ["bob c-2", "ann c-1"]
    assert shown(client, url("receipt"), q="ann") == ["ann c-1"]
    assert shown(client, url("receipt"), q="an") == []
    assert shown(client, url("receipt"), q=str(second.pk)) == ["bob c-2"]
    assert shown(client, url("receipt"), session=second.pk) == ["bob c-2"]
    content = client.get(url("receipt", "change", receipt.pk)).content.decode()
    assert bytes(range(32)).hex() in content


def test_participants_are_found(client: Client, superuser: User, ann: User) -> None:
    """Participants are found by their session and by their whole user name."""
    first, _ = make_sessions(ann, 2)
    assert len(shown(client, url("participant"))) == 4
    assert shown(client, url("participant"), q="ann") == ["ann (owner)", "ann (owner)"]
    assert shown(client, url("participant"), session=first.pk) == [
        "participant (member)",
        "ann (owner)",
    ]
    assert shown(client, url("participant"), q=str(first.pk), session=first.pk) == [
        "participant (member)",
        "ann (owner)",
    ]
