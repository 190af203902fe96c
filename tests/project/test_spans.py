"""Where OpenTelemetry spans go."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from project.spans import exporters
from tests.servers import Database, Server, serving, sqlite_database
from tests.wire import Client


class Collector(ThreadingHTTPServer):
    """Takes spans, as anything that speaks OTLP over HTTP does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Take)
        self.taken: list[ExportTraceServiceRequest] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Take(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        yield collector
        collector.shutdown()
        thread.join()


@pytest.fixture
def database() -> Iterator[Database]:
    with sqlite_database() as database:
        yield database


async def ping(server: Server) -> None:
    person = server.people["owner0"]
    async with await Client.connect(server.url, person.token) as client:
        await client.call("ping")


async def test_spans_arrive_where_the_standard_variables_say(
    collector: Collector, database: Database
) -> None:
    """A message and its flow below it come to the collector, at the latest when the server ends."""
    variables = {
        "TRACING": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_SERVICE_NAME": "here", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=tests",
    }  # fmt: skip
    with serving(database, "uvicorn", **variables) as server:
        await ping(server)
        assert server.stop() == 0
        assert server.complaints() == []
        server.start()
    resources = [each for taken in collector.taken for each in taken.resource_spans]
    attributes = {each.key: each.value.string_value for each in resources[0].resource.attributes}
    assert attributes["service.name"] == "here"
    assert attributes["deployment.environment"] == "tests"
    spans = {
        span.name: span for each in resources for scope in each.scope_spans for span in scope.spans
    }
    assert spans["ping"].parent_span_id == spans["message"].span_id
    assert spans["ping"].trace_id == spans["message"].trace_id


async def test_what_is_not_installed_is_said_and_costs_nothing_else(database: Database) -> None:
    """An exporter that is not there is one line; the server serves."""
    with serving(database, TRACING="true", OTEL_TRACES_EXPORTER="nowhere") as server:
        await ping(server)
        assert re.search(r'"tracing_without_exporter"', server.log)
        assert server.complaints() == []


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ["otlp_proto_http"]),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ["otlp_proto_grpc"]),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, ["otlp_proto_http"]),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, ["console", "otlp_proto_http"]),
        ({"OTEL_TRACES_EXPORTER": "none"}, []),
    ],
)
def test_exporters_are_named_as_the_standard_does(
    variables: dict[str, str], expected: list[str]
) -> None:
    """`OTEL_TRACES_EXPORTER` and the protocol of OTLP choose; OTLP over HTTP is the default."""
    assert exporters(variables) == expected
