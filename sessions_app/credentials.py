"""Whether those who have been recognised still are: asked for all open sockets at once.

A handshake is a snapshot. Signing out, revoking a token, disabling a user or changing a password
must reach sockets that are open, on whatever node, with or without Redis: so the database is asked.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from typing import TypeVar

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.utils import timezone
from msgspec import Struct

from flows.actor import Right
from sessions_app.auth import Identity
from sessions_app.close_codes import DISABLED, EXPIRED, LOGGED_OUT, Close
from sessions_app.models import AccessToken, User
from sessions_app.staff import rights_of

T = TypeVar("T")

_FAR_AWAY = datetime.max.replace(tzinfo=UTC)

#: Ids in one query; SQLite's default build takes no more than 999 variables in some versions.
CHUNK = 500


#: How long before a login expires its sockets are told, in milliseconds.
WARN_MS = 60_000


class Judgement(Struct, frozen=True):
    """Whose sockets are to be closed and how, and whose login expires in how many milliseconds.

    `lost`: those who observe sessions and may no more.
    """

    close: dict[Identity, Close]
    expiring: dict[Identity, int]
    lost: frozenset[Identity] = frozenset()


def judge(identities: Collection[Identity], observers: Collection[Identity]) -> Judgement:
    """Which of `identities` hold no more, or not for long; which of `observers` have the right."""
    users = _users(identities)
    tokens = _good_tokens(identities)
    logins = _logins(identities)
    now = timezone.now()
    judgement = Judgement({}, {}, _without_right(observers))
    for each in identities:
        active, password = users.get(each.user_id, (False, ""))
        if not active:
            judgement.close[each] = DISABLED
        elif each.token_id is not None and each.token_id not in tokens:
            judgement.close[each] = LOGGED_OUT
        elif each.session_key is not None:
            expires = logins.get(each.session_key)
            if expires is None or password != each.password:
                judgement.close[each] = LOGGED_OUT
            elif expires <= now:
                judgement.close[each] = EXPIRED
            elif (left := round((expires - now).total_seconds() * 1000)) <= WARN_MS:
                judgement.expiring[each] = left
    return judgement


def _without_right(observers: Collection[Identity]) -> frozenset[Identity]:
    if not observers:
        return frozenset()
    found = User.objects.filter(pk__in={each.user_id for each in observers})
    readers = {each.pk for each in found if Right.READ in rights_of(each)}
    return frozenset(each for each in observers if each.user_id not in readers)


def _users(identities: Iterable[Identity]) -> dict[int, tuple[bool, str]]:
    ids = {each.user_id for each in identities}
    return {
        pk: (is_active, password)
        for chunk in _chunks(ids)
        for pk, is_active, password in User.objects.filter(pk__in=chunk).values_list(
            "pk", "is_active", "password"
        )
    }


def _good_tokens(identities: Iterable[Identity]) -> set[int]:
    ids = {each.token_id for each in identities if each.token_id is not None}
    return {
        pk
        for chunk in _chunks(ids)
        for pk in AccessToken.objects.filter(pk__in=chunk, revoked_at=None).values_list(
            "pk", flat=True
        )
    }


def _logins(identities: Iterable[Identity]) -> dict[str, datetime]:
    """When each login expires; those that were ended are left out."""
    keys = {each.session_key for each in identities if each.session_key is not None}
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if not hasattr(store, "get_model_class"):
        # A cache or another store of logins: it can only be asked for one at a time, and forgets
        # by itself what has expired.
        return {key: _FAR_AWAY for key in keys if store().exists(key)}
    model: type[AbstractBaseSession] = store.get_model_class()
    return {
        key: expires
        for chunk in _chunks(keys)
        for key, expires in model.objects.filter(session_key__in=chunk).values_list(
            "session_key", "expire_date"
        )
    }


def _chunks(values: Collection[T]) -> Iterator[list[T]]:
    ordered = list(values)
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]
