"""The scope in which doors without an event loop of their own (admin, commands) run flows."""

from collections.abc import Iterable
from typing import Any, TypeVar

from asgiref.sync import async_to_sync
from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string

from flows.actor import Actor
from flows.atoms.actor import actor as actor_tag
from flows.atoms.audit import reason as reason_tag
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


def run(
    flow: Flow[I, O],
    raw: object,
    *,
    actor: Actor,
    reason: str | None = None,
    scope: Scope | None = None,
) -> O:
    """Run `flow` as `actor` on an input that is still to be parsed; for synchronous code only.

    `reason` is why staff do it, for the audit, where the flow's input has no word for it.

    Without a `scope` one is made and closed again: what is committed reaches the clients of other
    processes by the doorbell, or else by their next look at the database.
    """
    (outcome,) = run_each(flow, [raw], actor=actor, reason=reason, scope=scope)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def run_each(
    flow: Flow[I, O],
    raws: Iterable[object],
    *,
    actor: Actor,
    reason: str | None = None,
    scope: Scope | None = None,
) -> list[O | Exception]:
    """Run `flow` once for each of `raws`, in order; what one raises does not keep back the others.

    As `run`, but in one scope.
    """

    tags = [actor_tag(actor)] if reason is None else [actor_tag(actor), reason_tag(reason)]

    async def in_turn(scope: Scope) -> list[O | Exception]:
        outcomes: list[O | Exception] = []
        for raw in raws:
            try:
                done: O = await scope.run_raw(flow, raw, tags=tags)
                outcomes.append(done)
            except Exception as error:  # noqa: BLE001 - the caller asked for each
                outcomes.append(error)
        return outcomes

    async def there() -> list[O | Exception]:
        if scope is not None:
            # A scope belongs to its loop; `async_to_sync` goes back to the one that serves the
            # request, which is the same.
            return await in_turn(scope)
        async with make_scope() as short_lived:
            return await in_turn(short_lived)

    return async_to_sync(there)()
