from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0002_security_event'),
    ]

    # The table is as new as this index, so it is small.
    operations = [
        migrations.AddIndex(
            model_name='securityevent',
            index=models.Index(
                F('actor'), F('at').desc(), F('id').desc(),
                condition=Q(actor__isnull=False) & (Q(user=None) | ~Q(user=F('actor'))),
                name='event_by_actor',
            ),
        ),
    ]
