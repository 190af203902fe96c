"""Django's SQLite, which is emptied of what tests write only."""

from django.db.backends.sqlite3 import base, operations

from tests.backends.clearing import KeepsWhatFollowsFromModels


class DatabaseOperations(KeepsWhatFollowsFromModels, operations.DatabaseOperations):
    """Django's, but for the flush."""


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, with these operations."""

    ops_class = DatabaseOperations
