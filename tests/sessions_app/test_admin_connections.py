"""The pages of who is connected."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from sessions_app.models import Connection, Node, User
from tests.sessions_app.rows import make_staff

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


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann")


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


def test_queries_do_not_grow(
    viewer: Client, ann: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    """A list takes a few queries, however many connections there are."""
    come("n1", *(f"c{each}" for each in range(60)), user=ann)
    with django_assert_max_num_queries(12):
        viewer.get(LIST)
    with django_assert_max_num_queries(12):
        viewer.get(NODES)
