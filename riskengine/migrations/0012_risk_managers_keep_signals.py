"""Risk managers keep the sources of signals, and review a confidence tier: on what was installed before, too."""

from django.db import migrations

from accounts.services import ensure_groups


def bring_up_to_date(apps, schema_editor):
    ensure_groups()


class Migration(migrations.Migration):
    dependencies = [("riskengine", "0011_signals")]

    operations = [migrations.RunPython(bring_up_to_date, migrations.RunPython.noop)]
