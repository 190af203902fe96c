"""Opening the resources that an execution needs, each once, wherever it belongs."""

from typing import TYPE_CHECKING, Any, Final

from flows.engine.closing import ENDED, Plain, Undo
from flows.engine.errors import InvalidDefinition
from flows.engine.nodes import Resource, Shape
from flows.engine.waiting import until_opened

if TYPE_CHECKING:
    from flows.engine.context import Context
    from flows.engine.wiring import Recipe, Wiring

NO_YIELD: Final = "ended without a `yield`: what it yields is its value"


async def make(recipe: "Recipe", context: "Context[Any]", maker: "Context[Any]") -> None:
    """Make the atoms and open the resources of a recipe that are not there yet."""
    if not recipe.ready:
        await recipe.prepare(context.scope)
    for resource, wiring, lasting in recipe.resources:
        home = (context.boundary or context) if lasting else home_of(resource, context)
        if home.values is None or resource not in home.values:
            await open_in(home, wiring, maker)


def home_of(resource: Resource[Any], context: "Context[Any]") -> "Context[Any]":
    """Where a per-exec resource is that is needed in `context`: there, or further up if open."""
    above: Context[Any] | None = context
    while above is not None:
        if above.values is not None and resource in above.values:
            return above
        above = above.parent if above.boundary is not None else None
    return context


async def open_in(home: "Context[Any]", wiring: "Wiring", maker: "Context[Any]") -> None:
    """Make a resource that belongs to `home`: once, however many ask at the same time."""
    values, ledger, node = home.values, home.ledger, wiring.node
    if values is None or ledger is None:
        home.values = values = {}
        home.ledger = ledger = []
    while wiring in values:
        await until_opened(values[wiring])
        if node in values:
            return
    values[wiring] = maker
    maker.opening = node
    failure: BaseException | None = None
    try:
        hooks = home.scope.hooks
        arguments = wiring.arguments(home)
        if hooks is not None and hooks.wrap_resolve:
            values[node] = await hooks.build(wiring, arguments, ledger)
        elif wiring.is_async_generator:  # what most resources are: `build`, written out
            undo = wiring.function(**arguments)
            value = await anext(undo, ENDED)
            if value is ENDED:
                raise InvalidDefinition(node.name, NO_YIELD)
            values[node] = value
            ledger.append(undo)
        else:
            values[node] = await build(wiring, arguments, ledger)
    except BaseException as error:
        failure = error
        raise
    finally:
        del values[wiring]
        maker.opening = None
        if maker.rest is not None:
            maker.rest.wake(failure)


async def build(wiring: "Wiring", arguments: dict[str, Any], ledger: list[Undo]) -> Any:
    """Call a factory; a generator's clean-up is put into `ledger` once it has given its value."""
    node, shape = wiring.node, wiring.node.shape
    made = wiring.function(**arguments)
    if shape is Shape.PLAIN:
        return made
    if shape is Shape.ASYNC:
        return await made
    undo: Undo = made if shape is Shape.ASYNC_GENERATOR else Plain(made)
    value = await anext(undo, ENDED)
    if value is ENDED:
        raise InvalidDefinition(node.name, NO_YIELD)
    ledger.append(undo)
    return value
