"""The group “Risk manager” exists from the start; `accounts.services.ensure_groups` brings it up to date later."""

from django.db import migrations

from accounts.services import ensure_groups


def create(apps, schema_editor):
    ensure_groups()


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_append_only"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
