"""Change the words for the reasons of an end.

Locks: none. Nothing changes in the database.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0007_export_lists'),
    ]

    operations = [
        migrations.AlterField(
            model_name='bulkrun',
            name='end_reason',
            field=models.CharField(blank=True, choices=[('logout', 'logged out by the user'), ('staff', 'logged out by staff'), ('operator', "logged out by an operator's command"), ('superseded', 'replaced by a newer log-in on the device'), ('password_changed', 'password changed'), ('user_disabled', 'account disabled'), ('user_deleted', 'account deleted'), ('expired', 'reached its longest lifetime'), ('idle', 'timed out without use'), ('over_limit', 'more sessions than the app allows'), ('not_me', 'reported by the user as not theirs'), ('refresh_reused', 'a refresh token was used twice'), ('restored', 'backup restored'), ('app_switched_off', 'app switched off')], db_default='', default='', help_text="Why its sessions end. Empty: ended by staff, or by an operator's command.", max_length=20),
        ),
        migrations.AlterField(
            model_name='session',
            name='end_reason',
            field=models.CharField(blank=True, choices=[('logout', 'logged out by the user'), ('staff', 'logged out by staff'), ('operator', "logged out by an operator's command"), ('superseded', 'replaced by a newer log-in on the device'), ('password_changed', 'password changed'), ('user_disabled', 'account disabled'), ('user_deleted', 'account deleted'), ('expired', 'reached its longest lifetime'), ('idle', 'timed out without use'), ('over_limit', 'more sessions than the app allows'), ('not_me', 'reported by the user as not theirs'), ('refresh_reused', 'a refresh token was used twice'), ('restored', 'backup restored'), ('app_switched_off', 'app switched off')], max_length=20),
        ),
    ]
