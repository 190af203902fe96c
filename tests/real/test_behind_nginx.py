"""The commands of compose.yaml, behind a real nginx with the shipped settings."""

import asyncio
import contextlib
import http.client
import json
import re
import secrets
import sys
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from websockets.exceptions import InvalidStatus

from tests.servers import PASSWORD, PATIENCE, Person, people_of, postgres_database
from tests.stack import COMPOSE, PROCESSES, SERVICES, Stack, welcome_of
from tests.wire import Client

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.nginx]


@pytest.fixture(scope="module")
def people() -> dict[str, Person]:
    return {}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, people: dict[str, Person]) -> Iterator[Stack]:
    """Everything, started as compose would: migrate, then both processes, then the proxy."""
    folder = tmp_path_factory.mktemp("stack")
    with postgres_database() as database:
        people |= people_of(database)
        stack = Stack(folder, database.url)
        try:
            stack.run(stack.command("migrate"))
            stack.run([sys.executable, "manage.py", "collectstatic", "--no-input"])
            for service in PROCESSES:
                stack.start(service)
            stack.start_proxy()
            yield stack
        finally:
            stack.close()


def signed_in(stack: Stack) -> str:
    """The cookie of a staff member who signs in on the admin's page through the proxy."""
    page = stack.get("/admin/login/")
    assert page.status == 200
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.text)  # type: ignore[attr-defined]
    assert token
    csrf = page.headers["Set-Cookie"].partition(";")[0]
    done = stack.get(
        "/admin/login/?next=/admin/", method="POST",
        body=urlencode(
            {"csrfmiddlewaretoken": token[1], "username": "admin", "password": PASSWORD}
        ),
        Cookie=csrf, Referer=f"{stack.origin}/admin/login/",
        Content_Type="application/x-www-form-urlencoded",
    )  # fmt: skip
    assert (done.status, done.headers["Location"]) == (302, "/admin/"), done.text  # type: ignore[attr-defined]
    cookies = done.headers.get_all("Set-Cookie") or []
    (login,) = (each for each in cookies if each.startswith("sessionid="))
    assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(login.split("; "))
    return login.partition(";")[0]


def test_people_sign_in_through_the_proxy(stack: Stack) -> None:
    """The form, its CSRF check and the secure cookie work over TLS that ends at the proxy."""
    cookie = signed_in(stack)
    admin = stack.get("/admin/", Cookie=cookie)
    assert admin.status == 200
    assert admin.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "frame-ancestors 'none'" in admin.headers["Content-Security-Policy"]


def test_static_files_come_through_the_proxy(stack: Stack) -> None:
    """What a page names is there, under a name that may be kept for ever."""
    page = stack.get("/admin/login/")
    style = re.search(r'href="(/static/admin/css/base\.\w+\.css)"', page.text)  # type: ignore[attr-defined]
    assert style
    file = stack.get(style[1])
    assert (file.status, file.headers.get_content_type()) == (200, "text/css")
    assert "immutable" in file.headers["Cache-Control"]


def test_plain_http_is_sent_to_https_and_metrics_stay_inside(stack: Stack) -> None:
    """The proxy redirects; /healthz/ comes through, /metrics does not."""
    plain = http.client.HTTPConnection("127.0.0.1", stack.plain_port, timeout=PATIENCE)
    plain.request("GET", "/admin/")
    answer = plain.getresponse()
    assert (answer.status, answer.headers["Location"]) == (301, "https://127.0.0.1/admin/")
    plain.close()
    assert stack.get("/healthz/ready").status == 200
    assert stack.get("/metrics").status == 404


def test_what_a_client_says_of_itself_is_not_believed(stack: Stack) -> None:
    """Forwarding headers that come from outside are written anew: no redirect, no other address."""
    answer = stack.get(
        "/healthz/live", X_Forwarded_Proto="http", X_Forwarded_For="1.2.3.4", Daphne_Root_Path="/x"
    )
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


