"""`manage.py chat`, against a server process."""

import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest

from tests.servers import PATIENCE, ROOT, Person, Server, environment, serving, sqlite_database


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with sqlite_database() as database, serving(database) as server:
        yield server


def call(server: Server, who: Person, flow: str, **params: object) -> dict[str, object]:
    """The result of a flow, over HTTP."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        headers = {"Authorization": f"Bearer {who.token}", "Content-Type": "application/json"}
        connection.request("POST", f"/api/flows/{flow}/", json.dumps(params), headers)
        response = connection.getresponse()
        result: dict[str, object] = json.loads(response.read())
        assert response.status == 200, result
        return result
    finally:
        connection.close()


@pytest.fixture
def session_id(server: Server, request: pytest.FixtureRequest) -> str:
    """A session of owner0 in which member0 takes part."""
    created = call(
        server,
        server.people["owner0"],
        "create_session",
        title="Roof",
        participants=[{"user": "member0", "role": "member"}],
        key=request.node.name[:64],
    )
    return str(created["session_id"])


def messages(server: Server, session_id: str) -> list[tuple[str, str]]:
    """Who wrote what in a session, in order."""
    rows = server.database.rows(
        "SELECT actor, data FROM sessions_app_event"
        " WHERE session_id = ? AND kind = 'message_sent' ORDER BY seq",
        [session_id.replace("-", "")],
    )
    return [(actor, json.loads(data)["text"]) for actor, data in rows]


def command(server: Server, session_id: str, *arguments: str) -> list[str]:
    return [sys.executable, "manage.py", "chat", session_id, "--url", server.url, *arguments]


def variables(token: str) -> dict[str, str]:
    # No database at all: it needs the URL only.
    return environment("sqlite:////nowhere/db.sqlite3", FLOW_SESSIONS_TOKEN=token)


def talk(
    server: Server, session_id: str, lines: str, *arguments: str, token: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Pipe `lines` into the command and wait for its end; as owner0, unless told otherwise."""
    return subprocess.run(
        command(server, session_id, *arguments),
        cwd=ROOT,
        env=variables(server.people["owner0"].token if token is None else token),
        input=lines,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class Terminal:
    """The command while it runs."""

    def __init__(self, process: subprocess.Popen[str], out: IO[str], into: IO[str]) -> None:
        self.process = process
        self._out = out
        self._into = into

    def type(self, line: str) -> None:
        self._into.write(f"{line}\n")
        self._into.flush()

    def read(self) -> str:
        """The next line, without the time."""
        return re.sub(r"^\d\d:\d\d:\d\d ", "", self._out.readline()).rstrip("\n")

    def end(self) -> int:
        """Close its standard input; its exit status."""
        self._into.close()
        return self.process.wait(PATIENCE)


@contextmanager
def terminal(server: Server, session_id: str, name: str) -> Iterator[Terminal]:
    """The command, run by `name`, once it has said which session it is."""
    process = subprocess.Popen(
        command(server, session_id),
        cwd=ROOT,
        env=variables(server.people[name].token),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in the background, they ignore Ctrl-C, and what they start would, too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    try:
        shown = Terminal(process, process.stdout, process.stdin)
        assert shown.read() == "Roof (open)"
        yield shown
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


def test_writes_what_is_piped(server: Server, session_id: str) -> None:
    """Every line that is piped in is written, in order, and shown; then it ends well."""
    done = talk(server, session_id, "one\r\n\ntwo\nÖl & Wasser")
    assert (done.returncode, done.stderr) == (0, "")
    assert messages(server, session_id) == [
        ("owner0", "one"),
        ("owner0", "two"),
        ("owner0", "Öl & Wasser"),
    ]
    lines = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in done.stdout.splitlines()]
    assert lines == [
        "Roof (open)",
        "owner0 began “Roof”",
        "owner0 added member0 as member",
        "owner0: one",
        "owner0: two",
        "owner0: Öl & Wasser",
    ]


def test_writes_many_lines(server: Server, session_id: str) -> None:
    """More lines than the server takes at once are written all the same, each once, in order."""
    lines = [f"line {number}" for number in range(60)]
    done = talk(server, session_id, "\n".join(lines))
    assert (done.returncode, done.stderr) == (0, "")
    assert messages(server, session_id) == [("owner0", line) for line in lines]


def test_reads_a_file(server: Server, session_id: str) -> None:
    """Standard input may be a file; an empty one ends it at once."""
    with open("/dev/null") as nothing:  # noqa: PTH123
        done = subprocess.run(
            command(server, session_id),
            cwd=ROOT,
            env=variables(server.people["owner0"].token),
            stdin=nothing,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert messages(server, session_id) == []


def test_tells_what_is_refused(server: Server, session_id: str) -> None:
    """A line that is refused is told of with its path, the others are written; it ends with 1."""
    done = talk(server, session_id, f"one\n{'x' * 16_385}\na\x00b\ntwo\n")
    assert done.returncode == 1
    assert messages(server, session_id) == [("owner0", "one"), ("owner0", "two")]
    complaints = done.stderr.splitlines()
    assert len(complaints) == 2
    for complaint in complaints:
        assert complaint.startswith("invalid_input: ")
        assert complaint.endswith(" - at `$.text`")


def test_does_nothing_to_the_terminal(server: Server, session_id: str) -> None:
    """What would control a terminal, in a message, is spelled out."""
    done = talk(server, session_id, "\x1b[2J\x07 \u202e\n")
    assert done.stdout.splitlines()[-1].endswith(r"owner0: \x1b[2J\x07 \u202e")
    assert messages(server, session_id) == [("owner0", "\x1b[2J\x07 \u202e")]


@pytest.mark.parametrize(
    ("arguments", "token", "says"),
    [
        ([], "fs_" + "a" * 43, "The server does not know this token (4501)"),
        ([], "no token", "The server does not know this token (4501)"),
        ([], "", "Give a token, with --token or in FLOW_SESSIONS_TOKEN"),
        ([], "é", "This is not a token"),
        (["--token", "fs_x"], None, "The server does not know this token (4501)"),
        (["--url", "http://127.0.0.1/"], None, "http://127.0.0.1/ isn't a valid URI: .*"),
        (["--url", "nonsense"], None, "nonsense isn't a valid URI: .*"),
    ],
)
def test_tells_what_is_wrong(
    arguments: list[str], token: str | None, says: str, server: Server, session_id: str
) -> None:
    """What is wrong with the token or the URL is told on one line; it ends with 1."""
    done = talk(server, session_id, "one\n", *arguments, token=token)
    assert (done.returncode, done.stdout) == (1, "")
    pattern = says if says.endswith(".*") else re.escape(says)
    assert re.fullmatch(f"CommandError: {pattern}\n", done.stderr)
    assert messages(server, session_id) == []


@pytest.mark.parametrize(
    ("session", "says"),
    [
        ("01970000-0000-7000-8000-000000000001", "session_not_found: There is no such session"),
        ("x", r"invalid_input: .* - at `\$\.session_id`"),
    ],
)
def test_of_no_session(session: str, says: str, server: Server) -> None:
    """A session that is not there, or a word that is no id, is told of; it ends with 1."""
    done = talk(server, session, "one\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(f"CommandError: {says}\n", done.stderr)


def test_two_talk(server: Server, session_id: str) -> None:
    """What one types the other sees at once, and both in the same order."""
    with (
        terminal(server, session_id, "owner0") as ann,
        terminal(server, session_id, "member0") as bob,
    ):
        for each in (ann, bob):
            assert each.read() == "owner0 began “Roof”"
            assert each.read() == "owner0 added member0 as member"
        ann.type("It leaks.")
        assert bob.read() == ann.read() == "owner0: It leaks."
        bob.type("Where?")
        assert ann.read() == bob.read() == "member0: Where?"
        assert ann.end() == bob.end() == 0


def test_misses_nothing() -> None:
    """When the server dies, what is typed meanwhile is written when there is one again, once; and
    what others wrote while it was away is shown, once and in order.
    """
    with sqlite_database() as database, serving(database) as server:
        owner, member = server.people["owner0"], server.people["member0"]
        people = [{"user": "member0", "role": "member"}]
        created = call(server, owner, "create_session", title="Roof", participants=people, key="k")
        session_id = str(created["session_id"])
        with terminal(server, session_id, "owner0") as ann:
            ann.read(), ann.read()
            ann.type("Before.")
            assert ann.read() == "owner0: Before."
            server.kill()
            ann.type("Meanwhile.")
            server.start()
            assert ann.read() == "owner0: Meanwhile."
            for number in range(5):
                call(
                    server, member, "send_message",
                    session_id=session_id, text=f"Line {number}.", key=str(number),
                )  # fmt: skip
            assert [ann.read() for _ in range(5)] == [
                f"member0: Line {number}." for number in range(5)
            ]
            assert ann.end() == 0
        assert messages(server, session_id)[:2] == [("owner0", "Before."), ("owner0", "Meanwhile.")]
        assert len(messages(server, session_id)) == 7


def test_ends_when_removed(server: Server, session_id: str) -> None:
    """Who is removed from the session is told, without having to type anything; it ends with 1."""
    with terminal(server, session_id, "member0") as bob:
        bob.read(), bob.read()
        call(
            server, server.people["owner0"], "remove_participant",
            session_id=session_id, user="member0", key=f"remove-{session_id}",
        )  # fmt: skip
        assert bob.process.wait(PATIENCE) == 1
        assert bob.process.stderr
        assert "The session is watched no more" in bob.process.stderr.read()


def test_ctrl_c(server: Server, session_id: str) -> None:
    """Ctrl-C ends it quietly, with 130."""
    with terminal(server, session_id, "owner0") as ann:
        ann.process.send_signal(signal.SIGINT)
        assert ann.process.wait(PATIENCE) == 130
        assert ann.process.stderr
        assert ann.process.stderr.read() == ""
