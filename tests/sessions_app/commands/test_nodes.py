"""`manage.py disconnect` and `manage.py drain`."""

import json

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from sessions_app.adapters.acts import operator
from sessions_app.models import Connection, Instruction, Node, User
from tests.sessions_app.commands.running import call

pytestmark = pytest.mark.django_db(transaction=True)


def come() -> None:
    """A node with a connection of Ann."""
    now = timezone.now()
    node = Node.objects.create(name="n1", host="h", pid=7, started=now, last_seen=now, clock=now)
    ann = User.objects.create(username="ann")
    Connection.objects.create(id="c1", node=node, user=ann, since=now, last_seen=now)


def asked() -> list[tuple[str, str, bool]]:
    return list(Instruction.objects.values_list("subject", "target", "reconnect"))


def test_disconnect() -> None:
    """All nodes are asked to close a user's connections, or to have their clients come back."""
    come()
    assert call("disconnect", "ann").out == "Connections that are being closed: 1.\n"
    told = json.loads(call("disconnect", "ann", "--reconnect", "--json").out)
    assert told == {"connections": 1}
    assert asked() == [("user", "ann", False), ("user", "ann", True)]


def test_disconnect_is_kept(client: Client) -> None:
    """Staff find in the user's history who closed their connections, from which shell, and why;
    nobody can sign in as the user that stands for operators.
    """
    come()
    call("disconnect", "ann", "--reason", "Stolen laptop")
    ann, operators = User.objects.get(username="ann"), User.objects.get(username="manage.py")
    assert not operators.is_active
    assert not operators.has_usable_password()
    client.force_login(User.objects.create_superuser("boss"))
    page = client.get(reverse("admin:sessions_app_user_history", args=[ann.pk])).content.decode()
    assert f"Disconnected by {escape(operator())}: Stolen laptop" in page
    assert "manage.py" in page


def test_refused_is_not_kept() -> None:
    """What is refused was not done, and needs nobody who did it."""
    with pytest.raises(CommandError):
        call("disconnect", "nobody", "--reason", "Spam")
    with pytest.raises(CommandError, match="reason"):
        call("drain", "n1", "--reason", "x" * 1001)
    assert not User.objects.exists()
    assert not LogEntry.objects.exists()


def test_disconnect_nobody() -> None:
    """For a user who does not exist, one line says so, and nobody is asked."""
    with pytest.raises(CommandError, match="invalid_input: There is no such user"):
        call("disconnect", "nobody")
    assert asked() == []


def test_drain() -> None:
    """A node is asked to drain; one that does not exist is not."""
    come()
    assert call("drain", "n1", "--reason", "Old").out == "It drains.\n"
    assert LogEntry.objects.get().get_change_message() == f"Drained by {operator()}: Old"
    assert json.loads(call("drain", "n1", "--json").out) == {}
    with pytest.raises(CommandError, match="There is no such node"):
        call("drain", "n2")
    assert asked() == [("node", "n1", False)] * 2


def test_which_there_are() -> None:
    """Without a node, those that there are are shown, and nobody is asked."""
    come()
    assert call("drain").out == "n1  h 7  serves, connections: 1\n"
    (node,) = json.loads(call("drain", "--json").out)["nodes"]
    assert node["node"] == "n1"
    assert asked() == []
