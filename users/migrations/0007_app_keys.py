"""Keep the previous key of an app for a while.

Locks: users_app (ACCESS EXCLUSIVE), for milliseconds. Each new column is empty at first, so PostgreSQL changes its
catalog only.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0006_find'),
    ]

    operations = [
        migrations.AddField(
            model_name='app',
            name='previous_key_hash',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='app',
            name='previous_sealed_secret',
            field=models.TextField(blank=True, db_default='', default='', editable=False),
        ),
        migrations.AddField(
            model_name='app',
            name='previous_until',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
