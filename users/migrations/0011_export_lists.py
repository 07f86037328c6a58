"""Add the permission to export lists.

Locks: none. It adds one row.
"""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0010_words'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='user',
            options={'permissions': [('export_lists', 'Can export the lists of the admin')]},
        ),
    ]
