"""What this process has and has counted, as Prometheus reads it."""

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient, AsyncRequestFactory, override_settings
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from project.application import Application
from project.composition import counted
from sessions_app.checks.start import metrics_are_not_for_everybody
from sessions_app.counts import Distribution
from sessions_app.metrics import histogram
from sessions_app.views import metrics
from tests.sessions_app.sockets import Client, people, serving

pytestmark = pytest.mark.django_db(transaction=True)

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scraped(application: Application, **headers: str) -> Samples:
    """All samples of `GET /metrics`."""
    request = AsyncRequestFactory().get("/metrics", headers=headers)
    scope: Any = request.scope
    scope["flows"] = application.flows
    response = await metrics(request)
    assert response.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


class Change:
    """How much samples have changed."""

    def __init__(self, before: Samples, after: Samples) -> None:
        self._before, self._after = before, after

    def __call__(self, name: str, **labels: str) -> float:
        key = (name, frozenset(labels.items()))
        return self._after[key] - self._before.get(key, 0.0)


@override_settings(METRICS=True)
async def test_a_conversation_is_counted() -> None:
    """Sockets, frames, flows, writes and deliveries, while it goes on and when it is over."""
    tokens = await sync_to_async(people)("ann")
    async with serving() as application:
        before = await scraped(application)
        async with Client(application, token=tokens["ann"]) as client:
            await client.call("create_session", key="k")
            assert (await client.frame())["method"] == "event"
            await client.call("nothing_of_the_kind")
            during = Change(before, await scraped(application))
            assert during("flow_sockets") == 1
            assert during("flow_frames_received_total") == 2
            assert during("flow_connections_opened_total") == 1
            assert during("flow_errors_total", code="method_not_found") == 1
            assert during("flow_executions_total", flow="create_session", outcome="ok") == 1
            assert during("flow_execution_seconds_count", flow="create_session") == 1
            assert during("flow_commit_seconds_count") == 1
            assert during("flow_batch_writes_sum") == 1
            assert during("flow_batch_writes_bucket", le="1.0") == 1
            assert during("flow_deliveries_total") == 1
        after = Change(before, await scraped(application))
        assert after("flow_sockets") == 0
        assert after("flow_frames_received_total") == 2
        assert after("flow_frames_sent_total") >= 4
        assert after("flow_deliveries_total") == 1
        assert after("flow_connections_closed_total", code="1006") == 1


@override_settings(METRICS=True)
async def test_refused_handshakes_are_counted_by_reason() -> None:
    """Who is not let in shows, by why."""
    async with serving() as application:
        before = await scraped(application)
        await Client(application).handshake()
        await Client(application, headers=[(b"host", b"other")]).handshake()
        change = Change(before, await scraped(application))
        assert change("flow_connections_refused_total", reason="not authenticated") == 1
        assert change("flow_connections_refused_total", reason="wrong_origin") == 1
        assert change("flow_connections_opened_total") == 0


async def test_a_connection_is_two_lines_that_its_messages_join() -> None:
    """Opened and closed, with who, where, how long, how much and why; nothing of what was said."""
    tokens = await sync_to_async(people)("ann")
    with capture_logs() as lines:
        async with serving() as application, Client(application, token=tokens["ann"]) as client:
            await client.call("create_session", key="secret-key", title="secret")
            name = client.welcome["connection"]
            node = client.welcome["node"]
    opened, closed = (each for each in lines if each["event"].startswith("connection_"))
    who = {"connection": name, "user": "ann", "node": node, "log_level": "info"}
    assert opened == {"event": "connection_opened", **who}
    assert closed == {
        "event": "connection_closed", **who, "code": 1006, "seconds": closed["seconds"],
        "received": 1, "sent": closed["sent"], "delivered": closed["delivered"],
    }  # fmt: skip
    assert "secret" not in json.dumps(lines)


@override_settings(LOG_FLOWS=True)
async def test_a_message_is_a_line_with_ids_that_join_it() -> None:
    """It has the connection, the client's own id of the request, and the trace that is stored."""
    tokens = await sync_to_async(people)("ann")
    with capture_logs() as lines:
        async with serving() as application, Client(application, token=tokens["ann"]) as client:
            await client.call("ping")
            name = client.welcome["connection"]
    (line,) = (each for each in lines if each["event"] == "flow")
    assert (line["flow"], line["connection"], line["request"]) == ("ping", name, 1)
    assert line["trace"] == f"{name}-1"


@override_settings(METRICS=True, METRICS_TOKEN="for-prometheus")
async def test_metrics_are_for_those_who_send_the_token() -> None:
    """With a METRICS_TOKEN, anything else is answered with 401 and not a figure."""
    client = AsyncClient()
    for header in ("", "Bearer", "Bearer for-prometheu", "Basic for-prometheus", "Bearer é"):
        refused = await client.get("/metrics", headers={"Authorization": header})
        assert refused.status_code == 401
        assert b"flow_sockets" not in refused.content
    async with serving() as application:
        assert await scraped(application, Authorization="Bearer for-prometheus")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"METRICS": True}, ["sessions_app.E041"]),
        ({"METRICS": True, "METRICS_TOKEN": "x"}, []),
        ({"METRICS": True, "DEBUG": True}, []),
        ({}, []),
    ],
)
def test_a_server_whose_metrics_anybody_may_read_does_not_start(
    given: dict[str, Any], found: list[str]
) -> None:
    """Outside DEBUG, METRICS needs a token; the check is run whenever a server is started."""
    with override_settings(**given):
        assert [each.id for each in metrics_are_not_for_everybody(None)] == found


def test_distributions_are_added_up() -> None:
    """A histogram of several threads has the sum of each bucket, cumulated as Prometheus wants."""
    one, two = Distribution((1, 2)), Distribution((1, 2))
    for value in (0.5, 1, 1.5):
        one.add(value)
    two.add(7)
    (family,) = [histogram("h", "", [one, two])]
    found = {(each.name, each.labels.get("le")): each.value for each in family.samples}
    assert found == {
        ("h_bucket", "1.0"): 2, ("h_bucket", "2.0"): 3, ("h_bucket", "+Inf"): 4,
        ("h_count", None): 4, ("h_sum", None): 10,
    }  # fmt: skip


def test_flows_are_counted_once_for_the_process() -> None:
    """However many scopes are made, there is one count."""
    assert counted() is counted()
