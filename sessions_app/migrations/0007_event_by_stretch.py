import django.db.models
from django.db import migrations

import sessions_app.concurrently
import sessions_app.expressions


class Migration(migrations.Migration):
    # The table may be large, and servers may run: nobody waits for this index.
    atomic = False

    dependencies = [("sessions_app", "0006_event_by_text")]

    operations = [
        sessions_app.concurrently.AddIndexConcurrently(
            model_name="event",
            index=django.db.models.Index(
                sessions_app.expressions.Stretch("id"),
                sessions_app.expressions.TextBeginning("data"),
                django.db.models.OrderBy(django.db.models.F("id"), descending=True),
                name="event_by_stretch",
            ),
        ),
        migrations.RemoveIndex(model_name="event", name="event_by_text"),
    ]
