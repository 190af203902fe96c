"""The scope in which doors without an event loop of their own (admin, commands) run flows."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from asgiref.sync import async_to_sync
from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string

from flows.actor import Actor
from flows.atoms.actor import actor as actor_tag
from flows.engine import Flow, Scope

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


def make_scope() -> Scope:
    """A new scope, as the composition root (`settings.FLOWS_SCOPE`) makes it; not yet open."""
    scope: Scope = import_string(settings.FLOWS_SCOPE)()
    return scope


def scope_of(request: HttpRequest) -> Scope | None:
    """The scope of the process that serves `request`; None where it has none (WSGI, tests)."""
    asgi_scope: dict[str, Any] = getattr(request, "scope", {})
    return asgi_scope.get("flows")


def run(flow: Flow[I, O], input: I, *, actor: Actor, scope: Scope | None = None) -> O:
    """Run `flow` as `actor` and wait for its result. For synchronous code only.

    Without a `scope` one is made and closed again: what is committed reaches the clients of other
    processes by the doorbell, or else by their next look at the database.
    """
    return _in_scope(scope, lambda scope: scope.run(flow, input, tags=(actor_tag(actor),)))


def run_raw(flow: Flow[I, O], raw: object, *, actor: Actor, scope: Scope | None = None) -> O:
    """As `run`, with an input that is still to be parsed."""
    return _in_scope(scope, lambda scope: scope.run_raw(flow, raw, tags=(actor_tag(actor),)))


def _in_scope(scope: Scope | None, call: Callable[[Scope], Awaitable[O]]) -> O:
    async def there() -> O:
        if scope is not None:
            # A scope belongs to its loop; `async_to_sync` goes back to the one that serves the
            # request, which is the same.
            return await call(scope)
        async with make_scope() as short_lived:
            return await call(short_lived)

    return async_to_sync(there)()
