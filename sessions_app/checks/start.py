"""What keeps a server from starting, and what HTTPS and metrics need."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from flows.atoms.actor import actor
from flows.atoms.watcher import watcher
from flows.engine import EngineError
from sessions_app.inventory import all_flows
from sessions_app.scope import make_scope


@register()
def flows_can_run(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Every flow finds what it needs: no port is unbound, and nothing needs itself."""
    try:
        scope = make_scope()
    except ImportError as error:
        hint = "settings.FLOWS_SCOPE is the path of a function that makes the scope."
        return [Error(f"FLOWS_SCOPE: {error}", hint=hint, id="sessions_app.E002")]
    try:
        scope.check(all_flows(), provided=(actor, watcher))
    except EngineError as error:
        hint = "Bind it in the scope that settings.FLOWS_SCOPE makes."
        return [Error(str(error), hint=hint, id="sessions_app.E001")]
    return []


@register("security")
def metrics_are_not_for_everybody(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Whoever reads the metrics has to show a token."""
    if settings.DEBUG or not settings.METRICS or settings.METRICS_TOKEN:
        return []
    hint = "Set METRICS_TOKEN, and have Prometheus send it as a bearer token."
    return [Error("METRICS is on, and anybody may read them.", hint=hint, id="sessions_app.E041")]


@register("security", deploy=True)
def https_comes_through_a_proxy(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """The server ends no TLS itself: whoever does has to be believed when it says so."""
    if settings.TRUSTED_PROXIES or not settings.SECURE_SSL_REDIRECT:
        return []
    hint = (
        "Name the proxy that ends TLS in TRUSTED_PROXIES, else every page redirects to itself "
        "for ever; or set HTTPS=false in a closed network without TLS."
    )
    return [
        Warning(
            "Plain HTTP is sent to HTTPS, and no proxy is trusted to say that it is.",
            hint=hint,
            id="sessions_app.W042",
        )
    ]
