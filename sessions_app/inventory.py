"""Every flow there is, those included that no client may call."""

import importlib
import pkgutil
from typing import Any

import flows
from flows.engine import Flow


def all_flows() -> list[Flow[Any, Any]]:
    """The flows of the package `flows`, one per file of the same name, by name."""
    names = sorted(each.name for each in pkgutil.iter_modules(flows.__path__) if not each.ispkg)
    found = (getattr(importlib.import_module(f"flows.{name}"), name, None) for name in names)
    return [each for each in found if isinstance(each, Flow)]
