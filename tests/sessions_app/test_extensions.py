"""What is hung around the flows' executions."""

import json
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from flows.actor import Actor
from flows.atoms.actor import actor
from flows.atoms.sessions import sessions
from flows.create_session import CreateSession, create_session
from flows.engine import Context, Extension, Handle, InvalidInput, Scope, flow, need, preset
from flows.errors import SessionEnded
from flows.ping import Ping, Pong, ping
from flows.send_message import SendMessage, send_message
from sessions_app.extensions import CountExecutions, LogExecutions, TraceExecutions
from sessions_app.tracing import trace
from tests.fakes import FakeSessions


@flow
async def ping_twice(ctx: Context[Ping], *, ping: Handle[Ping, Pong] = need(ping)) -> Pong:
    """A flow that calls another."""
    await ping(ctx.input)
    return await ping(ctx.input)


@flow
async def fall(ctx: Context[Ping]) -> Pong:
    """A flow with a fault of ours."""
    raise ZeroDivisionError


@flow(faults=(SessionEnded,))
async def refuse(ctx: Context[Ping]) -> Pong:
    """A flow that refuses."""
    raise SessionEnded


def scope(*extensions: Extension) -> Scope:
    store = FakeSessions(users={"ann"})
    return Scope(presets=[preset(sessions, store)], extensions=extensions)


async def test_each_execution_is_logged_with_who_and_where_and_without_what() -> None:
    """A line tells flow, time, outcome, actor, session and trace, and nothing people wrote."""
    trace.set("c-1")
    with capture_logs() as lines:
        async with scope(LogExecutions()) as flows:
            made = await flows.run(
                create_session, CreateSession(key="k", title="secret"), tags=[actor(Actor("ann"))]
            )
            sent = SendMessage(session_id=made.session_id, text="secret", key="secret-key")
            await flows.run(send_message, sent, tags=[actor(Actor("ann"))])
    assert [(each["flow"], each["session"]) for each in lines] == [
        ("create_session", None),
        ("send_message", str(made.session_id)),
    ]
    for line in lines:
        assert (line["outcome"], line["actor"], line["trace"]) == ("ok", "ann", "c-1")
        assert line["ms"] >= 0
    assert "secret" not in json.dumps(lines)


async def test_how_an_execution_ended_is_one_word() -> None:
    """A refusal is told by its code, bad input and faults of ours by theirs."""
    with capture_logs() as lines:
        async with scope(LogExecutions()) as flows:
            with pytest.raises(SessionEnded):
                await flows.run(refuse, Ping())
            with pytest.raises(ZeroDivisionError):
                await flows.run(fall, Ping())
            with pytest.raises(InvalidInput):
                await flows.run_raw(ping, {"x": "secret"})
            await flows.run_raw(ping, {})
    outcomes = [(each["outcome"], each["actor"]) for each in lines]
    assert outcomes == [
        ("session_ended", None),
        ("internal_error", None),
        ("invalid_input", None),
        ("ok", None),
    ]


async def test_executions_are_counted_by_flow_and_outcome() -> None:
    """Each execution counts once, those that a flow calls included, and its time is taken."""
    registry = CollectorRegistry()
    async with scope(CountExecutions(registry)) as flows:
        await flows.run(ping_twice, Ping())
        with pytest.raises(SessionEnded):
            await flows.run(refuse, Ping())

    def count(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert count("flow_executions_total", flow="ping", outcome="ok") == 2
    assert count("flow_executions_total", flow="ping_twice", outcome="ok") == 1
    assert count("flow_executions_total", flow="refuse", outcome="session_ended") == 1
    assert count("flow_execution_seconds_count", flow="ping") == 2


def spans_of(exporter: InMemorySpanExporter) -> dict[str, list[Any]]:
    """The finished spans by name."""
    found: dict[str, list[Any]] = {}
    for span in exporter.get_finished_spans():
        found.setdefault(span.name, []).append(span)
    return found


async def test_a_message_is_a_span_with_its_executions_below() -> None:
    """The message's span is the root; a flow's is below it, and what it calls below that."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set("c-7")
    async with scope(TraceExecutions(provider.get_tracer("tests"))) as flows:
        await flows.run(ping_twice, Ping())
        with pytest.raises(SessionEnded):
            await flows.run(refuse, Ping())
        with pytest.raises(ZeroDivisionError):
            await flows.run(fall, Ping())
    found = spans_of(exporter)
    root, outer = found["message"][0], found["ping_twice"][0]
    assert root.parent is None
    assert outer.parent.span_id == root.context.span_id
    assert [each.parent.span_id for each in found["ping"]] == [outer.context.span_id] * 2
    assert root.attributes == {"flow_sessions.trace": "c-7", "flow_sessions.outcome": "ok"}
    assert found["refuse"][0].attributes["flow_sessions.outcome"] == "session_ended"
    assert [each[0].status.is_ok for each in (found["refuse"], found["fall"])] == [True, False]
    assert found["fall"][0].status.description == "ZeroDivisionError"
