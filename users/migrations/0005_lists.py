from django.db import migrations, models
from django.db.models import F


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0004_event_by_actor'),
    ]

    # The list of the admin shows deleted users, too. One index serves it and the lists of both dialects.
    operations = [
        migrations.RemoveIndex(model_name='user', name='user_newest'),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(F('created_at').desc(), F('id').desc(), name='user_newest'),
        ),
    ]
