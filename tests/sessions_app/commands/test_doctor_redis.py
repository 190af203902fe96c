"""What `manage.py doctor` finds in Redis."""

import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from django.core.management.base import CommandError
from django.test import override_settings

from sessions_app.adapters.examination import examine_redis
from sessions_app.adapters.examination.redis import version_found
from sessions_app.checks.doorbell import MEMORY, PUBSUB
from tests.services import REDIS_URL
from tests.sessions_app.commands.running import call
from tests.stack import free_port


def layer(url: object, backend: str = PUBSUB) -> dict[str, Any]:
    return {"BACKEND": backend, "CONFIG": {"hosts": [url], "prefix": "test-doctor"}}


@pytest.mark.redis
def test_all_is_well() -> None:
    """A Redis that answers and lets us publish is no finding, however its host is written."""
    url = urlsplit(REDIS_URL)
    for host in (REDIS_URL, (url.hostname, url.port), {"address": REDIS_URL, "socket_timeout": 9}):
        assert list(examine_redis(layer(host))) == []


def test_in_memory() -> None:
    """Without Redis there is nothing to examine."""
    assert list(examine_redis(layer("redis://127.0.0.1:1/0", MEMORY))) == []
    assert list(examine_redis({})) == []


@pytest.mark.django_db(transaction=True)
def test_away() -> None:
    """A Redis that cannot be reached fails the command, which tells where, and no password."""
    port = free_port()
    url = f"redis://somebody:hidden@127.0.0.1:{port}/0"
    (one,) = examine_redis(layer(url))
    assert one.id == "sessions_app.E055"
    assert str(one.msg).startswith(f"Redis at 127.0.0.1:{port} cannot be reached: ")
    assert "REDIS_URL" in str(one.hint)
    assert "hidden" not in str(one)
    with (
        override_settings(CHANNEL_LAYERS={"default": layer(url)}),
        pytest.raises(CommandError, match=r"^Errors: \d"),
    ):
        call("doctor")


@pytest.fixture
def stranger() -> Iterator[str]:
    """The address of Redis, for a user who may do everything but use channels."""
    name = f"test-{secrets.token_hex(4)}"
    with redis.Redis.from_url(REDIS_URL) as client:
        client.acl_setuser(name, enabled=True, passwords=["+secret"], commands=["+@all"])
        try:
            url = urlsplit(REDIS_URL)
            yield f"redis://{name}:secret@{url.hostname}:{url.port}{url.path}"
        finally:
            client.acl_deluser(name)


@pytest.mark.redis
def test_not_allowed(stranger: str) -> None:
    """A user who may not publish, or has another password, is found: no event would be told."""
    (one,) = examine_redis(layer(stranger))
    assert (one.id, str(one.msg)[-24:]) == ("sessions_app.E056", "does not let us publish.")
    assert "&test-doctor*" in str(one.hint)
    (one,) = examine_redis(layer(stranger.replace(":secret@", ":wrong@")))
    assert (one.id, str(one.msg)[-19:]) == ("sessions_app.E056", "does not let us in.")


def test_old() -> None:
    """A Redis that is too old for the channel layer is found; one that does not tell is not."""
    assert [each.id for each in version_found("4.0.9", "Redis")] == ["sessions_app.W057"]
    for told in ("5.0.0", "7.0.15", "8.2", ""):
        assert version_found(told, "Redis") == []
