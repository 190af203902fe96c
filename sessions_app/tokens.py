"""Words that stand for a user: access tokens, and tickets that open one socket.

Only their SHA-256 is stored, and they are looked up by it: an index sees digests, so neither what
is stored nor how long a look-up takes tells anything about a word that is good.
"""

import hashlib
import logging
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

from django.db import DatabaseError, connections, router, transaction
from django.db.models import Q
from django.utils import timezone

from sessions_app.models import AccessToken, Ticket, User

logger = logging.getLogger(__name__)

#: Protocol, section 1: how long a ticket is good.
TICKET_LIFETIME = timedelta(seconds=30)

#: `last_used_at` is kept this exactly: a busy script costs one write a minute.
LAST_USED_GRAIN = timedelta(minutes=1)

#: How long a login waits for somebody else's lock to note that its token was used.
PATIENCE_MS = 100

#: How many expired tickets a new one sweeps away; more are issued than that by nobody.
SWEEP = 100

_TOKEN = re.compile(r"fs_[A-Za-z0-9_-]{43}")
_TICKET = re.compile(r"ft_[A-Za-z0-9_-]{43}")


class TokenOwner(NamedTuple):
    """Whom a token stands for, and which `AccessToken` it is: it may be revoked later."""

    user: User
    token_id: int


class TicketOwner(NamedTuple):
    """Whom a ticket stands for, and by what they had been recognised when they asked for it."""

    user: User
    token_id: int | None
    session_key: str | None


def issue_token(user: User, name: str = "") -> str:
    """A new access token of `user`. Only now can it be seen; `name` is for people."""
    return store_token(AccessToken(user=user, name=name))


def store_token(row: AccessToken) -> str:
    """Give a new `row` its token and store it; only now can the token be seen."""
    token = "fs_" + secrets.token_urlsafe(32)
    row.digest = _digest(token)
    row.save(force_insert=True)
    return token


def owner_of_token(token: str) -> TokenOwner | None:
    """Whom `token` stands for; None for anything that is no token, revoked, or of nobody active."""
    if not _TOKEN.fullmatch(token):
        return None
    found = (
        AccessToken.objects.select_related("user")
        .filter(digest=_digest(token), revoked_at=None, user__is_active=True)
        .first()
    )
    if found is None:
        return None
    _note_use(found)
    return TokenOwner(found.user, found.pk)


def revoke_token(pk: int) -> bool:
    """Let a token be good no more, from now on and for ever; False if there is none that is."""
    good = AccessToken.objects.filter(pk=pk, revoked_at=None)
    return good.update(revoked_at=timezone.now()) == 1


def issue_ticket(user: User, *, token_id: int | None = None, session_key: str | None = None) -> str:
    """A word that `take_ticket` takes once for `user`, within TICKET_LIFETIME.

    The access token or the login by which `user` was recognised goes with it.
    """
    _sweep_tickets()
    ticket = "ft_" + secrets.token_urlsafe(32)
    Ticket.objects.create(
        user=user,
        token_id=token_id,
        session_key=session_key or "",
        digest=_digest(ticket),
        expires_at=timezone.now() + TICKET_LIFETIME,
    )
    return ticket


def take_ticket(ticket: str) -> TicketOwner | None:
    """Whom `ticket` was issued to; None if it is none, was used, is too old, or its token is
    revoked. A login that goes with it is still to be asked for.
    """
    if not _TICKET.fullmatch(ticket):
        return None
    found = Ticket.objects.select_related("user", "token").filter(digest=_digest(ticket)).first()
    if found is None:
        return None
    # Two nodes may have found it; the row can be deleted once, and who did so has redeemed it.
    deleted, _ = Ticket.objects.filter(pk=found.pk).delete()
    fresh = found.expires_at > timezone.now()
    revoked = found.token is not None and found.token.revoked_at is not None
    if not deleted or not fresh or revoked or not found.user.is_active:
        return None
    return TicketOwner(found.user, found.token_id, found.session_key or None)


def _digest(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


def _note_use(token: AccessToken) -> None:
    """Keep when `token` was last used, roughly, and never at the price of a login."""
    now = timezone.now()
    due = Q(last_used_at=None) | Q(last_used_at__lte=now - LAST_USED_GRAIN)
    if token.last_used_at and token.last_used_at > now - LAST_USED_GRAIN:
        return
    try:
        with _impatient():
            AccessToken.objects.filter(due, pk=token.pk).update(last_used_at=now)
    except DatabaseError as error:
        logger.info("The last use of access token %s is not noted: %s", token.pk, error)


@contextmanager
def _impatient() -> Iterator[None]:
    """A transaction that fails rather than wait longer than PATIENCE_MS for a lock."""
    connection = connections[router.db_for_write(AccessToken)]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout")
            (usual,) = cursor.fetchone()
            cursor.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
            try:
                with transaction.atomic(using=connection.alias):
                    yield
            finally:
                cursor.execute(f"PRAGMA busy_timeout = {usual}")
        return
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE_MS}ms'")
        yield


def _sweep_tickets() -> None:
    # Two sweeps that lock the same rows in another order would wait for each other for ever.
    with transaction.atomic(using=router.db_for_write(Ticket)):
        expired = Ticket.objects.select_for_update(skip_locked=True).filter(
            expires_at__lte=timezone.now()
        )
        Ticket.objects.filter(pk__in=list(expired.values_list("pk", flat=True)[:SWEEP])).delete()
