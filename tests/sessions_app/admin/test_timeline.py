"""A session's timeline in the admin: its events as people read them, and writing as staff."""

import re
from uuid import UUID, uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, Settings

from flows.actor import SYSTEM, Actor
from flows.create_session import create_session
from flows.end_session import end_session
from sessions_app.admin.timeline import seq_of
from sessions_app.models import Event, Participant, Receipt, Session, User
from sessions_app.scope import run
from tests.sessions_app.rows import BEGIN, HOSTILE, make_log, make_sessions, make_staff


def timeline_of(session_id: UUID) -> str:
    return reverse("admin:sessions_app_session_timeline", args=[session_id])


def read(client: Client, session: Session, **query: object) -> str:
    """The page, with `query` in its address."""
    words = {name: str(value) for name, value in query.items()}
    response = client.get(timeline_of(session.pk), words)
    assert response.status_code == 200
    return response.content.decode()


def seqs(content: str) -> list[int]:
    """The seqs of the events on a page, in order."""
    return [int(seq) for seq in re.findall(r'id="seq-(\d+)"', content)]


def cells(content: str, seq: int) -> str:
    """What the row of an event says, as plain text, without its links."""
    row = re.search(rf'<tr id="seq-{seq}".*?>(.*?)</tr>', content, re.DOTALL)
    assert row
    said = row[1].partition('<div class="session-links">')[0]
    return re.sub(r"\s+", " ", re.sub("<.*?>", " ", said)).strip()


def links(content: str) -> dict[str, str]:
    """Where else the page leads to, by name."""
    pages = re.search(r'session-pages">(.*?)</p>', content, re.DOTALL)
    assert pages
    found = re.findall(r'<a href="(.*?)">(.*?)</a>', pages[1])
    return {name: address.replace("&amp;", "&") for address, name in found}


def people(content: str) -> list[str]:
    """Who is among the participants shown."""
    return re.findall(r"<td><bdi>(.*?)</bdi></td>\s*<td>(?:owner|member|observer)", content)


# -- reading ---------------------------------------------------------------------------------------


def test_events_are_told_in_order(client: Client, superuser: User, ann: User) -> None:
    """The page tells who did what and when, in order, and who takes part."""
    (session,) = make_sessions(ann, 1)
    make_log(session, 3)
    content = read(client, session)
    assert seqs(content) == [1, 2, 3]
    assert cells(content, 1) == "1 2026-11-22 19:03:12 ann session created title: Session 1"
    assert cells(content, 3) == "3 2026-11-22 19:03:14 ann It leaks."
    assert people(content) == ["ann", "participant"]
    assert links(content) == {}
    assert "#1 to #3 of 3 events" in content


def test_every_kind_of_event_can_be_read(client: Client, superuser: User, ann: User) -> None:
    """An event's line says all that its data says, with the text of a message as it was written."""
    (session,) = make_sessions(ann, 1)
    bodies = [
        ("session_ended", {"reason": "Done"}),
        ("session_resumed", {}),
        ("participant_added", {"user": "bob", "role": "member"}),
        ("message_sent", {"text": "one\n two", "reply_to": 2, "metadata": {"a": ["ö"]}}),
        ("message_sent", {"text": "I help", "staff": True}),
    ]
    Event.objects.bulk_create(
        Event(session=session, seq=seq, kind=kind, actor="ann", data=data, at=BEGIN)
        for seq, (kind, data) in enumerate(bodies, 1)
    )
    Session.objects.update(last_seq=5)
    content = read(client, session)
    assert cells(content, 1).endswith("ann session ended reason: Done")
    assert cells(content, 2).endswith("ann session resumed")
    assert cells(content, 3).endswith("ann participant added role: member user: bob")
    assert cells(content, 4).endswith(
        "ann one two metadata: {&quot;a&quot;: [&quot;ö&quot;]} reply to: 2"
    )
    assert cells(content, 5).endswith("ann staff I help")
    assert '<div class="session-text" dir="auto">one\n two</div>' in content


@pytest.fixture
def long_one(ann: User) -> Session:
    """A session of a thousand events, every hundredth of which is a renaming."""
    (session,) = make_sessions(ann, 1)
    make_log(session, 1000)
    Event.objects.filter(seq__in=range(100, 1001, 100)).update(
        kind="session_renamed", data={"title": "Another"}
    )
    return session


