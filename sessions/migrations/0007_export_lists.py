"""Let operators export lists.

Locks: none. It adds one row.
"""

from django.db import migrations

from users.group_permissions import give


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0006_runs'),
        ('users', '0011_export_lists'),
    ]

    operations = [
        # To undo it, nothing is needed. Django removes no permission.
        migrations.RunPython(give('users.export_lists', 'Operators'), migrations.RunPython.noop),
    ]