async def test_sockets_reach_both_processes(stack: Stack) -> None:
    """A page of ours opens sockets with the cookie alone, on whichever process."""
    cookie = await asyncio.to_thread(signed_in, stack)
    nodes: set[str] = set()
    async with contextlib.AsyncExitStack() as opened:
        for _ in range(8):
            socket = await opened.enter_async_context(
                stack.socket(Cookie=cookie, Origin=stack.origin)
            )
            welcome = await welcome_of(socket)
            assert welcome["user"] == "admin"
            nodes.add(welcome["node"])
    assert len(nodes) == 2


async def test_a_page_of_another_origin_opens_no_socket(stack: Stack) -> None:
    """The scheme counts, too: with TLS at the proxy, a plain page of the same host is another."""
    cookie = await asyncio.to_thread(signed_in, stack)
    for origin in (f"http://127.0.0.1:{stack.port}", "https://evil.example", "https://127.0.0.1"):
        with pytest.raises(InvalidStatus) as refused:
            async with stack.socket(Cookie=cookie, Origin=origin):
                pass
        assert refused.value.response.status_code == 403


async def node_of(client: Client) -> str:
    node: str = (await client.until(lambda: client.frames or None))[0]["params"]["node"]
    return node


async def test_one_process_is_replaced_without_a_loss(
    stack: Stack, people: dict[str, Person]
) -> None:
    """Its clients go on elsewhere, calls are answered throughout, and every event is there once."""
    headers = {"Authorization": f"Bearer {people['owner0'].token}"}
    sockets: dict[str, Client] = {}
    async with contextlib.AsyncExitStack() as opened:
        while len(sockets) < 2:
            socket = await opened.enter_async_context(stack.socket(**headers))
            client = Client(socket)
            sockets.setdefault(await node_of(client), client)
        first = sockets.pop(await stack.node_of("web1", headers))
        (second,) = sockets.values()
        created = await first.call("create_session", title="Roof", key=secrets.token_hex(8))
        session = created["session_id"]
        await second.watch(session)
        stopping = asyncio.create_task(asyncio.to_thread(stack.stop, "web1"))
        await first.until(lambda: first.notifications("draining") or None)

        async def write(number: int) -> None:
            message = {"session_id": session, "text": f"{number}", "key": f"k{number}"}
            answered = await asyncio.to_thread(
                stack.get, "/api/flows/send_message/", method="POST", body=json.dumps(message),
                Authorization=headers["Authorization"], Content_Type="application/json",
            )  # fmt: skip
            assert answered.status == 200

        for number in range(20):
            await write(number)
        assert await first.ended(patience=PATIENCE) == 4001
        assert await stopping == 0
        await write(20)
        await second.has_events(session, 22)
        assert second.seqs(session) == list(range(1, 23))
        again = await opened.enter_async_context(stack.socket(**headers))
        other = Client(again)
        await other.watch(session, after=first.seqs(session)[-1])
        assert first.seqs(session) + other.seqs(session) == list(range(1, 23))
    await asyncio.to_thread(stack.start, "web1")


async def test_a_handshake_that_is_never_finished_is_dropped(stack: Stack) -> None:
    """The proxy waits for the rest of a request no longer than it is told to."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port, ssl=stack.tls)
    writer.write(b"GET /ws/ HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n")
    async with asyncio.timeout(PATIENCE):
        assert b"101" not in await reader.read()
    writer.close()


def test_compose_waits_for_what_it_needs() -> None:
    """The schema is there before a process begins, a stop takes as long as a drain, no root."""
    for service in PROCESSES:
        assert SERVICES[service]["depends_on"]["migrate"] == {
            "condition": "service_completed_successfully"
        }
        assert SERVICES[service]["stop_grace_period"] == "40s"
        assert SERVICES[service]["environment"] == SERVICES["migrate"]["environment"]
        assert service in SERVICES[service]["environment"]["ALLOWED_HOSTS"].split(",")
    (network,) = COMPOSE["networks"]["default"]["ipam"]["config"]
    assert SERVICES["web1"]["environment"]["TRUSTED_PROXIES"] == network["subnet"]
