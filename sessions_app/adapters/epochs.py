"""Giving the log another epoch: no position that a client has from before belongs to it."""

from secrets import token_hex

from django.db import transaction

from sessions_app import models
from sessions_app.adapters.queries import epoch


def rotate(*, using: str) -> tuple[str, str]:
    """Give the log another epoch; the old one and the new one."""
    with transaction.atomic(using=using, durable=True):
        old, new = epoch(using=using), token_hex(8)
        models.Log.objects.using(using).update(epoch=new)
    return old, new
