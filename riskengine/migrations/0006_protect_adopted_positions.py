"""Risk managers may give adopted positions their stop: on what was installed before, too."""

from django.db import migrations

from accounts.services import ensure_groups


def bring_up_to_date(apps, schema_editor):
    ensure_groups()


class Migration(migrations.Migration):
    dependencies = [
        ("riskengine", "0005_risk_managers"),
        ("positions", "0007_broker_differences"),
    ]

    operations = [migrations.RunPython(bring_up_to_date, migrations.RunPython.noop)]
