"""Tokens and tickets, on each database."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.db import connections, transaction
from django.test import override_settings
from pytest_django import DjangoAssertNumQueries

from sessions_app.models import AccessToken, Ticket, User
from sessions_app.tokens import (
    LAST_USED_GRAIN,
    SWEEP,
    TICKET_LIFETIME,
    TokenOwner,
    issue_ticket,
    issue_token,
    owner_of_token,
    revoke_token,
)
from tests.services import postgres_problem
from tests.sessions_app.words import redeem_ticket, user_of_token

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgres"])

if "postgres" not in settings.DATABASES:
    pytestmark = pytest.mark.django_db(transaction=True)

HOSTILE = [
    "",
    " ",
    "fs_",
    "ft_",
    "fs_" + "a" * 42,
    "fs_" + "a" * 43 + "\n",
    "fs_" + "é" * 43,
    "fs_" + "\x00" * 43,
    "fs_\ud800" + "a" * 42,
    "ft_" + "\x00" * 43,
    "\x00",
    "٣" * 46,
    "fs_" + "a" * 8192,
    "x" * 8192,
    "' OR 1=1 --",
]


class OnPostgres:
    """Routes every query to the database `postgres`."""

    def db_for_read(self, model: object, **hints: object) -> str:
        return "postgres"

    def db_for_write(self, model: object, **hints: object) -> str:
        return "postgres"


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


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann")


def both_at_once(call: Callable[[], object], alias: str) -> list[object]:
    """What two threads get that make the same call at the same moment."""
    barrier = threading.Barrier(2)

    def one() -> object:
        try:
            # The connection is made first, so that the calls themselves meet.
            connections[alias].ensure_connection()
            barrier.wait()
            return call()
        finally:
            connections[alias].close()

    with ThreadPoolExecutor(2) as threads:
        return [each.result() for each in [threads.submit(one), threads.submit(one)]]


class TestToken:
    def test_stands_for_its_user(self, ann: User) -> None:
        """A token stands for the user it was issued to, and is known which it is."""
        User.objects.create_user("bob")
        token = issue_token(ann, "laptop")

        stored = AccessToken.objects.get()
        assert user_of_token(token) == ann
        assert owner_of_token(token) == TokenOwner(ann, stored.pk)
        assert stored.name == "laptop"

    def test_is_not_stored(self, ann: User) -> None:
        """Of a token only the SHA-256 is stored: neither it nor a part of it can be found again."""
        token = issue_token(ann)

        row = AccessToken.objects.values().get()
        assert token.startswith("fs_")
        assert len(row["digest"]) == 64
        assert not any(token[3:] in str(value) for value in row.values())

    def test_two_differ(self, ann: User) -> None:
        """Two tokens of a user differ, and each is good by itself."""
        first, second = issue_token(ann), issue_token(ann)

        assert first != second
        assert user_of_token(first) == user_of_token(second) == ann

    def test_revoked(self, ann: User) -> None:
        """A revoked token stands for nobody; the other ones of its user stay good."""
        lost, kept = issue_token(ann, "lost"), issue_token(ann, "kept")

        assert revoke_token(AccessToken.objects.get(name="lost").pk)
        assert user_of_token(lost) is None
        assert user_of_token(kept) == ann

    def test_revoked_twice(self, ann: User) -> None:
        """A token is revoked once: a second time says so, and the moment stays the first."""
        issue_token(ann)
        pk = AccessToken.objects.get().pk
        revoke_token(pk)
        moment = AccessToken.objects.get().revoked_at

        assert not revoke_token(pk)
        assert not revoke_token(pk + 1)
        assert AccessToken.objects.get().revoked_at == moment

    def test_of_a_disabled_user(self, ann: User) -> None:
        """The token of a user who is not active stands for nobody, until they are again."""
        token = issue_token(ann)
        User.objects.update(is_active=False)
        assert user_of_token(token) is None

        User.objects.update(is_active=True)
        assert user_of_token(token) == ann

    @pytest.mark.parametrize("word", HOSTILE)
    def test_hostile(
        self,
        word: str,
        ann: User,
        database: str,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        """What has not the form of a token is none, without asking a database."""
        issue_token(ann)
        with django_assert_num_queries(0, connection=connections[database]):
            assert user_of_token(word) is None

    def test_unknown(self, ann: User) -> None:
        """A well-formed token that was never issued stands for nobody."""
        token = issue_token(ann)

        assert user_of_token("fs_" + "a" * 43) is None
        assert user_of_token(token.swapcase().replace("FS_", "fs_")) is None

    def test_is_no_ticket(self, ann: User) -> None:
        """A token opens nothing as a ticket, nor with a ticket's prefix, and stays good."""
        token = issue_token(ann)

        assert redeem_ticket(token) is None
        assert redeem_ticket(token.replace("fs_", "ft_", 1)) is None
        assert user_of_token(token) == ann


