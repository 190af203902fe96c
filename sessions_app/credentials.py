"""Whether those who have been recognised still are: asked for all open sockets at once.

A handshake is a snapshot. Signing out, revoking a token, disabling a user or changing a password
must reach sockets that are open, on whatever node, with or without Redis: so the database is asked.
"""

from collections.abc import Collection, Iterable, Iterator
from importlib import import_module
from typing import TypeVar

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.utils import timezone

from sessions_app.auth import Identity
from sessions_app.close_codes import DISABLED, LOGGED_OUT, Close
from sessions_app.models import AccessToken, User

T = TypeVar("T")

#: Ids in one query; SQLite's default build takes no more than 999 variables in some versions.
CHUNK = 500


def taken_back(identities: Collection[Identity]) -> dict[Identity, Close]:
    """Those of `identities` that hold no more, and how their sockets are to be closed."""
    users = _users(identities)
    tokens = _good_tokens(identities)
    logins = _good_logins(identities)
    verdicts: dict[Identity, Close] = {}
    for each in identities:
        if not users.get(each.user_id, (False, ""))[0]:
            verdicts[each] = DISABLED
        elif (each.token_id is not None and each.token_id not in tokens) or (
            each.session_key is not None
            and (each.session_key not in logins or users[each.user_id][1] != each.password)
        ):
            verdicts[each] = LOGGED_OUT
    return verdicts


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


def _good_logins(identities: Iterable[Identity]) -> set[str]:
    keys = {each.session_key for each in identities if each.session_key is not None}
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if not hasattr(store, "get_model_class"):
        # A cache or another store of logins: it can only be asked for one at a time.
        return {key for key in keys if store().exists(key)}
    model: type[AbstractBaseSession] = store.get_model_class()
    return {
        key
        for chunk in _chunks(keys)
        for key in model.objects.filter(
            session_key__in=chunk, expire_date__gt=timezone.now()
        ).values_list("session_key", flat=True)
    }


def _chunks(values: Collection[T]) -> Iterator[list[T]]:
    ordered = list(values)
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]
