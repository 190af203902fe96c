"""Opening the resources that an execution needs, each once, wherever it belongs."""

from typing import TYPE_CHECKING, Any, Never

from flows.engine.closing import ENDED, Plain, Undo
from flows.engine.errors import InvalidDefinition
from flows.engine.nodes import MISSING, Node, Resource, Shape
from flows.engine.waiting import until_opened

if TYPE_CHECKING:
    from flows.engine.context import Context
    from flows.engine.wiring import Recipe, Wiring


def refuse_nothing(node: Node) -> Never:
    """Raise for a generator that yielded no value."""
    raise InvalidDefinition(node.name, "ended without a `yield`: what it yields is its value")


async def supply(
    recipe: "Recipe", context: "Context[Any]", maker: "Context[Any]"
) -> dict[str, Any]:
    """Make what a recipe needs and is not there yet; the arguments that come of it."""
    if not recipe.ready:
        await recipe.prepare(context.scope)
    arguments: dict[str, Any] = {}
    for resource, wiring, lasting, names in recipe.resources:
        home = (context.boundary or context) if lasting else home_of(resource, context)
        if home.values is None or (value := home.values.get(resource, MISSING)) is MISSING:
            value = await open_in(home, wiring, maker)
        for name in names:
            arguments[name] = value
    for name, read in recipe.wiring.reads:
        arguments[name] = read(context)
    return arguments


def home_of(resource: Resource[Any], context: "Context[Any]") -> "Context[Any]":
    """Where a per-exec resource is that is needed in `context`: there, or further up if open."""
    above: Context[Any] | None = context
    while above is not None:
        if above.values is not None and resource in above.values:
            return above
        above = above.parent if above.boundary is not None else None
    return context


async def open_in(home: "Context[Any]", wiring: "Wiring", maker: "Context[Any]") -> Any:
    """Make a resource that belongs to `home`: once, however many ask at the same time."""
    values, node = home.values, wiring.node
    if values is None:
        home.values = values = {}
    while wiring in values:
        await until_opened(values[wiring])
        if node in values:
            return values[node]
    values[wiring] = maker
    maker.opening = node
    failure: BaseException | None = None
    try:
        acquired: list[Undo] = []
        arguments = wiring.arguments(home)
        resolves = home.scope.resolves
        make = build if resolves is None else resolves.build
        value = await make(wiring, arguments, acquired)
        home.ledger = [*(home.ledger or ()), *acquired]
        values[node] = value
    except BaseException as error:
        failure = error
        raise
    finally:
        opened(values, wiring, maker, failure)
    return value


def opened(
    values: "dict[Node | Wiring, Any]",
    wiring: "Wiring",
    maker: "Context[Any]",
    failure: BaseException | None,
) -> None:
    """The making of a resource has ended: tell those who wait for it."""
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
    undo: Undo = made if shape is Shape.ASYNC_GENERATOR else Plain(made, node.name)
    value = await anext(undo, ENDED)
    if value is ENDED:
        refuse_nothing(node)
    ledger.append(undo)
    return value
