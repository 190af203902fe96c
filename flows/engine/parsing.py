"""From raw data to typed inputs, and what counts as a value of an input's type."""

import re
import types
from collections.abc import Callable
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    is_typeddict,
    overload,
)

import msgspec

from flows.engine.errors import InvalidInput

if TYPE_CHECKING:
    from flows.engine.nodes import Flow

T = TypeVar("T")

#: How msgspec ends a message that is about a part of the whole.
_AT = re.compile(r"(.*) - at `(\$[^`]*)`", re.DOTALL)
#: What it says of fields; the path it gives is the object's.
_FIELD = re.compile(r"Object (?:missing required|contains unknown) field `([^`]*)`")


class Unparsed(msgspec.Struct, frozen=True):
    """An input that is still to be parsed."""

    raw: Any


@overload
def typed(kind: type[T]) -> Callable[[Any], T]: ...
@overload
def typed(kind: Any) -> Callable[[Any], Any]: ...
def typed(kind: Any) -> Callable[[Any], Any]:
    """A parser to `kind`, any type that msgspec can decode, from what JSON decodes to.

    Or from JSON itself, as a `msgspec.Raw`. It raises InvalidInput, also for what a struct's
    `__post_init__` refuses with ValueError.
    """

    def parse(raw: Any) -> Any:
        try:
            if type(raw) is msgspec.Raw:
                return msgspec.json.decode(raw, type=kind)
            return msgspec.convert(raw, kind)
        except msgspec.MsgspecError as error:
            raise InvalidInput(name_of(kind), *located(str(error))) from error
        except RecursionError as error:
            raise InvalidInput(name_of(kind), "$", "Nested too deeply") from error

    return parse


def located(message: str) -> tuple[str, str]:
    """The path in a message of msgspec's form, and the message without it.

    A message may carry several, when a struct's own check named a path within the struct.
    """
    path = "$"
    while match := _AT.fullmatch(message):
        message, path = match[1], path + match[2][1:]
    if field := _FIELD.match(message):
        path += f".{field[1]}"
    return path, message


def name_of(kind: Any) -> str:
    """A type as one would write it."""
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)


def accepted(kind: Any) -> tuple[type[Any], ...]:
    """The classes whose instances count as `kind`; `(object,)` where that cannot be told."""
    origin = get_origin(kind)
    if origin is Union or origin is types.UnionType:
        return tuple(each for part in get_args(kind) for each in accepted(part))
    if origin is Literal:
        return tuple(each.__class__ for each in get_args(kind))
    # What an alias, an annotated or a new type is at run time.
    plain = getattr(kind, "__supertype__", getattr(kind, "__origin__", kind))
    if plain is not kind:
        return accepted(plain)
    if is_typeddict(kind):
        return (dict,)
    try:
        isinstance(None, kind)
    except TypeError:
        return (object,)
    return (float, int) if kind is float else (kind,)  # as type checkers have it


def parsed(flow: "Flow[Any, Any]", raw: Any) -> Any:
    """The input of a flow made of raw data; whatever its parser raises is an InvalidInput."""
    try:
        return flow.parse(raw)
    except InvalidInput as error:
        raise InvalidInput(flow.name, error.path, error.reason) from error.__cause__
    except Exception as error:
        path, reason = located(str(error))
        raise InvalidInput(flow.name, path, reason or type(error).__name__) from error
