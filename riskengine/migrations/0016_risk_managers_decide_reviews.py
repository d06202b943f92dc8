"""Risk managers decide reviews, also on what was installed before."""

from django.db import migrations

from accounts.services import ensure_groups


def bring_up_to_date(apps, schema_editor):
    ensure_groups()


class Migration(migrations.Migration):
    dependencies = [("riskengine", "0015_reviews")]

    operations = [migrations.RunPython(bring_up_to_date, migrations.RunPython.noop)]
