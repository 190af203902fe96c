"""What both databases compute from a row, and keep in an index."""

from typing import Any

from django.db.models import CharField, Func
from django.db.models.sql.compiler import SQLCompiler

#: How many characters of a text the index keeps: most messages are shorter.
BEGINNING = 64


class TextBeginning(Func):
    """The first 64 characters of the text in an event's data; NULL where there is none.

    Without parameters: SQLite uses an index only where query and index are spelled alike.
    """

    arity = 1
    output_field = CharField()

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **context: Any) -> Any:
        return super().as_sql(
            compiler,
            connection,
            template=f"substr(json_extract(%(expressions)s, '$.text'), 1, {BEGINNING})",
            **context,
        )

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **context: Any) -> Any:
        return super().as_sql(
            compiler,
            connection,
            template=f"left(%(expressions)s ->> 'text', {BEGINNING})",
            **context,
        )
