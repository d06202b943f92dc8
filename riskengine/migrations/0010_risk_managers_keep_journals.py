"""Risk managers may write notes and tags on any position: on what was installed before, too."""

from django.db import migrations

from accounts.services import ensure_groups


def bring_up_to_date(apps, schema_editor):
    ensure_groups()


class Migration(migrations.Migration):
    dependencies = [
        ("riskengine", "0009_reading_points"),
        ("positions", "0010_journal"),
    ]

    operations = [migrations.RunPython(bring_up_to_date, migrations.RunPython.noop)]
