"""The WebSocket consumer, driven through the whole application."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.test import Client as Browser
from django.test import override_settings
from django.utils import timezone

from project.application import Application
from sessions_app.connection import FRAMES_WHILE_LIMITED
from sessions_app.models import AccessToken, Event, Receipt, User
from sessions_app.tokens import issue_ticket
from tests.sessions_app.sockets import Client, Connect, request, serving

pytestmark = pytest.mark.django_db(transaction=True)


async def begin(client: Client, **params: object) -> UUID:
    """A session of the client's, whose first events have been read."""
    created = await client.call("create_session", key=uuid4().hex, **params)
    for _ in range(created["seq"]):
        assert (await client.frame())["method"] == "event"
    return UUID(created["session_id"])


# -- connecting ----------------------------------------------------------------------------------


async def test_a_token_opens_a_socket_that_welcomes(connect: Connect) -> None:
    """The first frame says who one is, where, and what one may."""
    async with connect("ann") as ann:
        assert ann.accepted.get("subprotocol") is None
        assert ann.welcome["user"] == "ann"
        assert ann.welcome["limits"] == {
            "frame_bytes": 65536,
            "batch": 64,
            "in_flight": 32,
            "watching": 1000,
            "rate": {"burst": 40, "per_second": 20},
        }
        keys = {"connection", "user", "epoch", "node", "server", "limits", "ping_seconds"}
        assert ann.welcome.keys() == keys


async def test_our_subprotocol_is_chosen_among_those_offered(connect: Connect) -> None:
    """The one subprotocol that is known is echoed, and nothing else that was offered."""
    offered = ["secret-token", "sessions.v1.jsonrpc"]
    async with connect("ann", subprotocols=offered) as ann:
        assert ann.accepted["subprotocol"] == "sessions.v1.jsonrpc"


async def test_unknown_subprotocols_close_4506(connect: Connect) -> None:
    """Who offers only what is unknown is told so by the code."""
    ann = connect("ann", subprotocols=["sessions.v2.jsonrpc"])
    assert (await ann.handshake())["type"] == "websocket.accept"
    assert await ann.closed() == 4506


@pytest.mark.parametrize(
    "header", [None, "Bearer nope", "Basic YTpi", "Bearer ", "", "Bearer t\u00e9st", "Bearer a\x00"]
)
async def test_nobody_is_accepted_only_to_be_told(
    application: Application, header: str | None
) -> None:
    """Who is not recognised is accepted and closed 4501, which a browser can read."""
    headers = [] if header is None else [(b"authorization", header.encode())]
    client = Client(application, headers=headers)
    assert (await client.handshake())["type"] == "websocket.accept"
    assert await client.closed() == 4501


async def test_revoked_tokens_and_disabled_users_are_nobody(connect: Connect) -> None:
    """A token that was revoked, or whose user was disabled, opens nothing."""
    await AccessToken.objects.filter(user__username="ann").aupdate(revoked_at=timezone.now())
    await User.objects.filter(username="bob").aupdate(is_active=False)
    for name in ("ann", "bob"):
        client = connect(name)
        await client.handshake()
        assert await client.closed() == 4501


async def test_a_ticket_opens_one_socket(application: Application, tokens: dict[str, str]) -> None:
    """A ticket is good once; given twice in one address, it is not good at all."""
    ann = await User.objects.aget(username="ann")
    ticket = await sync_to_async(issue_ticket)(ann)
    for query in (f"ticket=a&ticket={ticket}", f"ticket={ticket}&ticket=a"):
        twice = Client(application, query=query)
        await twice.handshake()
        assert await twice.closed() == 4501
    async with Client(application, query=f"ticket={ticket}") as client:
        assert client.welcome["user"] == "ann"
    again = Client(application, query=f"ticket={ticket}")
    await again.handshake()
    assert await again.closed() == 4501


async def test_a_user_may_have_so_many_sockets_and_no_more(connect: Connect) -> None:
    """The socket beyond the limit is closed 4512; when another one goes, there is room again."""
    with override_settings(LIMIT_CONNECTIONS=1):
        async with (
            connect("ann") as ann,
            connect("bob"),
        ):
            second = connect("ann")
            await second.handshake()
            assert await second.closed() == 4512
            assert await ann.call("ping") == {}
        async with connect("ann") as ann:
            assert await ann.call("ping") == {}


