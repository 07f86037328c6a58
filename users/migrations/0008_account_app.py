"""Let one app be the app of the account page.

Locks: users_app (SHARE), for milliseconds. It reads all apps, of which there are few.
"""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0007_app_keys'),
    ]

    operations = [
        migrations.AlterField(
            model_name='app',
            name='kind',
            field=models.CharField(
                choices=[
                    ('client', 'client, by tokens'),
                    ('admin', 'the admin, by a cookie'),
                    ('account', 'the account page, by a cookie'),
                ],
                db_default='client', default='client', editable=False, max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name='app',
            constraint=models.UniqueConstraint(fields=['kind'], condition=Q(kind='account'), name='app_one_account'),
        ),
    ]
