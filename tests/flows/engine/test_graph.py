"""The graph as data."""

from typing import Any

from flows.engine import Context, Graph, Port, Tag, atom, flow, graph, need, resource

database = Port[int]("database")
actor = Tag[str]("actor")


@atom
def clock() -> int:
    return 1


@resource
def sessions(*, database: int = need(database), clock: int = need(clock)) -> int:
    return database


@flow
async def inner(ctx: Context[None], *, actor: str = need(actor)) -> None: ...


@flow
async def outer(
    ctx: Context[None], *, sessions: int = need(sessions), inner: Any = need(inner)
) -> None: ...


def test_graph() -> None:
    """The graph holds every node once with its kind, and every dependency; handles are followed."""
    assert graph([outer, inner]) == Graph(
        nodes=(
            ("outer", "flow"),
            ("inner", "flow"),
            ("sessions", "resource"),
            ("actor", "tag"),
            ("database", "port"),
            ("clock", "atom"),
        ),
        edges=(
            ("outer", "sessions"),
            ("outer", "inner"),
            ("inner", "actor"),
            ("sessions", "database"),
            ("sessions", "clock"),
        ),
    )


def test_mermaid() -> None:
    """A graph can be drawn by Mermaid."""
    assert graph([inner]).to_mermaid() == (
        'flowchart LR\n    n0["inner (flow)"]\n    n1["actor (tag)"]\n    n0 --> n1\n'
    )
