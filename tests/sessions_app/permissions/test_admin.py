"""Every page and every action of the admin, by permission."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client, RequestFactory
from django.urls import reverse

from sessions_app.models import User
from tests.sessions_app.permissions.admin_pages import pages, path_of, populate

pytestmark = pytest.mark.django_db

Openers = Sequence[str]

#: Pages that take no permission: for all staff.
FOR_STAFF = ("index", "jsi18n", "logout", "password_change", "password_change_done")

#: Pages for all, or for none, whatever they may: one signs in, the other answers to no one here.
FOR_ALL = ("login",)
FOR_NONE = ("autocomplete", "view_on_site")

#: Of each model: what lets one look at it, add one, delete one. Words that belong together take
#: each other: `a+b` is both.
MODELS: dict[str, tuple[Openers, Openers, Openers]] = {
    "auth_group": (["view_group", "change_group"], ["add_group"], ["delete_group"]),
    "sessions_app_user": (["view_user", "change_user"], ["add_user+change_user"], []),
    "sessions_app_accesstoken": (
        ["view_accesstoken", "change_accesstoken"], ["add_accesstoken"], [],
    ),
    "sessions_app_session": (["view_session", "change_session"], [], []),
    # Who may know of a session may know who takes part in it.
    "sessions_app_participant": (
        ["view_participant", "change_participant", "view_session"], [], [],
    ),
    "sessions_app_event": (["view_event", "change_event"], [], []),
    "sessions_app_receipt": (["view_receipt", "change_receipt"], [], []),
    "sessions_app_connection": (["view_connection", "view_session"], [], []),
    "sessions_app_node": (["view_node", "view_session"], [], []),
}  # fmt: skip

#: Pages beside those that every model has.
MORE: dict[str, Openers] = {
    "auth_user_password_change": ["change_user"],
    "sessions_app_session_timeline": ["view_session", "change_session"],
    "sessions_app_session_links": ["view_session", "change_session"],
    "app_list": sorted({each for model, (see, add, _) in MODELS.items()
                        if model.startswith("sessions_app") for opener in (*see, *add)
                        for each in opener.split("+")}),
}  # fmt: skip

#: The actions of each model's list.
ACTIONS: dict[str, dict[str, str]] = {
    "sessions_app_session": {
        "end_sessions": "moderate_session",
        "reopen_sessions": "moderate_session",
        "export_sessions": "read_session",
    },
    "sessions_app_participant": {"remove_participants": "moderate_session"},
    "sessions_app_accesstoken": {"revoke": "change_accesstoken"},
    "sessions_app_user": {"disconnect": "moderate_session"},
    "sessions_app_connection": {"disconnect": "moderate_session", "reconnect": "moderate_session"},
    "sessions_app_node": {"drain": "drain_node"},
    "auth_group": {"delete_selected": "delete_group"},
}


def openers() -> dict[str, Openers]:
    """What opens each page that takes a permission."""
    found = dict(MORE)
    for model, (see, add, delete) in MODELS.items():
        for page in ("changelist", "change", "history"):
            found[f"{model}_{page}"] = see
        found |= {f"{model}_add": add, f"{model}_delete": delete}
    return found


PAGES = openers()


def test_every_page_is_in_a_table() -> None:
    """Each page of the admin says for whom it is."""
    assert set(pages()) == {*PAGES, *FOR_STAFF, *FOR_ALL, *FOR_NONE}


def signed_in(name: str, permissions: Iterable[str] = (), *, staff: bool = True) -> Client:
    """A browser in which somebody with these permissions has signed in."""
    user, _ = User.objects.get_or_create(username=name, is_staff=staff)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def everything_but(names: Iterable[str]) -> list[str]:
    """All permissions there are but these."""
    return list(
        Permission.objects.exclude(codename__in=list(names)).values_list("codename", flat=True)
    )


def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def opens(client: Client, path: str) -> bool:
    """Whether a page is answered with anything but a refusal or the way to sign in."""
    answer = client.get(path)
    if answer.status_code == 302:
        return not answer["location"].startswith(reverse("admin:login"))
    return answer.status_code in (200, 405)


@pytest.mark.parametrize("name", [*PAGES, *FOR_STAFF, *FOR_NONE])
def test_pages_are_for_staff(name: str) -> None:
    """Who is not staff has no page, whatever their permissions; nor has who is not signed in."""
    populate()
    path = path_of(name)
    assert not opens(Client(), path) or name == "logout"
    assert not opens(signed_in("user", everything_but([]), staff=False), path) or name == "logout"


@pytest.mark.parametrize("name", FOR_STAFF)
def test_pages_for_all_staff(name: str) -> None:
    """Some pages are of the admin itself, and for whoever may come in."""
    populate()
    assert opens(signed_in("clerk"), path_of(name))


@pytest.mark.parametrize("name", PAGES)
def test_pages(name: str) -> None:
    """What the table says opens a page; without it, all other permissions together do not. A
    superuser opens what anybody can open.
    """
    populate()
    path, opened_by = path_of(name), PAGES[name]
    for each in opened_by:
        assert opens(signed_in("one", each.split("+")), path), each
    # Of those that belong together, one is not enough.
    takes = {word for each in opened_by for word in each.split("+")[:1]}
    assert not opens(signed_in("others", everything_but(takes)), path)
    assert not opens(signed_in("clerk"), path)
    assert opens(root(), path) == bool(opened_by)


def test_actions() -> None:
    """What the table says gives an action to who sees the list; nobody else has it."""
    populate()
    seen: dict[str, dict[str, str]] = {}
    users = {name: User.objects.create(username=name, is_staff=True) for name in ("one", "others")}
    super_ = User.objects.create_superuser("root")
    for model, its_admin in admin.site._registry.items():
        label = f"{model._meta.app_label}_{model._meta.model_name}"
        see, _, _ = MODELS[label]
        for action in actions_of(its_admin, super_):
            permission = ACTIONS.get(label, {}).get(action, "")
            seen.setdefault(label, {})[action] = permission
            for name, names in (
                ("one", [see[0], permission]),
                ("others", everything_but([permission])),
            ):
                users[name].user_permissions.set(Permission.objects.filter(codename__in=names))
                fresh = User.objects.get(pk=users[name].pk)
                assert (action in actions_of(its_admin, fresh)) is (name == "one"), action
    assert seen == ACTIONS


def actions_of(its_admin: "admin.ModelAdmin[Any]", user: User) -> set[str]:
    """The actions that a list offers somebody."""
    request = RequestFactory().get("/")
    request.user = user
    return set(its_admin.get_actions(request))