async def sign_in(name: str) -> bytes:
    """The cookie header of a user who has signed in."""
    browser = Browser()
    await sync_to_async(browser.force_login)(await User.objects.aget(username=name))
    return f"sessionid={browser.cookies['sessionid'].value}".encode()


async def test_a_login_outlives_a_change_of_the_secret_key(
    application: Application, tokens: dict[str, str]
) -> None:
    """While the key that signed it is among the former ones, it goes on: for every socket anew."""
    headers = [(b"cookie", await sign_in("ann")), (b"origin", b"http://testserver")]
    with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        for _ in range(2):
            async with Client(application, headers=headers) as ann:
                assert ann.welcome["user"] == "ann"
    with override_settings(SECRET_KEY="a third one"):
        stranger = Client(application, headers=headers)
        await stranger.handshake()
        assert await stranger.closed() == 4501


@pytest.mark.parametrize("origin", [b"http://testserver", b"http://TESTSERVER:80"])
async def test_a_cookie_opens_a_socket_of_our_own_page(
    application: Application, tokens: dict[str, str], origin: bytes
) -> None:
    """Who is signed in can connect from a page of this very origin."""
    headers = [(b"cookie", await sign_in("ann")), (b"origin", origin)]
    async with Client(application, headers=headers) as ann:
        assert ann.welcome["user"] == "ann"


@pytest.mark.parametrize(
    "origins",
    [
        [],
        [b""],
        [b"null"],
        [b"https://evil.example"],
        [b"https://testserver"],
        [b"http://testserver:1"],
        [b"http://testserver.evil.example"],
        [b"http://testserver@evil.example"],
        [b"http://evil.example#testserver"],
        [b"http://testserver/"],
        [b"http://testserver", b"https://evil.example"],
    ],
)
async def test_a_cookie_from_elsewhere_is_refused(
    application: Application, tokens: dict[str, str], origins: list[bytes]
) -> None:
    """With a cookie, any origin but ours, or none, or two, is refused at the handshake."""
    cookie = (b"cookie", await sign_in("ann"))
    client = Client(application, headers=[cookie, *((b"origin", each) for each in origins)])
    assert (await client.handshake())["type"] == "websocket.close"


async def test_a_token_may_come_from_any_origin_and_counts_before_the_cookie(
    connect: Connect,
) -> None:
    """Where a token is sent, neither the cookie nor the origin matters."""
    headers = [(b"cookie", await sign_in("ann")), (b"origin", b"https://evil.example")]
    async with connect("bob", headers=headers) as client:
        assert client.welcome["user"] == "bob"


@pytest.mark.parametrize(
    "headers",
    [[(b"host", b"evil.example")], [(b"authorization", b"Bearer other")]],
    ids=["host", "authorization"],
)
async def test_headers_that_contradict_each_other_are_refused(
    connect: Connect, headers: list[tuple[bytes, bytes]]
) -> None:
    """Which of two hosts or tokens counts is not a matter of their order: none does."""
    client = connect("ann", headers=headers)
    assert (await client.handshake())["type"] == "websocket.close"


@pytest.mark.parametrize("path", ["/ws/nope", "/WS/", "/", "/ws"])
async def test_there_is_one_place_for_sockets(connect: Connect, path: str) -> None:
    """Any other path is refused, not raised over."""
    client = connect("ann", path=path)
    assert (await client.handshake())["type"] == "websocket.close"


# -- talking -------------------------------------------------------------------------------------


async def test_a_result_comes_before_the_event_of_it(connect: Connect) -> None:
    """The golden order: result, then the event, with the key for its author only."""
    async with (
        connect("ann") as ann,
        connect("bob") as bob,
    ):
        session_id = await begin(ann, participants=[{"user": "bob", "role": "member"}])
        watched = await bob.call("watch_sessions", sessions=[watch(session_id, -1)])
        assert watched == {"watching": [{"session_id": str(session_id), "head": 2}], "refused": []}
        assert (await bob.frame())["method"] == "live"
        await ann.send(request(9, "send_message", message(session_id, "It leaks.", "c-2")))
        reply, event = await ann.frames(2)
        assert reply == {"jsonrpc": "2.0", "id": 9, "result": {"seq": 3, "duplicate": False}}
        assert event["params"]["key"] == "c-2"
        heard = (await bob.frame())["params"]
        assert heard == {name: value for name, value in event["params"].items() if name != "key"}
        assert heard["data"] == {"text": "It leaks."}


