from django.db import migrations, models

# Of what was entered twice the longest stays: entries are refused for no shorter time than before.
LONGEST_STAYS = """
    DELETE FROM positions_blackout a USING positions_blackout b
    WHERE a.instrument_id IS NOT DISTINCT FROM b.instrument_id AND a.starts_at = b.starts_at AND a.reason = b.reason
      AND (a.ends_at, a.id) < (b.ends_at, b.id)
"""


class Migration(migrations.Migration):

    dependencies = [
        ('positions', '0014_correlation_methods'),
    ]

    operations = [
        migrations.RunSQL(LONGEST_STAYS, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name='blackout',
            constraint=models.UniqueConstraint(fields=('instrument', 'starts_at', 'reason'), name='blackout_once', nulls_distinct=False, violation_error_message='This blackout is already known.'),
        ),
    ]
