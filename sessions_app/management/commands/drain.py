"""`manage.py drain`: have nodes send their clients elsewhere, and end."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from flows.drain_node import drain_node
from flows.list_nodes import list_nodes
from sessions_app.management.operators import as_json, run_for_operator


class Command(BaseCommand):
    """Drain a node, or show which there are."""

    help = (
        "Have a node send its clients elsewhere and end, as a SIGTERM does; whoever supervises it "
        "may start another. Without a node, show which there are."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which."""
        parser.add_argument("node", nargs="?", help="name of the node")
        parser.add_argument("--reason", default="", help="why; staff can read it in the history")
        parser.add_argument("--json", action="store_true", help="print the flow's result")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask it."""
        if options["node"] is not None:
            done = run_for_operator(
                drain_node, {"node": options["node"], "reason": options["reason"]}
            )
            self.stdout.write(as_json(done) if options["json"] else "It drains.")
            return
        found = run_for_operator(list_nodes, {})
        if options["json"]:
            self.stdout.write(as_json(found))
            return
        for each in found.nodes:
            doing = "drains" if each.draining else "serves"
            self.stdout.write(
                f"{each.node}  {each.host} {each.pid}  {doing}, connections: {each.connections}"
            )
