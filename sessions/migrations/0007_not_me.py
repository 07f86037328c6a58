from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0003_location'),
    ]

    # A choice is no part of the table, so the database has nothing to do.
    operations = [
        migrations.AlterField(
            model_name='session',
            name='end_reason',
            field=models.CharField(blank=True, choices=[('logout', 'logged out by the user'), ('staff', 'ended by staff'), ('operator', "ended by an operator's command"), ('superseded', 'replaced by another log-in on the device'), ('password_changed', 'the password was changed'), ('user_disabled', 'the account was disabled'), ('user_deleted', 'the account was deleted'), ('expired', 'the longest lifetime was over'), ('idle', 'not used for too long'), ('over_limit', 'the user had more sessions than the app allows'), ('not_me', 'the user said that it was somebody else'), ('refresh_reused', 'a refresh token was used twice'), ('restored', 'a backup was restored')], max_length=20),
        ),
    ]
