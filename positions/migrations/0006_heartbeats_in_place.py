"""Each heartbeat is written over every second or half minute: with room on its page that touches no index (HOT), and
takes a third of the time."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("positions", "0005_paper_execution_time"),
    ]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE positions_heartbeat SET (fillfactor = 45);",
            "ALTER TABLE positions_heartbeat RESET (fillfactor);",
        ),
    ]
