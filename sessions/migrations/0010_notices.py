"""Make the tables of notices for services.

Locks: none. The tables are new and refer to no other.
"""

import django.contrib.postgres.fields
import sessions.notice
import uuid
from django.db import migrations, models


def begin_era(apps, schema_editor):
    apps.get_model("user_sessions", "NoticeHorizon").objects.create()


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0009_revoked'),
    ]

    operations = [
        migrations.CreateModel(
            name='Notice',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('xid', models.BigIntegerField(db_default=sessions.notice._TransactionId(), editable=False, help_text="The transaction's id.")),
                ('at', models.DateTimeField()),
                ('app_id', models.CharField(max_length=24)),
                ('reason', models.CharField(help_text='A value of `EndReason`.', max_length=20)),
                ('session_ids', django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), null=True, size=None)),
                ('user_ids', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=24, null=True), null=True, size=None)),
                ('opened_until', models.DateTimeField(null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['xid'], name='notice_xid')],
            },
        ),
        migrations.CreateModel(
            name='NoticeHorizon',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('era', models.UUIDField(default=uuid.uuid4, editable=False)),
                ('xid', models.BigIntegerField(default=0, help_text='The newest transaction of which a notice has been deleted.')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='notice_horizon_is_one_row')],
            },
        ),
        migrations.RunPython(begin_era, migrations.RunPython.noop),
    ]
