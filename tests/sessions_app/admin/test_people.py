"""Users and access tokens in the admin."""

import html
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from sessions_app.models import AccessToken, Instruction, User
from sessions_app.tokens import issue_token
from tests.sessions_app.rows import HOSTILE, make_sessions, make_staff
from tests.sessions_app.words import user_of_token

pytestmark = pytest.mark.django_db

USERS = "/admin/sessions_app/user/"
TOKENS = "/admin/sessions_app/accesstoken/"


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann", password="a-password")


def change_page(user: User) -> str:
    return reverse("admin:sessions_app_user_change", args=[user.pk])


# -- users -----------------------------------------------------------------------------------------


def add_user(client: Client, name: str) -> str:
    """Add a user; the page that comes of it."""
    form = {
        "username": name,
        "usable_password": "true",
        "password1": "xkcd-936-horse",
        "password2": "xkcd-936-horse",
    }
    return client.post(f"{USERS}add/", form, follow=True).content.decode()


def test_a_user_is_added(client: Client, superuser: User) -> None:
    """A user who is added can sign in."""
    add_user(client, "carol")
    assert Client().login(username="carol", password="xkcd-936-horse")


@pytest.mark.parametrize("name", ["$system", "$carol", "", "ann", "a b", "x" * 151, "a\x00b"])
def test_a_wrong_name_is_refused(name: str, client: Client, superuser: User, ann: User) -> None:
    """No user can have a name like the system's, one that is taken, or one of odd characters."""
    assert "errorlist" in add_user(client, name)
    assert User.objects.count() == 2


def test_a_name_stays(client: Client, superuser: User, ann: User) -> None:
    """A user's name is shown and cannot be changed, nor by posting one; the rest can."""
    content = client.get(change_page(ann)).content.decode()
    assert '<div class="readonly">ann</div>' in content
    assert 'name="username"' not in content

    form = {
        "username": "eve",
        "first_name": "Ann",
        "is_active": "on",
        "date_joined_0": "2026-11-22",
        "date_joined_1": "19:03:11",
    }
    assert client.post(change_page(ann), form).status_code == 302
    ann.refresh_from_db()
    assert (ann.username, ann.first_name) == ("ann", "Ann")


def test_nobody_is_deleted(client: Client, superuser: User, ann: User) -> None:
    """A user cannot be deleted: another one of that name would be taken for them."""
    address = reverse("admin:sessions_app_user_delete", args=[ann.pk])
    assert client.get(address).status_code == 403
    assert client.post(address, {"post": "yes"}).status_code == 403
    client.post(USERS, {"action": "delete_selected", "_selected_action": ann.pk, "post": "yes"})
    assert User.objects.filter(pk=ann.pk).exists()


def test_users_need_a_permission(client: Client, ann: User) -> None:
    """Staff who may view users can view them, and change nothing."""
    client.force_login(make_staff("viewer", "view_user"))
    assert client.get(USERS).status_code == 200
    content = client.get(change_page(ann)).content.decode()
    assert 'name="_save"' not in content
    assert "a-password" not in content
    assert client.post(change_page(ann), {"first_name": "Eve"}).status_code == 403
    assert client.get(f"{USERS}add/").status_code == 403


