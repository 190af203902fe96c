"""How the process logs."""

import io
import json
import logging
import logging.config
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import structlog

from project.logs import LostRedis, logging_config

HOSTILE = "a\nb\x1b[31mred\x9bred\u202eback\u2028line\rover\x00"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Loggers that exist already keep to the processors with which they were first used."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def lines(log: Callable[[logging.Logger], None], *, readable: bool) -> list[str]:
    """What a logger that is set up as the process's prints."""
    config = logging_config(level="INFO", readable=readable)
    formatter = config["formatters"]["structured"]
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter.pop("()")(**formatter))
    logger = logging.Logger("tests")
    logger.addHandler(handler)
    log(logger)
    return stream.getvalue().split("\n")[:-1]


def says(logger: logging.Logger) -> None:
    logger.info("It is %s", HOSTILE)


def fails(logger: logging.Logger) -> None:
    try:
        int(HOSTILE)
    except ValueError:
        logger.exception("It failed")


@pytest.mark.parametrize("readable", [True, False])
def test_what_clients_send_forges_no_line(*, readable: bool) -> None:
    """A newline, an escape sequence or a change of direction in a text is written out."""
    (line,) = lines(says, readable=readable)
    assert line.isprintable()
    assert "\\nb" in line
    assert "red" in line


def test_a_structured_value_forges_none_either() -> None:
    """What is logged beside the event is treated alike."""
    processors = logging_config(level="INFO", readable=True)["formatters"]["structured"]
    record = logging.LogRecord("tests", logging.INFO, "", 0, "event", None, None)
    event: Any = {"event": "flow", "request": HOSTILE, "_record": record, "_from_structlog": True}
    for process in processors["processors"]:
        event = process(None, "info", event)
    assert event.isprintable()


def test_a_traceback_keeps_its_lines_and_nothing_else() -> None:
    """The readable form shows tracebacks as such, with the rest of the message written out."""
    printed = lines(fails, readable=True)
    assert any(line.startswith("Traceback") for line in printed)
    assert all(line.isprintable() for line in printed)
    (line,) = lines(fails, readable=False)
    assert "Traceback" in json.loads(line)["exception"]


def lost(error: Exception) -> logging.LogRecord:
    return logging.LogRecord(
        "channels_redis.pubsub", logging.ERROR, "", 0, "Unexpected exception in receive task", None,
        (type(error), error, None),
    )  # fmt: skip


def test_a_lost_redis_is_one_warning_without_a_traceback() -> None:
    """However often it is noticed within a minute, it is one line; then there is another one."""
    now = 100.0
    quiet = LostRedis(lambda: now)
    record = lost(redis.ConnectionError("Connection closed by server."))
    assert quiet.filter(record)
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert record.getMessage() == (
        "Redis is away (Connection closed by server.): until it is back, "
        "the database is asked every second"
    )
    assert not quiet.filter(lost(ConnectionRefusedError()))
    now += 60
    assert quiet.filter(lost(redis.TimeoutError()))


def test_any_other_trouble_of_the_layer_is_told_in_full() -> None:
    """A mistake is no lost connection."""
    record = lost(ZeroDivisionError())
    assert LostRedis().filter(record)
    assert (record.levelname, record.getMessage()) == (
        "ERROR",
        "Unexpected exception in receive task",
    )
    assert record.exc_info is not None


def test_the_filter_hangs_on_the_logger_that_the_layer_uses() -> None:
    """The names agree."""
    import channels_redis.pubsub as layer

    config = logging_config(level="INFO", readable=False)
    assert config["loggers"][layer.logger.name]["filters"] == ["lost_redis"]
