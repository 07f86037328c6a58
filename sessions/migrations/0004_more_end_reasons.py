from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0003_refresh_grace'),
    ]

    operations = [
        migrations.AlterField(
            model_name='session',
            name='end_reason',
            field=models.CharField(blank=True, choices=[('logout', 'logged out by the user'), ('staff', 'ended by staff'), ('superseded', 'another login took its place on the device'), ('password_changed', 'the password was changed'), ('user_disabled', 'the account was disabled'), ('user_deleted', 'the account was deleted'), ('expired', 'its time was over'), ('idle', 'it was not used for too long'), ('over_limit', 'the user opened more than the app allows'), ('refresh_reused', 'a used refresh token came back')], max_length=20),
        ),
    ]
