"""Signing in with a password, as often as a person may err and no script may guess."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth import aauthenticate, authenticate
from django.db import connections
from django.http import HttpRequest
from django.test import Client, RequestFactory, override_settings
from django.utils import timezone
from structlog.testing import capture_logs

from sessions_app.models import SignInAttempts, User
from sessions_app.sign_in import TooManyAttempts
from tests.services import postgres_problem
from tests.sessions_app.test_tokens import OnPostgres

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgres"])

if "postgres" not in settings.DATABASES:
    pytestmark = pytest.mark.django_db(transaction=True)

LOGIN = "/admin/login/"


@pytest.fixture(params=["default", "postgres"], autouse=True)
def database(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[str]:
    alias: str = request.param
    if alias == "default":
        yield alias
        return
    if problem := postgres_problem():
        pytest.skip(problem)
    with override_settings(DATABASE_ROUTERS=[OnPostgres()]):
        yield alias


@pytest.fixture(autouse=True)
def few() -> Iterator[None]:
    with override_settings(SIGN_IN_FAILURES_PER_USER=3, SIGN_IN_FAILURES_PER_ADDRESS=5):
        yield


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", password="right")


def coming_from(address: str) -> HttpRequest:
    return RequestFactory().post(LOGIN, REMOTE_ADDR=address)


def tried(username: str, password: str = "wrong", address: str = "192.0.2.1") -> str:
    """How an attempt ends."""
    try:
        user = authenticate(coming_from(address), username=username, password=password)
    except TooManyAttempts:
        return "too many"
    return "wrong" if user is None else "in"


def counts() -> list[int]:
    return sorted(SignInAttempts.objects.values_list("count", flat=True))


@pytest.mark.parametrize("page", [LOGIN, "/sign-in/"])
def test_every_page_says_when_to_try_again_and_looks_at_no_password(page: str, root: User) -> None:
    """After three failures the right password does not help, and the answer is 429."""
    client = Client()
    for _ in range(3):
        failed = client.post(page, {"username": "root", "password": "wrong"})
        assert failed.status_code == 200
    refused = client.post(page, {"username": "root", "password": "right"})
    assert refused.status_code == 429
    assert 890 <= int(refused["Retry-After"]) <= 900
    assert "15 minutes" in refused.text
    assert "_auth_user_id" not in client.session
    assert counts() == [3, 3]


def test_who_does_not_err_may_come_as_often_as_they_like(root: User) -> None:
    """A success counts for nothing, and takes back no failure of others either."""
    assert tried("root") == "wrong"
    assert [tried("root", "right") for _ in range(10)] == ["in"] * 10
    assert counts() == [1, 1]


def test_one_name_from_many_addresses(root: User) -> None:
    """Guessing one user's password from many places is stopped; other users are not."""
    outcomes = [tried("root", address=f"192.0.2.{number}") for number in range(5)]
    assert outcomes == ["wrong"] * 3 + ["too many"] * 2
    assert tried("somebody", address="192.0.2.4") == "wrong"


def test_many_names_from_one_address(root: User) -> None:
    """Trying one password on many users is stopped; who comes from elsewhere is not."""
    outcomes = [tried(f"user{number}") for number in range(7)]
    assert outcomes == ["wrong"] * 5 + ["too many"] * 2
    assert tried("root", "right") == "too many"
    assert tried("root", "right", "192.0.2.2") == "in"


def test_a_site_is_one_address() -> None:
    """All of an IPv6 network of 64 bits counts as one; mapped IPv4 addresses do not."""
    outcomes = [tried(f"u{number}", address=f"2001:db8::{number:x}") for number in range(6)]
    assert outcomes == ["wrong"] * 5 + ["too many"]
    assert tried("other", address="2001:db8:0:1::1") == "wrong"
    mapped = [tried(f"v{number}", address=f"::ffff:192.0.2.{number}") for number in range(6)]
    assert mapped == ["wrong"] * 6
    # A server that listens on a file has no addresses to tell.
    assert tried("w", address="") == "wrong"


def test_time_heals(root: User) -> None:
    """When the window is over, the count begins anew, and what it was goes away."""
    assert [tried("root") for _ in range(4)] == ["wrong"] * 3 + ["too many"]
    SignInAttempts.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert tried("root") == "wrong"
    assert counts() == [1, 1]
    SignInAttempts.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert tried("other", address="192.0.2.9") == "wrong"
    assert counts() == [1, 1]


def test_guesses_that_come_at_once_are_not_all_let_in(database: str, root: User) -> None:
    """Each attempt is counted before the password is looked at, whichever process it comes to."""
    together = Barrier(8)

    def guess(number: int) -> str:
        together.wait()
        try:
            return tried("root", address=f"192.0.2.{number}")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(guess, range(8)))
    assert outcomes == ["too many"] * 5 + ["wrong"] * 3


def test_what_was_typed_is_not_kept() -> None:
    """Some type their password where the name belongs: only a digest is stored."""
    with capture_logs() as lines:
        assert tried("hunter2") == "wrong"
    assert lines == [{"event": "sign_in_failed", "address": "192.0.2.1", "log_level": "info"}]
    assert tried("x" * 100_000) == "wrong"
    rows = SignInAttempts.objects.values_list("subject", flat=True)
    assert {len(subject) for subject in rows} == {64}
    assert not any("hunter2" in subject for subject in rows)
    assert not any("hunter2" in str(row) for row in SignInAttempts.objects.all())


def test_the_asynchronous_way_is_counted_too(root: User) -> None:
    """Django's `aauthenticate` goes the same way."""
    sign_in = async_to_sync(aauthenticate)
    for _ in range(3):
        assert sign_in(coming_from("192.0.2.1"), username="root", password="wrong") is None
    with pytest.raises(TooManyAttempts):
        sign_in(coming_from("192.0.2.1"), username="root", password="right")


def test_code_without_a_request_is_not_counted(root: User) -> None:
    """A shell or a test asks for itself."""
    assert [authenticate(username="root", password="wrong") for _ in range(10)] == [None] * 10
    assert authenticate(username="root", password="right") == root
    assert counts() == []
