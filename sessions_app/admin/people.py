"""Users, and the tokens that stand for them."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from flows.disconnect_user import disconnect_user
from sessions_app.admin.deeds import AT_ONCE, Deed, ask_or_do
from sessions_app.admin.read_only import BoundedPaginator, CheckingKeysAdmin, ReadOnlyAdmin
from sessions_app.admin.rights import may_act
from sessions_app.models import AccessToken, User
from sessions_app.tokens import revoke_token, store_token

if TYPE_CHECKING:
    _UserAdmin = DjangoUserAdmin[User]
else:
    _UserAdmin = DjangoUserAdmin

DISCONNECT = Deed(
    name="disconnect",
    flow=disconnect_user,
    title="Disconnect users",
    warning="All their sockets are closed, on every node, and their clients are told not to come "
    "back by themselves. They may sign in again: to keep somebody out, make the user inactive or "
    "revoke their tokens.",
    button="Disconnect",
    done="is being disconnected",
    params=lambda user, reason: {"user": user.username, "reason": reason},
    details=lambda user: user.get_full_name(),
    keyed=False,
)


@admin.register(User)
class UserAdmin(CheckingKeysAdmin[User], _UserAdmin):
    """Users. The user name is written into logs, so it stays; who leaves is made inactive.

    If a user could be deleted, another one of the same name could come, and would be taken for
    the first in every log and receipt.
    """

    actions = ("disconnect",)
    show_full_result_count = False
    paginator = BoundedPaginator

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return (*super().get_readonly_fields(request, obj), *(["username"] if obj else []))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether who asks may act."""
        return may_act(request)

    @admin.action(description="Disconnect selected users…", permissions=["act"])
    def disconnect(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponseBase | None:
        """Ask why, then close all sockets of each."""
        return ask_or_do(self, request, DISCONNECT, list(queryset[: AT_ONCE + 1]))


class RevokedFilter(admin.SimpleListFilter):
    """Tokens that were revoked, or the others."""

    title = "state"
    parameter_name = "revoked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "Not revoked"), ("yes", "Revoked")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AccessToken]
    ) -> QuerySet[AccessToken]:
        if self.value() not in {"no", "yes"}:
            return queryset
        return queryset.filter(revoked_at__isnull=self.value() == "no")


@admin.register(AccessToken)
class AccessTokenAdmin(ReadOnlyAdmin[AccessToken]):
    """Access tokens: made and revoked. A token is shown once, to who made it; its digest never."""

    actions = ("revoke",)
    list_display = ("__str__", "user", "is_good", "created_at", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    list_filter = (RevokedFilter,)
    ordering = ("-id",)
    search_fields = ("name", "user__username")
    # Not the autocompletion: its widget fails with a ValueError for a key that is no number.
    raw_id_fields = ("user",)
    fields = ("user", "name", "created_at", "last_used_at", "revoked_at")

    @admin.display(description="good", boolean=True)
    def is_good(self, token: AccessToken) -> bool:
        """Whether it can be used."""
        return token.revoked_at is None and token.user.is_active

    def get_fields(self, request: HttpRequest, obj: AccessToken | None = None) -> Any:
        return super().get_fields(request, obj) if obj else ("user", "name")

    def get_readonly_fields(self, request: HttpRequest, obj: AccessToken | None = None) -> Any:
        return self.fields if obj else ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("sessions_app.add_accesstoken")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whether who asks may revoke tokens."""
        return request.user.has_perm("sessions_app.change_accesstoken")

    def save_model(
        self,
        request: HttpRequest,
        obj: AccessToken,
        form: "ModelForm[AccessToken]",
        change: bool,  # noqa: FBT001
    ) -> None:
        token = store_token(obj)
        messages.warning(request, f"This token is shown only now, copy it: {token}")

    @admin.action(description="Revoke selected access tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[AccessToken]) -> None:
        """Let each of them be good no more."""
        revoked = [token for token in queryset if revoke_token(token.pk)]
        for token in revoked:
            self.log_change(request, token, "Revoked")
        messages.success(request, f"Revoked: {len(revoked)}.")