def test_a_thousand_users(
    client: Client, superuser: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A page of a thousand users takes five queries."""
    User.objects.bulk_create(User(username=f"user{each}") for each in range(1000))
    # Who asks (2), the groups to choose from, how many rows, the rows.
    with django_assert_num_queries(5):
        assert "1001 users" in client.get(USERS).content.decode()


def test_a_user_who_owns_much(
    client: Client, superuser: User, ann: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """The page of a user with a thousand sessions takes no more queries than anybody's."""
    make_sessions(ann, 1000)
    with django_assert_num_queries(7):
        client.get(change_page(ann))


def disconnect(client: Client, *keys: object, **more: str) -> tuple[int, str]:
    """Choose users and disconnect them: the status, and the page that comes of it."""
    form = {"action": "disconnect", "_selected_action": keys, **more}
    response = client.post(USERS, form, follow=True)
    return response.status_code, response.content.decode()


@pytest.mark.django_db(transaction=True)
class TestDisconnect:
    def test_users(self, client: Client, superuser: User, ann: User) -> None:
        """After it was asked why, all nodes are asked to close a user's sockets; it is recorded."""
        _, page = disconnect(client, ann.pk)
        assert "<bdi>“ann”</bdi>" in page
        assert 'value="Disconnect" class="default"' in page
        assert not Instruction.objects.exists()

        _, page = disconnect(client, ann.pk, confirmed="yes", reason="Spam")
        assert "“ann” is being disconnected." in page
        assert list(Instruction.objects.values_list("subject", "target", "reconnect")) == [
            ("user", "ann", False)
        ]
        entry = LogEntry.objects.get()
        assert (entry.user, entry.object_id) == (superuser, str(ann.pk))
        assert entry.get_change_message() == "Disconnected: Spam"

    def test_it_takes_the_permission(self, client: Client, ann: User) -> None:
        """Who may see and change users, but not act, disconnects nobody."""
        client.force_login(make_staff("clerk", "view_user", "change_user", "view_session"))
        assert 'value="disconnect"' not in client.get(USERS).content.decode()
        disconnect(client, ann.pk, confirmed="yes", reason="Spam")
        assert not Instruction.objects.exists()
        assert not LogEntry.objects.exists()

    def test_nobody(self, client: Client, superuser: User) -> None:
        """What can be nobody's key is refused as a bad request."""
        assert disconnect(client, "x", confirmed="yes", reason="Spam")[0] == 400
        assert not Instruction.objects.exists()


# -- tokens ----------------------------------------------------------------------------------------


def add_token(client: Client, user: User, name: str = "laptop") -> str:
    """Make a token in the admin; the page that comes of it."""
    response = client.post(f"{TOKENS}add/", {"user": user.pk, "name": name}, follow=True)
    assert response.status_code == 200
    return html.unescape(response.content.decode())


def words_in(page: str) -> list[str]:
    """The tokens that a page shows."""
    return re.findall(r"fs_[\w-]{43}", page)


def token_pages(pk: int) -> list[str]:
    """All pages that tell of a token."""
    return [TOKENS, *(f"{TOKENS}{pk}/{page}/" for page in ("change", "history"))]


def test_a_token_is_shown_once(client: Client, superuser: User, ann: User) -> None:
    """A token that is made is shown on the next page, is good, and is never shown again."""
    (word,) = words_in(add_token(client, ann))
    assert user_of_token(word) == ann

    token = AccessToken.objects.get()
    assert token.name == "laptop"
    for page in token_pages(token.pk):
        content = client.get(page).content.decode()
        assert words_in(content) == []
        assert token.digest not in content
    assert "laptop" in client.get(TOKENS).content.decode()


def test_a_token_is_logged_without_its_word(client: Client, superuser: User, ann: User) -> None:
    """The admin's log keeps who made a token for whom, and not the token."""
    (word,) = words_in(add_token(client, ann))
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_repr) == (superuser, "laptop")
    assert word not in str(LogEntry.objects.values().get())


def test_a_digest_is_no_field(client: Client, superuser: User, ann: User) -> None:
    """Nobody can choose the token that is made, or say when it was used."""
    client.post(
        f"{TOKENS}add/",
        {"user": ann.pk, "name": "", "digest": "0" * 64, "last_used_at": "2026-11-22"},
    )
    token = AccessToken.objects.get()
    assert token.digest != "0" * 64
    assert token.last_used_at is None
    content = client.get(f"{TOKENS}add/").content.decode()
    assert re.findall(r'name="(user|name|digest|revoked_at\w*|last_used_at\w*)"', content) == [
        "user",
        "name",
    ]


