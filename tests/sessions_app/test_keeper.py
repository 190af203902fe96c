"""What happens to open connections that nobody asked for."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session as Login
from django.test import AsyncClient as AsyncBrowser
from django.test import Client as Browser
from django.utils import timezone

from project.application import Application
from sessions_app.adapters.wiring import door
from sessions_app.auth import Identity
from sessions_app.close_codes import DRAINING, INTERNAL, Close
from sessions_app.credentials import Judgement
from sessions_app.keeper import BATCH, Keeper
from sessions_app.models import AccessToken, Ticket, User
from tests.sessions_app.kept import KeptConnection
from tests.sessions_app.sockets import Client, Connect, request, settle

pytestmark = pytest.mark.django_db(transaction=True)


async def keeper_of(application: Application) -> Keeper:
    return (await application.flows.resolve(door)).keeper


async def look(application: Application, *, later: float = 0.0) -> None:
    """One look at all connections, so many seconds from now."""
    await (await keeper_of(application)).look(asyncio.get_running_loop().time() + later)


async def test_who_is_still_who_they_were_stays(application: Application, connect: Connect) -> None:
    """A look closes nobody whose credentials hold."""
    async with connect("ann") as ann:
        await look(application)
        assert await ann.call("ping") == {}


async def test_a_revoked_token_closes_its_sockets_and_no_others(
    application: Application, connect: Connect
) -> None:
    """A token that is revoked closes the sockets that it opened, with 4502."""
    async with connect("ann") as ann, connect("cid") as cid:
        tokens_of_ann = AccessToken.objects.filter(user__username="ann")
        await tokens_of_ann.aupdate(revoked_at=timezone.now())
        await look(application)
        assert await ann.closed() == 4502
        assert await cid.call("ping") == {}


async def test_a_disabled_user_is_closed_everywhere(
    application: Application, connect: Connect
) -> None:
    """Every socket of a user who was disabled is closed with 4520."""
    async with (
        connect("ann") as one,
        connect("ann") as two,
    ):
        await User.objects.filter(username="ann").aupdate(is_active=False)
        await look(application)
        assert [await one.closed(), await two.closed()] == [4520, 4520]


def sign_in(name: str) -> str:
    """The key of a new login of a user."""
    browser = Browser()
    browser.force_login(get_user_model().objects.get(username=name))
    return browser.cookies["sessionid"].value


def sign_out(key: str) -> None:
    Login.objects.filter(session_key=key).delete()


async def test_a_login_that_expires_is_warned_and_then_closed(
    application: Application, tokens: dict[str, str]
) -> None:
    """A minute before its login expires a page is told, once; then it is closed 4003."""
    key = await sync_to_async(sign_in)("ann")
    headers = [(b"cookie", f"sessionid={key}".encode()), (b"origin", b"http://testserver")]
    login = Login.objects.filter(session_key=key)
    async with Client(application, headers=headers) as page:
        await login.aupdate(expire_date=timezone.now() + timedelta(seconds=50))
        await look(application)
        await look(application)
        warned = await page.frame()
        assert warned["method"] == "auth_expiring"
        assert 40_000 < warned["params"]["in_ms"] <= 50_000
        await page.send(request(1, "ping", {}))
        assert (await page.frame())["result"] == {}
        await login.aupdate(expire_date=timezone.now())
        await look(application)
        assert await page.closed() == 4003


def expire(key: str) -> None:
    Login.objects.filter(session_key=key).update(expire_date=timezone.now())


def change_password(_key: str) -> None:
    ann = User.objects.get(username="ann")
    ann.set_password("another")
    ann.save()


@pytest.mark.parametrize("what", [sign_out, change_password])
async def test_a_login_that_ends_closes_its_sockets(
    application: Application, connect: Connect, what: Any
) -> None:
    """Signing out and a new password close the sockets of that login only."""
    key = await sync_to_async(sign_in)("ann")
    headers = [(b"cookie", f"sessionid={key}".encode()), (b"origin", b"http://testserver")]
    async with (
        Client(application, headers=headers) as page,
        connect("ann") as script,
    ):
        await look(application)
        assert await page.call("ping") == {}
        await sync_to_async(what)(key)
        await look(application)
        assert await page.closed() == 4502
        assert await script.call("ping") == {}


async def ticket_with(*, token: str | None = None, key: str | None = None) -> str:
    """A ticket that was asked for with a token, or with the cookie of a login."""
    browser = AsyncBrowser()
    if key is not None:
        browser.cookies["sessionid"] = key
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    response = await browser.post("/api/tickets/", headers=headers)
    assert response.status_code == 200
    ticket: str = response.json()["ticket"]
    return ticket


def revoke_all(_key: str) -> None:
    AccessToken.objects.update(revoked_at=timezone.now())


@pytest.mark.parametrize("what", [sign_out, change_password])
async def test_a_login_that_ends_closes_what_its_tickets_opened(
    application: Application, tokens: dict[str, str], what: Any
) -> None:
    """A socket is open as long as that holds with which its ticket was asked for."""
    key = await sync_to_async(sign_in)("ann")
    by_login, by_token = await ticket_with(key=key), await ticket_with(token=tokens["ann"])
    async with (
        Client(application, query=f"ticket={by_login}") as page,
        Client(application, query=f"ticket={by_token}") as script,
    ):
        await look(application)
        assert await page.call("ping") == {}
        await sync_to_async(what)(key)
        await look(application)
        assert await page.closed() == 4502
        assert await script.call("ping") == {}
        await sync_to_async(revoke_all)(key)
        await look(application)
        assert await script.closed() == 4502


@pytest.mark.parametrize("what", [sign_out, expire, change_password, revoke_all])
async def test_a_ticket_of_what_holds_no_more(
    application: Application, tokens: dict[str, str], what: Any
) -> None:
    """A ticket is good only as long as that with which it was asked for."""
    key = await sync_to_async(sign_in)("ann")
    by_token = what is revoke_all
    ticket = await (ticket_with(token=tokens["ann"]) if by_token else ticket_with(key=key))
    await sync_to_async(what)(key)
    client = Client(application, query=f"ticket={ticket}")
    assert (await client.handshake())["type"] == "websocket.accept"
    assert await client.closed() == 4501


async def test_a_ticket_of_a_login_that_is_another_users(
    application: Application, tokens: dict[str, str]
) -> None:
    """Who has signed in anew, as somebody else, does not take a ticket along."""
    key = await sync_to_async(sign_in)("ann")
    ticket = await ticket_with(key=key)
    bob = await User.objects.aget(username="bob")
    await Ticket.objects.aupdate(user=bob)
    client = Client(application, query=f"ticket={ticket}")
    await client.handshake()
    assert await client.closed() == 4501


async def test_heads_are_told_from_time_to_time(application: Application, connect: Connect) -> None:
    """A ping tells the head of every session that is watched."""
    async with connect("ann") as ann:
        created = await ann.call("create_session", key="k")
        await ann.frame()
        await look(application, later=settings.PING_SECONDS + 1)
        ping = await ann.frame()
        assert (ping["method"], ping["params"]) == ("ping", {"heads": {created["session_id"]: 1}})
        await look(application, later=settings.PING_SECONDS + 2)
        assert await ann.call("ping") == {}


async def test_who_watches_nothing_and_says_nothing_is_idle(
    application: Application, connect: Connect
) -> None:
    """Five minutes of nothing close 4009; one who watches may be silent for ever."""
    async with (
        connect("ann") as ann,
        connect("bob") as bob,
    ):
        await bob.call("create_session", key="k")
        await look(application, later=299)
        assert await ann.call("ping") == {}
        await look(application, later=302)
        assert await ann.closed() == 4009
        assert await bob.call("ping") == {}


async def test_a_socket_that_was_told_another_epoch_is_closed(
    application: Application, connect: Connect
) -> None:
    """Whose welcome named another epoch than the log has is to come again, with 4002: also one
    that was told the old one a moment after this process has noticed the new one.
    """
    async with (
        connect("ann") as ann,
        connect("bob") as bob,
    ):
        (late,) = (
            each
            for each in (await keeper_of(application)).connections
            if each.id == bob.welcome["connection"]
        )
        late.epoch = "e0"
        await look(application)
        assert await bob.closed() == 4002
        assert await ann.call("ping") == {}


async def test_a_process_that_ends_sends_everybody_elsewhere(
    application: Application, connect: Connect
) -> None:
    """Clients are told when to come back, are served meanwhile, and are closed 4001 in the end."""
    async with connect("ann") as ann:
        drain = asyncio.create_task(application.drain())
        told = await ann.frame()
        assert told["method"] == "draining"
        assert told["params"]["reconnect_in_ms"] == [0, 500]
        assert told["params"]["deadline_ms"] > 500
        assert (await ann.call("create_session", key="k"))["seq"] == 1
        assert await ann.closed() == 4001
        await ann.disconnect()
        await drain


async def test_a_process_that_ends_takes_nobody_new(
    application: Application, connect: Connect
) -> None:
    """While it drains, a handshake is answered with 503, and it is not ready."""
    async with connect("ann") as ann:
        drain = asyncio.create_task(application.drain())
        await ann.frame()
        late = connect("bob")
        late.asgi.scope["extensions"] = {"websocket.http.response": {}}
        assert await late.handshake() == {
            "type": "websocket.http.response.start",
            "status": 503,
            "headers": [],
        }
        plain = connect("bob")
        assert (await plain.handshake())["type"] == "websocket.close"
        await ann.disconnect()
        await drain


async def test_a_process_without_clients_ends_at_once(application: Application) -> None:
    """There is nothing to wait for where nobody is."""
    drain = asyncio.create_task(application.drain())
    await settle()
    assert drain.done()


class Busy(KeptConnection):
    """A connection that is not finished before so many others are about to be."""

    def __init__(self, begun: list[Close], together: int, over: asyncio.Event) -> None:
        super().__init__("c1", Identity("ann", 1))
        self._begun = begun
        self._together = together
        self._over = over

    async def finish(self, why: Close) -> None:
        self._begun.append(why)
        if len(self._begun) == self._together:
            self._over.set()
        await self._over.wait()


class Broken(KeptConnection):
    """A connection that cannot be looked at."""

    def look(self, now: float) -> None:
        raise ValueError("a mistake of ours")


def keeper() -> Keeper:
    """A keeper of nobody yet, with whose credentials all is well."""

    async def ask(identities: object, observers: object) -> Judgement:
        return Judgement({}, {})

    async def epoch() -> str:
        return "e1"

    return Keeper(ask, epoch, ping_seconds=25)


async def test_what_hangs_in_one_batch_does_not_hold_up_the_next() -> None:
    """However many sockets are busy when a process ends, they take their time together."""
    kept = keeper()
    begun: list[Close] = []
    over = asyncio.Event()
    busy = [Busy(begun, BATCH + 1, over) for _ in range(BATCH + 1)]
    for each in busy:
        kept.add(each)
    draining = asyncio.create_task(kept.drain())
    await over.wait()
    assert begun == [DRAINING] * (BATCH + 1)
    for each in busy:
        kept.remove(each)
    await draining


async def test_who_cannot_be_looked_at_is_closed_and_nobody_else() -> None:
    """A mistake of ours with one connection closes it, 4000; the others are looked at."""
    kept = keeper()
    broken, fine = Broken("c1", Identity("ann", 1)), KeptConnection("c2", Identity("bob", 2))
    for each in (broken, fine):
        kept.add(each)
        each.ping_at = 0.0
    await kept.look(1.0)
    assert (broken.closed, fine.closed) == ([INTERNAL], [])
    assert fine.ping_at == 1.0 + kept.ping_seconds
