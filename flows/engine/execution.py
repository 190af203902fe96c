"""Running a flow in a context: the path that every request takes, so it is written out."""

from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from flows.engine.closing import ENDED
from flows.engine.errors import InvalidDefinition, InvalidInput
from flows.engine.nodes import CLOSED, MISSING, OPEN, Missing
from flows.engine.parsing import name_of, parsed
from flows.engine.resources import home_of, open_in, opened, refuse_nothing
from flows.engine.waiting import CURRENT

set_current, reset_current = CURRENT.set, CURRENT.reset

if TYPE_CHECKING:
    from contextvars import Token

    from flows.engine.context import Context
    from flows.engine.wiring import Plan


def run(context: "Context[Any]", raw: Any | Missing) -> Coroutine[Any, Any, Any]:
    """Run an execution from its beginning to its end; `raw` is MISSING if its input is there."""
    parent = context.parent
    assert parent is not None  # noqa: S101 - only boundaries have none
    if context.scope.encloses is None:
        return perform(context, parent, raw)
    return enclose(context, raw, partial(once, context, parent, raw))


def once(
    context: "Context[Any]", parent: "Context[Any]", raw: Any | Missing
) -> Coroutine[Any, Any, Any]:
    """What extensions enclose: called a second time, it finds its context closed."""
    context.require_open()
    return perform(context, parent, raw)


async def perform(  # noqa: C901 - written out, see the module's first line
    context: "Context[Any]", parent: "Context[Any]", raw: Any | Missing
) -> Any:
    """Parse, make what is needed, call, close."""
    scope, values, part = context.scope, None, None
    token = None
    if context.outer is None:
        if parent.state:
            parent.require_open()
        context.outer = token = set_current(context)
        parent.active += 1
    try:
        try:
            plan = scope.plans.get(context.flow)
            if plan is None or raw is not MISSING or not isinstance(context.input, plan.accepts):
                plan = accept(context, raw)
            recipe = plan.recipe
            if not recipe.ready:
                await recipe.prepare(scope)
            wiring = recipe.wiring
            if wiring.varies:
                arguments: dict[str, Any] = {}
                for resource, part, lasting, names in recipe.resources:
                    home = (context.boundary or context) if lasting else home_of(resource, context)
                    values = home.values
                    if values is None:
                        home.values = values = {}
                    if (value := values.get(resource, MISSING)) is MISSING:
                        if not part.is_quick or part in values:
                            value = await open_in(home, part, context)
                        else:
                            # `open_in` without what most resources have not, written out.
                            values[part] = context
                            context.opening = resource
                            undo = part.function()
                            if (value := await anext(undo, ENDED)) is ENDED:
                                refuse_nothing(resource)
                            values[resource] = value
                            if home.ledger is None:
                                home.ledger = [undo]
                            else:
                                home.ledger.append(undo)
                            opened(values, part, context, None)
                    for name in names:
                        arguments[name] = value
                for name, read in wiring.reads:
                    arguments[name] = read(context)
                result = await wiring.function(context, **arguments)
            else:
                result = await wiring.function(context)
            if plan.vets:
                refuse_stream(plan, result)
        except BaseException as error:
            if context.opening is not None and values is not None and part is not None:
                opened(values, part, context, error)
            raise await context.fail(error)  # noqa: B904 - the same, or with it as context
        if context.ledger or context.rest is not None or context.active or scope.tells is not None:
            await context.finish()
        else:
            context.state = CLOSED
        return result
    finally:
        if token is not None:
            reset_current(token)
            parent.active -= 1
            if parent.rest is not None:
                parent.stir()


async def enclose(
    context: "Context[Any]", raw: Any | Missing, core: Callable[[], Awaitable[Any]]
) -> Any:
    """Run `core`, which is this execution, with the scope's extensions around it."""
    scope, parent = context.scope, context.parent
    hooks = scope.encloses
    if hooks is None:
        return await core()
    assert parent is not None and context.flow is not None  # noqa: S101, PT018
    token = enter(context, parent)
    try:
        try:
            plan = scope.plans.get(context.flow)
            context.flow = plan.flow if plan else scope.wirings.target(context.flow)
            if scope.tells is not None:
                hooks.opened(context)
            result = await hooks.around_exec(context, raw, core)
        except BaseException as error:
            raise await context.fail(error)  # noqa: B904 - the same, or with it as context
        if context.state == OPEN:
            await context.finish()
        return result
    finally:
        leave(parent, token)


def enter(context: "Context[Any]", parent: "Context[Any]") -> "Token[Context[Any] | None]":
    """Begin as an execution in `parent`; Closed if that refuses new work."""
    if parent.state:
        parent.require_open()
    context.outer = token = CURRENT.set(context)
    parent.active += 1
    return token


def leave(parent: "Context[Any]", token: "Token[Context[Any] | None]") -> None:
    """End as an execution in `parent`."""
    CURRENT.reset(token)
    parent.active -= 1
    if parent.rest is not None:
        parent.stir()


def accept(context: "Context[Any]", raw: Any | Missing, *, streaming: bool = False) -> "Plan":
    """The plan by which the flow is run, once it and its input are checked."""
    scope, flow = context.scope, context.flow
    assert flow is not None  # noqa: S101 - only boundaries have none
    plan = scope.plans.get(flow) or scope.plan(flow)
    context.flow = flow = plan.flow
    if flow.streaming is not streaming:
        hint = "streams: `async with ctx.stream(…)` reads it"
        if streaming:
            hint = "is no streaming flow: `await ctx.exec(…)` runs it"
        raise InvalidDefinition(flow.name, hint)
    if raw is not MISSING:
        context.input = parsed(flow, raw)
    elif not isinstance(context.input, flow.accepts):
        given = name_of(type(context.input))
        raise InvalidInput(flow.name, "$", f"Expected `{name_of(flow.input_type)}`, got `{given}`")
    return plan


def refuse_stream(plan: "Plan", result: Any) -> None:
    """Raise if a flow that is no stream returned one."""
    if hasattr(result, "__anext__"):
        raise InvalidDefinition(
            plan.flow.name,
            "returns an async iterator, which would outlive its context: make it an async"
            " generator (`yield` the items)",
        )
