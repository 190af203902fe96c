"""Channel layers, libraries and servers with known faults."""

import re
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

MEMORY = "channels.layers.InMemoryChannelLayer"
CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"

#: How long the core layer waits for a message, in seconds.
BLOCKING_POP = 5

Versions = Callable[[str], str]


@register(Tags.compatibility)
def doorbell_works(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """The channel layer rings between processes, and no library breaks it."""
    layer: Mapping[str, Any] = settings.CHANNEL_LAYERS.get("default", {})
    return [*_layer(layer), *faulty_versions(layer), *_server()]


def _layer(layer: Mapping[str, Any]) -> Iterator[CheckMessage]:
    backend = layer.get("BACKEND")
    prefix = layer.get("CONFIG", {}).get("prefix", "x")
    if backend == CORE:
        yield Error(
            "The core Redis layer closes every socket when Redis stops, and drops messages.",
            hint=f"Use {PUBSUB}; what it loses, the database has.",
            id="sessions_app.E020",
        )
    elif backend not in (MEMORY, PUBSUB):
        yield Warning(
            f"{backend or 'No channel layer'} is not one that this server was tried with.",
            hint="Set REDIS_URL, or leave it empty for a single process.",
            id="sessions_app.W021",
        )
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,50}", str(prefix)):
        yield Error(
            f"{prefix!r} cannot begin the name of a channel.",
            hint="REDIS_PREFIX: letters, digits, dots, hyphens and underscores, at most 50.",
            id="sessions_app.E022",
        )


@register(Tags.security, deploy=True)
def several_processes_have_a_doorbell(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """On PostgreSQL there may be several processes, which should ring each other."""
    return list(alone(settings.CHANNEL_LAYERS.get("default", {}), settings.DATABASES["default"]))


def alone(layer: Mapping[str, Any], database: Mapping[str, Any]) -> Iterator[CheckMessage]:
    """Whether processes that there may be cannot ring each other."""
    if layer.get("BACKEND") == MEMORY and "postgres" in str(database.get("ENGINE")):
        yield Warning(
            "The channel layer reaches this process only: what others commit comes a second later.",
            hint="Set REDIS_URL if there is more than one process.",
            id="sessions_app.W023",
        )


def faulty_versions(
    layer: Mapping[str, Any], version_of: Versions = version
) -> Iterator[CheckMessage]:
    """What is installed has no fault that is known to break this server."""
    redis = _numbers("redis", version_of)
    if redis and redis >= (8,) and layer.get("BACKEND") != MEMORY and not _patient(layer):
        yield Error(
            "redis 8 gives up after 5 s, and takes the channel layer's receivers with it.",
            hint='Install redis below 8, or set "socket_timeout" above 5 in each of the hosts.',
            id="sessions_app.E024",
        )
    daphne = _numbers("daphne", version_of)
    if daphne and daphne < (4, 2, 2):
        yield Error(
            "This daphne has known holes.", hint="Install daphne 4.2.2 or later.",
            id="sessions_app.E025",
        )  # fmt: skip


def _patient(layer: Mapping[str, Any]) -> bool:
    hosts = layer.get("CONFIG", {}).get("hosts", [])
    return bool(hosts) and all(
        isinstance(host, Mapping) and (host.get("socket_timeout") or 0) > BLOCKING_POP
        for host in hosts
    )


def _numbers(package: str, version_of: Versions) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in re.findall(r"\d+", version_of(package))[:3])
    except PackageNotFoundError:
        return ()


def _server() -> Iterator[CheckMessage]:
    apps = list(settings.INSTALLED_APPS)
    if "django.contrib.staticfiles" in apps[: apps.index("daphne") if "daphne" in apps else 0]:
        yield Error(
            "daphne comes too late among INSTALLED_APPS: `runserver` serves no sockets.",
            hint="Put it first.",
            id="sessions_app.E026",
        )