@pytest.mark.parametrize(
    ("query", "first", "last", "ways"),
    [
        ({}, 901, 1000, ["First", "Older"]),
        ({"before": 901}, 801, 900, ["First", "Older", "Newer", "Latest"]),
        ({"before": 101}, 1, 100, ["Newer", "Latest"]),
        ({"after": 0}, 1, 100, ["Newer", "Latest"]),
        ({"after": 100}, 101, 200, ["First", "Older", "Newer", "Latest"]),
        ({"after": 950}, 951, 1000, ["First", "Older"]),
        ({"seq": 812}, 792, 891, ["First", "Older", "Newer", "Latest"]),
        ({"seq": "#812"}, 792, 891, ["First", "Older", "Newer", "Latest"]),
        ({"seq": 1}, 1, 100, ["Newer", "Latest"]),
        ({"seq": 9999}, 980, 1000, ["First", "Older"]),
        ({"before": 9999}, 901, 1000, ["First", "Older"]),
        ({"kind": "nonsense"}, 901, 1000, ["First", "Older"]),
        ({"before": "x"}, 901, 1000, ["First", "Older"]),
        ({"before": "9" * 5000}, 901, 1000, ["First", "Older"]),
        ({"seq": "²"}, 901, 1000, ["First", "Older"]),
        ({"seq": "-1"}, 901, 1000, ["First", "Older"]),
    ],
)
def test_a_log_has_parts(
    query: dict[str, object],
    first: int,
    last: int,
    ways: list[str],
    client: Client,
    superuser: User,
    long_one: Session,
) -> None:
    """An address names a part of at most a hundred events; what it cannot mean is left out."""
    content = read(client, long_one, **query)
    assert seqs(content) == list(range(first, last + 1))
    assert list(links(content)) == ways


def test_all_of_a_log_is_reached(client: Client, superuser: User, long_one: Session) -> None:
    """From the latest events older ones lead to the first, and newer ones back to the latest."""
    address = timeline_of(long_one.pk)
    ways = {"Older": "", "Newer": "?after=0"}
    for way, query in ways.items():
        found: list[int] = []
        while query is not None:
            content = client.get(address + query).content.decode()
            found += seqs(content)
            query = links(content).get(way)  # type: ignore[assignment]
        assert sorted(found) == list(range(1, 1001))
        assert len(found) == 1000


def test_a_kind_alone(client: Client, superuser: User, long_one: Session) -> None:
    """Only events of one kind are shown, and the ways to others keep the kind."""
    content = read(client, long_one, kind="session_renamed")
    assert seqs(content) == list(range(100, 1001, 100))
    content = read(client, long_one, kind="message_sent")
    assert seqs(content)[0] == 900 - 1
    assert links(content)["Older"] == "?kind=message_sent&before=899"
    assert seqs(read(client, long_one, kind="session_ended")) == []


def test_the_event_jumped_to_is_marked(client: Client, superuser: User, long_one: Session) -> None:
    """The event that one jumps to stands out."""
    content = read(client, long_one, seq=812)
    assert re.findall(r'<tr id="seq-(\d+)" class="session-found">', content) == ["812"]


def test_who_has_not_seen_it(client: Client, superuser: User, ann: User) -> None:
    """Of those who take part, the ones are shown who have neither seen an event nor written it."""
    (session,) = make_sessions(ann, 1)
    make_log(session, 5)
    for name, seen, left in (("late", 3, None), ("early", 4, None), ("gone", 0, 5)):
        user = User.objects.create_user(name)
        Participant.objects.create(
            session=session, user=user, role="member", joined_seq=1, seen_seq=seen, left_seq=left
        )
    assert people(read(client, session, unseen=4)) == ["participant", "late"]
    assert people(read(client, session, unseen=1)) == ["participant"]
    assert people(read(client, session)) == ["ann", "participant", "late", "early"]
    assert "?unseen=4&amp;seq=4#participants" in read(client, session)


def test_receipts_and_traces_are_linked(
    client: Client, superuser: User, ann: User, settings: Settings
) -> None:
    """An event leads to its receipt, and to its trace where the settings say where that is."""
    (session,) = make_sessions(ann, 1)
    make_log(session, 3)
    Event.objects.filter(seq=2).update(trace="abc")
    receipts = [
        Receipt.objects.create(
            actor=actor, key="key-3", flow="send_message", fingerprint=b"", session=session,
            seq=3, at=BEGIN,
        )
        for actor in ("ann", "somebody-else")
    ]  # fmt: skip
    content = read(client, session)
    assert re.findall(r"receipt/(\d+)/change", content) == [str(receipts[0].pk)]
    assert "Trace" not in content
    settings.TRACE_URL = "https://traces.example.com/{trace}?x=1&y=2"
    assert 'href="https://traces.example.com/abc?x=1&amp;y=2"' in read(client, session)

    client.force_login(make_staff("reader", "view_session", "read_session"))
    content = read(client, session)
    assert "/receipt/" not in content
    assert "/event/" not in content


