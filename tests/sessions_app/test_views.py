"""The HTTP door."""

import json
import sqlite3
from contextlib import closing
from math import ceil
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import AsyncClient, AsyncRequestFactory, override_settings

from sessions_app.models import Event, Receipt, Session, Ticket, User
from sessions_app.views import call_flow, tickets
from tests.sessions_app.adapters.databases import settings_of
from tests.sessions_app.sockets import people, serving
from tests.sessions_app.words import redeem_ticket

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def tokens() -> dict[str, str]:
    return await sync_to_async(people)("ann", "bob")


async def post(
    name: str, params: Any = None, *, token: str | None = None, **kwargs: Any
) -> tuple[int, Any]:
    """The status and the body of `POST /api/flows/<name>/`."""
    kwargs.setdefault("content_type", "application/json")
    headers = kwargs.pop("headers", {})
    if token:
        headers["Authorization"] = f"Bearer {token}"
    client = kwargs.pop("client", None) or AsyncClient()
    body = {} if params is None else params
    response = await client.post(f"/api/flows/{name}/", body, headers=headers, **kwargs)
    return response.status_code, response.json()


async def test_a_flow_is_called_by_its_name(tokens: dict[str, str]) -> None:
    """The params are the body, the result is the answer; a repeated key is a duplicate."""
    params = {"title": "Roof repair", "key": "c-1"}
    status, first = await post("create_session", params, token=tokens["ann"])
    assert (status, first["seq"], first["duplicate"]) == (200, 1, False)
    assert await post("create_session", params, token=tokens["ann"]) == (
        200,
        {**first, "duplicate": True},
    )
    assert await Session.objects.acount() == 1


async def test_the_key_may_be_a_header(tokens: dict[str, str]) -> None:
    """`Idempotency-Key` is another spelling of `key`."""
    headers = {"Idempotency-Key": "c-1"}
    for duplicate in (False, True):
        status, body = await post("create_session", {}, token=tokens["ann"], headers=headers)
        assert (status, body["duplicate"]) == (200, duplicate)
    status, body = await post(
        "create_session", {"key": "other"}, token=tokens["ann"], headers=headers
    )
    assert (status, body["error"]["data"]["path"]) == (422, "$.key")


@pytest.mark.parametrize(
    ("name", "body", "status", "code", "path"),
    [
        ("list_sessions", "{", 400, "parse_error", None),
        ("list_sessions", "", 400, "parse_error", None),
        ("list_sessions", '{"limit":NaN}', 400, "parse_error", None),
        ("list_sessions", "[]", 422, "invalid_input", "$"),
        ("list_sessions", '{"limit":0}', 422, "invalid_input", "$.limit"),
        ("list_sessions", '{"colour":1}', 422, "invalid_input", "$.colour"),
        ("create_session", '{"title":"a\\u0000","key":"k"}', 422, "invalid_input", "$.title"),
        ("create_session", '{"title":"a\\ud800","key":"k"}', 422, "invalid_input", "$.title"),
        ("create_session", "{}", 422, "invalid_input", "$.key"),
        ("nope", "{}", 404, "method_not_found", None),
        ("watch_sessions", '{"sessions":[]}', 404, "method_not_found", None),
        ("unwatch_sessions", '{"session_ids":[]}', 404, "method_not_found", None),
        ("signal", "{}", 404, "method_not_found", None),
        (
            "get_session",
            '{"session_id":"01970000-0000-7000-8000-0000000000ff"}',
            404,
            "session_not_found",
            None,
        ),
        ("list_sessions", " " * 65_537, 413, "too_large", None),
        ("list_sessions", " " * 3_000_000, 413, "too_large", None),
    ],
)
async def test_what_is_wrong_has_its_status_and_its_code(
    tokens: dict[str, str], name: str, body: str, status: int, code: str, path: str | None
) -> None:
    """An error is that of the socket, under the status of the table; nothing has changed."""
    answer, problem = await post(name, body, token=tokens["ann"])
    data = problem["error"]["data"]
    assert (answer, data["code"], data.get("path")) == (status, code, path)
    assert await Event.objects.acount() == 0
    assert await Receipt.objects.acount() == 0


