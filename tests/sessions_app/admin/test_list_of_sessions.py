"""The list of sessions: what it shows, filters, searches, and what that costs."""

import re
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from sessions_app.admin.filters import messages_of
from sessions_app.expressions import STRETCH
from sessions_app.models import Connection, Node, Participant, Session, User
from tests.sessions_app.admin.pages import READ_ONLY, shown, url
from tests.sessions_app.rows import (
    BEGIN,
    make_log,
    make_receipt,
    make_sessions,
    make_staff,
    session_id,
)

pytestmark = pytest.mark.django_db


def test_sessions_are_listed(client: Client, superuser: User, ann: User) -> None:
    """A session's row tells its title, status, owner, participants, messages and last activity."""
    (session,) = make_sessions(ann, 1, message_count=4321)
    Participant.objects.create(
        session=session, user=superuser, role="member", joined_seq=2, left_seq=3
    )

    row = re.sub(r"\s+", " ", client.get(url("session")).content.decode())
    cells = dict(re.findall(r'<t[dh] class="field-(\w+)[^"]*">(.*?)</t[dh]>', row))
    assert re.sub("<.*?>", "", cells["__str__"]) == "Session 1"
    assert cells["status"] == "open"
    assert re.sub("<.*?>", "", cells["owner"]) == "ann"
    assert cells["participants_now"] == "2"
    assert cells["messages"] == "4321"
    assert cells["last_active"] == "2026-11-22 19:03"
    assert cells["here_now"] == "0"


def test_who_is_here_is_counted(client: Client, superuser: User, ann: User) -> None:
    """Who takes part and has a socket on a living node is here, once, however many they have."""
    (session,) = make_sessions(ann, 1)
    gone, bob = User.objects.create(username="gone"), User.objects.create(username="bob")
    Participant.objects.create(session=session, user=gone, role="member", joined_seq=2, left_seq=3)
    Participant.objects.create(session=session, user=bob, role="member", joined_seq=2)
    now = timezone.now()
    long_ago = now - timedelta(minutes=1)
    for name, seen, users in (("alive", now, (ann, ann, gone)), ("dead", long_ago, (bob,))):
        node = Node.objects.create(
            name=name, host="h", pid=1, started=long_ago, last_seen=seen, clock=seen
        )
        for number, user in enumerate(users):
            Connection.objects.create(
                id=f"{name}{number}", node=node, user=user, since=now, last_seen=now
            )
    row = re.sub(r"\s+", " ", client.get(url("session")).content.decode())
    assert re.findall(r'<td class="field-here_now">(\d+)</td>', row) == ["1"]
    timeline = reverse("admin:sessions_app_session_timeline", args=[session.pk])
    page = re.sub(r"\s+", " ", client.get(timeline).content.decode())
    here = r'<bdi>(\w+)</bdi> <span class="session-here">here</span>'
    assert re.findall(here, page) == ["ann"]


def test_an_untitled_session_has_its_id(client: Client, superuser: User, ann: User) -> None:
    """A session without a title is listed by its id."""
    (session,) = make_sessions(ann, 1, title="")
    assert f">{session.pk}</a>" in client.get(url("session")).content.decode()


def test_sessions_come_latest_first(client: Client, superuser: User, ann: User) -> None:
    """The session with the latest activity is the first; the other way round on request."""
    make_sessions(ann, 3)
    assert shown(client, url("session")) == ["Session 3", "Session 2", "Session 1"]
    assert shown(client, url("session"), o="6") == ["Session 1", "Session 2", "Session 3"]


def test_sessions_by_status(client: Client, superuser: User, ann: User) -> None:
    """The filter by status leaves the open or the ended ones."""
    make_sessions(ann, 2)
    Session.objects.filter(title="Session 1").update(status="ended", ended_at=BEGIN)
    assert shown(client, url("session"), status__exact="open") == ["Session 2"]
    assert shown(client, url("session"), status__exact="ended") == ["Session 1"]


def test_sessions_by_activity(client: Client, superuser: User, ann: User) -> None:
    """The filter by activity leaves those of the last hour, day or week."""
    sessions = make_sessions(ann, 4)
    for session, hours in zip(sessions, (0.5, 2, 30, 200), strict=True):
        session.last_activity = timezone.now() - timedelta(hours=hours)
        session.save()
    assert shown(client, url("session"), active="hour") == ["Session 1"]
    assert shown(client, url("session"), active="day") == ["Session 1", "Session 2"]
    assert shown(client, url("session"), active="week") == ["Session 1", "Session 2", "Session 3"]
    assert len(shown(client, url("session"), active="century")) == 4


