"""The pages of who is connected."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from sessions_app.admin.deeds import AT_ONCE
from sessions_app.models import Connection, Instruction, Node, User
from tests.sessions_app.rows import HOSTILE, make_staff

pytestmark = pytest.mark.django_db

LIST = reverse("admin:sessions_app_connection_changelist")
NODES = reverse("admin:sessions_app_node_changelist")


def come(node: str, *ids: str, user: User) -> None:
    """A node that is alive, with these connections."""
    now = timezone.now()
    made = Node.objects.create(name=node, host="h", pid=1, started=now, last_seen=now, clock=now)
    for id_ in ids:
        Connection.objects.create(
            id=id_, node=made, user=user, since=now, last_seen=now, watching=17, lag=23
        )


@pytest.fixture
def viewer(client: Client) -> Client:
    """A browser of staff who may know what sessions there are."""
    client.force_login(make_staff("viewer", "view_session"))
    return client


def test_who_is_connected(viewer: Client, ann: User) -> None:
    """Connections are listed with their user, their node and what they watch."""
    come("n1", "c1", user=ann)
    content = viewer.get(LIST).content.decode()
    for word in ("c1", "ann", "n1", "17", "23"):
        assert word in content
    assert "connections" in viewer.get(NODES).content.decode()


def test_they_are_found(viewer: Client, ann: User) -> None:
    """Connections are found by their id and by the whole name of their user."""
    come("n1", "c1", "c2", user=ann)
    come("n2", "c3", user=User.objects.create_user("anna"))
    for word, found in (("c2", {"c2"}), ("ann", {"c1", "c2"}), ("c", set())):
        content = viewer.get(LIST, {"q": word}).content.decode()
        assert {each for each in ("c1", "c2", "c3") if f"/{each}/change/" in content} == found


def test_what_has_died_is_gone(viewer: Client, ann: User) -> None:
    """A node that says nothing more is on no page, nor are its connections."""
    come("n1", "c1", user=ann)
    come("n2", "c2", user=ann)
    Node.objects.filter(name="n1").update(last_seen=Now() - timedelta(seconds=21))
    content = viewer.get(LIST).content.decode()
    assert "/c2/change/" in content
    assert "/c1/change/" not in content
    nodes = viewer.get(NODES).content.decode()
    assert "/n2/change/" in nodes
    assert "/n1/change/" not in nodes


def test_they_are_narrowed_to_a_node(viewer: Client, ann: User) -> None:
    """The list can be of one node."""
    come("n1", "c1", user=ann)
    come("n2", "c2", user=ann)
    content = viewer.get(LIST, {"node__name__exact": "n2"}).content.decode()
    assert "/c2/change/" in content
    assert "/c1/change/" not in content


def test_hostile_names_are_text(viewer: Client) -> None:
    """Whatever somebody calls themselves stands there as text."""
    come("n1", "c1", user=User.objects.create(username=HOSTILE))
    content = viewer.get(LIST).content.decode()
    assert "&lt;script&gt;alert(" in content
    assert "<script>alert" not in content


def test_queries_do_not_grow(
    viewer: Client, ann: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A list takes the same few queries, be there one connection or ten thousand."""
    come("n1", "c1", user=ann)
    # Who asks (2), what they may (2), how many there are, the nodes to narrow it to, the page.
    with django_assert_num_queries(7):
        viewer.get(LIST)
    Connection.objects.bulk_create(
        Connection(id=f"d{each}", node_id="n1", user=ann, since=timezone.now(),
                   last_seen=timezone.now())
        for each in range(10_000)
    )  # fmt: skip
    viewer.force_login(User.objects.get(username="viewer"))
    with django_assert_num_queries(7):
        content = viewer.get(LIST).content.decode()
    assert content.count("/change/") == 100
    with django_assert_num_queries(6):
        assert "10001" in viewer.get(NODES).content.decode()


# -- what is done ----------------------------------------------------------------------------------


def asked() -> list[tuple[str, str, bool]]:
    """What the nodes are asked."""
    return list(Instruction.objects.order_by("pk").values_list("subject", "target", "reconnect"))


def recorded() -> list[tuple[str, str, str]]:
    """What is recorded: who, of what, and what."""
    return [
        (entry.user.get_username(), str(entry.object_id), entry.get_change_message())
        for entry in LogEntry.objects.order_by("pk")
    ]


def post(client: Client, path: str, action: str, *keys: str, **more: str) -> list[str]:
    """Choose and do: what one is told afterwards."""
    form = {"action": action, "_selected_action": keys, **more}
    response = client.post(path, form, follow=True)
    assert response.status_code == 200
    return sorted(str(message) for message in response.context["messages"])


YES = {"confirmed": "yes", "reason": "Spam"}


