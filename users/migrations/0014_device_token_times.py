"""Let the database set when a device token has changed.

Locks: users_devicetoken (ACCESS EXCLUSIVE), for milliseconds. It changes the default of a column, and no row.
"""

import users.clock
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0013_app_access'),
    ]

    operations = [
        migrations.AlterField(
            model_name='devicetoken',
            name='updated_at',
            field=models.DateTimeField(db_default=users.clock.DatabaseNow(), editable=False),
        ),
    ]
