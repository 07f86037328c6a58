import datetime

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='app',
            name='session_lifetime',
            field=models.DurationField(blank=True, help_text='A session ends that long after the login. Empty: SESSION_LIFETIME.', null=True, validators=[django.core.validators.MinValueValidator(datetime.timedelta(seconds=60))]),
        ),
        migrations.AddField(
            model_name='app',
            name='idle_timeout',
            field=models.DurationField(blank=True, help_text='A session ends when it is not used for that long; 0: never. Empty: SESSION_IDLE_TIMEOUT.', null=True, validators=[django.core.validators.MinValueValidator(datetime.timedelta(0))]),
        ),
        migrations.AddField(
            model_name='app',
            name='sessions_per_user',
            field=models.PositiveIntegerField(blank=True, help_text="One more ends the user's oldest session in this app; 0: no limit. Empty: SESSIONS_PER_USER.", null=True),
        ),
    ]