@pytest.mark.django_db(transaction=True)
class TestActions:
    @pytest.fixture
    def actor(self, client: Client, ann: User) -> Client:
        """A browser of staff who may act and drain, on a server with three connections."""
        come("n1", "c1", "c2", user=ann)
        come("n2", "c3", user=ann)
        staff = make_staff("boss", "view_session", "moderate_session", "drain_node")
        client.force_login(staff)
        return client

    def test_it_asks_first(self, actor: Client) -> None:
        """Each action asks why, about what was chosen, and has done nothing."""
        for path, action, key, called, button in (
            (LIST, "disconnect", "c1", "“c1 of ann”", "Disconnect"),
            (LIST, "reconnect", "c1", "“c1 of ann”", "Have them reconnect"),
            (NODES, "drain", "n1", "“n1 (h, 1)”", "Drain"),
        ):
            form = {"action": action, "_selected_action": [key]}
            content = actor.post(path, form).content.decode()
            assert f"<bdi>{called}</bdi>" in content
            assert f'value="{button}" class="default"' in content
            assert f'name="_selected_action" value="{key}"' in content
            form |= {"confirmed": "yes", "reason": " "}
            assert "errorlist" in actor.post(path, form).content.decode()
        assert (asked(), recorded()) == ([], [])

    @pytest.mark.parametrize(
        ("action", "told", "done", "reconnect"),
        [
            ("disconnect", "is being closed", "Disconnected", False),
            ("reconnect", "is asked to reconnect", "Asked to reconnect", True),
        ],
    )
    def test_connections(
        self,
        actor: Client,
        action: str,
        told: str,
        done: str,
        reconnect: bool,  # noqa: FBT001
    ) -> None:
        """The node of each is asked to close it, and who did it and why is recorded."""
        answers = post(actor, LIST, action, "c1", "c3", **YES)
        assert answers == [f"“c1 of ann” {told}.", f"“c3 of ann” {told}."]
        assert asked() == [("connection", "c1", reconnect), ("connection", "c3", reconnect)]
        message = f"{done}: Spam"
        assert recorded() == [("boss", "c1", message), ("boss", "c3", message)]

    def test_drain(self, actor: Client) -> None:
        """A node is asked to drain, and who did it and why is recorded."""
        assert post(actor, NODES, "drain", "n1", **YES) == ["“n1 (h, 1)” is draining."]
        assert asked() == [("node", "n1", False)]
        assert recorded() == [("boss", "n1", "Drained: Spam")]

    def test_what_is_gone_is_told_of(self, actor: Client) -> None:
        """What was closed, or died, since it was chosen is told of; the others are done."""
        Node.objects.filter(name="n2").update(last_seen=Now() - timedelta(seconds=21))
        assert post(actor, LIST, "disconnect", "c1", "c3", "c4", **YES) == [
            "“c1 of ann” is being closed.",
            "“c3”: There is no such connection any more.",
            "“c4”: There is no such connection any more.",
        ]
        assert asked() == [("connection", "c1", False)]
        assert post(actor, NODES, "drain", "n2", **YES) == ["“n2”: There is no such node any more."]
        assert post(actor, LIST, "disconnect", "c4") == [
            "“c4”: There is no such connection any more."
        ]
        form = {"action": "disconnect", "_selected_action": ["c4"]}
        assert actor.post(LIST, form).status_code == 302, "it asked why about nothing"
        assert len(recorded()) == len(asked()) == 1

    def test_too_many(self, actor: Client, ann: User) -> None:
        """More than can be done at once are refused, and nothing is done."""
        come("n3", *(f"d{each}" for each in range(AT_ONCE)), user=ann)
        for more in ({}, YES):
            told = post(actor, LIST, "disconnect", "d99", select_across="1", **more)
            assert told == ["At most 100 can be chosen at once."]
        assert (asked(), recorded()) == ([], [])

    @pytest.mark.parametrize(
        ("path", "action", "key", "without"),
        [
            (LIST, "disconnect", "c1", "moderate_session"),
            (LIST, "reconnect", "c1", "moderate_session"),
            (NODES, "drain", "n1", "drain_node"),
        ],
    )
    def test_it_takes_the_permission(
        self, actor: Client, path: str, action: str, key: str, without: str
    ) -> None:
        """Who may not is not offered it; a request made by hand does and records nothing."""
        may = {"view_session", "read_session", "moderate_session", "drain_node"} - {without}
        actor.force_login(make_staff("other", *may))
        assert f'value="{action}"' not in actor.get(path).content.decode()
        assert post(actor, path, action, key, **YES) == []
        assert (asked(), recorded()) == ([], [])

    def test_only_by_those_who_see_the_page(self, actor: Client) -> None:
        """Who may act, but not view, has no page, nor can they act from it."""
        actor.force_login(make_staff("mover", "moderate_session", "drain_node"))
        for path, action, key in ((LIST, "disconnect", "c1"), (NODES, "drain", "n1")):
            form = {"action": action, "_selected_action": [key], **YES}
            assert actor.post(path, form).status_code == 403
        assert (asked(), recorded()) == ([], [])
