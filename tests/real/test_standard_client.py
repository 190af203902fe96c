"""An off-the-shelf JSON-RPC 2.0 client talks to us without knowing anything of ours."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from jsonrpcclient import Error, Ok, notification_json, parse, request, request_json
from websockets.asyncio.client import ClientConnection, connect

from tests.bad_input.stage import ask
from tests.servers import Server

#: JSON-RPC 2.0, section 5.1.
STANDARD = {
    "parse_error": -32700,
    "invalid_request": -32600,
    "method_not_found": -32601,
    "invalid_input": -32602,
}


@pytest.fixture
async def socket(server: Server) -> AsyncIterator[ClientConnection]:
    """A plain WebSocket, without our subprotocol."""
    token = server.people["owner0"].token
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(server.url, additional_headers=headers, proxy=None) as socket:
        yield socket


async def response(socket: ClientConnection) -> Any:
    """The next response, parsed by the library; notifications are no responses."""
    async for text in socket:
        frame = json.loads(text)
        if isinstance(frame, list) or "method" not in frame:
            return parse(frame)
    raise EOFError


async def test_a_call_gets_its_result(socket: ClientConnection) -> None:
    """A request that the library makes is answered with what the library takes for a success."""
    asked = request("create_session", params={"title": "Roof", "key": uuid4().hex})
    await socket.send(json.dumps(asked))
    answer = await response(socket)
    assert isinstance(answer, Ok)
    assert answer.id == asked["id"]
    assert answer.result["seq"] == 1


async def test_a_call_without_params_is_one(socket: ClientConnection) -> None:
    """The library leaves out empty params, as the standard allows."""
    await socket.send(request_json("ping"))
    answer = await response(socket)
    assert isinstance(answer, Ok)
    assert answer.result == {}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "parse_error"),
        ("7", "invalid_request"),
        (request_json("nope"), "method_not_found"),
        (request_json("ping", params={"x": 1}), "invalid_input"),
        (request_json("ping", params=(1,)), "invalid_input"),
    ],
)
async def test_errors_are_the_standard_s(socket: ClientConnection, text: str, code: str) -> None:
    """What is wrong with a request is told by the standard's own numbers."""
    await socket.send(text)
    answer = await response(socket)
    assert isinstance(answer, Error)
    assert (answer.code, answer.data["code"]) == (STANDARD[code], code)


async def test_a_notification_is_not_answered(socket: ClientConnection) -> None:
    """Nothing answers what has no id; the next answer is that to the next request."""
    await socket.send(notification_json("ping"))
    asked = request("ping")
    await socket.send(json.dumps(asked))
    assert (await response(socket)).id == asked["id"]


async def test_a_batch_is_answered_by_an_array(socket: ClientConnection) -> None:
    """A batch gets one array, with a response for each request in it."""
    requests = [request("ping"), request("nope"), {"jsonrpc": "2.0", "method": "ping"}]
    await socket.send(json.dumps(requests))
    answers = {each.id: each for each in await response(socket)}
    assert isinstance(answers[requests[0]["id"]], Ok)
    assert isinstance(answers[requests[1]["id"]], Error)
    assert len(answers) == 2


async def test_errors_over_http_are_the_same(server: Server) -> None:
    """The error in an HTTP answer is a JSON-RPC error object."""
    headers = {
        "Authorization": f"Bearer {server.people['owner0'].token}",
        "Content-Type": "application/json",
    }
    answer = await ask(server, "POST", "/api/flows/ping/", headers, b'{"x": 1}')
    assert answer is not None
    assert answer.status == 422
    error = parse({"jsonrpc": "2.0", "id": None, **json.loads(answer.body)})
    assert isinstance(error, Error)
    assert (error.code, error.data["path"]) == (STANDARD["invalid_input"], "$.x")
    answer = await ask(server, "POST", "/api/flows/ping/", headers, b"{}")
    assert answer is not None
    assert (answer.status, json.loads(answer.body)) == (200, {})
