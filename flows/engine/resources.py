"""Opening the resources that an execution needs, each once, wherever it belongs."""

from typing import TYPE_CHECKING, Any

from flows.engine.closing import ENDED, Plain, Undo
from flows.engine.errors import InvalidDefinition
from flows.engine.nodes import Resource, Shape
from flows.engine.waiting import until_opened

if TYPE_CHECKING:
    from flows.engine.context import Context
    from flows.engine.wiring import Recipe, Wiring


async def make(recipe: "Recipe", context: "Context[Any]", maker: "Context[Any]") -> None:
    """Make the atoms and open the resources of a recipe that are not there yet."""
    if not recipe.ready:
        await recipe.prepare(context.scope)
    for resource, wiring in recipe.resources:
        home = home_of(resource, context)
        if home.values is None or resource not in home.values:
            await open_in(home, wiring, maker)


def home_of(resource: Resource[Any], context: "Context[Any]") -> "Context[Any]":
    """The context that a resource belongs to when it is needed in `context`."""
    if resource.per == "context":
        return context.boundary or context
    above: Context[Any] | None = context
    while above is not None:
        if above.values is not None and resource in above.values:
            return above
        above = above.parent if above.boundary is not None else None
    return context


async def open_in(home: "Context[Any]", wiring: "Wiring", maker: "Context[Any]") -> None:
    """Make a resource that belongs to `home`: once, however many ask at the same time."""
    if home.values is None or home.ledger is None:
        home.values, home.ledger = {}, []
    values, ledger, node = home.values, home.ledger, wiring.node
    while (other := values.get(wiring)) is not None:
        await until_opened(other)
        if node in values:
            return
    values[wiring] = maker
    maker.opening = node
    failure: BaseException | None = None
    try:
        arguments = wiring.arguments(home)
        hooks = home.scope.hooks
        if hooks is None or not hooks.wrap_resolve:
            values[node] = await build(wiring, arguments, ledger)
        else:
            values[node] = await hooks.build(wiring, arguments, ledger)
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
    assert node.function is not None  # noqa: S101 - ports are refused before
    made = node.function(**arguments)
    if shape is Shape.PLAIN:
        return made
    if shape is Shape.ASYNC:
        return await made
    undo: Undo = made if shape is Shape.ASYNC_GENERATOR else Plain(made)
    value = await anext(undo, ENDED)
    if value is ENDED:
        raise InvalidDefinition(node.name, "ended without a `yield`: what it yields is its value")
    ledger.append(undo)
    return value