def watch(session_id: UUID, after: int) -> dict[str, object]:
    return {"session_id": str(session_id), "after": after}


def message(session_id: UUID, text: str, key: str) -> dict[str, object]:
    return {"session_id": str(session_id), "text": text, "key": key}


async def test_requests_at_once_keep_their_order(connect: Connect) -> None:
    """Messages of one connection get their seqs in the order in which they were sent."""
    async with connect("ann") as ann:
        session_id = await begin(ann)
        for index in range(30):
            frame = message(session_id, str(index), f"k{index}")
            await ann.send(request(100 + index, "send_message", frame))
        replies = [frame for frame in await ann.frames(60) if "id" in frame]
        seqs = {frame["id"] - 100: frame["result"]["seq"] for frame in replies}
        assert seqs == {index: index + 2 for index in range(30)}


async def test_a_batch_runs_in_order_and_is_answered_by_one_array(connect: Connect) -> None:
    """A read in a batch sees the write before it; the array comes before the batch's events."""
    async with connect("ann") as ann:
        session_id = await begin(ann)
        await ann.send(
            [
                request("a", "send_message", message(session_id, "x", "k1")),
                request("b", "get_session", {"session_id": str(session_id)}),
                request("c", "send_message", message(session_id, "y", "k2")),
                7,
                {"jsonrpc": "2.0", "method": "send_message", "params": {}},
            ]
        )
        replies, first, second = await ann.frames(3)
        by_id = {each["id"]: each for each in replies}
        assert by_id.keys() == {"a", "b", "c", None}
        assert by_id["b"]["result"]["seq"] == 2
        assert by_id["c"]["result"]["seq"] == 3
        assert by_id[None]["error"]["data"]["code"] == "invalid_request"
        assert [first["params"]["seq"], second["params"]["seq"]] == [2, 3]


async def test_a_batch_that_wants_no_reply_gets_none(connect: Connect) -> None:
    """A batch of notifications is run and not answered; its event comes all the same."""
    async with connect("ann") as ann:
        session_id = await begin(ann)
        params = message(session_id, "x", "k1")
        await ann.send([{"jsonrpc": "2.0", "method": "send_message", "params": params}])
        event = await ann.frame()
        assert (event["method"], event["params"]["seq"]) == ("event", 2)


async def test_a_repeated_key_is_answered_and_not_told_again(connect: Connect) -> None:
    """The same key twice gives the first result; there is one event and one receipt."""
    async with connect("ann") as ann:
        session_id = await begin(ann)
        for duplicate in (False, True):
            result = await ann.call("send_message", **message(session_id, "x", "once"))
            assert result == {"seq": 2, "duplicate": duplicate}
        other = await ann.call("send_message", **message(session_id, "y", "once"))
        assert other["data"]["code"] == "key_conflict"
    assert await Event.objects.acount() == 2
    assert await Receipt.objects.acount() == 2


async def test_what_was_missed_comes_first_and_then_live(connect: Connect) -> None:
    """Who comes back gets every event after its position, in order, and then `live`."""
    async with connect("ann") as ann:
        session_id = await begin(ann)
        for index in range(25):
            await ann.call("send_message", **message(session_id, "x" * index + "!", f"k{index}"))
    async with connect("ann") as ann:
        await ann.call("watch_sessions", sessions=[watch(session_id, 5)])
        frames = await ann.frames(22)
        assert [frame["params"]["seq"] for frame in frames[:-1]] == list(range(6, 27))
        assert frames[-1]["method"] == "live"
        assert frames[-1]["params"] == {"session_id": str(session_id), "head": 26}


