"""What clients may say: the base classes of inputs, and the limits of their fields.

Limits are the wire's (protocol, section 9). PostgreSQL stores neither NUL nor lone surrogates, so
both are refused here, by path, before anything reaches a database.
"""

import hashlib
import re
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

#: Larger integers are not exact in JavaScript (protocol, section 2).
MAX_INT = 2**53 - 1

METADATA_BYTES = 16 * 1024
METADATA_DEPTH = 32

# Part of the published schema, so it has to mean the same in ECMA-262: no `\A`, no `\Z`.
# `$` also matches before a trailing newline; that is storable, too.
STORABLE = r"^[^\x00\ud800-\udfff]*$"

Title: TypeAlias = Annotated[str, Meta(max_length=200, pattern=STORABLE)]
Reason: TypeAlias = Annotated[str, Meta(max_length=1000, pattern=STORABLE)]
Text: TypeAlias = Annotated[str, Meta(min_length=1, max_length=16_384, pattern=STORABLE)]
Search: TypeAlias = Annotated[str, Meta(max_length=200, pattern=STORABLE)]
SignalName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64, pattern=STORABLE)]
UserName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=150, pattern=STORABLE)]
Key: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64, pattern=STORABLE)]
#: As `welcome` tells them.
ConnectionId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=32, pattern=STORABLE)]
NodeName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=32, pattern=STORABLE)]

#: A seq of an event that exists: 1, 2, 3, …
Seq: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_INT)]
#: A position in a log: 0 is before its first event.
Position: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_INT)]

#: The roles that can be given; an owner is who began the session.
GivenRole: TypeAlias = Literal["member", "observer"]

Metadata: TypeAlias = dict[str, Any]


class Input(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a flow is asked: immutable, every field checked, unknown fields refused by name."""


class Mutation(Input, frozen=True, kw_only=True, omit_defaults=True):
    """The input of a flow that writes: `key` makes it safe to repeat for ever."""

    key: Key

    @property
    def flow_name(self) -> str:
        """The name under which its receipt is kept: `SendMessage` -> `send_message`."""
        return _snake_case(type(self).__name__)

    def fingerprint(self) -> bytes:
        """SHA-256 (32 bytes) of the flow's name and of all fields but `key`.

        Equal for equal values whatever their order or spelling on the wire. Fields that hold
        their default are left out, so that a new optional field keeps old receipts valid.
        """
        fields = msgspec.to_builtins(self, order="sorted")
        del fields["key"]
        canonical = msgspec.json.encode([self.flow_name, fields], order="sorted")
        return hashlib.sha256(canonical).digest()


class SessionMutation(Mutation, frozen=True, kw_only=True, omit_defaults=True):
    """The input of a flow that writes in one session."""

    session_id: UUID


@cache
def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def check_json(value: Metadata, path: str) -> None:
    """Refuse JSON that is too large, too deep or cannot be stored, with ValueError at `path`.

    The text has the form of msgspec's own messages, so that one rule finds the path in both.
    """
    if problem := _json_problem(value, METADATA_DEPTH):
        raise ValueError(f"{problem} - at `{path}`")
    if len(msgspec.json.encode(value)) > METADATA_BYTES:
        raise ValueError(f"Expected at most {METADATA_BYTES} bytes of JSON - at `{path}`")


def _json_problem(value: Any, depth: int) -> str | None:
    match value:
        case str():
            return None if re.match(STORABLE, value) else "Expected text without NUL and surrogates"
        case int() | float():
            # A float beyond is whole, too: PostgreSQL gives 1e300 back as an integer. NaN fails.
            return None if abs(value) <= MAX_INT else f"Expected numbers within ±{MAX_INT}"
        case dict() | list() if depth == 0:
            return f"Expected at most {METADATA_DEPTH} levels"
        case {**fields}:
            parts = [*fields.keys(), *fields.values()]
        case [*parts]:
            ...
        case _:
            return None
    return next(filter(None, (_json_problem(part, depth - 1) for part in parts)), None)
