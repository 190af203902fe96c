"""Text is text on every page, and every page keeps to a strict policy."""

import re
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from sessions_app.models import Event, Session, User
from tests.sessions_app.admin.pages import READ_ONLY, url
from tests.sessions_app.rows import BEGIN, HOSTILE, make_log, make_receipt, make_sessions

pytestmark = pytest.mark.django_db


def test_hostile_text_is_text(client: Client, superuser: User) -> None:
    """Nothing that anybody wrote becomes markup, in any list and on any page."""
    ann = User.objects.create_user("ann", first_name=HOSTILE[:100])
    (session,) = make_sessions(ann, 1, title=HOSTILE, metadata={HOSTILE: HOSTILE})
    make_log(session, 2, HOSTILE)
    kind = "<b>kind</b>"
    strange = Event.objects.create(
        session=session, seq=3, kind=kind, actor=HOSTILE, key=HOSTILE[:64], at=BEGIN,
        data={HOSTILE: HOSTILE},
    )  # fmt: skip
    Session.objects.update(last_seq=3)
    receipt = make_receipt(session, HOSTILE, HOSTILE[:64])
    pages = [url(model) for model in READ_ONLY]
    pages += [f"{url(model)}?session={session.pk}" for model in READ_ONLY]
    pages += [f"{url(model)}?session=<b>kind</b>&q=<b>kind</b>" for model in READ_ONLY]
    pages += [
        url("session", "change", session.pk),
        url("session", "history", session.pk),
        url("event", "change", strange.pk),
        url("receipt", "change", receipt.pk),
    ]
    for page in pages:
        response = client.get(page)
        assert response.status_code in {200, 302, 400}
        content = response.content.decode()
        assert "<script>alert" not in content
        assert "<img src=x" not in content
        assert kind not in content
        assert "14" not in re.findall(r"onerror=y.{0,12}(14)", content)


def test_pages_fit_a_strict_policy(
    client: Client, superuser: User, history: dict[str, int | UUID]
) -> None:
    """No page has a script, a style or a handler of its own, so that a strict CSP lets it work."""
    pages = [url(model) for model in READ_ONLY]
    pages += [url(model, "change", pk) for model, pk in history.items()]
    for page in pages:
        content = client.get(page).content.decode()
        assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", content) == []
        assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", content) == []


@pytest.mark.usefixtures("superuser")
def test_the_way_to_the_site(client: Client) -> None:
    """Every page of the admin has the way to the page where people talk."""
    assert '<a href="/">View site</a>' in client.get(reverse("admin:index")).content.decode()
