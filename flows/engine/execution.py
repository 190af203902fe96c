"""Running a flow in a context: the path that every request takes."""

from functools import partial
from sys import set_asyncgen_hooks as set_hooks
from typing import TYPE_CHECKING, Any, TypeAlias

from flows.engine.closing import ENDED, Undo, driven, release_all
from flows.engine.context import Context
from flows.engine.errors import OUTLIVES, InvalidDefinition, InvalidInput
from flows.engine.extension import Call, enclosed
from flows.engine.nodes import MISSING, Node, Resource, Shape
from flows.engine.parsing import Unparsed, name_of, parsed
from flows.engine.waiting import CLOSED, mark, telling, until_opened

if TYPE_CHECKING:
    from flows.engine.plan import Plan
    from flows.engine.scope import Scope


#: A resource that a plan opens, by what plan, whether in the boundary, and in which place of the
#: arguments (not in that of the context if it is for others only).
Opening: TypeAlias = "tuple[Resource[Any], Plan, bool, int]"


@telling("context")
async def perform(  # noqa: C901
    context: Context[Any], parent: Context[Any] | None, own: Context[Any] | None = None
) -> Any:
    """An execution from parsing to close. Extensions go round it: for them, without `parent`.

    `own` is a boundary made for this execution alone: it is closed here, and `parent` is the scope.
    The commonest resource is opened here, as `open_in` would: a call costs a tenth of a microsecond
    and a request takes three.
    """
    scope, values = context.scope, None
    if scope.guarded:
        scope.admit(own)
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
                arguments = plan.template.copy()
                arguments[0] = context
                for resource, part, lasting, place in plan.opens:
                    home = context.boundary if lasting else None
                    if home is None:
                        home = home_of(resource, context)
                    values = home.values
                    if values is None:
                        home.values = values = {}
                    value = values.get(resource, MISSING)
                    if value is MISSING and part.is_quick:
                        values[resource] = context
                        context.opening = resource
                        function = part.function
                        undo = function()
                        # It is released here, whatever comes: the loop need not know of it.
                        set_hooks(None)
                        step = undo.__anext__()
                        set_hooks(scope.begun)
                        values[resource] = value = await step
                        context.opening = None
                        if home.ledger is None:
                            home.ledger = [undo]
                        else:
                            home.ledger.append(undo)
                        if context.rest is not None:
                            context.rest.wake(None)
                    elif value is MISSING or type(value) is Context:
                        value = await open_in(home, part, context)
                    if place:
                        arguments[place] = value
                for place, read in plan.places:
                    arguments[place] = read(context)
                function = plan.function
                result = await function(*arguments)
            if plan.vets and hasattr(result, "__anext__"):
                raise InvalidDefinition(plan.node.name, OUTLIVES)  # noqa: TRY301
            if context.ledger or context.rest is not None or context.active or scope.tells:
                await context.shut(None)
            else:
                context.state = CLOSED
        except BaseException as error:
            if values is not None and context.opening is not None:
                if type(error) is StopAsyncIteration:
                    error = nothing(context.opening)
                opened(values, context, error)
            error = await context.fail(error)
            if own is not None:
                own.active -= 1
                own.stir()
                error = await own.fail(error)
            raise error  # noqa: TRY201 - or what is worse, with it as context
        if own is not None:
            own.active -= 1
            if own.rest is not None:
                own.stir()
            if own.ledger or own.rest is not None or own.active:
                await own.shut(None)
            else:
                own.state = CLOSED
        return result
    finally:
        if parent is not None:
            parent.active -= 1
            if parent.rest is not None:
                parent.stir()


@telling("context")
async def surround(context: Context[Any], parent: Context[Any]) -> Any:
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
    elif not isinstance(given, flow.accepts):
        kinds = f"Expected `{name_of(flow.input_type)}`, got `{name_of(type(given))}`"
        raise InvalidInput(flow.name, "$", kinds)
    return scope.ready.get(flow) or await scope.prepare(flow)


def home_of(resource: Resource[Any], context: Context[Any]) -> Context[Any]:
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


def maker_of(node: Node, values: dict[Any, Any]) -> Context[Any] | None:
    """Who is making a resource at the moment. A value that is a context itself makes none."""
    found: Context[Any] | None = values.get(node)  # or its value
    return found if isinstance(found, Context) and found.opening is node else None


async def open_in(home: Context[Any], plan: "Plan", maker: Context[Any]) -> Any:
    """Make a resource that belongs to `home`: once, however many ask at the same time."""
    node, values = plan.node, home.values
    if values is None:
        home.values = values = {}
    while other := maker_of(node, values):
        await until_opened(other)
    if node in values:
        return values[node]
    values[node] = maker
    maker.opening = node
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
        opened(values, maker, failure)
    return value


def opened(values: dict[Any, Any], maker: Context[Any], failure: BaseException | None) -> None:
    """The making of a resource has ended: tell those who wait for it."""
    if failure is not None:
        del values[maker.opening]
    maker.opening = None
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