def leads(client: Client, session: Session, **query: str | int) -> dict[str, dict[str, str]]:
    """Where rows lead to that came without a reload."""
    response = client.get(reverse("admin:sessions_app_session_links", args=[session.pk]), query)
    assert response.status_code == 200
    found: dict[str, dict[str, str]] = response.json()["links"]
    return found


def test_rows_that_come_live_lead_to_the_same(
    client: Client, superuser: User, ann: User, settings: Settings
) -> None:
    """New rows lead to where the server's own rows lead to, for each as they may."""
    settings.TRACE_URL = "https://traces.example.com/{trace}"
    (session,) = make_sessions(ann, 1)
    make_log(session, 150)
    Event.objects.filter(seq=2).update(trace="abc")
    Receipt.objects.create(
        actor="ann", key="key-3", flow="send_message", fingerprint=b"", session=session, seq=3,
        at=BEGIN,
    )  # fmt: skip
    content = read(client, session, after=0)
    found = leads(client, session, after=0)
    assert [int(seq) for seq in found] == seqs(content)
    addresses = {address for each in found.values() for address in each.values()}
    assert addresses == {
        each
        for each in re.findall(r'href="(.*?)"', content)
        if "/event/" in each or "/receipt/" in each or "traces." in each
    } - {reverse(f"admin:sessions_app_{each}_changelist") for each in ("event", "receipt")}
    assert sorted(found["3"]) == ["event", "receipt"]
    assert found["2"]["trace"] == "https://traces.example.com/abc"
    assert list(leads(client, session, after=148)) == ["149", "150"]
    assert list(leads(client, session, after=0, kind="session_created")) == ["1"]

    client.force_login(make_staff("reader", "view_session", "read_session"))
    assert leads(client, session, after=147) == {"148": {}, "149": {}, "150": {}}
    session.delete()
    gone = client.get(reverse("admin:sessions_app_session_links", args=[uuid4()]))
    assert gone.status_code == 404


