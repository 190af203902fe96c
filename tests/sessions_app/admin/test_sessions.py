"""A session's page in the admin, and ending and reopening sessions there."""

from uuid import UUID, uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from flows.actor import Actor
from flows.create_session import create_session
from flows.end_session import end_session
from sessions_app.admin.deeds import AT_ONCE
from sessions_app.models import Event, Participant, Receipt, Session, User
from sessions_app.scope import run
from tests.sessions_app.rows import HOSTILE, make_log, make_sessions, make_staff

LIST = "admin:sessions_app_session_changelist"


def page_of(session: Session) -> str:
    return reverse("admin:sessions_app_session_change", args=[session.pk])


# -- the page --------------------------------------------------------------------------------------


def test_the_page_tells_the_facts(client: Client, superuser: User, ann: User) -> None:
    """A session's page has its facts, who takes part now, and the way to its timeline."""
    (session,) = make_sessions(ann, 1, metadata={"colour": "green"})
    gone = User.objects.create_user("gone-by-now")
    Participant.objects.create(session=session, user=gone, role="member", joined_seq=1, left_seq=2)
    Participant.objects.filter(user=ann).update(seen_seq=2)
    make_log(session, 3)

    content = client.get(page_of(session)).content.decode()
    for fact in (str(session.pk), "Session 1", "ann", "green", "Nov. 22, 2026, 7:03 p.m."):
        assert fact in content
    assert "gone-by-now" not in content
    assert "<td>#2</td>" in content
    assert "It leaks." not in content
    assert f"/admin/sessions_app/session/{session.pk}/timeline/" in content


