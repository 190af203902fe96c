"""Whatever stands in an address or is posted, no page fails or tells what it does not show."""

from uuid import UUID

import pytest
from django.test import Client

from sessions_app.models import Session, User
from tests.sessions_app.admin.pages import READ_ONLY, url

pytestmark = pytest.mark.django_db


QUERIES = [
    "p=0", "p=-1", "p=99999999999999999999999", "p=x", "p=%00", "p=1e3", "p=²", "p=" + "9" * 5000,
    "o=x", "o=99", "o=-0.-0", "o=1.2.3.4.5.6.7.8", "o=%00",
    "q=%00", "q=%ff", "q=" + "x" * 5000, "q=%25%25", "q='%22--", "q={{}}", "q=\\",
    "e=1", "all=", "_popup=1", "_facets=True",
    "session=x", "session=%00", "session=", "session=01970000-0000-7000-8000-000000000001",
    "session=1&session=2", "kind=%00", "kind=x", "kind=x&session=x",
    "owner=x", "owner=-1", "owner=%00", "owner=" + "9" * 30, "active=x", "active=%00",
    "status__exact=x", "status__exact=%00", "status=%00", "status__in=%00", "status__isnull=x",
    "status__exact__x=1", "revoked=x", "revoked=%00", "revoked_at__gte=never", "is_active__exact=2",
    "id__exact=x", "id=" + "9" * 40, "pk=%00", "actor=ann", "nothing=1", "nothing__x=1",
    "seq__gte=x", "last_activity__gte=never",
]  # fmt: skip

#: What would let somebody find out, letter by letter, what no page shows, or search everything.
PROBES = [
    "owner__password__startswith=p",
    "user__password__startswith=p",
    "session__owner__password__startswith=p",
    "password__startswith=p",
    "_to_field=password",
    "user__access_tokens__digest__startswith=a",
    "access_tokens__digest__startswith=a",
    "digest__startswith=a",
    "fingerprint=1",
    "data__text=x",
    "data__has_key=x",
]


@pytest.mark.parametrize("model", [*READ_ONLY, "user", "accesstoken"])
def test_no_address_of_a_list_is_an_error(
    model: str, client: Client, superuser: User, history: dict[str, int | UUID]
) -> None:
    """Whatever stands in the address of a list, the answer is a page, a redirect or a refusal."""
    for query in QUERIES:
        response = client.get(f"{url(model)}?{query}")
        assert response.status_code in {200, 302, 400}, query
        if response.status_code == 302:
            assert client.get(response["Location"]).status_code == 200, query


@pytest.mark.parametrize("model", [*READ_ONLY, "user", "accesstoken"])
def test_no_list_can_be_probed(
    model: str, client: Client, superuser: User, history: dict[str, int | UUID]
) -> None:
    """No address asks about passwords and digests, nor about what no index finds in a long list."""
    for query in PROBES:
        response = client.get(f"{url(model)}?{query}")
        # Either it is disallowed, or it is no field of this list and one is led back to all of it.
        assert response.status_code in {302, 400}, query
        if response.status_code == 302:
            assert response["Location"] == f"{url(model)}?e=1"


@pytest.mark.parametrize("model", [*READ_ONLY, "user", "accesstoken"])
def test_no_address_of_a_row_is_an_error(
    model: str, client: Client, superuser: User, history: dict[str, int | UUID]
) -> None:
    """Whatever stands for a row in an address, there is such a row, or one is led back."""
    for pk in (
        "x",
        "0",
        "-1",
        "%00",
        "9" * 40,
        "é",
        "_5F",
        "_00",
        "1/../2",
        "None",
        "add/add",
        "%ff",
    ):
        for page in ("change", "history", "delete"):
            response = client.get(f"/admin/sessions_app/{model}/{pk}/{page}/")
            assert response.status_code in {302, 400, 403, 404}, (pk, page)


@pytest.mark.parametrize("model", [*READ_ONLY, "user", "accesstoken"])
def test_no_post_to_a_list_is_an_error(
    model: str, client: Client, superuser: User, history: dict[str, int | UUID]
) -> None:
    """Whatever is posted to a list, the answer is a page, a redirect or a refusal."""
    bodies: list[dict[str, str | list[str]]] = [
        {},
        {"_save": "1"},
        {"action": "end_sessions", "index": "x"},
        {"action": "end_sessions", "index": "99"},
        *(
            {"action": action, "_selected_action": selected}
            for action in ("no_such_action", "", "end_sessions", "revoke", "__init__", "delete")
            for selected in ("", "0", ["0", "0"])
        ),
    ]
    bodies += [
        {"action": action, "_selected_action": selected}
        for action in ("no_such_action", "end_sessions", "revoke", "disconnect")
        for selected in ("x", "\x00", "-1", "9" * 40, "9" * 5000, ["0", "x"])
    ]
    for body in bodies:
        response = client.post(url(model), body)
        assert response.status_code in {200, 302, 400}, body
    assert list(Session.objects.values_list("status", flat=True)) == ["open"]
