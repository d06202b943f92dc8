"""Where the broker and the books differ; who may give an adopted position its stop."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('positions', '0006_heartbeats_in_place'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='position',
            options={'permissions': [('protect_position', 'Can give an adopted position its stop')]},
        ),
        migrations.CreateModel(
            name='BrokerDifference',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('here', models.PositiveIntegerField(verbose_name='contracts open here')),
                ('there', models.IntegerField(verbose_name='contracts at the broker')),
                ('began_at', models.DateTimeField(verbose_name='first seen at (wall time)')),
                ('ended_at', models.DateTimeField(blank=True, null=True, verbose_name='over at (wall time)')),
                ('contract', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='positions.optioncontract')),
                ('portfolio', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='broker_differences', to='positions.portfolio')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True)), fields=('portfolio', 'contract'), name='brokerdifference_one_a_contract', violation_error_message='A contract has one difference at a time.'), models.CheckConstraint(condition=models.Q(('here', models.F('there')), _negated=True), name='brokerdifference_is_one', violation_error_message='The same number is no difference.'), models.CheckConstraint(condition=models.Q(('ended_at__isnull', True), ('ended_at__gte', models.F('began_at')), _connector='OR'), name='brokerdifference_ends_after_it_began', violation_error_message='A difference ends after it began.')],
            },
        ),
    ]