async def test_a_new_session_is_watched_by_who_began_it_also_after_a_repeat(
    connect: Connect,
) -> None:
    """A connection that repeats the creation's key watches the session from its head."""
    async with connect("ann") as ann:
        created = await ann.call("create_session", key="c-1")
    async with connect("ann") as ann:
        again = await ann.call("create_session", key="c-1")
        assert again == {**created, "duplicate": True}
        params = message(UUID(created["session_id"]), "x", "k")
        await ann.send(request(7, "send_message", params))
        reply, event = await ann.frames(2)
        assert (reply["id"], event["params"]["seq"]) == (7, 2)


async def test_who_is_removed_hears_of_it_and_of_nothing_after(connect: Connect) -> None:
    """A removed participant's watch ends with its removal."""
    async with (
        connect("ann") as ann,
        connect("bob") as bob,
    ):
        session_id = await begin(ann, participants=[{"user": "bob", "role": "member"}])
        await bob.call("watch_sessions", sessions=[watch(session_id, -1)])
        removal = {"session_id": str(session_id), "user": "bob", "key": "r"}
        await ann.call("remove_participant", **removal)
        await ann.call("send_message", **message(session_id, "gone", "k"))
        frames = await bob.frames(3)
        assert [frame["method"] for frame in frames] == ["live", "event", "unwatched"]
        assert frames[-1]["params"] == {"session_id": str(session_id), "reason": "removed"}
        assert await bob.call("ping") == {}
        refused = await bob.call("send_message", **message(session_id, "back", "k"))
        assert refused["data"]["code"] == "session_not_found"


async def test_seen_and_signals_are_told_to_the_others(connect: Connect) -> None:
    """A cursor that moves, and a signal, reach those who watch, but not their own connection."""
    async with (
        connect("ann") as ann,
        connect("bob") as bob,
    ):
        session_id = await begin(ann, participants=[{"user": "bob", "role": "member"}])
        await bob.call("watch_sessions", sessions=[watch(session_id, -1)])
        await bob.frame()
        await bob.call("mark_seen", session_id=str(session_id), seq=2)
        await bob.call("mark_seen", session_id=str(session_id), seq=1)
        await bob.call("signal", session_id=str(session_id), name="typing", data={"on": True})
        seen, signal = await ann.frames(2)
        assert (seen["method"], signal["method"]) == ("seen", "signal")
        assert seen["params"] == {"session_id": str(session_id), "user": "bob", "seq": 2}
        assert signal["params"] == {
            "session_id": str(session_id),
            "actor": "bob",
            "name": "typing",
            "data": {"on": True},
        }


async def test_unwatching_ends_it(connect: Connect) -> None:
    """Nothing comes of a session that is watched no more."""
    async with connect("ann") as ann:
        session_id = await begin(ann)
        assert await ann.call("unwatch_sessions", session_ids=[str(session_id)]) == {}
        await ann.send(request(5, "send_message", message(session_id, "x", "k")))
        await ann.send(request(6, "ping", {}))
        assert [frame["id"] for frame in await ann.frames(2)] == [6, 5]


async def test_arrays_are_for_those_who_asked(connect: Connect) -> None:
    """With `?batch=1` what belongs to one moment comes as one array."""
    async with connect("ann") as ann:
        session_id = await begin(ann)
        for index in range(20):
            await ann.call("send_message", **message(session_id, "x", f"k{index}"))
    client = connect("ann", query="batch=1")
    client.accepted = await client.handshake()
    await client.frame()
    await client.send(request(1, "watch_sessions", {"sessions": [watch(session_id, 0)]}))
    frames: list[Any] = []
    while not frames or frames[-1].get("method") != "live":
        frame = await client.frame()
        frames += frame if isinstance(frame, list) else [frame]
    assert [frame["params"]["seq"] for frame in frames[1:-1]] == list(range(1, 22))
    await client.disconnect()


