"""The pages and actions that the admin has, found by asking it."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.urls import NoReverseMatch, URLPattern, URLResolver, reverse
from django.utils import timezone

from sessions_app.models import (
    AccessToken,
    Connection,
    Node,
    Receipt,
    Session,
    User,
)
from tests.sessions_app.rows import BEGIN, make_log, make_sessions

#: What was said, and may be read by nobody without the right.
SAID = "the roof leaks at the chimney"


def populate() -> None:
    """One row of every model that has pages, and a session in which something was said."""
    ann = User.objects.create_user("ann")
    (session,) = make_sessions(ann, 1, metadata={"about": "a roof"})
    make_log(session, 3, text=SAID)
    Receipt.objects.create(
        actor="ann", key="key-3", flow="send_message", fingerprint=b"x", session=session, seq=3,
        at=BEGIN,
    )  # fmt: skip
    AccessToken.objects.create(user=ann, digest="d")
    Group.objects.create(name="clerks")
    now = timezone.now()
    node = Node.objects.create(name="n1", host="h", pid=1, started=now, last_seen=now, clock=now)
    Connection.objects.create(id="c1", node=node, user=ann, since=now, last_seen=now)
    LogEntry.objects.create(
        user=ann,
        content_type=ContentType.objects.get_for_model(Session),
        object_id=str(session.pk),
        object_repr="Session 1",
        action_flag=CHANGE,
        change_message="Ended: Spam",
    )


def pages() -> Iterator[str]:
    """The names of all pages of the admin."""
    yield from sorted({each.name for each in _patterns(admin.site.get_urls()) if each.name})


def _patterns(found: Any) -> Iterator[URLPattern]:
    for each in found:
        if isinstance(each, URLResolver):
            yield from _patterns(each.url_patterns)
        else:
            yield each


def path_of(name: str) -> str:
    """The address of the page `name`: of a row that is there, where it is of a row."""
    if name == "app_list":
        return reverse("admin:app_list", args=["sessions_app"])
    if name == "view_on_site":
        return reverse("admin:view_on_site", args=[1, 1])
    if name == "auth_user_password_change":  # by that name, whatever the model of users is
        return reverse(f"admin:{name}", args=[User.objects.get(username="ann").pk])
    row = _row_of(name)
    try:
        return reverse(f"admin:{name}")
    except NoReverseMatch:
        return reverse(f"admin:{name}", args=[row.pk if row else Session.objects.get().pk])


def _row_of(name: str) -> Model | None:
    """A row of the model whose page it is."""
    for model in admin.site._registry:
        if name.startswith(f"{model._meta.app_label}_{model._meta.model_name}_"):
            return model._default_manager.order_by("pk").first()
    return None
