"""Whom a token or a ticket stands for, for tests that ask no more than that."""

from sessions_app.models import User
from sessions_app.tokens import owner_of_token, take_ticket


def user_of_token(token: str) -> User | None:
    """The user that `token` stands for; None for anything that is no good token."""
    owner = owner_of_token(token)
    return owner.user if owner else None


def redeem_ticket(ticket: str) -> User | None:
    """The user that `ticket` was issued to; None if it is no good ticket."""
    owner = take_ticket(ticket)
    return owner.user if owner else None
