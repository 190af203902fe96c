"""The admin's lists and pages of what is only read."""

import re
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from sessions_app.admin.filters import messages_of
from sessions_app.models import (
    Connection,
    Event,
    Log,
    Node,
    Participant,
    Receipt,
    Session,
    Ticket,
    User,
)
from tests.sessions_app.rows import (
    BEGIN,
    HOSTILE,
    make_log,
    make_sessions,
    make_staff,
    session_id,
)

pytestmark = pytest.mark.django_db

READ_ONLY = ["session", "participant", "event", "receipt"]


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann")


@pytest.fixture
def superuser(client: Client) -> User:
    user = User.objects.create_superuser("boss")
    client.force_login(user)
    return user


def url(model: str, page: str = "changelist", *args: object) -> str:
    return reverse(f"admin:sessions_app_{model}_{page}", args=args)


def shown(client: Client, address: str, **query: object) -> list[str]:
    """The rows that a list shows, in order, as they call themselves."""
    response = client.get(address, {name: str(value) for name, value in query.items()})
    assert response.status_code == 200
    return [str(row) for row in response.context["cl"].result_list]


def make_receipt(session: Session, actor: str, key: str) -> Receipt:
    return Receipt.objects.create(
        actor=actor,
        key=key,
        flow="create_session",
        fingerprint=bytes(range(32)),
        session=session,
        seq=1,
        at=BEGIN,
    )


@pytest.fixture
def history(ann: User) -> dict[str, int | UUID]:
    """One row of each kind of history, by model: its primary key."""
    (session,) = make_sessions(ann, 1)
    make_log(session, 2)
    return {
        "session": session.pk,
        "participant": Participant.objects.earliest("pk").pk,
        "event": Event.objects.earliest("pk").pk,
        "receipt": make_receipt(session, "ann", "c-1").pk,
    }


# -- nothing but reading ---------------------------------------------------------------------------


@pytest.mark.parametrize("model", READ_ONLY)
def test_history_is_read_only(
    model: str, client: Client, superuser: User, history: dict[str, int | UUID]
) -> None:
    """Nobody adds, changes or deletes history in the admin, not by a form and not by a POST."""
    pk = history[model]
    rows = {each: list(each.objects.order_by("pk").values()) for each in HISTORY}

    assert client.get(url(model)).status_code == 200
    assert client.get(url(model, "change", pk)).status_code == 200
    assert client.get(url(model, "history", pk)).status_code == 200
    for page in (url(model, "add"), url(model, "delete", pk)):
        assert client.get(page).status_code == 403
        assert client.post(page, {"post": "yes", "title": "x"}).status_code == 403
    assert client.post(url(model, "change", pk), {"title": "x"}).status_code == 403

    content = client.get(url(model, "change", pk)).content.decode()
    assert 'name="_save"' not in content
    assert "deletelink" not in content
    assert {each: list(each.objects.order_by("pk").values()) for each in HISTORY} == rows


HISTORY = (Session, Participant, Event, Receipt)


@pytest.mark.parametrize("model", READ_ONLY)
def test_rows_cannot_be_deleted_by_an_action(
    model: str, client: Client, superuser: User, history: dict[str, int | UUID]
) -> None:
    """The action that deletes what is selected is not offered, and is not done when posted."""
    response = client.post(
        url(model),
        {"action": "delete_selected", "_selected_action": history[model], "post": "yes"},
    )
    assert response.status_code in {200, 302}
    assert "delete_selected" not in client.get(url(model)).content.decode()
    assert [each.objects.exists() for each in HISTORY] == [True] * 4


@pytest.mark.parametrize("model", READ_ONLY)
def test_pages_need_a_permission(
    model: str, client: Client, history: dict[str, int | UUID]
) -> None:
    """Staff see a kind of rows if they may view it, and no other; others see nothing.

    Only who may view sessions may view who takes part in them, too.
    """
    pk = history[model]
    client.force_login(make_staff("viewer", f"view_{model}"))
    assert client.get(url(model)).status_code == 200
    assert client.get(url(model, "change", pk)).status_code == 200
    allowed = {"session", "participant"} if model == "session" else {model}
    for other in {*READ_ONLY, "accesstoken", "user"} - allowed:
        assert client.get(url(other)).status_code == 403

    client.force_login(make_staff("nobody"))
    assert client.get(url(model)).status_code == 403
    assert client.get(url(model, "change", pk)).status_code == 403

    client.force_login(User.objects.create_user("bob"))
    assert client.get(url(model)).status_code == 302
    assert client.get(url(model, "change", pk)).status_code == 302


