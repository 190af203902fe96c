"""The id that joins what a client is told, what is logged and what is stored of one message."""

from contextvars import ContextVar
from uuid import uuid4

#: Up to 32 characters; empty outside any message.
trace: ContextVar[str] = ContextVar("trace", default="")

#: What the client calls the request that is being answered; None where it has no name for it.
asked_as: ContextVar[object] = ContextVar("asked_as", default=None)


def new_trace() -> str:
    """A new id, made the current one."""
    made = uuid4().hex
    trace.set(made)
    return made
