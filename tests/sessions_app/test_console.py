"""The pages for people, as the server makes them. What happens in them is in `tests/browser`."""

import re
from uuid import UUID

import pytest
from django.test import Client

from sessions_app.models import User

pytestmark = pytest.mark.django_db

PAGES = ("/", f"/sessions/{UUID(int=7)}/")


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann", password="secret-of-hers")


@pytest.mark.parametrize("page", PAGES)
def test_who_is_not_signed_in_is_sent_to_sign_in_and_back(page: str, ann: User) -> None:
    """Signing in leads to the page that was asked for."""
    client = Client()
    response = client.get(page)
    assert (response.status_code, response["Location"]) == (302, f"/sign-in/?next={page}")
    response = client.post(
        response["Location"], {"username": "ann", "password": "secret-of-hers", "next": page}
    )
    assert (response.status_code, response["Location"]) == (302, page)
    assert client.get(page).status_code == 200


def test_a_wrong_password(ann: User) -> None:
    """It is refused in words, and nobody is signed in."""
    client = Client()
    response = client.post("/sign-in/", {"username": "ann", "password": "wrong"})
    assert response.status_code == 200
    assert "Please enter a correct username and password" in response.content.decode()
    assert client.get("/").status_code == 302


def test_signing_in_leads_to_no_other_host(ann: User) -> None:
    """A link that somebody else has made cannot lead away from here."""
    sent = {"username": "ann", "password": "secret-of-hers", "next": "https://elsewhere.example/"}
    assert Client().post("/sign-in/", sent)["Location"] == "/"


def test_signing_out(ann: User) -> None:
    """It takes a form of ours; then the page is closed."""
    client = Client()
    client.force_login(ann)
    assert client.get("/sign-out/").status_code == 405
    assert client.get("/").status_code == 200
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    assert client.get("/").status_code == 302


@pytest.mark.parametrize("page", PAGES)
def test_the_page(page: str, ann: User) -> None:
    """It tells whose it is, is kept by no cache, and may be posted to by nobody."""
    client = Client()
    client.force_login(ann)
    response = client.get(page)
    assert 'data-user="ann"' in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    assert client.post(page).status_code == 405


@pytest.mark.parametrize("page", [*PAGES, "/sign-in/"])
def test_nothing_is_inline(page: str, ann: User) -> None:
    """No script, style or handler stands in a page, and its policy would not let one run."""
    client = Client()
    if page in PAGES:
        client.force_login(ann)
    response = client.get(page)
    html = response.content.decode()
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:", html)
    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", html)
    assert "unsafe" not in response["Content-Security-Policy"]


def test_a_name_is_text() -> None:
    """A user name that looks like markup is shown as it is."""
    client = Client()
    client.force_login(User.objects.create(username='<b id="x">&'))
    html = client.get("/").content.decode()
    assert 'data-user="&lt;b id=&quot;x&quot;&gt;&amp;"' in html
    assert "<b id" not in html


@pytest.mark.parametrize("is_staff", [False, True])
def test_staff_find_the_admin(is_staff: bool, ann: User) -> None:  # noqa: FBT001
    """A link leads to the admin, for staff only."""
    ann.is_staff = is_staff
    ann.save()
    client = Client()
    client.force_login(ann)
    assert ('href="/admin/"' in client.get("/").content.decode()) == is_staff
