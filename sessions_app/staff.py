"""What Django's users may do as staff: their permissions, as rights."""

from django.contrib.auth.models import AnonymousUser

from flows.actor import Actor, Right
from sessions_app.models import User

#: What the admin grants, by what it allows.
PERMISSIONS: dict[Right, str] = {
    Right.VIEW: "sessions_app.view_session",
    Right.READ: "sessions_app.read_session",
    Right.ACT: "sessions_app.moderate_session",
    Right.DRAIN: "sessions_app.drain_node",
    Right.DELETE: "sessions_app.delete_session",
}


def rights_of(user: User | AnonymousUser) -> frozenset[Right]:
    """What `user` may do as staff: nothing, unless they are active and staff; superusers all."""
    if not (user.is_active and user.is_staff):
        return frozenset()
    return frozenset(right for right, name in PERMISSIONS.items() if user.has_perm(name))


def rights_of_id(user_id: int) -> frozenset[Right]:
    """What the user may do at this moment."""
    user = User.objects.filter(pk=user_id).first()
    return frozenset() if user is None else rights_of(user)


def staff_actor(user: User | AnonymousUser) -> Actor:
    """`user` as staff: for doors that only staff come through, such as the admin.

    Whoever comes by a socket or over HTTP is an actor without rights: what they may is what their
    role in a session allows, unless they ask to act as staff.
    """
    return Actor(user.get_username(), rights_of(user))