@pytest.mark.parametrize(
    ("user", "name"), [("", "x"), ("0", "x"), ("x", "x"), (None, "x" * 101), (None, "\x00")]
)
def test_a_wrong_token_is_not_made(
    user: str | None, name: str, client: Client, superuser: User, ann: User
) -> None:
    """Without a user, or with a name that is none, no token is made."""
    response = client.post(
        f"{TOKENS}add/", {"user": ann.pk if user is None else user, "name": name}
    )
    assert response.status_code == 200
    assert "errorlist" in response.content.decode()
    assert words_in(response.content.decode()) == []
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize("user", ["x", "0", "9" * 40])
def test_a_form_is_asked_for_anybody(user: str, client: Client, superuser: User) -> None:
    """Whoever stands in the address of the form, it is shown."""
    assert client.get(f"{TOKENS}add/?user={user}&name=%01&digest=x").status_code == 200


def test_a_token_stays_as_it_is(client: Client, superuser: User, ann: User) -> None:
    """A token is not changed and not deleted; it can be revoked."""
    issue_token(ann, "laptop")
    before = AccessToken.objects.values().get()
    pk = before["id"]
    assert client.get(f"{TOKENS}{pk}/change/").status_code == 200
    assert client.post(f"{TOKENS}{pk}/change/", {"name": "x"}).status_code == 403
    assert client.post(f"{TOKENS}{pk}/delete/", {"post": "yes"}).status_code == 403
    assert AccessToken.objects.values().get() == before


def test_tokens_are_revoked(client: Client, superuser: User, ann: User) -> None:
    """Revoked tokens are good no more, at once; the others stay, and the admin's log has it."""
    lost, kept, old = issue_token(ann, "lost"), issue_token(ann, "kept"), issue_token(ann, "old")
    moment = timezone.now()
    AccessToken.objects.filter(name="old").update(revoked_at=moment)
    chosen = AccessToken.objects.exclude(name="kept").values_list("pk", flat=True)

    response = client.post(
        TOKENS, {"action": "revoke", "_selected_action": list(chosen)}, follow=True
    )
    assert "Revoked: 1." in response.content.decode()
    assert user_of_token(lost) is None
    assert user_of_token(old) is None
    assert user_of_token(kept) == ann
    assert AccessToken.objects.get(name="old").revoked_at == moment
    assert [
        (entry.object_repr, entry.get_change_message()) for entry in LogEntry.objects.all()
    ] == [("lost", "Revoked")]


def test_tokens_need_permissions(client: Client, ann: User) -> None:
    """Viewing, making and revoking tokens are three permissions."""
    word = issue_token(ann, "laptop")
    pk = AccessToken.objects.get().pk
    revoke = {"action": "revoke", "_selected_action": pk}

    client.force_login(make_staff("viewer", "view_accesstoken"))
    content = client.get(TOKENS).content.decode()
    assert "laptop" in content
    assert "revoke" not in content.replace("revoked", "")
    client.post(TOKENS, revoke)
    assert client.get(f"{TOKENS}add/").status_code == 403
    assert client.post(f"{TOKENS}add/", {"user": ann.pk, "name": ""}).status_code == 403
    assert user_of_token(word) == ann
    assert AccessToken.objects.count() == 1

    client.force_login(make_staff("revoker", "view_accesstoken", "change_accesstoken"))
    assert client.post(f"{TOKENS}add/", {"user": ann.pk, "name": ""}).status_code == 403
    client.post(TOKENS, revoke)
    assert user_of_token(word) is None

    client.force_login(make_staff("maker", "add_accesstoken", "view_user"))
    assert client.get(TOKENS).status_code == 403
    (made,) = words_in(add_token(client, ann, ""))
    assert user_of_token(made) == ann


def test_the_list_of_tokens(
    client: Client, superuser: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """The list tells which tokens are good, revoked and used; a page of it takes four queries."""
    users = User.objects.bulk_create(User(username=f"user{each}") for each in range(150))
    for user in users:
        issue_token(user, HOSTILE[:100])
    AccessToken.objects.filter(user=users[149]).update(revoked_at=timezone.now())
    # Who asks (2), how many rows, the rows.
    with django_assert_num_queries(4):
        content = client.get(TOKENS).content.decode()
    assert content.count('alt="False"') == 1
    assert content.count('alt="True"') == 99
    assert "<script>alert" not in content
    assert "user149" not in client.get(TOKENS, {"revoked": "no"}).content.decode()
    assert "user149" in client.get(TOKENS, {"revoked": "yes"}).content.decode()
