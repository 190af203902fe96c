"""Every route outside the admin, by who is signed in."""

from typing import NamedTuple

import pytest
from django.test import Client
from django.urls import get_resolver

from sessions_app.models import User
from tests.sessions_app.permissions.cast import CAST, make_cast

# The API asks for who it is in threads of its own.
pytestmark = pytest.mark.django_db(transaction=True)

SESSION = "01970000-0000-7000-8000-000000000001"


class Route(NamedTuple):
    """How it is asked, and what those without and with a name are answered."""

    method: str
    path: str
    unknown: int
    known: int


#: By the pattern of the route. Being staff makes no difference anywhere.
ROUTES: dict[str, Route] = {
    "": Route("GET", "/", 302, 200),
    "sessions/<uuid:session_id>/": Route("GET", f"/sessions/{SESSION}/", 302, 200),
    "sign-in/": Route("GET", "/sign-in/", 200, 200),
    "sign-out/": Route("POST", "/sign-out/", 302, 302),
    "api/flows/<str:name>/": Route("POST", "/api/flows/ping/", 401, 200),
    "api/tickets/": Route("POST", "/api/tickets/", 401, 200),
    "api/schema/": Route("GET", "/api/schema/", 200, 200),
    "api/docs/": Route("GET", "/api/docs/", 200, 200),
    "healthz/live": Route("GET", "/healthz/live", 200, 200),
    "healthz/ready": Route("GET", "/healthz/ready", 200, 200),
    # Not there unless METRICS is on; then for all: the proxy keeps it from the world.
    "metrics": Route("GET", "/metrics", 404, 404),
}


def test_every_route_is_in_the_table() -> None:
    """Each route says for whom it is; the admin has tables of its own."""
    found = {str(each.pattern) for each in get_resolver().url_patterns}
    assert found == ROUTES.keys() | {"admin/"}


@pytest.mark.parametrize("name", ROUTES)
def test_who_is_answered(name: str) -> None:
    """Whoever signed in gets it, whatever else they may; the others are sent to sign in."""
    route = ROUTES[name]
    make_cast()

    def asked(client: Client) -> int:
        answer = client.generic(route.method, route.path, "{}", content_type="application/json")
        return answer.status_code

    assert asked(Client()) == route.unknown
    for each in CAST:
        client = Client()
        client.force_login(User.objects.get(username=each.name))
        assert asked(client) == route.known, each.name
