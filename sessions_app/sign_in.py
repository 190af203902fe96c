"""Signing in with a password, as often as a person may err and no script may guess.

It is an authentication backend, so that every page with a password is under it, whoever makes it.
"""

import hashlib
from datetime import timedelta
from ipaddress import IPv6Address, ip_address
from typing import Any

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.db import router, transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone

from sessions_app.models import SignInAttempts, User

logger = structlog.get_logger(__name__)

#: How many rows of earlier times a new attempt sweeps away.
SWEEP = 100

#: The part of an IPv6 address that a site has for itself.
_SITE_BITS = 64


class TooManyAttempts(Exception):
    """Somebody has erred too often; nothing was compared with a password."""

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__(f"Too many attempts to sign in; the next one in {retry_after}")
        self.retry_after = retry_after


class ThrottledBackend(ModelBackend):
    """Django's own, which counts what fails per user name and per address, in all processes.

    Code that has no request is no page: it is not counted.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """The user, None for a wrong name or password. Raises TooManyAttempts."""
        if request is None or username is None:
            return super().authenticate(request, username, password, **kwargs)
        limits = {
            _digest("user", username): settings.SIGN_IN_FAILURES_PER_USER,
            _digest("address", _site_of(request)): settings.SIGN_IN_FAILURES_PER_ADDRESS,
        }
        # Before the password is looked at: guesses that come at once are not all let in.
        _take(limits)
        user = super().authenticate(request, username, password, **kwargs)
        if user is None:
            # Not the name: people type passwords there.
            logger.info("sign_in_failed", address=request.META.get("REMOTE_ADDR"))
        else:
            for subject in limits:  # one at a time: two rows at once could wait for each other
                SignInAttempts.objects.filter(subject=subject).update(count=F("count") - 1)
        return user

    async def aauthenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """The same; Django's own would go round it."""
        return await sync_to_async(self.authenticate)(request, username, password, **kwargs)


def _take(limits: dict[str, int]) -> None:
    """Count an attempt for each subject, or raise TooManyAttempts and count none."""
    now = timezone.now()
    window = timedelta(seconds=settings.SIGN_IN_WINDOW_SECONDS)
    with transaction.atomic(using=router.db_for_write(SignInAttempts)):
        # In one order, always: who waits for the other's row does not hold what the other needs.
        subjects = sorted(limits)
        SignInAttempts.objects.bulk_create(
            [SignInAttempts(subject=each, until=now) for each in subjects], ignore_conflicts=True
        )
        rows = list(
            SignInAttempts.objects.select_for_update()
            .filter(subject__in=subjects)
            .order_by("subject")
        )
        for row in rows:
            if row.until <= now:
                row.count, row.until = 0, now + window
        full = [row.until for row in rows if row.count >= limits[row.subject]]
        if full:
            raise TooManyAttempts(max(full) - now)
        for row in rows:
            row.count += 1
        SignInAttempts.objects.bulk_update(rows, ["count", "until"])
    old = SignInAttempts.objects.filter(until__lte=now)
    SignInAttempts.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:SWEEP])).filter(
        until__lte=now
    ).delete()


def _digest(kind: str, subject: str) -> str:
    # Of one length whatever was typed; what people type there is now and then their password.
    return hashlib.sha256(f"{kind}:{subject}".encode()).hexdigest()


def _site_of(request: HttpRequest) -> str:
    """Where the request comes from; as one, what a single site can have 2^64 of."""
    text = str(request.META.get("REMOTE_ADDR", ""))
    try:
        address = ip_address(text)
    except ValueError:
        return text
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(int(address) >> _SITE_BITS)
    return text