def test_a_long_log_takes_few_queries(
    client: Client, superuser: User, ann: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Whichever part of ten thousand events is read, the page takes six queries."""
    (session,) = make_sessions(ann, 1)
    make_log(session, 10_000)
    for query in ({}, {"seq": 5000}, {"after": 0, "kind": "message_sent"}, {"unseen": 9}):
        # Who asks (2), the session, who takes part, a part of the log, its receipts.
        with django_assert_num_queries(6):
            content = read(client, session, **query)
        assert len(content) < 200_000


def test_hostile_text_is_text(client: Client, superuser: User, ann: User) -> None:
    """What people wrote stands on the page as text, and turns no direction but its own."""
    (session,) = make_sessions(ann, 1, title=HOSTILE)
    make_log(session, 2, HOSTILE)
    Event.objects.create(
        session=session, seq=3, kind="strange", actor=HOSTILE, data={HOSTILE: HOSTILE}, at=BEGIN
    )
    Session.objects.update(last_seq=3)
    content = read(client, session)
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;" in cells(content, 2)
    assert "<script>alert" not in content
    assert "<img src=x" not in content
    assert "<bdi>&lt;script" in content
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", content) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=[^y]|javascript:", content) == []


@pytest.mark.parametrize("pk", ["x", "0", "01970000-0000-7000-8000-000000000009", "%00"])
def test_of_no_session(pk: str, client: Client, superuser: User) -> None:
    """Where there is no such session, there is no such page: one is refused or led back."""
    response = client.get(f"/admin/sessions_app/session/{pk}/timeline/")
    assert response.status_code in {302, 400, 404}


@pytest.mark.parametrize(
    ("word", "seq"), [("7", 7), (" #7 ", 7), ("", None), (None, None), ("1e3", None), ("-7", None)]
)
def test_a_seq_is_read(word: str | None, seq: int | None) -> None:
    """A seq is a number of up to eighteen digits, with or without a number sign."""
    assert seq_of(word) == seq


# -- who may ---------------------------------------------------------------------------------------


def test_who_may_only_view_reads_nothing(client: Client, ann: User) -> None:
    """Without the permission to read one sees who did what and when, but no word of it."""
    (session,) = make_sessions(ann, 1)
    make_log(session, 2)
    added = {"user": "bob", "role": "member"}
    for seq, kind, data in (
        (3, "session_ended", {"reason": "leaks"}),
        (4, "session_renamed", {"title": "leaks"}),
        (5, "participant_added", added),
    ):
        Event.objects.create(session=session, seq=seq, kind=kind, actor="ann", data=data, at=BEGIN)
    Session.objects.update(last_seq=5)
    client.force_login(make_staff("viewer", "view_session", "moderate_session", "view_event"))
    content = read(client, session)
    assert cells(content, 2) == "2 2026-11-22 19:03:13 ann message sent"
    assert cells(content, 5).endswith("ann participant added role: member user: bob")
    assert "leaks" not in content
    assert "not read what was said" in content


def test_who_may_not_view_sees_nothing(client: Client, ann: User) -> None:
    """Without the permission to view, the page is refused; to strangers it does not show."""
    (session,) = make_sessions(ann, 1)
    client.force_login(make_staff("reader", "read_session", "moderate_session", "view_event"))
    assert client.get(timeline_of(session.pk)).status_code == 403
    assert client.post(timeline_of(session.pk), {"text": "x", "key": "k"}).status_code == 403
    client.force_login(ann)
    assert client.get(timeline_of(session.pk)).status_code == 302


# -- writing ---------------------------------------------------------------------------------------


def begin(owner: User) -> UUID:
    """A session that was begun by a flow."""
    created = run(
        create_session, {"title": "Roof", "key": uuid4().hex}, actor=Actor(owner.username)
    )
    return created.session_id


def stored() -> list[object]:
    """Everything that writing changes."""
    models = (Session, Participant, Event, Receipt, LogEntry)
    return [list(model.objects.order_by("pk").values()) for model in models]


@pytest.mark.django_db(transaction=True)
class TestWriting:
    def test_as_staff(self, client: Client, superuser: User, ann: User) -> None:
        """Staff write by the flow, are known as staff, and the reason is kept with their name."""
        session_id = begin(ann)
        form = {"text": "Can I\r\nhelp? ", "reason": "A complaint", "key": "k"}
        response = client.post(timeline_of(session_id), form, follow=True)
        assert [str(each) for each in response.context["messages"]] == [
            "Your message is in the session."
        ]
        event = Event.objects.get(kind="message_sent")
        assert (event.actor, event.data) == ("boss", {"text": "Can I\nhelp? ", "staff": True})
        entry = LogEntry.objects.get()
        assert (entry.user, entry.object_id) == (superuser, str(session_id))
        assert entry.get_change_message() == "Wrote as staff: A complaint"

    def test_twice_is_once(self, client: Client, superuser: User, ann: User) -> None:
        """A form that is sent twice writes once."""
        session_id = begin(ann)
        content = client.get(timeline_of(session_id)).content.decode()
        (key,) = re.findall(r'name="key" value="(\w+)"', content)
        for _ in range(2):
            client.post(timeline_of(session_id), {"text": "Hello", "key": key})
        assert Event.objects.filter(kind="message_sent").count() == 1

    @pytest.mark.parametrize(
        "form", [{}, {"text": "x"}, {"key": "k"}, {"text": "x" * 16_385, "key": "k"},
                 {"text": "x", "key": "k" * 65}, {"text": "x", "key": "k", "reason": "x" * 1001}]
    )  # fmt: skip
    def test_nonsense(
        self, form: dict[str, str], client: Client, superuser: User, ann: User
    ) -> None:
        """What no message can be is refused where it stands, and nothing has changed."""
        session_id = begin(ann)
        before = stored()
        response = client.post(timeline_of(session_id), form)
        assert response.status_code == 200
        assert stored() == before

    def test_in_an_ended_session(self, client: Client, superuser: User, ann: User) -> None:
        """In a session that has ended there is no form, and what is posted is refused in words."""
        session_id = begin(ann)
        run(end_session, {"session_id": str(session_id), "key": "k"}, actor=SYSTEM)
        before = stored()
        response = client.post(timeline_of(session_id), {"text": "Late", "key": "k"})
        assert [str(each) for each in response.context["messages"]] == [
            "Your message: The session has ended."
        ]
        assert 'id="write"' not in response.content.decode()
        assert stored() == before

    def test_needs_the_permission(self, client: Client, ann: User) -> None:
        """Staff who may view and read, but not act, have no form; what they post is refused."""
        session_id = begin(ann)
        client.force_login(make_staff("reader", "view_session", "read_session"))
        before = stored()
        assert 'id="write"' not in client.get(timeline_of(session_id)).content.decode()
        response = client.post(timeline_of(session_id), {"text": "Hello", "key": "k"})
        assert response.status_code == 403
        assert stored() == before
