"""Running a flow in a context: the path that every request takes."""

from functools import partial
from sys import set_asyncgen_hooks as set_hooks
from typing import TYPE_CHECKING, Any, TypeAlias

from flows.engine.closing import ENDED, Undo, driven, release_all
from flows.engine.errors import OUTLIVES, InvalidDefinition, InvalidInput
from flows.engine.extension import Call, enclosed
from flows.engine.nodes import MISSING, Node, Resource, Shape
from flows.engine.parsing import Unparsed, name_of, parsed
from flows.engine.waiting import CLOSED, mark, telling, until_opened

if TYPE_CHECKING:
    from flows.engine.context import Context
    from flows.engine.plan import Plan
    from flows.engine.scope import Scope


#: A resource that a plan opens, by what plan, whether in the boundary, and as which argument.
Opening: TypeAlias = "tuple[Resource[Any], Plan, bool, str | None]"


@telling("context")
async def perform(context: "Context[Any]", parent: "Context[Any] | None") -> Any:  # noqa: C901
    """An execution from parsing to close. Extensions go round it: for them, without `parent`.

    The commonest resource is opened here, as `open_in` would: a call costs a tenth of a microsecond
    and a request takes three.
    """
    scope, values, part = context.scope, None, None
    if scope.guarded:
        scope.refuse_another_loop()
    if parent is None:
        context.require_open()
    else:
        if parent.state:
            parent.require_open()
        parent.active += 1
    try:
        try:
            plan = scope.ready.get(context.flow)
            if plan is None or not isinstance(context.input, plan.accepts):
                plan = await accept(context)
            function = plan.function  # to call an attribute that is no method is slow
            if plan.is_plain:
                result = await function(context)
            else:
                arguments: dict[str, Any] = {}
                for resource, part, lasting, name in plan.opens:
                    home = context.boundary if lasting else None
                    if home is None:
                        home = home_of(resource, context)
                    values = home.values
                    if values is None:
                        home.values = values = {}
                    value = values.get(resource, MISSING)
                    if value is not MISSING:
                        pass
                    elif part.is_quick and part not in values:
                        values[part] = context
                        function = part.function
                        undo = function()
                        # It is released here, whatever comes: the loop need not know of it.
                        set_hooks(None, None)
                        step = undo.__anext__()
                        set_hooks(scope.begun, scope.dropped)
                        values[resource] = value = await step
                        if home.ledger is None:
                            home.ledger = [undo]
                        else:
                            home.ledger.append(undo)
                        del values[part]
                        if context.rest is not None:
                            context.rest.wake(None)
                    else:
                        value = await open_in(home, part, context)
                    if name is not None:
                        arguments[name] = value
                for name, read in plan.reads:
                    arguments[name] = read(context)
                function = plan.function
                result = await function(context, **arguments)
            if plan.vets and hasattr(result, "__anext__"):
                raise InvalidDefinition(plan.node.name, OUTLIVES)  # noqa: TRY301
        except BaseException as error:
            if values is not None and part is not None and values.get(part) is context:
                if type(error) is StopAsyncIteration:
                    error = nothing(part.node)
                opened(values, part, context, error)
            raise await context.fail(error)  # noqa: B904 - the same, or with it as context
        if context.ledger or context.rest is not None or context.active or scope.tells:
            await context.shut(None)
        else:
            context.state = CLOSED
        return result
    finally:
        if parent is not None:
            parent.active -= 1
            if parent.rest is not None:
                parent.stir()


@telling("context")
async def surround(context: "Context[Any]", parent: "Context[Any]") -> Any:
    """An execution with the scope's extensions around it."""
    scope, flow = context.scope, context.flow
    if parent.state:
        parent.require_open()
    parent.active += 1
    try:
        if flow is None or flow not in scope.ready:
            context.flow = flow = scope.plans.target(flow)
        if scope.tells:
            scope.hooks.opened(context)
        raw = context.input.raw if type(context.input) is Unparsed else None
        call = Call(flow.replaces or flow, raw, context, flow.streaming)
        result = await enclosed(scope.hooks.wrap_exec, call, partial(perform, context, None))
        if not context.state:
            await context.shut(None)
    except BaseException as error:
        raise await context.fail(error)  # noqa: B904 - the same, or with it as context
    else:
        return result
    finally:
        parent.active -= 1
        if parent.rest is not None:
            parent.stir()


async def accept(context: "Context[Any]") -> "Plan":
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
    elif not isinstance(given, flow.accepts):
        kinds = f"Expected `{name_of(flow.input_type)}`, got `{name_of(type(given))}`"
        raise InvalidInput(flow.name, "$", kinds)
    return scope.ready.get(flow) or await scope.prepare(flow)


def home_of(resource: Resource[Any], context: "Context[Any]") -> "Context[Any]":
    """Where a resource belongs that is needed in `context`.

    In the boundary; or, per execution, there, unless it is open further up.
    """
    if resource.per == "context":
        return context.boundary or context
    above: Context[Any] | None = context
    while above is not None:
        if above.values is not None and resource in above.values:
            return above
        above = above.above if above.boundary is not None else None
    return context


async def open_in(home: "Context[Any]", plan: "Plan", maker: "Context[Any]") -> Any:
    """Make a resource that belongs to `home`: once, however many ask at the same time."""
    node, values = plan.node, home.values
    if values is None:
        home.values = values = {}
    while plan in values:
        await until_opened(values[plan])
    if node in values:
        return values[node]
    values[plan] = maker
    if plan.reads:
        mark(maker)
    if home.ledger is None:
        home.ledger = []
    failure: BaseException | None = None
    try:
        arguments: dict[str, Any] = {}
        for name, each in plan.resources:
            arguments[name] = (home_of(each, home).values or {})[each]
        for name, read in plan.reads:
            arguments[name] = read(home)
        make = home.scope.make
        values[node] = value = await make(home.scope, plan, arguments, home.ledger)
    except BaseException as error:
        failure = error
        raise
    finally:
        opened(values, plan, maker, failure)
    return value


def opened(
    values: "dict[Any, Any]", plan: "Plan", maker: "Context[Any]", failure: BaseException | None
) -> None:
    """The making of a resource has ended: tell those who wait for it."""
    del values[plan]
    if maker.rest is not None:
        maker.rest.wake(failure)


async def make_enclosed(
    scope: "Scope", plan: "Plan", arguments: dict[str, Any], ledger: list[Undo]
) -> Any:
    """Make an atom or resource with extensions around it."""
    acquired: list[Undo] = []
    try:
        run = partial(make_plainly, scope, plan, arguments, acquired)
        value = await enclosed(scope.hooks.wrap_resolve, plan.node, run)
    except BaseException as error:
        raise await release_all(acquired, error) or error  # noqa: B904 - the same, or with it as context
    ledger += acquired
    return value


async def make_plainly(
    scope: "Scope", plan: "Plan", arguments: dict[str, Any], ledger: list[Undo]
) -> Any:
    """Call a factory; a generator's clean-up is put into `ledger` once it has given its value."""
    node, shape = plan.node, plan.node.shape
    made = plan.function(**arguments)
    if shape is Shape.PLAIN:
        return made
    if shape is Shape.ASYNC:
        return await made
    undo: Any = made if shape is Shape.ASYNC_GENERATOR else driven(made)
    undo.__name__ = node.name
    value = await anext(undo, ENDED)
    if value is ENDED:
        raise nothing(node)
    ledger.append(undo)
    return value


def nothing(node: Node) -> InvalidDefinition:
    """What is raised for a generator that yielded no value."""
    return InvalidDefinition(node.name, "ended without a `yield`: what it yields is its value")