# -- what is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "code", "path"),
    [
        ({"text": 7}, "invalid_input", "$.text"),
        ({"text": "x\x00"}, "invalid_input", "$.text"),
        ({"text": "x\ud83d"}, "invalid_input", "$.text"),
        ({"text": "x", "colour": "red"}, "invalid_input", "$.colour"),
        ({"text": "x", "reply_to": 99}, "invalid_input", "$.reply_to"),
        ({"text": "x", "if_head": 99}, "conflict", None),
        ({}, "invalid_input", "$.text"),
    ],
)
async def test_a_refused_message_changes_nothing(
    connect: Connect, frame: dict[str, object], code: str, path: str | None
) -> None:
    """A refusal names what is wrong; there is no event, no receipt, no word to anybody."""
    async with connect("ann") as ann:
        session_id = await begin(ann)
        before = (await Event.objects.acount(), await Receipt.objects.acount())
        params = {"session_id": str(session_id), "key": "k", **frame}
        error = await ann.call("send_message", **params)
        assert (error["data"]["code"], error["data"].get("path")) == (code, path)
        assert await ann.call("ping") == {}
        assert (await Event.objects.acount(), await Receipt.objects.acount()) == before


async def test_an_unknown_method_is_not_found(connect: Connect) -> None:
    """Only what is listed can be called; a notification of it is passed over in silence."""
    async with connect("ann") as ann:
        for method in ("nope", "__class__", "websocket_disconnect", "export_session"):
            assert (await ann.call(method))["code"] == -32601
        await ann.send({"jsonrpc": "2.0", "method": "nope"})
        assert await ann.call("ping") == {}


async def test_the_twentieth_bad_frame_closes_after_its_reply(connect: Connect) -> None:
    """Twenty bad frames within ten seconds are answered and then closed 4515."""
    async with connect("ann") as ann:
        for _ in range(19):
            await ann.text("x")
            assert (await ann.frame())["error"]["code"] == -32700
        await ann.send(request(1, "send_message", {"text": 7}))
        assert (await ann.frame())["error"]["code"] == -32602
        assert (await ann.message())["code"] == 4515


async def test_who_is_too_fast_is_told_when_to_go_on(connect: Connect) -> None:
    """Beyond the burst a request is refused with the time to wait; who goes on is closed 4029."""
    async with connect("ann") as ann:
        burst = ann.welcome["limits"]["rate"]["burst"]
        for index in range(burst + FRAMES_WHILE_LIMITED + 60):
            await ann.send(request(index, "ping", {}))
        limited = []
        while (answer := await ann.message())["type"] == "websocket.send":
            if "rate_limited" in answer["text"]:
                limited.append(answer["text"])
        assert answer["code"] == 4029
        assert len(limited) >= FRAMES_WHILE_LIMITED
        assert '"retry":true' in limited[0]
        assert '"retry_after_ms"' in limited[0]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"bytes": b"{}"}, 4513),
        ({"text": "x" * 65_537}, 4514),
        ({"text": '"' + "\u00e9" * 32_768 + '"'}, 4514),
    ],
)
async def test_frames_of_the_wrong_kind_or_size_close(
    connect: Connect, frame: dict[str, object], code: int
) -> None:
    """A binary frame closes 4513, one of too many bytes 4514, whatever its characters."""
    async with connect("ann") as ann:
        await ann.asgi.send_input({"type": "websocket.receive", **frame})
        assert await ann.closed() == code


async def test_a_frame_of_exactly_the_limit_is_a_frame(connect: Connect) -> None:
    """The limit itself is not beyond the limit."""
    async with connect("ann") as ann:
        text = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
        await ann.text(text.ljust(65_536))
        assert await ann.reply(1) == {}


async def test_a_client_that_goes_away_leaves_nothing_half_done(connect: Connect) -> None:
    """What was sent before the socket broke is done, and nothing of the connection is left."""
    async with connect("ann") as ann:
        session_id = await begin(ann)
        for index in range(20):
            frame = message(session_id, "x", f"k{index}")
            await ann.send(request(index, "send_message", frame))
        # Gone without a word, and without reading.
        await ann.disconnect()
    assert await Event.objects.acount() == 21
    async with connect("ann") as ann:
        assert (await ann.call("list_events", session_id=str(session_id)))["head"] == 21


async def test_the_server_closes_while_sockets_are_open(tokens: dict[str, str]) -> None:
    """A process that ends with open sockets has stored what it has answered."""
    async with serving() as application:
        client = Client(application, token=tokens["ann"])
        await client.handshake()
        await client.frame()
        result = await client.call("create_session", key="k")
        assert result["seq"] == 1
    await client.disconnect()
    assert await Event.objects.acount() == 1
    await asyncio.sleep(0)
