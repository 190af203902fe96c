"""People, browsers, and what is believed of them."""

import re
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

#: What pages rely on, each with what it is good for.
MIDDLEWARE = {
    "django.middleware.security.SecurityMiddleware": "browsers are told what to refuse",
    "django.contrib.sessions.middleware.SessionMiddleware": "people stay signed in",
    "sessions_app.middleware.RefuseNul": "PostgreSQL cannot store NUL",
    "django.middleware.csrf.CsrfViewMiddleware": "other sites' pages cannot post with a cookie",
    "django.contrib.auth.middleware.AuthenticationMiddleware": "requests have a user",
}

#: A full origin, perhaps with a leading `*.` (Django's own way to name subdomains).
_ORIGIN = re.compile(
    r"https?://(\*\.)?[A-Za-z0-9.\-]+(:\d{1,5})?|https?://\[[0-9a-fA-F:]+\](:\d{1,5})?"
)


@register(Tags.security)
def origins_are_full(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Scheme, host and port: anything else would never match, or match too much."""
    return [
        Error(
            f"{origin!r} in TRUSTED_ORIGINS is no origin.",
            hint="Write https://app.example.com or https://app.example.com:8443, no path.",
            id="sessions_app.E043",
        )
        for origin in settings.CSRF_TRUSTED_ORIGINS
        if not _ORIGIN.fullmatch(origin)
    ]


@register(Tags.security)
def middleware_is_there(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Nothing that pages rely on was left out."""
    return [
        Error(
            f"{name} is missing from MIDDLEWARE.",
            hint=f"Without it, this is not so: {why}.",
            id="sessions_app.E044",
        )
        for name, why in MIDDLEWARE.items()
        if name not in settings.MIDDLEWARE
    ]


@register(Tags.models)
def users_are_ours(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Participants, tokens and logs refer to this app's users."""
    if settings.AUTH_USER_MODEL == "sessions_app.User":
        return []
    hint = 'AUTH_USER_MODEL = "sessions_app.User", from the first migration on.'
    return [Error("Users are another app's.", hint=hint, id="sessions_app.E045")]


@register(Tags.security, deploy=True)
def hosts_are_named(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """The server answers to its own names only."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        Warning(
            "ALLOWED_HOSTS lets everybody choose this server's name.",
            hint="Name the hosts: links and origins are made from them.",
            id="sessions_app.W046",
        )
    ]


@register(Tags.security)
def the_key_is_a_secret(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Outside DEBUG nobody knows the key that signs logins."""
    if settings.DEBUG or not settings.SECRET_KEY.startswith("insecure"):
        return []
    hint = "Set SECRET_KEY to fifty random characters, the same on every node."
    return [Error("SECRET_KEY is the one for trying out.", hint=hint, id="sessions_app.E047")]
