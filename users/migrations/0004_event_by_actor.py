"""Index the record by who acted.

Locks: users_securityevent (SHARE), for milliseconds. The table is as new as this index, so it is small.
"""

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0003_second_factor'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='securityevent',
            options={'default_permissions': ('view',), 'verbose_name': 'entry', 'verbose_name_plural': 'entries'},
        ),
        migrations.AddIndex(
            model_name='securityevent',
            index=models.Index(
                F('actor'), F('at').desc(), F('id').desc(),
                condition=Q(actor__isnull=False) & (Q(user=None) | ~Q(user=F('actor'))),
                name='event_by_actor',
            ),
        ),
    ]
