"""Say what an app may ask with its key.

Locks: users_app (ACCESS EXCLUSIVE), for milliseconds. Each new column has a constant default, so PostgreSQL changes
its catalog only.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0012_session_lifetime'),
    ]

    operations = [
        migrations.AddField(
            model_name='app',
            name='event_access',
            field=models.CharField(choices=[('none', 'nothing'), ('own', 'its own sessions'), ('all', 'the sessions of all apps')], db_default='none', default='none', help_text='Whose ended sessions it is told about.', max_length=10),
        ),
        migrations.AddField(
            model_name='app',
            name='push_access',
            field=models.CharField(choices=[('none', 'nothing'), ('own', 'its own sessions'), ('all', 'the sessions of all apps')], db_default='none', default='none', help_text='Whose device tokens it may ask for, to send pushes.', max_length=10),
        ),
        migrations.AddField(
            model_name='app',
            name='token_access',
            field=models.CharField(choices=[('none', 'nothing'), ('own', 'its own sessions'), ('all', 'the sessions of all apps')], db_default='none', default='none', help_text='Whose tokens it may check, and whose sessions it may end.', max_length=10),
        ),
    ]
