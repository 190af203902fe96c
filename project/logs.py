"""How the process logs: structured, to standard error; readable while trying out, else JSON."""

import logging
import time
from collections.abc import Callable, MutableMapping
from typing import Any

import redis
import structlog
from structlog.dev import plain_traceback

from sessions_app.sentences import plain

_SHARED: list[Any] = [
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]

#: How often a doorbell that stays away is spoken of, in seconds.
REMIND_EVERY = 60.0


def escape(logger: object, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Write out what a terminal or a reader of lines would obey: what clients send is in there."""
    for key, value in event.items():
        if isinstance(value, str):
            lines = value.split("\n") if key in {"exception", "stack"} else [value]
            event[key] = "\n".join(map(plain, lines))
    return event


class LostRedis(logging.Filter):
    """One line for a Redis that is away: channels-redis would log a traceback every second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said = -REMIND_EVERY

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it; changed where it tells of a lost connection."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, (redis.RedisError, OSError)):
            return True
        now = self._clock()
        if now - self._said < REMIND_EVERY:
            return False
        self._said = now
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg = "Redis is away (%s): until it is back, the database is asked every second"
        record.args = (error,)
        record.exc_info = record.exc_text = None
        return True


def logging_config(*, level: str, readable: bool) -> dict[str, Any]:
    """Django's LOGGING, and structlog set up to go the same way."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    last = (
        # Plain tracebacks: rich ones show the values of variables, and so what people write.
        [
            structlog.processors.ExceptionRenderer(),
            escape,
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain_traceback),
        ]
        if readable
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"lost_redis": {"()": LostRedis}},
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        # Django's own handlers would say everything a second time.
        "loggers": {
            "django": {"handlers": [], "propagate": True},
            "channels_redis.pubsub": {"filters": ["lost_redis"]},
            # It logs every handshake with its address, and so the tickets in them.
            "uvicorn.error": {"level": "WARNING"},
        },
    }
