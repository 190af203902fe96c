"""Limits and times that make no sense."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

#: The server library's own limit on a frame, in bytes: beyond it, it closes by itself.
LARGEST_FRAME = 1_048_576
#: A message of the longest text has to fit.
SMALLEST_FRAME = 1_024

#: What proxies usually take for a dead connection, in seconds.
PATIENCE_OF_PROXIES = 60


@register()
def limits_make_sense(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """No limit keeps everybody out, and none is beyond what the server can keep."""
    return [*_limits(), *_times()]


def _limits() -> Iterator[CheckMessage]:
    least = {
        **{f"LIMIT_{name.upper()}": value for name, value in settings.LIMITS.items()},
        "LIMIT_CONNECTIONS": settings.LIMIT_CONNECTIONS,
        "RATE_BURST": settings.RATE["burst"],
        "RATE_PER_SECOND": settings.RATE["per_second"],
    }
    for name, value in least.items():
        if value < 1:
            yield Error(
                f"{name} is {value}: nobody could do anything.",
                hint="Set it to 1 at least.",
                id="sessions_app.E030",
            )
    frame = settings.LIMITS["frame_bytes"]
    if not SMALLEST_FRAME <= frame <= LARGEST_FRAME:
        yield Error(
            f"LIMIT_FRAME_BYTES is {frame}.",
            hint=f"Set it between {SMALLEST_FRAME} and {LARGEST_FRAME}: beyond, the server "
            "library closes by itself.",
            id="sessions_app.E031",
        )


def _times() -> Iterator[CheckMessage]:
    ping, pong = settings.PING_SECONDS, settings.PONG_SECONDS
    if ping < 1 or pong < 1:
        yield Error(
            f"PING_SECONDS is {ping} and PONG_SECONDS {pong}: every connection would be closed.",
            hint="25 and 10 are good values.",
            id="sessions_app.E032",
        )
    if pong > ping > 0:
        yield Warning(
            "PONG_SECONDS is more than PING_SECONDS: a peer is asked again before it is late.",
            hint="25 and 10 are good values.",
            id="sessions_app.W033",
        )
    if ping >= PATIENCE_OF_PROXIES:
        yield Warning(
            f"PING_SECONDS is {ping}: proxies close what is silent for a minute.",
            hint="25 is a good value.",
            id="sessions_app.W034",
        )