@pytest.mark.parametrize("header", [None, "Bearer nope", "Basic x", ""])
async def test_nobody_may_do_nothing(header: str | None) -> None:
    """Without a good token or a cookie everything is 401, whether it exists or not."""
    headers = {} if header is None else {"Authorization": header}
    for name in ("list_sessions", "nope"):
        status, body = await post(name, headers=headers)
        assert (status, body["error"]["data"]["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]
)
async def test_only_json_is_taken(tokens: dict[str, str], content_type: str) -> None:
    """A body of a kind that any page may send is refused."""
    status, body = await post(
        "create_session", "key=k", token=tokens["ann"], content_type=content_type
    )
    assert (status, body["error"]["data"]["code"]) == (415, "invalid_request")
    assert await Session.objects.acount() == 0


async def signed_in(name: str) -> AsyncClient:
    """A browser in which a user has signed in."""
    client = AsyncClient(enforce_csrf_checks=True)
    await client.aforce_login(await User.objects.aget(username=name))
    return client


async def test_with_a_cookie_the_page_must_be_ours(tokens: dict[str, str]) -> None:
    """A cookie alone is not enough; with the CSRF token of our own page it is."""
    client = await signed_in("ann")
    status, body = await post("create_session", {"key": "k"}, client=client)
    assert (status, body["error"]["data"]["code"]) == (403, "forbidden")
    assert await Session.objects.acount() == 0
    client.cookies["csrftoken"] = "a" * 32
    headers = {"X-CSRFToken": "a" * 32}
    evil = {**headers, "Origin": "https://evil.example"}
    assert (await post("create_session", {"key": "k"}, client=client, headers=evil))[0] == 403
    status, body = await post("create_session", {"key": "k"}, client=client, headers=headers)
    assert (status, body["duplicate"]) == (200, False)
    owner = await Session.objects.values_list("owner__username", flat=True).aget()
    assert owner == "ann"


async def test_a_ticket_is_for_who_asked(tokens: dict[str, str]) -> None:
    """A ticket is a word, stored as a digest, that stands for the one who asked for it."""
    headers = {"Authorization": f"Bearer {tokens['bob']}"}
    response = await AsyncClient().post("/api/tickets/", headers=headers)
    ticket = response.json()["ticket"]
    assert response.json()["expires_in_ms"] == 30_000
    assert not await Ticket.objects.filter(digest=ticket).aexists()
    by_ticket = await post("list_sessions", token=ticket)
    assert by_ticket[0] == 401
    user = await sync_to_async(redeem_ticket)(ticket)
    assert user is not None
    assert user.username == "bob"


async def test_a_ticket_is_not_for_nobody(tokens: dict[str, str]) -> None:
    """Who is not recognised gets no ticket."""
    response = await AsyncClient().post("/api/tickets/")
    assert response.status_code == 401
    assert await Ticket.objects.acount() == 0


# So slow that nothing grows back meanwhile, however busy the machine is.
@override_settings(RATE={"burst": 1, "per_second": 0.001})
async def test_the_rate_of_a_user_holds_here_too(tokens: dict[str, str]) -> None:
    """A user may ten times what a connection may, with calls and tickets together; others wait
    for nobody.
    """
    async with serving() as application:

        async def status(view: Any, token: str, *args: str) -> int:
            request = AsyncRequestFactory().post(
                "/", "{}", content_type="application/json",
                headers={"Authorization": f"Bearer {token}"},
            )  # fmt: skip
            scope: Any = request.scope
            scope["flows"] = application.flows
            response = await view(request, *args)
            if response.status_code == 429:
                told = json.loads(response.content)["error"]["data"]
                assert told["code"] == "rate_limited"
                assert 0 < told["retry_after_ms"] <= 100_000
                assert int(response["Retry-After"]) == ceil(told["retry_after_ms"] / 1000)
            return int(response.status_code)

        answers = [await status(call_flow, tokens["ann"], "ping") for _ in range(9)]
        answers += [await status(tickets, tokens["ann"])]
        assert answers == [200] * 10
        assert await status(call_flow, tokens["ann"], "ping") == 429
        assert await status(tickets, tokens["ann"]) == 429
        assert await status(call_flow, tokens["bob"], "ping") == 200


@override_settings(RATE={"burst": 2, "per_second": 0.001})
async def test_tickets_are_given_more_slowly_than_calls_are_answered(
    tokens: dict[str, str],
) -> None:
    """A user gets tickets at the rate of one connection; then no row is written for one more."""
    async with serving() as application:

        async def ask(token: str) -> Any:
            headers = {"Authorization": f"Bearer {token}"}
            request = AsyncRequestFactory().post("/", headers=headers)
            scope: Any = request.scope
            scope["flows"] = application.flows
            return await tickets(request)

        assert [(await ask(tokens["ann"])).status_code for _ in range(2)] == [200, 200]
        refused = await ask(tokens["ann"])
        told = json.loads(refused.content)["error"]["data"]
        assert (refused.status_code, told["code"]) == (429, "rate_limited")
        assert 0 < told["retry_after_ms"] <= 1_000_000
        assert await Ticket.objects.acount() == 2
        assert (await ask(tokens["bob"])).status_code == 200


async def test_no_ticket_while_nothing_can_be_written(tokens: dict[str, str]) -> None:
    """Where a ticket cannot be stored, that is told as what may be tried again."""
    headers = {"Authorization": f"Bearer {tokens['bob']}"}
    with (
        settings_of("default", options={"timeout": 0.01}),
        closing(sqlite3.connect(connection.settings_dict["NAME"])) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        response = await AsyncClient().post("/api/tickets/", headers=headers)
    assert response.status_code == 503
    assert response.json()["error"]["data"]["code"] == "unavailable"
    assert await Ticket.objects.acount() == 0


@pytest.mark.parametrize("path", ["/healthz/live", "/healthz/ready"])
async def test_health_is_told_to_anybody_who_asks(path: str) -> None:
    """Whoever supervises the process learns that it lives and can serve; by GET only."""
    assert (await AsyncClient().get(path)).status_code == 200
    assert (await AsyncClient().post(path)).status_code == 405


async def test_metrics_are_there_for_those_who_asked(tokens: dict[str, str]) -> None:
    """What has been counted can be read where METRICS is on, and is not there where it is off."""
    assert (await AsyncClient().get("/metrics")).status_code == 404
    with override_settings(METRICS=True):
        await post("list_sessions", token=tokens["ann"])
        response = await AsyncClient().get("/metrics")
    assert response.status_code == 200
    text = response.content.decode()
    assert 'flow_executions_total{flow="list_sessions",outcome="ok"}' in text
    assert "flow_sockets 0.0" in text
    assert 'flow_hub_mode{mode="alone"} 1.0' in text


@pytest.mark.parametrize("path", ["/api/flows/list_sessions/", "/api/tickets/"])
async def test_what_acts_is_posted(path: str) -> None:
    """Nothing that acts or tells is to be had by GET."""
    assert (await AsyncClient().get(path)).status_code == 405
