"""History is read in the admin, by those who may, and by nobody changed."""

from uuid import UUID

import pytest
from django.test import Client

from sessions_app.models import Log, Ticket, User
from tests.sessions_app.admin.pages import HISTORY, READ_ONLY, url
from tests.sessions_app.rows import make_staff

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("model", READ_ONLY)
def test_history_is_read_only(
    model: str, client: Client, superuser: User, history: dict[str, int | UUID]
) -> None:
    """Nobody adds, changes or deletes history in the admin, not by a form and not by a POST."""
    pk = history[model]
    rows = {each: list(each.objects.order_by("pk").values()) for each in HISTORY}

    assert client.get(url(model)).status_code == 200
    assert client.get(url(model, "change", pk)).status_code == 200
    assert client.get(url(model, "history", pk)).status_code == 200
    for page in (url(model, "add"), url(model, "delete", pk)):
        assert client.get(page).status_code == 403
        assert client.post(page, {"post": "yes", "title": "x"}).status_code == 403
    assert client.post(url(model, "change", pk), {"title": "x"}).status_code == 403

    content = client.get(url(model, "change", pk)).content.decode()
    assert 'name="_save"' not in content
    assert "deletelink" not in content
    assert {each: list(each.objects.order_by("pk").values()) for each in HISTORY} == rows


@pytest.mark.parametrize("model", READ_ONLY)
def test_rows_cannot_be_deleted_by_an_action(
    model: str, client: Client, superuser: User, history: dict[str, int | UUID]
) -> None:
    """The action that deletes what is selected is not offered, and is not done when posted."""
    response = client.post(
        url(model),
        {"action": "delete_selected", "_selected_action": history[model], "post": "yes"},
    )
    assert response.status_code in {200, 302}
    assert "delete_selected" not in client.get(url(model)).content.decode()
    assert [each.objects.exists() for each in HISTORY] == [True] * 4


@pytest.mark.parametrize("model", READ_ONLY)
def test_pages_need_a_permission(
    model: str, client: Client, history: dict[str, int | UUID]
) -> None:
    """Staff see a kind of rows if they may view it, and no other; others see nothing.

    Only who may view sessions may view who takes part in them, too.
    """
    pk = history[model]
    client.force_login(make_staff("viewer", f"view_{model}"))
    assert client.get(url(model)).status_code == 200
    assert client.get(url(model, "change", pk)).status_code == 200
    allowed = {"session", "participant"} if model == "session" else {model}
    for other in {*READ_ONLY, "accesstoken", "user"} - allowed:
        assert client.get(url(other)).status_code == 403

    client.force_login(make_staff("nobody"))
    assert client.get(url(model)).status_code == 403
    assert client.get(url(model, "change", pk)).status_code == 403

    client.force_login(User.objects.create_user("bob"))
    assert client.get(url(model)).status_code == 302
    assert client.get(url(model, "change", pk)).status_code == 302


@pytest.mark.parametrize("model", [Ticket, Log])
def test_some_tables_are_nobodys_business(
    model: type[Ticket | Log], client: Client, superuser: User
) -> None:
    """Tickets and the log's epoch have no page."""
    assert client.get(f"/admin/sessions_app/{model._meta.model_name}/").status_code == 404
