"""Count the sessions that are live at the end of a day.

Locks: none. Nothing changes in the database. The next sweep counts the days that have no such figure yet.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0004_lists'),
    ]

    operations = [
        migrations.AlterField(
            model_name='figure',
            name='kind',
            field=models.CharField(choices=[('live', 'live sessions of an app on a platform, at the moment of the count'), ('live_end', 'live sessions at the end of that day'), ('country', 'live sessions from a country, at the moment of the count'), ('opened', 'sessions opened that day'), ('ended', 'sessions ended that day for a reason')], max_length=10),
        ),
    ]
