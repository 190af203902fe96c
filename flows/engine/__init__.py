"""A small dependency graph with lifetimes: atoms, resources, tags and flows, run in scopes."""

from flows.engine.context import Context
from flows.engine.definitions import atom, flow, resource
from flows.engine.errors import (
    Closed,
    DependencyCycle,
    EngineError,
    InvalidDefinition,
    InvalidInput,
    MissingDependency,
)
from flows.engine.extension import Call, Extension, Outcome
from flows.engine.graph import Graph, graph, preset
from flows.engine.nodes import Atom, Flow, Port, Resource, Tag, every, maybe, need
from flows.engine.parsing import typed
from flows.engine.scope import Scope
from flows.engine.streams import Handle

__all__ = [
    "Atom", "Call", "Closed", "Context", "DependencyCycle", "EngineError", "Extension", "Flow",
    "Graph", "Handle", "InvalidDefinition", "InvalidInput", "MissingDependency", "Outcome", "Port",
    "Resource", "Scope", "Tag", "atom", "every", "flow", "graph", "maybe", "need", "preset",
    "resource", "typed",
]  # fmt: skip
