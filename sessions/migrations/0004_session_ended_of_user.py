from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0003_location'),
    ]

    # Log-ins and logouts wait while PostgreSQL makes the index: about a second for a million ended sessions.
    operations = [
        migrations.AddIndex(
            model_name='session',
            index=models.Index(
                F('user'), F('ended_at').desc(),
                condition=Q(ended_at__isnull=False, user__isnull=False),
                name='session_ended_of_user',
            ),
        ),
    ]
