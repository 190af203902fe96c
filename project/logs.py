"""How the process logs: structured, to standard error; readable while trying out, else JSON."""

from typing import Any

import structlog
from structlog.dev import plain_traceback

_SHARED: list[Any] = [
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


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
        [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain_traceback)]
        if readable
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
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
            # It logs every handshake with its address, and so the tickets in them.
            "uvicorn.error": {"level": "WARNING"},
        },
    }