def test_a_crowd_is_cut(
    client: Client, superuser: User, ann: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Of many participants the page shows a hundred, says how many there are, and leads to all."""
    (session,) = make_sessions(ann, 1)
    crowd = User.objects.bulk_create(User(username=f"crowd{each}") for each in range(500))
    Participant.objects.bulk_create(
        Participant(session=session, user=user, role="member", joined_seq=1) for user in crowd
    )
    # Who asks (2), the session, who takes part, who owns it.
    with django_assert_num_queries(5):
        content = client.get(page_of(session)).content.decode()
    assert content.count("<bdi>crowd") == 98
    assert "The first 100 of 502." in content
    assert f"/admin/sessions_app/participant/?session={session.pk}" in content


def test_hostile_text_is_text(client: Client, superuser: User, ann: User) -> None:
    """What people wrote stands on the page as text."""
    (session,) = make_sessions(ann, 1, title=HOSTILE, metadata={HOSTILE: HOSTILE})
    content = client.get(page_of(session)).content.decode()
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;" in content
    assert "<script>alert" not in content
    assert "<img src=x" not in content


def test_who_may_view_sees_no_contents(client: Client, ann: User) -> None:
    """Who may view, but neither read nor act, sees facts and people; no metadata, no buttons."""
    (session,) = make_sessions(ann, 1, metadata={"colour": "green"})
    client.force_login(make_staff("facts", "view_session"))
    content = client.get(page_of(session)).content.decode()
    assert "Session 1" in content
    assert "<bdi>participant</bdi>" in content
    assert "green" not in content
    assert "_sessions" not in content
    assert "remove_participants" not in content


# -- ending ----------------------------------------------------------------------------------------


def begin(owner: User, title: str) -> UUID:
    """A session that was begun by a flow."""
    created = run(create_session, {"title": title, "key": uuid4().hex}, actor=Actor(owner.username))
    return created.session_id


def post(client: Client, *sessions: UUID, **more: str) -> tuple[int, list[str]]:
    """Choose sessions and end them, or act: the status, and what one is told afterwards."""
    form = {"action": "end_sessions", "_selected_action": sessions, **more}
    response = client.post(reverse(LIST), form, follow=True)
    return response.status_code, [str(message) for message in response.context["messages"]]


def stored() -> list[object]:
    """Everything that ending a session writes."""
    return [
        list(model.objects.order_by("pk").values())
        for model in (Session, Participant, Event, Receipt, LogEntry)
    ]


@pytest.mark.django_db(transaction=True)
class TestEndSessions:
    def test_asks_first(self, client: Client, superuser: User, ann: User) -> None:
        """Choosing the action asks for the reason, and has changed nothing."""
        first, second = begin(ann, "First"), begin(ann, HOSTILE)
        before = stored()
        response = client.post(
            reverse(LIST), {"action": "end_sessions", "_selected_action": [first, second]}
        )
        content = response.content.decode()
        assert response.status_code == 200
        assert "“First”" in content
        assert "(open, owned by ann)" in content
        assert "<script>alert" not in content
        assert 'value="End" class="default"' in content
        assert 'name="reason"' in content
        assert stored() == before

    def test_needs_a_reason(self, client: Client, superuser: User, ann: User) -> None:
        """Without a reason, or with too long a one, it asks again, and nothing has changed."""
        session_id = begin(ann, "First")
        before = stored()
        for reason in ("", "  ", "\x00", "x" * 1001):
            response = client.post(
                reverse(LIST),
                {
                    "action": "end_sessions",
                    "_selected_action": session_id,
                    "confirmed": "yes",
                    "reason": reason,
                },
            )
            assert response.status_code == 200
            assert "errorlist" in response.content.decode()
        assert stored() == before

    def test_runs_the_flow(self, client: Client, superuser: User, ann: User) -> None:
        """Each session ends by the flow, in the name of who asked, with a key of its own."""
        ids = [begin(ann, "First"), begin(ann, "Second")]
        other = begin(ann, "Other")

        status, told = post(client, *ids, confirmed="yes", reason="Spam & <b>")
        assert status == 200
        assert sorted(told) == ["“First” has ended.", "“Second” has ended."]

        assert [Session.objects.get(pk=pk).status for pk in (*ids, other)] == [
            "ended",
            "ended",
            "open",
        ]
        events = Event.objects.filter(kind="session_ended")
        assert {event.session_id for event in events} == set(ids)
        assert [(event.actor, event.data) for event in events] == [
            ("boss", {"reason": "Spam & <b>"})
        ] * 2
        receipts = Receipt.objects.filter(flow="end_session")
        assert {receipt.key for receipt in receipts} == {event.key for event in events}
        assert len({event.key for event in events}) == 2

    def test_is_logged(self, client: Client, superuser: User, ann: User) -> None:
        """The admin's own log keeps who ended which session and why, for its page of history."""
        session_id = begin(ann, "First")
        post(client, session_id, confirmed="yes", reason="Spam")
        entry = LogEntry.objects.get()
        assert (entry.user, entry.object_id, entry.object_repr) == (
            superuser,
            str(session_id),
            "First",
        )
        assert entry.get_change_message() == "Ended: Spam"
        history = client.get(reverse("admin:sessions_app_session_history", args=[session_id]))
        assert "Ended: Spam" in history.content.decode()

    def test_tells_of_refusals(self, client: Client, superuser: User, ann: User) -> None:
        """A session that has ended already is told of, and the others end all the same."""
        ended, still_open = begin(ann, "Ended"), begin(ann, "Open")
        run(end_session, {"session_id": str(ended), "key": "k"}, actor=Actor("ann"))
        head = Session.objects.get(pk=ended).last_seq

        _, told = post(client, ended, still_open, confirmed="yes", reason="Spam")
        assert sorted(told) == ["“Ended”: The session has ended already.", "“Open” has ended."]
        assert Session.objects.get(pk=ended).last_seq == head
        assert LogEntry.objects.count() == 1
        assert Receipt.objects.filter(session=ended).count() == 2

    def test_needs_the_permission(self, client: Client, ann: User) -> None:
        """Staff without the permission neither see the action nor can do it."""
        session_id = begin(ann, "First")
        session = Session.objects.get()
        client.force_login(make_staff("viewer", "view_session"))
        before = stored()
        assert "end_sessions" not in client.get(reverse(LIST)).content.decode()
        assert "end_sessions" not in client.get(page_of(session)).content.decode()
        post(client, session_id, confirmed="yes", reason="Spam")
        assert stored() == before

        client.force_login(make_staff("ender", "view_session", "moderate_session"))
        assert "end_sessions" in client.get(reverse(LIST)).content.decode()
        assert "end_sessions" in client.get(page_of(session)).content.decode()
        _, told = post(client, session_id, confirmed="yes", reason="Spam")
        assert told == ["“First” has ended."]
        assert Event.objects.get(kind="session_ended").actor == "ender"

    def test_only_open_ones_offer_it(self, client: Client, superuser: User, ann: User) -> None:
        """The page of a session that has ended has no button to end it."""
        post(client, begin(ann, "First"), confirmed="yes", reason="Spam")
        content = client.get(page_of(Session.objects.get())).content.decode()
        assert "end_sessions" not in content

    def test_of_too_many(self, client: Client, superuser: User, ann: User) -> None:
        """More than a hundred at once are refused, and nothing has changed."""
        sessions = make_sessions(ann, AT_ONCE + 1)
        before = stored()
        ids = [session.pk for session in sessions]
        for more in ({}, {"confirmed": "yes", "reason": "Spam"}):
            _, told = post(client, *ids, **more)
            assert told == ["At most 100 can be chosen at once."]
        _, told = post(client, ids[0], select_across="1", confirmed="yes", reason="Spam")
        assert told == ["At most 100 can be chosen at once."]
        assert stored() == before

    def test_of_none(self, client: Client, superuser: User, ann: User) -> None:
        """An action on sessions that are not there ends none."""
        begin(ann, "First")
        before = stored()
        status, _ = post(client, uuid4(), confirmed="yes", reason="Spam")
        assert status == 200
        assert stored() == before


@pytest.mark.django_db(transaction=True)
class TestReopenSessions:
    def test_runs_the_flow(self, client: Client, superuser: User, ann: User) -> None:
        """An ended session is open again, in the name of who asked, and the reason is kept."""
        session_id = begin(ann, "First")
        run(end_session, {"session_id": str(session_id), "key": "k"}, actor=Actor("ann"))
        content = client.get(page_of(Session.objects.get())).content.decode()
        assert "reopen_sessions" in content
        assert "end_sessions" not in content

        _, told = post(
            client, session_id, action="reopen_sessions", confirmed="yes", reason="Sorry"
        )
        assert told == ["“First” is open again."]
        assert Session.objects.get().status == "open"
        assert Event.objects.get(kind="session_resumed").actor == "boss"
        assert LogEntry.objects.get().get_change_message() == "Reopened: Sorry"

    def test_of_an_open_one(self, client: Client, superuser: User, ann: User) -> None:
        """A session that is open is told of, and nothing has changed."""
        session_id = begin(ann, "First")
        before = stored()
        _, told = post(
            client, session_id, action="reopen_sessions", confirmed="yes", reason="Sorry"
        )
        assert told == ["“First”: The session is open already."]
        assert stored() == before

    def test_needs_the_permission(self, client: Client, ann: User) -> None:
        """Staff who may view and read, but not act, cannot reopen: nothing has changed."""
        session_id = begin(ann, "First")
        run(end_session, {"session_id": str(session_id), "key": "k"}, actor=Actor("ann"))
        client.force_login(make_staff("reader", "view_session", "read_session"))
        before = stored()
        assert "reopen_sessions" not in client.get(reverse(LIST)).content.decode()
        post(client, session_id, action="reopen_sessions", confirmed="yes", reason="Sorry")
        assert stored() == before
