"""What both databases compute from a row, and keep in an index."""

from typing import Any

from django.db.models import BigIntegerField, CharField, Func
from django.db.models.sql.compiler import SQLCompiler

#: How many characters of a text the index keeps: few messages are alike for longer and differ then.
BEGINNING = 32

#: So many events that were written one after the other are ordered by their texts together.
STRETCH = 2_048


class Stretch(Func):
    """The stretch of the log that an event, given by its id, was written in.

    Texts come in no order. In one index of all of them each message changes a page somewhere, which
    is read, written and summed up for it alone; in stretches of the log it is one of a few pages
    that are being written anyway. Who searches looks into each stretch.
    """

    arity = 1
    output_field = BigIntegerField()
    template = f"(%(expressions)s / {STRETCH})"


class TextBeginning(Func):
    """The first 32 characters of the text in an event's data; NULL where there is none.

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
