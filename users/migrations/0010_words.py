"""Change the words for refused log-ins.

Locks: none. Nothing changes in the database.
"""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0009_one_use_links'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='refusedlogin',
            options={'ordering': ['-hour', 'reason'], 'verbose_name': 'refused log-in', 'verbose_name_plural': 'refused log-ins'},
        ),
    ]
