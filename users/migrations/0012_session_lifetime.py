"""Limit the lifetimes that apps can have.

Locks: none. Nothing changes in the database.
"""

import datetime
import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0011_export_lists'),
    ]

    operations = [
        migrations.AlterField(
            model_name='app',
            name='idle_timeout',
            field=models.DurationField(blank=True, help_text='A session that is not used for this long ends. 0: never. At most 3650 days. Empty: SESSION_IDLE_TIMEOUT.', null=True, validators=[django.core.validators.MinValueValidator(datetime.timedelta(0)), django.core.validators.MaxValueValidator(datetime.timedelta(days=3650), 'Choose at most 3650 days.')]),
        ),
        migrations.AlterField(
            model_name='app',
            name='session_lifetime',
            field=models.DurationField(blank=True, help_text='Time from log-in until a session ends, at most 3650 days. Empty: SESSION_LIFETIME.', null=True, validators=[django.core.validators.MinValueValidator(datetime.timedelta(seconds=60)), django.core.validators.MaxValueValidator(datetime.timedelta(days=3650), 'Choose at most 3650 days.')]),
        ),
    ]
