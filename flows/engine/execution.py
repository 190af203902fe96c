"""Running a flow in a context: the path that every request takes."""

from functools import partial
from sys import set_asyncgen_hooks as set_hooks
from typing import TYPE_CHECKING, Any

from flows.engine.closing import CLOSED, ENDED, fail, mark, shut, until_made
from flows.engine.context import Context, Life
from flows.engine.errors import OUTLIVES, InvalidDefinition, InvalidInput
from flows.engine.extension import Call, enclosed
from flows.engine.nodes import MISSING, Node
from flows.engine.parsing import Unparsed, accepted, name_of, parsed

if TYPE_CHECKING:
    from flows.engine.plan import Plan


async def perform(running: Context[Any], parent: Life | None) -> Any:  # noqa: C901
    """An execution from parsing to close. Extensions go round it: for them, without `parent`.

    What needs no care is opened here, as `open_in` would: a call costs a tenth of a microsecond
    and a request takes three.
    """
    scope, values = running.scope, None
    if scope.guarded:
        scope.refuse_another_loop()
    if parent is None:
        if running.state:
            running.require_open()
    else:
        if parent.state:
            parent.require_open()
        parent.active += 1
    try:
        plan = scope.ready.get(running.flow)
        if plan is None or not isinstance(running.input, plan.accepts):
            plan = await accept(running)
        function = plan.function  # to call an attribute that is no method is slow
        if plan.is_plain:
            result = await function(running)
        else:
            arguments: dict[str, Any] = {}
            for resource, part, lasting, name in plan.opens:
                home = running.boundary if lasting else home_of(resource, running)
                values = home.values
                if values is None:
                    home.values = values = {}
                value = values.get(resource, MISSING)
                if value is MISSING and part.is_quick:
                    values[resource] = running
                    running.opening = resource
                    function = part.function
                    undo = function()
                    # It is released here, whatever comes: the loop need not know of it.
                    set_hooks(None)
                    step = undo.__anext__()
                    set_hooks(scope.begun)
                    values[resource] = value = await step
                    running.opening = None
                    home.ledger = [*home.ledger, undo] if home.ledger else [undo]
                    if running.rest is not None:
                        running.tell("made")
                elif value is MISSING or type(value) is Context:
                    value = await open_in(home, part, running)
                if name:
                    arguments[name] = value
            for name, read in plan.reads:
                arguments[name] = read(running)
            function = plan.function
            result = await function(running, **arguments)
        if plan.vets and hasattr(result, "__anext__"):
            raise InvalidDefinition(plan.node.name, OUTLIVES)  # noqa: TRY301
        if running.ledger or running.rest is not None or running.active or scope.tells:
            await shut(running, None)
        else:
            running.state = CLOSED
    except BaseException as error:
        if values is not None and running.opening is not None:
            if type(error) is StopAsyncIteration:
                error = nothing(running.opening)
            gave_up(values, running, error)
        raise await fail(running, error)  # noqa: B904 - the same, or with it as context
    else:
        return result
    finally:
        if parent is not None:
            parent.active -= 1
            if parent.rest is not None and not parent.active:
                parent.tell("idle")


async def surround(running: Context[Any], parent: Life) -> Any:
    """An execution with the scope's extensions around it."""
    scope, flow = running.scope, running.flow
    if parent.state:
        parent.require_open()
    parent.active += 1
    try:
        if flow is None or flow not in scope.ready:
            running.flow = flow = scope.plans.target(flow)
        if scope.tells:
            scope.hooks.opened(running)
        raw = running.input.raw if type(running.input) is Unparsed else None
        call = Call(flow.replaces or flow, raw, running, flow.streaming)
        result = await enclosed(scope.hooks.wrap_exec, call, partial(perform, running, None))
        if not running.state:
            await shut(running, None)
    except BaseException as error:
        raise await fail(running, error)  # noqa: B904 - the same, or with it as context
    else:
        return result
    finally:
        parent.leave()


async def accept(context: Context[Any]) -> "Plan":
    """The plan by which a flow is run, once it and its input are checked, and its atoms made."""
    scope, given = context.scope, context.input
    context.flow = flow = scope.plans.target(context.flow)
    reader = context.rest is not None and context.rest.reader is not None
    if flow.streaming is not reader:
        streams = "streams: `async with ctx.stream(…)` reads it"
        hint = "is no streaming flow: `await ctx.exec(…)` runs it" if reader else streams
        raise InvalidDefinition(flow.name, hint)
    if type(given) is Unparsed:
        context.input = parsed(flow, given.raw)
    elif not isinstance(given, accepted(flow.input_type)):
        kinds = f"Expected `{name_of(flow.input_type)}`, got `{name_of(type(given))}`"
        raise InvalidInput(flow.name, "$", kinds)
    return scope.ready.get(flow) or await scope.prepare(flow)


def home_of(resource: Node, context: Life) -> Life:
    """Where a resource belongs that is needed in `context`.

    In the boundary; or, per execution, there, unless it is open further up.
    """
    if resource.per == "context":
        return context.boundary or context
    above: Any = context
    while above.boundary is not None and resource not in (above.values or ()):
        above = above.above
    return above if resource in (above.values or ()) else context


async def open_in(home: Life, plan: "Plan", maker: Life) -> Any:
    """Make a resource that belongs to `home`: once, however many ask at the same time."""
    values = home.values = {} if home.values is None else home.values
    while other := maker_of(plan.node, values):
        await until_made([other])
    if plan.node not in values:
        values[plan.node] = maker
        maker.opening = plan.node
        try:
            holder = await make(home, plan, maker)
        except BaseException as error:
            gave_up(values, maker, error)
            raise
        maker.opening = None
        home.ledger = [*(home.ledger or ()), *(holder.ledger or ())]
        maker.tell("made")
    return values[plan.node]


def maker_of(node: Node, values: dict[Any, Any]) -> Life | None:
    """Who is making a node at the moment. A value that is a context itself makes none."""
    found: Any = values.get(node)
    return found if isinstance(found, Life) and found.opening is node else None


def gave_up(values: dict[Any, Any], maker: Life, error: BaseException) -> None:
    """What was being made could not be."""
    del values[maker.opening]
    maker.opening = None
    maker.tell("made", error)


async def make(home: Life, plan: "Plan", running: Life) -> Life:
    """Make a value in `home`, where its dependencies are; what will release it."""
    scope, values = home.scope, home.values
    assert values is not None  # noqa: S101
    arguments: dict[str, Any] = {}
    if plan.atoms:
        made = await scope.atoms(plan.atoms.values())
        arguments = {name: made[each] for name, each in plan.atoms.items()}
    for name, each in plan.resources.items():
        arguments[name] = (home_of(each, home).values or {})[each]
    if plan.reads:
        mark(running)
    for name, read in plan.reads:
        arguments[name] = read(home)
    holder = home.child()

    async def run() -> Any:
        undo = plan.function(**arguments)
        value = await anext(undo, ENDED)
        if value is ENDED:
            raise nothing(plan.node)
        holder.ledger = [*(holder.ledger or ()), undo]
        return value

    try:
        values[plan.node] = await enclosed(scope.hooks.wrap_resolve, plan.node, run)
    except BaseException as error:
        raise await fail(holder, error)  # noqa: B904 - the same, or with it as context
    return holder


def nothing(node: Node) -> InvalidDefinition:
    """What is raised for a generator that yielded no value."""
    return InvalidDefinition(node.name, "ended without a `yield`: what it yields is its value")
