"""Let groups of staff see the record.

Locks: none. It adds a few rows.
"""

from django.db import migrations

from users.group_permissions import give


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0001_initial'),
        ('users', '0002_security_event'),
    ]

    operations = [
        # To undo it, only the table goes. Django removes no permission.
        migrations.RunPython(give('users.view_securityevent', 'Support', 'Operators'), migrations.RunPython.noop),
    ]
