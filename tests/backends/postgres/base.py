"""Django's PostgreSQL, which empties small tables fast: TRUNCATE takes half a second per test."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.postgresql import base, operations

from tests.backends.clearing import KeepsWhatFollowsFromModels


class Deletes(operations.DatabaseOperations):
    """Django's, but for the flush."""

    def sql_flush(
        self,
        style: Any,
        tables: Sequence[str],
        *,
        reset_sequences: bool = False,
        allow_cascade: bool = False,
    ) -> list[str]:
        if reset_sequences:
            return super().sql_flush(
                style, tables, reset_sequences=reset_sequences, allow_cascade=allow_cascade
            )
        # In any order: Django's foreign keys are checked when the transaction ends.
        return [f"DELETE FROM {self.quote_name(table)};" for table in tables]


class DatabaseOperations(KeepsWhatFollowsFromModels, Deletes):
    """The two together."""


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, with these operations."""

    ops_class = DatabaseOperations
