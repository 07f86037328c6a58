"""Index all users by age, also deleted ones.

Locks: none. The index is built while others read and write, which takes seconds for a million users. Until it is
done, lists of users are slower.
"""

from django.db import migrations, models
from django.db.models import F

from users.index_building import BuildIndex, DropIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('users', '0004_event_by_actor'),
    ]

    # The list of the admin shows deleted users, too. One index serves it and the lists of both dialects.
    operations = [
        DropIndex(model_name='user', name='user_newest'),
        BuildIndex(
            model_name='user',
            index=models.Index(F('created_at').desc(), F('id').desc(), name='user_newest'),
        ),
    ]
