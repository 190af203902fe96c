"""What every page tells browsers, and what the settings of production are."""

import json
import re
import subprocess
import sys
from contextlib import closing
from html.parser import HTMLParser
from http.client import HTTPConnection

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from sessions_app.models import User
from tests.servers import ROOT, environment, serving, sqlite_database

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Inline(HTMLParser):
    """Collects what the policy would keep a browser from doing."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        handlers = [name for name in names if name.startswith("on") or name == "style"]
        script = tag == "script" and "src" not in names and names.get("type") != "application/json"
        if script or tag == "style" or handlers or str(names.get("href")).startswith("javascript:"):
            self.found.append(self.get_starttag_text() or tag)


def pages() -> list[str]:
    """The pages of the admin that need no row."""
    lists = [
        reverse(f"admin:{m._meta.app_label}_{m._meta.model_name}_changelist")
        for m in admin.site._registry
    ]
    return [
        "/",
        "/sign-in/",
        "/api/docs/",
        reverse("admin:index"),
        reverse("admin:login"),
        reverse("admin:password_change"),
        reverse("admin:sessions_app_user_add"),
        *lists,
    ]


@pytest.mark.django_db
def test_every_page_has_the_policy_and_keeps_to_it(client: Client) -> None:
    """No page has anything inline, and each forbids it, and to be framed."""
    client.force_login(User.objects.create_superuser("root"))
    for path in pages():
        response = client.get(path, follow=True)
        assert response.status_code == 200, path
        assert sorted(response["Content-Security-Policy"].split("; ")) == sorted(POLICY.split("; "))
        assert response["X-Frame-Options"] == "DENY"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Referrer-Policy"] == "same-origin"
        assert response["Cross-Origin-Opener-Policy"] == "same-origin"
        inline = Inline()
        inline.feed(response.text)
        assert inline.found == [], path


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/nowhere/", "/api/tickets/", "/healthz/live", "/metrics"])
def test_also_what_is_no_page_has_the_policy(client: Client, path: str) -> None:
    """An error or JSON that a browser is made to show as a page can do nothing, too."""
    assert "default-src 'none'" in client.get(path)["Content-Security-Policy"]


def production(**more: str) -> dict[str, str]:
    """The environment that the README documents for production."""
    given = {
        **environment("sqlite:///:memory:"),
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "SECRET_KEY": "x7" + "k2-Lq9!wz_" * 6,
        "ALLOWED_HOSTS": "sessions.example.com",
        "TRUSTED_PROXIES": "127.0.0.1",
        **more,
    }
    if "HTTPS" not in more:
        del given["HTTPS"]
    return given


def manage(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env=production(**more), capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_documented_settings_pass_the_deployment_checks() -> None:
    """With the variables that production needs, `check --deploy` finds nothing."""
    checked = manage("check", "--deploy", "--fail-level", "INFO")
    assert checked.returncode == 0, checked.stderr
    assert "no issues" in checked.stdout


def test_https_without_a_proxy_is_found() -> None:
    """The server ends no TLS: without a proxy to believe, all would be redirected for ever."""
    checked = manage("check", "--deploy", "--fail-level", "WARNING", TRUSTED_PROXIES="")
    assert "sessions_app.W042" in checked.stderr
    closed = manage("check", "--deploy", TRUSTED_PROXIES="", HTTPS="false")
    assert "sessions_app.W042" not in closed.stderr


_SHOW = """
import json
from django.conf import settings as s
from django.test import Client
away = Client().get("/admin/", headers={"host": "sessions.example.com"})
live = Client().get("/healthz/live", headers={"host": "sessions.example.com"})
secure = Client().get("/healthz/live", headers={"host": "sessions.example.com"}, secure=True)
print(json.dumps([s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SESSION_COOKIE_HTTPONLY,
    s.SESSION_COOKIE_SAMESITE, s.CSRF_COOKIE_SAMESITE, away.status_code, away.get("location"),
    live.status_code, secure.get("strict-transport-security")]))
"""


def shown(**more: str) -> list[object]:
    ran = manage("shell", "--no-imports", "-c", _SHOW, **more)
    assert ran.returncode == 0, ran.stderr
    found: list[object] = json.loads(ran.stdout.splitlines()[-1])
    return found


def test_production_is_https_by_default() -> None:
    """Cookies go by HTTPS only, and plain HTTP is sent there, but for the health checks."""
    login = "https://sessions.example.com/admin/"
    assert shown() == [True, True, True, "Lax", "Lax", 301, login, 200, "max-age=31536000"]


@pytest.mark.parametrize(
    ("trusted", "believed"),
    [("", False), ("192.0.2.1", False), ("127.0.0.1", True), ("192.0.2.1,127.0.0.0/8", True)],
)
def test_what_is_said_of_tls_is_believed_from_the_proxy_only(
    trusted: str, *, believed: bool
) -> None:
    """Whoever connects directly is not taken at its word, whether or not there is a proxy."""
    variables = {"HTTPS": "true", "TRUSTED_PROXIES": trusted}
    with sqlite_database() as database, serving(database, "uvicorn", **variables) as server:
        connection = HTTPConnection("127.0.0.1", server.port)
        with closing(connection):
            connection.request("GET", "/admin/", headers={"X-Forwarded-Proto": "https"})
            answer = connection.getresponse()
    assert answer.status == (302 if believed else 301)
    told = answer.headers["Strict-Transport-Security"]
    assert told == ("max-age=31536000" if believed else None)


def test_https_can_be_switched_off_as_a_whole() -> None:
    """In a closed network without certificates, one variable does without all of it."""
    login = "/admin/login/?next=/admin/"
    assert shown(HTTPS="false") == [False, False, True, "Lax", "Lax", 302, login, 200, None]


def test_no_template_of_ours_has_anything_inline() -> None:
    """What a page cannot do is not tried: also in pages that no other test opens."""
    for path in (ROOT / "sessions_app" / "templates").rglob("*.html"):
        source = re.sub(r"{%.*?%}|{{.*?}}", "", path.read_text())
        inline = Inline()
        inline.feed(source)
        assert inline.found == [], path