def owners_in(content: str) -> list[str]:
    """The owners that a page's filter offers."""
    part = re.search(r'data-filter-title="owner".*?</details>', content, re.DOTALL)
    assert part
    return re.findall(r">(\w+)</a>", part[0])[1:]


def test_sessions_by_owner(client: Client, superuser: User, ann: User) -> None:
    """The filter by owner offers those who own a session, and leaves theirs."""
    make_sessions(ann, 1)
    bob = User.objects.create_user("bob")
    Session.objects.create(
        id=session_id(2),
        owner=bob,
        title="Bob's",
        last_seq=1,
        created_at=BEGIN,
        last_activity=BEGIN,
    )
    User.objects.create_user("carol")
    for address in (url("session"), f"{url('session')}?owner=bob"):
        content = client.get(address).content.decode()
        assert owners_in(content) == ["ann", "bob"]
        assert 'class="session-owner"' not in content
    assert shown(client, url("session"), owner="bob") == ["Bob's"]
    assert shown(client, url("session"), owner="boss") == []
    assert shown(client, url("session"), owner="nobody") == []


def test_sessions_of_many_owners(client: Client, superuser: User) -> None:
    """Where more than twenty own sessions, one types the beginning of a name and is offered some.

    A whole name leaves the sessions of its user only, though other names begin with it.
    """
    owners = User.objects.bulk_create(User(username=f"owner{each}") for each in range(21))
    Session.objects.bulk_create(
        Session(id=session_id(each), owner=owner, last_seq=1, created_at=BEGIN, last_activity=BEGIN)
        for each, owner in enumerate(owners)
    )

    def offered(**query: str) -> list[str]:
        content = client.get(url("session"), query).content.decode()
        assert 'class="session-owner"' in content
        return owners_in(content)

    assert len(offered()) == 20
    assert offered(owner="OWNER2") == ["owner2", "owner20"]
    assert len(shown(client, url("session"), owner="OWNER2")) == 2
    assert len(shown(client, url("session"), owner="owner2")) == 1
    content = client.get(url("session"), {"q": "owner", "status__exact": "open"}).content.decode()
    form = re.search(r'<form class="session-owner">(.*?)</form>', content, re.DOTALL)
    assert form
    kept = dict(re.findall(r'type="hidden" name="(\w+)" value="(\w*)"', form[1]))
    assert kept == {"q": "owner", "status__exact": "open"}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("01970000-0000-7000-8000-000000000002", ["Session 2"]),
        ("01970000000070008000000000000002", ["Session 2"]),
        ("{01970000-0000-7000-8000-000000000002}", ["Session 2"]),
        ("01970000-0000-7000-8000-000000000009", []),
        ("session 1", ["Session 1"]),
        ("ion", ["Session 2", "Session 1"]),
        ("an", ["Session 2", "Session 1"]),
        ("PARTICI", ["Session 2", "Session 1"]),
        ("gone", ["Session 1"]),
        ("nn", []),
        ("%", []),
        ("_", []),
        ("x" * 300, []),
    ],
)
def test_sessions_are_searched(
    words: str, found: list[str], client: Client, superuser: User, ann: User
) -> None:
    """A search finds an id in any spelling, words of a title, and who takes part or did."""
    first, _ = make_sessions(ann, 2)
    gone = User.objects.create_user("gone")
    Participant.objects.create(session=first, user=gone, role="member", joined_seq=2, left_seq=3)
    assert shown(client, url("session"), q=words) == found