class TestLastUse:
    def test_is_kept(self, ann: User) -> None:
        """The first use of a token is noted, and one that fails is not."""
        token = issue_token(ann)
        assert AccessToken.objects.get().last_used_at is None

        before = datetime.now(UTC)
        user_of_token(token)
        used = AccessToken.objects.get().last_used_at
        assert used is not None
        assert before <= used <= datetime.now(UTC)

        revoke_token(AccessToken.objects.get().pk)
        user_of_token(token)
        assert AccessToken.objects.get().last_used_at == used

    def test_is_coarse(
        self, ann: User, database: str, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        """Within a minute of a noted use, a login costs one query and writes nothing."""
        token = issue_token(ann)
        user_of_token(token)
        noted = AccessToken.objects.get().last_used_at

        with django_assert_num_queries(1, connection=connections[database]):
            assert user_of_token(token) == ann
        assert AccessToken.objects.get().last_used_at == noted

    def test_moves_on(self, ann: User) -> None:
        """A use more than a minute after the noted one is noted."""
        token = issue_token(ann)
        old = datetime.now(UTC) - LAST_USED_GRAIN - timedelta(seconds=1)
        AccessToken.objects.update(last_used_at=old)

        user_of_token(token)
        moved = AccessToken.objects.get().last_used_at
        assert moved is not None
        assert moved > old + LAST_USED_GRAIN

    def test_never_blocks(self, ann: User, database: str) -> None:
        """While somebody else holds the token's row, logins go on and the use is not noted."""
        token = issue_token(ann)
        held, over = threading.Event(), threading.Event()

        def hold() -> None:
            try:
                with transaction.atomic(using=database):
                    AccessToken.objects.update(name="held")
                    held.set()
                    over.wait(30)
            finally:
                connections[database].close()

        with ThreadPoolExecutor(1) as thread:
            holding = thread.submit(hold)
            held.wait(30)
            try:
                assert user_of_token(token) == ann
            finally:
                over.set()
            holding.result()
        assert AccessToken.objects.get().last_used_at is None
        assert AccessToken.objects.get().name == "held"

        # Nor does the connection stay impatient, or broken.
        assert user_of_token(token) == ann
        assert AccessToken.objects.get().last_used_at is not None

    def test_leaves_the_connection_as_it_was(self, ann: User, database: str) -> None:
        """Noting a use is impatient; what the connection does next waits as long as ever."""
        setting = {"default": "PRAGMA busy_timeout", "postgres": "SHOW lock_timeout"}[database]

        def patience() -> object:
            with connections[database].cursor() as cursor:
                cursor.execute(setting)
                return cursor.fetchone()

        before = patience()
        user_of_token(issue_token(ann))
        assert AccessToken.objects.get().last_used_at is not None
        assert patience() == before


class TestTicket:
    def test_is_good_once(self, ann: User) -> None:
        """A ticket stands for its user once, and leaves nothing behind."""
        User.objects.create_user("bob")
        ticket = issue_ticket(ann)

        assert redeem_ticket(ticket) == ann
        assert redeem_ticket(ticket) is None
        assert not Ticket.objects.exists()

    def test_is_not_stored(self, ann: User) -> None:
        """Of a ticket only the SHA-256 is stored."""
        ticket = issue_ticket(ann)

        assert ticket.startswith("ft_")
        assert len(Ticket.objects.get().digest) == 64
        assert ticket[3:] not in str(Ticket.objects.values().get())

    def test_lives_for_thirty_seconds(self, ann: User) -> None:
        """A ticket is good for thirty seconds."""
        before = datetime.now(UTC)
        issue_ticket(ann)

        expires = Ticket.objects.get().expires_at
        assert timedelta(seconds=30) == TICKET_LIFETIME
        assert before + TICKET_LIFETIME <= expires <= datetime.now(UTC) + TICKET_LIFETIME

    def test_that_is_too_old(self, ann: User) -> None:
        """A ticket that has expired stands for nobody, and is gone."""
        ticket = issue_ticket(ann)
        Ticket.objects.update(expires_at=datetime.now(UTC))

        assert redeem_ticket(ticket) is None
        assert not Ticket.objects.exists()

    def test_of_a_disabled_user(self, ann: User) -> None:
        """The ticket of a user who was disabled since opens nothing."""
        ticket = issue_ticket(ann)
        User.objects.update(is_active=False)

        assert redeem_ticket(ticket) is None

    def test_of_a_revoked_token(self, ann: User) -> None:
        """A ticket that was asked for with a token is good no longer than the token."""
        token = AccessToken.objects.create(user=ann, digest="d")
        first, second = (issue_ticket(ann, token_id=token.pk) for _ in range(2))
        assert redeem_ticket(first) == ann

        assert revoke_token(token.pk)
        assert redeem_ticket(second) is None

    def test_is_no_token(self, ann: User) -> None:
        """A ticket is no token, nor with a token's prefix, and can still be redeemed."""
        ticket = issue_ticket(ann)

        assert user_of_token(ticket) is None
        assert user_of_token(ticket.replace("ft_", "fs_", 1)) is None
        assert redeem_ticket(ticket) == ann

    @pytest.mark.parametrize("word", HOSTILE)
    def test_hostile(
        self,
        word: str,
        ann: User,
        database: str,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        """What has not the form of a ticket is none, without asking a database."""
        issue_ticket(ann)
        with django_assert_num_queries(0, connection=connections[database]):
            assert redeem_ticket(word) is None
        assert Ticket.objects.count() == 1

    def test_unknown(self, ann: User) -> None:
        """A well-formed ticket that was never issued opens nothing and uses up no other."""
        issue_ticket(ann)

        assert redeem_ticket("ft_" + "a" * 43) is None
        assert Ticket.objects.count() == 1

    def test_raced_for(self, ann: User, database: str) -> None:
        """When two redeem a ticket at the same moment, exactly one of them gets its user."""
        for _ in range(10):
            ticket = issue_ticket(ann)
            got = both_at_once(lambda ticket=ticket: redeem_ticket(ticket), database)  # type: ignore[misc]
            assert sorted(got, key=lambda user: user is None) == [ann, None]

    def test_found_by_two(self, ann: User) -> None:
        """One who found a ticket that another has redeemed meanwhile gets nothing."""
        ticket = issue_ticket(ann)
        found: list[User | None] = []

        def redeem_between(execute: Callable[..., object], sql: str, *rest: object) -> object:
            if sql.startswith("DELETE") and not found:
                found.append(None)  # only once
                found[0] = redeem_ticket(ticket)
            return execute(sql, *rest)

        alias = Ticket.objects.all().db
        with connections[alias].execute_wrapper(redeem_between):
            assert redeem_ticket(ticket) is None
        assert found == [ann]

    def test_sweeps(self, ann: User) -> None:
        """A new ticket sweeps away those that have expired, and no other."""
        issue_ticket(ann)
        Ticket.objects.update(expires_at=datetime.now(UTC))
        good = issue_ticket(ann)
        another = issue_ticket(ann)

        assert Ticket.objects.count() == 2
        assert redeem_ticket(good) == redeem_ticket(another) == ann

    def test_sweeps_a_bounded_number(self, ann: User) -> None:
        """However many tickets have expired, one that is issued sweeps away a hundred of them."""
        moment = datetime.now(UTC)
        Ticket.objects.bulk_create(
            Ticket(user=ann, digest=f"{number:064}", expires_at=moment)
            for number in range(SWEEP + 5)
        )
        issue_ticket(ann)
        assert Ticket.objects.count() == 5 + 1

    def test_sweeps_beside_another_sweep(self, ann: User, database: str) -> None:
        """Two that are issued at the same moment sweep beside each other, and both are good."""
        moment = datetime.now(UTC)
        for number in range(10):
            Ticket.objects.bulk_create(
                Ticket(user=ann, digest=f"{number:032}{each:032}", expires_at=moment)
                for each in range(20)
            )
            tickets = both_at_once(lambda: issue_ticket(ann), database)
            assert [redeem_ticket(str(ticket)) for ticket in tickets] == [ann, ann]
