"""An index that is built while others write, for migrations of tables that may be large."""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import AddIndex
from django.db.migrations.state import ProjectState


class AddIndexConcurrently(AddIndex):
    """Django's AddIndex, which on PostgreSQL does not keep writers out.

    It may be interrupted there and run again: an index that was left half built is built anew, and
    one that is whole, made by hand perhaps, stays. The migration has to have `atomic = False`.

    Unlike Django's own of this name it also serves SQLite, which has one writer anyway.
    """

    atomic = False

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Build the index."""
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        editor: Any = schema_editor  # PostgreSQL's, which takes one argument more
        is_valid = _is_valid(editor.connection, self.index.name)
        if is_valid is False:
            editor.remove_index(model, self.index, concurrently=True)
        if not is_valid:
            editor.add_index(model, self.index, concurrently=True)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Remove the index."""
        if schema_editor.connection.vendor != "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)
            return
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            editor: Any = schema_editor
            editor.remove_index(model, self.index, concurrently=True)


def _is_valid(connection: Any, name: str) -> bool | None:
    """Whether PostgreSQL uses the index of this name; None if there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)",
            [connection.ops.quote_name(name)],
        )
        found = cursor.fetchone()
    return None if found is None else bool(found[0])
