"""Alert rules and the dashboard ask for what /metrics tells."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.servers import ROOT, Server, serving, sqlite_database
from tests.wire import Client, Refused

RULES: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/flow-sessions.json").read_text())

EXPRESSIONS = [each["expr"] for each in ALERTS] + [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]
]

#: What Prometheus itself knows of each process it scrapes.
OF_PROMETHEUS = {"up"}

#: Labels that Prometheus adds, or makes of several.
ADDED = {"job", "instance", "le"}

_METRIC = re.compile(r"\b(?:(?:flow|process)_[a-z_]+|up)\b(?=[\[{ )]|$)")
_SELECTOR = re.compile(r"\b((?:flow|process)_[a-z_]+|up)\{([^}]*)\}")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with (
        sqlite_database() as database,
        serving(database, "uvicorn", METRICS="true", METRICS_TOKEN="for-tests") as server,
    ):
        yield server


async def told(server: Server) -> dict[str, set[str]]:
    """The labels of each metric that a server with some history tells."""
    async with await Client.connect(server.url, server.people["owner0"].token) as client:
        await client.call("create_session", key="k")
        with pytest.raises(Refused):
            await client.call("nothing")
    async with await Client.connect(server.url, "wrong") as nobody:
        assert await nobody.ended() == 4501
    text = await scraped(server)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


async def scraped(server: Server) -> str:
    request = Request(
        f"http://{server.host}/metrics", headers={"Authorization": "Bearer for-tests"}
    )
    body: bytes = await asyncio.to_thread(lambda: urlopen(request).read())  # noqa: S310
    return body.decode()


async def test_every_metric_that_is_asked_for_is_told(server: Server) -> None:
    """Each name in a rule or a panel is one of /metrics, with the labels by which it is chosen."""
    known = await told(server)
    for expression in EXPRESSIONS:
        names = set(_METRIC.findall(expression)) - OF_PROMETHEUS
        assert names <= known.keys(), expression
        for name, selector in _SELECTOR.findall(expression):
            labels = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", selector)) - ADDED
            assert labels <= known.get(name, set()), expression
        grouped = {
            label.strip()
            for each in re.findall(r"by \(([^)]*)\)", expression)
            for label in each.split(",")
        }
        assert grouped - ADDED <= set().union(*(known[name] for name in names)), expression
    assert sum(len(_METRIC.findall(each)) for each in EXPRESSIONS) > 30


async def test_everything_of_ours_that_is_told_is_shown(server: Server) -> None:
    """The dashboard leaves out no metric of the server's own."""
    shown = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for expression in EXPRESSIONS
        for name in _METRIC.findall(expression)
    }
    ours = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for name in await told(server)
        if name.startswith("flow_") and not name.endswith("_created")
    }
    assert ours == {name for name in shown if name.startswith("flow_")}


def test_each_alert_says_what_to_do() -> None:
    """Nobody is woken without a word about why and what first."""
    assert len({each["alert"] for each in ALERTS}) == len(ALERTS)
    for each in ALERTS:
        assert each["labels"]["severity"] in {"warning", "critical"}
        assert each["annotations"].keys() == {"summary", "action"}
        assert re.fullmatch(r"\d+m", each["for"])


def test_each_panel_has_a_place_of_its_own() -> None:
    """No two panels lie upon each other."""
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)
