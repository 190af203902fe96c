"""From raw data to typed inputs, and what counts as a value of an input's type."""

import inspect
import re
import types
from collections.abc import Callable
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    is_typeddict,
    overload,
)  # fmt: skip

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


class Parser(Generic[T]):
    """Makes a `T` of raw data: what JSON decodes to, or JSON itself as a `msgspec.Raw`."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind
        self._decoder: msgspec.json.Decoder[T] | None = None

    def __call__(self, raw: Any) -> T:
        try:
            if type(raw) is msgspec.Raw:
                # Made when first used: not every input that is passed as a value can be decoded.
                if self._decoder is None:
                    self._decoder = msgspec.json.Decoder(self.kind)
                return self._decoder.decode(raw)
            value: T = msgspec.convert(raw, self.kind)
        except msgspec.MsgspecError as error:
            raise InvalidInput(name_of(self.kind), *located(str(error))) from error
        except RecursionError as error:
            raise InvalidInput(name_of(self.kind), "$", "Nested too deeply") from error
        return value


@overload
def typed(kind: type[T]) -> Callable[[Any], T]: ...
@overload
def typed(kind: Any) -> Callable[[Any], Any]: ...
def typed(kind: Any) -> Callable[[Any], Any]:
    """A parser from raw data to `kind`: any type that msgspec can decode.

    It raises InvalidInput, also for what a struct's `__post_init__` refuses with ValueError.
    """
    return Parser[Any](kind)


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
    if origin is Annotated:
        return accepted(get_args(kind)[0])
    if origin is Union or origin is types.UnionType:
        return tuple(each for part in get_args(kind) for each in accepted(part))
    if origin is Literal:
        return tuple(each.__class__ for each in get_args(kind))
    if kind is Any:  # a class, as it happens
        return (object,)
    if is_typeddict(kind):
        return (dict,)
    if kind is float:
        return (float, int)  # as type checkers have it
    plain: Any = origin or getattr(kind, "__supertype__", kind)
    if plain is not kind:
        return accepted(plain)
    if not inspect.isclass(plain) or getattr(plain, "_is_protocol", False):
        return (object,)
    return (plain,)


def parsed(flow: "Flow[Any, Any]", raw: Any) -> Any:
    """The input of a flow made of raw data; whatever its parser raises is an InvalidInput."""
    try:
        return flow.parse(raw)
    except InvalidInput as error:
        raise InvalidInput(flow.name, error.path, error.reason) from error.__cause__
    except Exception as error:
        path, reason = located(str(error))
        raise InvalidInput(flow.name, path, reason or type(error).__name__) from error
