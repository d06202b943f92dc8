"""Risk managers sign the steps of the rollout and try revisions out: on what was installed before, too."""

from django.db import migrations

from accounts.services import ensure_groups


def bring_up_to_date(apps, schema_editor):
    ensure_groups()


class Migration(migrations.Migration):
    dependencies = [("riskengine", "0017_rollout")]

    operations = [migrations.RunPython(bring_up_to_date, migrations.RunPython.noop)]