@pytest.mark.parametrize("model", [Ticket, Log])
def test_some_tables_are_nobodys_business(
    model: type[Ticket | Log], client: Client, superuser: User
) -> None:
    """Tickets and the log's epoch have no page."""
    assert client.get(f"/admin/sessions_app/{model._meta.model_name}/").status_code == 404


# -- hostile addresses -----------------------------------------------------------------------------


QUERIES = [
    "p=0", "p=-1", "p=99999999999999999999999", "p=x", "p=%00", "p=1e3", "p=²", "p=" + "9" * 5000,
    "o=x", "o=99", "o=-0.-0", "o=1.2.3.4.5.6.7.8", "o=%00",
    "q=%00", "q=%ff", "q=" + "x" * 5000, "q=%25%25", "q='%22--", "q={{}}", "q=\\",
    "e=1", "all=", "_popup=1", "_facets=True",
    "session=x", "session=%00", "session=", "session=01970000-0000-7000-8000-000000000001",
    "session=1&session=2", "kind=%00", "kind=x", "kind=x&session=x",
    "owner=x", "owner=-1", "owner=%00", "owner=" + "9" * 30, "active=x", "active=%00",
    "status__exact=x", "status__exact=%00", "status=%00", "status__in=%00", "status__isnull=x",
    "status__exact__x=1", "revoked=x", "revoked=%00", "revoked_at__gte=never", "is_active__exact=2",
    "id__exact=x", "id=" + "9" * 40, "pk=%00", "actor=ann", "nothing=1", "nothing__x=1",
    "seq__gte=x", "last_activity__gte=never",
]  # fmt: skip

#: What would let somebody find out, letter by letter, what no page shows, or search everything.
PROBES = [
    "owner__password__startswith=p",
    "user__password__startswith=p",
    "session__owner__password__startswith=p",
    "password__startswith=p",
    "_to_field=password",
    "user__access_tokens__digest__startswith=a",
    "access_tokens__digest__startswith=a",
    "digest__startswith=a",
    "fingerprint=1",
    "data__text=x",
    "data__has_key=x",
]


@pytest.mark.parametrize("model", [*READ_ONLY, "user", "accesstoken"])
def test_no_address_of_a_list_is_an_error(
    model: str, client: Client, superuser: User, history: dict[str, int | UUID]
) -> None:
    """Whatever stands in the address of a list, the answer is a page, a redirect or a refusal."""
    for query in QUERIES:
        response = client.get(f"{url(model)}?{query}")
        assert response.status_code in {200, 302, 400}, query
        if response.status_code == 302:
            assert client.get(response["Location"]).status_code == 200, query


@pytest.mark.parametrize("model", [*READ_ONLY, "user", "accesstoken"])
def test_no_list_can_be_probed(
    model: str, client: Client, superuser: User, history: dict[str, int | UUID]
) -> None:
    """No address asks about passwords and digests, nor about what no index finds in a long list."""
    for query in PROBES:
        response = client.get(f"{url(model)}?{query}")
        # Either it is disallowed, or it is no field of this list and one is led back to all of it.
        assert response.status_code in {302, 400}, query
        if response.status_code == 302:
            assert response["Location"] == f"{url(model)}?e=1"


@pytest.mark.parametrize("model", [*READ_ONLY, "user", "accesstoken"])
def test_no_address_of_a_row_is_an_error(
    model: str, client: Client, superuser: User, history: dict[str, int | UUID]
) -> None:
    """Whatever stands for a row in an address, there is such a row, or one is led back."""
    for pk in (
        "x",
        "0",
        "-1",
        "%00",
        "9" * 40,
        "é",
        "_5F",
        "_00",
        "1/../2",
        "None",
        "add/add",
        "%ff",
    ):
        for page in ("change", "history", "delete"):
            response = client.get(f"/admin/sessions_app/{model}/{pk}/{page}/")
            assert response.status_code in {302, 400, 403, 404}, (pk, page)


