"""Fills an empty database with people for real servers, and prints their credentials as JSON.

For `manage.py shell -c`, with `DATABASE_URL` and `SECRET_KEY` as the servers will have them.
"""

import json
from functools import cache
from importlib import import_module

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.core.management import call_command
from django.utils import timezone

from sessions_app.models import AccessToken, User
from sessions_app.tokens import issue_token
from tests.servers import FAMILIES, PASSWORD, ROLES, Person


def main() -> None:
    """Migrate, make everybody, print their credentials by user name."""
    call_command("migrate", verbosity=0)
    names = [f"{role}{number}" for number in range(FAMILIES) for role in ROLES]
    people = [_person(User(username=name)) for name in names]
    people.append(_person(User(username="admin", is_staff=True, is_superuser=True)))
    people.append(_person(User(username="disabled", is_active=False)))
    people.append(_person(User(username="revoked")))
    AccessToken.objects.filter(user__username="revoked").update(revoked_at=timezone.now())
    print(json.dumps([person._asdict() for person in people]))  # noqa: T201


def _person(user: User) -> Person:
    user.password = _password()
    user.save()
    login = import_module(settings.SESSION_ENGINE).SessionStore()
    login[SESSION_KEY] = str(user.pk)
    login[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    login[HASH_SESSION_KEY] = user.get_session_auth_hash()
    login.save()
    return Person(user.username, issue_token(user, "tests"), login.session_key)


@cache
def _password() -> str:
    # Hashing one for each would take a minute.
    return make_password(PASSWORD)
