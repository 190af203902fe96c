"""What is deleted after a test that was no transaction: what tests write, and nothing else."""

from collections.abc import Sequence
from typing import Any

from django.contrib.contenttypes.management import create_contenttypes
from django.db.models.signals import post_migrate

#: These follow from the models and are made with the tables. To delete them, and to find out
#: what is missing and make it again, takes ten times as long as all the rest.
KEPT = frozenset({"django_content_type", "auth_permission"})


class KeepsWhatFollowsFromModels:
    """A backend's operations, but that flushing leaves content types and permissions."""

    def sql_flush(self, style: Any, tables: Sequence[str], **options: Any) -> list[str]:
        written = [each for each in tables if each not in KEPT]
        flush: list[str] = super().sql_flush(style, written, **options)  # type: ignore[misc]
        return flush


def make_them_no_more() -> None:
    """Once the tables are there, have no flush look for what is missing."""
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    post_migrate.disconnect(create_contenttypes)