@pytest.mark.parametrize("model", [*READ_ONLY, "user", "accesstoken"])
def test_no_post_to_a_list_is_an_error(
    model: str, client: Client, superuser: User, history: dict[str, int | UUID]
) -> None:
    """Whatever is posted to a list, the answer is a page, a redirect or a refusal."""
    bodies: list[dict[str, str | list[str]]] = [
        {},
        {"_save": "1"},
        {"action": "end_sessions", "index": "x"},
        {"action": "end_sessions", "index": "99"},
        *(
            {"action": action, "_selected_action": selected}
            for action in ("no_such_action", "", "end_sessions", "revoke", "__init__", "delete")
            for selected in ("", "0", ["0", "0"])
        ),
    ]
    bodies += [
        {"action": action, "_selected_action": selected}
        for action in ("no_such_action", "end_sessions", "revoke", "disconnect")
        for selected in ("x", "\x00", "-1", "9" * 40, "9" * 5000, ["0", "x"])
    ]
    for body in bodies:
        response = client.post(url(model), body)
        assert response.status_code in {200, 302, 400}, body
    assert list(Session.objects.values_list("status", flat=True)) == ["open"]


# -- the list of sessions --------------------------------------------------------------------------


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
    # Who asks (2), the owners to choose from, what was said, how many rows, the rows.
    with django_assert_num_queries(6):
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
def test_an_index_finds_what_was_said(using: str) -> None:
    """A search for a text is answered by the index of texts, on both databases."""
    with connections[using].cursor() as cursor:
        if using == "postgres":
            cursor.execute("SET LOCAL enable_seqscan = off")
        plan = messages_of("It leaks.").using(using).explain()
    assert "event_by_text" in plan
    # Not even sorted: the index has them in this order.
    assert "Sort" not in plan
    assert "B-TREE" not in plan


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


# -- events, receipts, participants ----------------------------------------------------------------


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


# -- hostile text ----------------------------------------------------------------------------------


def test_hostile_text_is_text(client: Client, superuser: User) -> None:
    """Nothing that anybody wrote becomes markup, in any list and on any page."""
    ann = User.objects.create_user("ann", first_name=HOSTILE[:100])
    (session,) = make_sessions(ann, 1, title=HOSTILE, metadata={HOSTILE: HOSTILE})
    make_log(session, 2, HOSTILE)
    kind = "<b>kind</b>"
    strange = Event.objects.create(
        session=session, seq=3, kind=kind, actor=HOSTILE, key=HOSTILE[:64], at=BEGIN,
        data={HOSTILE: HOSTILE},
    )  # fmt: skip
    Session.objects.update(last_seq=3)
    receipt = make_receipt(session, HOSTILE, HOSTILE[:64])
    pages = [url(model) for model in READ_ONLY]
    pages += [f"{url(model)}?session={session.pk}" for model in READ_ONLY]
    pages += [f"{url(model)}?session=<b>kind</b>&q=<b>kind</b>" for model in READ_ONLY]
    pages += [
        url("session", "change", session.pk),
        url("session", "history", session.pk),
        url("event", "change", strange.pk),
        url("receipt", "change", receipt.pk),
    ]
    for page in pages:
        response = client.get(page)
        assert response.status_code in {200, 302, 400}
        content = response.content.decode()
        assert "<script>alert" not in content
        assert "<img src=x" not in content
        assert kind not in content
        assert "14" not in re.findall(r"onerror=y.{0,12}(14)", content)


def test_pages_fit_a_strict_policy(
    client: Client, superuser: User, history: dict[str, int | UUID]
) -> None:
    """No page has a script, a style or a handler of its own, so that a strict CSP lets it work."""
    pages = [url(model) for model in READ_ONLY]
    pages += [url(model, "change", pk) for model, pk in history.items()]
    for page in pages:
        content = client.get(page).content.decode()
        assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", content) == []
        assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", content) == []


@pytest.mark.usefixtures("superuser")
def test_the_way_to_the_site(client: Client) -> None:
    """Every page of the admin has the way to the page where people talk."""
    assert '<a href="/">View site</a>' in client.get(reverse("admin:index")).content.decode()
