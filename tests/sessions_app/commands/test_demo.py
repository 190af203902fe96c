"""`manage.py demo`."""

import http.client
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management.base import CommandError
from django.test import Client
from pytest_django import Settings

from sessions_app.models import AccessToken, Event, Participant, Receipt, Session, User
from sessions_app.tokens import issue_token
from tests.servers import PATIENCE, ROOT, environment
from tests.sessions_app.commands.running import call, stored
from tests.sessions_app.words import user_of_token

TOKEN = r"^Token +(\w+) +(fs_[\w-]{43})$"


@pytest.fixture
def _trying_out(settings: Settings) -> None:
    settings.DEBUG = True


def tokens_in(output: str) -> dict[str, str]:
    """The tokens that are printed, by user."""
    return dict(re.findall(TOKEN, output, re.MULTILINE))


@pytest.mark.django_db(transaction=True)
def test_is_for_trying_out_only(settings: Settings) -> None:
    """Without DEBUG it refuses, and nothing has changed."""
    settings.DEBUG = False
    before = stored()
    with pytest.raises(CommandError, match="DEBUG only"):
        call("demo", "--no-serve")
    assert stored() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_trying_out")
class TestDemo:
    def test_makes_people(self) -> None:
        """There are ann, bob, carol and the superuser admin, whose password is `demo`."""
        call("demo", "--no-serve")
        assert list(User.objects.order_by("username").values_list("username", "is_superuser")) == [
            ("admin", True),
            ("ann", False),
            ("bob", False),
            ("carol", False),
        ]
        client = Client()
        assert client.login(username="admin", password="demo")
        assert client.get("/admin/sessions_app/session/").status_code == 200
        for name in ("ann", "bob"):
            assert Client().login(username=name, password="demo")

    def test_makes_a_session(self) -> None:
        """There is a session in which three people have talked, made by flows; and an ended one."""
        call("demo", "--no-serve")
        session = the_session()
        assert (session.owner.username, session.status) == ("ann", "open")
        assert session.message_count == 6
        assert list(session.events.values_list("seq", "actor", "kind")) == [
            (1, "ann", "session_created"),
            (2, "ann", "participant_added"),
            (3, "ann", "message_sent"),
            (4, "bob", "message_sent"),
            (5, "ann", "message_sent"),
            (6, "ann", "participant_added"),
            (7, "carol", "message_sent"),
            (8, "bob", "session_renamed"),
            (9, "bob", "message_sent"),
            (10, "ann", "message_sent"),
        ]
        assert session.participants.get(user__username="bob").seen_seq == 9
        earlier = Session.objects.get(title="Heating, second floor")
        assert (earlier.owner.username, earlier.status) == ("bob", "ended")
        assert Receipt.objects.count() == 9 + 4

    def test_tells_where_everything_is(self) -> None:
        """The page, the admin, the socket, the users and their tokens are printed."""
        output = call("demo", "--no-serve", "--port", "8123").out
        for fact in (
            f"http://127.0.0.1:8123/sessions/{the_session().pk}/\n",
            "http://127.0.0.1:8123/admin/",
            "ws://127.0.0.1:8123/ws/",
            "ann, bob, carol, admin; password demo\n",
        ):
            assert fact in output
        tokens = tokens_in(output)
        assert {name: user_of_token(token) for name, token in tokens.items()} == {
            name: User.objects.get(username=name) for name in ("ann", "bob")
        }

    def test_again(self) -> None:
        """Running it again changes nothing but the demo tokens: earlier ones are good no more."""
        first = tokens_in(call("demo", "--no-serve").out)
        own = issue_token(User.objects.get(username="ann"), "own")
        before = [list(model.objects.values()) for model in (Session, Participant, Event, Receipt)]
        people = list(User.objects.values())

        second = tokens_in(call("demo", "--no-serve").out)
        after = [list(model.objects.values()) for model in (Session, Participant, Event, Receipt)]
        assert after == before
        assert list(User.objects.values()) == people
        assert [user_of_token(token) for token in first.values()] == [None, None]
        assert None not in [user_of_token(token) for token in second.values()]
        assert user_of_token(own) == User.objects.get(username="ann")
        assert AccessToken.objects.count() == 5

    def test_in_an_ended_session(self) -> None:
        """It runs again after somebody has ended the session and changed who takes part."""
        call("demo", "--no-serve")
        call("end_session", str(the_session().pk))
        call("demo", "--no-serve")
        assert the_session().status == "ended"

    def test_leaves_who_is_there(self) -> None:
        """A user who is there already stays as they are, and that they differ is told."""
        User.objects.create_user("admin", password="secret-of-mine")
        before = User.objects.values().get()
        output = call("demo", "--no-serve").out
        assert "password demo (but not admin, whose password was changed)" in output
        assert User.objects.filter(username="admin").values().get() == before


def the_session() -> Session:
    """The session to talk in."""
    return Session.objects.get(title="Roof repair, north side")


@contextmanager
def demo(database: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """The demo as a process that is ready; afterwards it must end by itself when asked to."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "demo", "--port", str(port)],
        cwd=ROOT,
        env=environment(f"sqlite:///{database}", DEBUG="true"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(port):
            assert process.poll() is None, process.stdout and process.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process
        process.send_signal(signal.SIGTERM)
        # uvicorn, once it has ended well, ends its process by the signal that it was sent.
        assert process.wait(PATIENCE) in {0, -signal.SIGTERM}
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def answers(port: int) -> bool:
    """Whether a server on `port` is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/healthz/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def test_from_nothing(tmp_path: Path) -> None:
    """With no database at all, one command serves, and what it prints works as printed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    with demo(tmp_path / "db.sqlite3", port) as process:
        assert process.stdout
        printed = ""
        while "--token" not in printed:
            printed += process.stdout.readline()
        command = re.search(r"^  python (manage.py chat .*?) \\\n +(.*)$", printed, re.MULTILINE)
        assert command
        chat = subprocess.run(
            [sys.executable, *command[1].split(), *command[2].split()],
            cwd=ROOT,
            env=environment("sqlite:////nowhere/db.sqlite3"),
            input="Hello there.\n",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert chat.returncode == 0, chat.stderr
    assert chat.stdout.splitlines()[-1].endswith(" ann: Hello there.")
    assert chat.stdout.splitlines()[0] == "Roof repair, north side (open)"