def test_sessions_are_found_by_what_was_said(
    client: Client, superuser: User, ann: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """The whole text of a message finds its session, however long it is; a part of it does not."""
    first, second, _ = make_sessions(ann, 3)
    long = "It leaks. " * 100
    make_log(first, 4, "It leaks.")
    make_log(second, 2, long)
    for words, found in (
        ("It leaks.", ["Session 1"]),
        (long, ["Session 2"]),
        (long[:64], []),
        (long[:-1], []),
        ("it leaks.", []),
        ("leaks", []),
    ):
        assert shown(client, url("session"), q=words) == found, words
        assert len(shown(client, url("event"), q=words)) == {"Session 1": 3, "Session 2": 1}.get(
            "".join(found), 0
        )
    # Who asks (2), the owners to choose from, where the log begins and ends (2), what was said, how
    # many rows, the rows.
    with django_assert_num_queries(8):
        client.get(url("session"), {"q": "It leaks."})


def test_what_was_said_is_found_by_readers_only(client: Client, ann: User) -> None:
    """Without the permission to read, no search tells whether something was said."""
    (session,) = make_sessions(ann, 1)
    make_log(session, 2)
    client.force_login(make_staff("viewer", "view_session", "view_event", "moderate_session"))
    assert shown(client, url("session"), q="It leaks.") == []
    assert shown(client, url("event"), q="It leaks.") == []
    client.force_login(make_staff("reader", "view_session", "view_event", "read_session"))
    assert shown(client, url("session"), q="It leaks.") == ["Session 1"]
    assert shown(client, url("event"), q="It leaks.") == ["#2 message_sent"]


@pytest.mark.parametrize("using", ["default", pytest.param("postgres", marks=pytest.mark.postgres)])
@pytest.mark.django_db(databases=["default", "postgres"])
def test_an_index_finds_what_was_said(using: str, ann: User) -> None:
    """A search for a text is answered by the index of texts, on both databases."""
    (session,) = make_sessions(ann, 1)
    make_log(session, 2)
    with connections[using].cursor() as cursor:
        if using == "postgres":
            cursor.execute("SET LOCAL enable_seqscan = off")
        plan = messages_of("It leaks.").using(using).explain()
    assert "event_by_stretch" in plan


def test_what_was_said_is_found_in_any_stretch(ann: User) -> None:
    """The index is ordered by stretches of the log; a search looks into all that there are."""
    (session,) = make_sessions(ann, 1)
    assert list(messages_of("It leaks.")) == []
    make_log(session, 4, "It leaks.")
    ids = {2: 5 * STRETCH - 1, 3: 5 * STRETCH, 4: 9 * STRETCH + 7}
    for seq, new in ids.items():
        session.events.filter(seq=seq).update(id=new)
    session.events.filter(seq=1).delete()
    assert [each.id for each in messages_of("It leaks.")] == sorted(ids.values(), reverse=True)


def test_a_search_and_a_filter_go_together(client: Client, superuser: User, ann: User) -> None:
    """What is searched in a filtered list is found in it only."""
    make_sessions(ann, 2)
    Session.objects.filter(title="Session 1").update(status="ended", ended_at=BEGIN)
    assert shown(client, url("session"), q="ann", status__exact="ended") == ["Session 1"]


def test_a_thousand_sessions(
    client: Client, superuser: User, ann: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A page of a thousand sessions, whichever, takes five queries."""
    make_sessions(ann, 1000)
    # Who asks (2), the owners to choose from, how many rows, the rows.
    with django_assert_num_queries(5):
        first = client.get(url("session"))
    with django_assert_num_queries(5):
        last = client.get(url("session"), {"p": 10})
    assert [str(row) for row in first.context["cl"].result_list][::99] == [
        "Session 1000",
        "Session 901",
    ]
    assert [str(row) for row in last.context["cl"].result_list][-1] == "Session 1"
    assert "1000 sessions" in first.content.decode()
    assert "of more" not in first.content.decode()


def test_a_list_is_cut(client: Client, superuser: User, ann: User, settings: Settings) -> None:
    """A list counts and pages through its first rows only, and says that there are more."""
    settings.ADMIN_REACHABLE = 250
    make_sessions(ann, 300)
    with CaptureQueriesContext(connection) as queries:
        content = client.get(url("session")).content.decode()
    assert "250 sessions" in content
    assert "These are the first 250 of more" in content
    counts = [each["sql"] for each in queries if "COUNT(*)" in each["sql"]]
    assert len(counts) == 1
    assert "LIMIT 251" in counts[0]
    assert "participant" not in counts[0]
    assert len(shown(client, url("session"), p=3)) == 50
    assert client.get(url("session"), {"p": 4}).status_code == 302


@pytest.mark.parametrize("model", READ_ONLY)
def test_a_list_takes_few_queries(
    model: str,
    client: Client,
    superuser: User,
    ann: User,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    """A full page of a list takes as few queries as an empty one."""
    for session in make_sessions(ann, 120):
        make_receipt(session, "ann", str(session.pk))
    make_log(session, 120)
    with django_assert_max_num_queries(6):
        response = client.get(url(model))
    assert len(response.context["cl"].result_list) == 100
