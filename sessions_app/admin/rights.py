"""What who asks may do, as their permissions say: the same rights that flows are run with."""

from django.http import HttpRequest

from flows.actor import Right
from sessions_app.staff import rights_of


def may_view(request: HttpRequest) -> bool:
    """Whether who asks may know what sessions there are."""
    return Right.VIEW in rights_of(request.user)


def may_read(request: HttpRequest) -> bool:
    """Whether who asks may read what was said."""
    return Right.READ in rights_of(request.user)


def may_act(request: HttpRequest) -> bool:
    """Whether who asks may end sessions, remove and disconnect people, and write as staff."""
    return Right.ACT in rights_of(request.user)
