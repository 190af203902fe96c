"""Who is asking: a bearer token, a ticket, or the cookie of Django's own sign-in.

Everything here is synchronous and may use the database: it runs in a database thread.
"""

from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import DisallowedHost, TooManyFieldsSent
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, QueryDict
from msgspec import Struct

from sessions_app.models import User
from sessions_app.tokens import owner_of_token, take_ticket


class Identity(Struct, frozen=True):
    """A user who has been recognised, and by what: it may be taken back while a socket is open."""

    user: str
    user_id: int
    token_id: int | None = None
    session_key: str | None = None
    # As it is stored, hashed: another one means that the login is none any more.
    password: str | None = None


class WrongOrigin(Exception):
    """The handshake comes from a page, or to a host, that is not ours: refused with 403."""


#: Headers of which a second one would leave open which of them counts.
_SINGLE = (b"host", b"origin", b"authorization")


def check_headers(headers: list[tuple[bytes, bytes]]) -> None:
    """Raise WrongOrigin where a header that decides who is asking comes twice, or no host does."""
    names = [name.lower() for name, _ in headers]
    if b"host" not in names:
        raise WrongOrigin("no host header")  # RFC 9112, section 3.2
    for name in _SINGLE:
        if names.count(name) > 1:
            raise WrongOrigin(f"more than one {name.decode()} header")


def recognise_handshake(scope: dict[str, Any]) -> Identity | None:
    """Who opens a socket, None for nobody (protocol, section 1).

    `Authorization` counts before a ticket, and a ticket before a cookie. Only with a cookie the
    page's origin matters, since only cookies are sent without the page knowing them. Raises
    WrongOrigin.
    """
    check_headers(scope["headers"])
    request = _as_request(scope)
    try:
        request.get_host()
    except DisallowedHost as error:
        raise WrongOrigin("unknown host") from error
    if "authorization" in request.headers:
        return recognise_token(request.headers["authorization"])
    try:
        tickets = QueryDict(scope["query_string"]).getlist("ticket")
    except TooManyFieldsSent:
        return None
    if tickets:
        return recognise_ticket(tickets[0]) if len(tickets) == 1 else None
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None
    if not is_own_origin(request, request.headers.get("origin", "")):
        raise WrongOrigin("this page may not use the cookie")
    return recognise_cookie(request)


def _as_request(scope: dict[str, Any]) -> ASGIRequest:
    # A handshake is a GET; so Django itself reads its host, its cookies and the proxy's headers.
    scheme = "https" if scope.get("scheme") == "wss" else "http"
    return ASGIRequest({**scope, "type": "http", "method": "GET", "scheme": scheme}, None)  # type: ignore[arg-type]


def is_own_origin(request: HttpRequest, origin: str) -> bool:
    """Whether `origin` is this server's own, or one of CSRF_TRUSTED_ORIGINS, to the port."""
    own = f"{request.scheme}://{request.get_host()}"
    return _canonical(origin) in {
        _canonical(each) for each in (own, *settings.CSRF_TRUSTED_ORIGINS)
    }


_DEFAULT_PORTS = {"http": 80, "https": 443}


def _canonical(origin: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(origin)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    # An origin is a scheme, a host and a port, and nothing else (RFC 6454, section 6.1).
    if not parts.hostname or origin.lower() != f"{parts.scheme}://{parts.netloc}".lower():
        return None
    return None if "@" in parts.netloc else (parts.scheme, parts.hostname, port)


def recognise_token(header: str) -> Identity | None:
    """Whom an `Authorization` header stands for; None unless it is `Bearer` and a good token."""
    scheme, _, token = header.partition(" ")
    owner = owner_of_token(token.strip()) if scheme.lower() == "bearer" else None
    return Identity(owner.user.username, owner.user.pk, token_id=owner.token_id) if owner else None


def recognise_ticket(ticket: str) -> Identity | None:
    """Whom a ticket stands for; None if it is none, or what it was asked for with holds no more."""
    owner = take_ticket(ticket)
    if owner is None:
        return None
    if owner.session_key is not None:
        login = _recognise_login(HttpRequest(), owner.session_key)
        return login if login is not None and login.user_id == owner.user.pk else None
    return Identity(owner.user.username, owner.user.pk, token_id=owner.token_id)


def recognise_cookie(request: HttpRequest) -> Identity | None:
    """Who is signed in with the request's cookie."""
    return _recognise_login(request, request.COOKIES.get(settings.SESSION_COOKIE_NAME))


def _recognise_login(request: HttpRequest, key: str | None) -> Identity | None:
    store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
    request.session = store(key)
    # A login that a key of SECRET_KEY_FALLBACKS has signed would be given another cookie, which no
    # handshake can bring to the browser: it would be signed out.
    request.session.cycle_key = _stay  # type: ignore[method-assign]
    user = get_user(request)
    if not isinstance(user, User) or not user.is_active:
        return None
    return Identity(user.username, user.pk, session_key=key, password=user.password)


def _stay() -> None:
    """Keep the key of a login."""
