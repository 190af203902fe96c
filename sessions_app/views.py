"""The HTTP door: the same flows for the same people with the same errors as on the socket."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hmac import compare_digest

import msgspec
import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from flows.actor import Actor
from flows.atoms.actor import actor
from flows.atoms.limits import Limits, limits
from flows.engine import Scope
from flows.errors import Unavailable
from sessions_app.adapters.wiring import Door, door
from sessions_app.auth import Identity, recognise_cookie, recognise_token
from sessions_app.execute import execute
from sessions_app.metrics import metrics_of
from sessions_app.models import User
from sessions_app.protocol import CONNECTION_ONLY, PUBLIC, Error, decode_params, error, error_of
from sessions_app.scope import make_scope, scope_of
from sessions_app.tokens import TICKET_LIFETIME, issue_ticket
from sessions_app.tracing import new_trace

logger = structlog.get_logger(__name__)


@csrf_exempt  # checked where a cookie is what authenticates
@require_POST
async def call_flow(request: HttpRequest, name: str) -> HttpResponse:
    """`POST /api/flows/<name>/`: run a flow with the params in the body."""
    async with _process_scope(request) as flows:
        doorway = await flows.resolve(door)
        identity = await _authenticate(request, doorway)
        if isinstance(identity, Error):
            return _refuse(identity)
        granted = await flows.resolve(limits)
        if (wait := _wait_of(identity, granted, doorway)) > 0:
            return _refuse(error("rate_limited", "Slow down", retry_after_ms=wait))
        flow = PUBLIC.get(name) if name not in CONNECTION_ONLY else None
        if flow is None:
            return _refuse(error("method_not_found", "There is no such method"))
        if request.content_type not in ("application/json", ""):
            return _refuse(error("invalid_request", "Expected application/json"), status=415)
        params = _params(request, granted.frame_bytes)
        if isinstance(params, Error):
            return _refuse(params)
        new_trace()
        outcome = await execute(flows, flow, params, actor(Actor(identity.user)))
        return _refuse(outcome) if isinstance(outcome, Error) else _json(outcome)


@csrf_exempt  # checked where a cookie is what authenticates
@require_POST
async def tickets(request: HttpRequest) -> HttpResponse:
    """`POST /api/tickets/`: a word that opens one socket, for pages of another origin."""
    async with _process_scope(request) as flows:
        doorway = await flows.resolve(door)
        identity = await _authenticate(request, doorway)
        if isinstance(identity, Error):
            return _refuse(identity)
        granted = await flows.resolve(limits)
        clock = asyncio.get_running_loop().time
        wait = _wait_of(identity, granted, doorway)
        if wait := wait or doorway.tickets_of(identity.user, granted, clock).take():
            return _refuse(error("rate_limited", "Slow down", retry_after_ms=wait))
        try:
            ticket = await doorway.log.run(_issue, identity)
        except Unavailable as unavailable:
            return _refuse(error_of(unavailable, ""))
        lifetime = round(TICKET_LIFETIME.total_seconds() * 1000)
        return _json({"ticket": ticket, "expires_in_ms": lifetime})


@require_GET
async def live(request: HttpRequest) -> HttpResponse:
    """`GET /healthz/live`: the process answers."""
    return _json({"status": "live"})


@require_GET
async def ready(request: HttpRequest) -> HttpResponse:
    """`GET /healthz/ready`: the process can serve; 503 while it ends, or its database is away."""
    async with _process_scope(request) as flows:
        doorway = await flows.resolve(door)
        if doorway.keeper.draining:
            return _json({"status": "draining"}, status=503)
        try:
            await doorway.log.run(_ask_database)
        except Unavailable:
            return _json({"status": "unavailable", "reason": "the database is away"}, status=503)
    return _json({"status": "ready"})


@require_GET
async def metrics(request: HttpRequest) -> HttpResponse:
    """`GET /metrics`: what has been counted, for Prometheus; not there unless METRICS is on.

    Where there is a METRICS_TOKEN, it is for those who send it.
    """
    if not settings.METRICS:
        raise Http404
    if settings.METRICS_TOKEN:
        sent = request.headers.get("authorization", "").encode()
        if not compare_digest(sent, f"Bearer {settings.METRICS_TOKEN}".encode()):
            return _refuse(error("unauthenticated", "Send the token for metrics"))
    async with _process_scope(request) as flows:
        now = metrics_of(await flows.resolve(door))
    return HttpResponse(generate_latest() + now, content_type=CONTENT_TYPE_LATEST)


@asynccontextmanager
async def _process_scope(request: HttpRequest) -> AsyncIterator[Scope]:
    """The process's scope; a short-lived one under a server that has none, such as WSGI."""
    if (flows := scope_of(request)) is not None:
        yield flows
    else:
        async with make_scope() as flows:
            yield flows


async def _authenticate(request: HttpRequest, doorway: Door) -> Identity | Error:
    """Who is asking, with a token or with a cookie (then the page must be ours, too)."""
    try:
        if (header := request.headers.get("authorization")) is not None:
            identity = await doorway.log.run(recognise_token, header)
        else:
            identity = await doorway.log.run(recognise_cookie, request)
            if identity is not None and not _is_from_our_page(request):
                return error("forbidden", "The CSRF token is missing or the page is not ours")
    except Unavailable as unavailable:
        return error_of(unavailable, "")
    return identity or error("unauthenticated", "Sign in, or send a token")


def _wait_of(identity: Identity, granted: Limits, doorway: Door) -> int:
    """How long its user has to wait, in milliseconds; sockets of theirs count, too."""
    clock = asyncio.get_running_loop().time
    return doorway.bucket_of(identity.user, granted, clock).take()


def _is_from_our_page(request: HttpRequest) -> bool:
    # Django's own check, which answers None when there is nothing to refuse.
    check = CsrfViewMiddleware(lambda request: HttpResponse())
    check.process_request(request)
    refused: object = check.process_view(request, HttpResponse, (), {})
    return refused is None


def _params(request: HttpRequest, most: int) -> dict[str, object] | Error:
    try:
        body = request.body
    except RequestDataTooBig:
        body = None
    if body is None or len(body) > most:
        return error("too_large", f"At most {most} bytes", limit=most)
    return decode_params(body, request.headers.get("idempotency-key"))


def _issue(identity: Identity) -> str:
    user = User.objects.get(pk=identity.user_id)
    return issue_ticket(user, token_id=identity.token_id, session_key=identity.session_key)


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _json(value: object, status: int = 200) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(value), status=status, content_type="application/json")


def _refuse(problem: Error, *, status: int | None = None) -> HttpResponse:
    response = _json({"error": problem}, status=status or problem.status)
    if (wait := problem.data.get("retry_after_ms")) is not None:
        response["Retry-After"] = str(math.ceil(wait / 1000))
    return response
