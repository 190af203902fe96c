"""`manage.py flow_graph`: what the flows need."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from flows.engine import Graph, graph
from sessions_app.inventory import all_flows


class Command(BaseCommand):
    """Print the flows and what they need."""

    help = "Print the flows and what they need, as text or as a Mermaid flowchart."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which flows, and in which form."""
        parser.add_argument("flows", nargs="*", metavar="flow", help="only these (default: all)")
        parser.add_argument("--mermaid", action="store_true", help="print a Mermaid flowchart")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print them."""
        known = {each.name: each for each in all_flows()}
        if unknown := [name for name in options["flows"] if name not in known]:
            raise CommandError(f"There is no flow {unknown[0]!r}; there are {', '.join(known)}")
        drawn = graph(known[name] for name in options["flows"] or known)
        self.stdout.write(drawn.to_mermaid() if options["mermaid"] else as_text(drawn))


def as_text(drawn: Graph) -> str:
    """A line per node: its name, its kind, and what it needs."""
    needs: dict[str, list[str]] = {name: [] for name, _ in drawn.nodes}
    for source, target in drawn.edges:
        needs[source].append(target)
    return "\n".join(
        f"{name} ({kind})" + (f" -> {', '.join(needs[name])}" if needs[name] else "")
        for name, kind in drawn.nodes
    )
