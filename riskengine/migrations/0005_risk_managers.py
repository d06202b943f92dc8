"""Risk managers see alerts and deliveries and keep targets: on what was installed before, too."""

from django.db import migrations

from accounts.services import ensure_groups


def bring_up_to_date(apps, schema_editor):
    ensure_groups()


class Migration(migrations.Migration):
    dependencies = [
        ("riskengine", "0004_replays"),
        ("accounts", "0003_groups"),
        ("positions", "0006_heartbeats_in_place"),
    ]

    operations = [migrations.RunPython(bring_up_to_date, migrations.RunPython.noop)]
