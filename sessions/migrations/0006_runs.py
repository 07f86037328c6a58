"""Let staff stop a bulk run and continue it.

Locks: user_sessions_bulkrun (ACCESS EXCLUSIVE, SHARE, SHARE ROW EXCLUSIVE) and users_user (SHARE ROW EXCLUSIVE), for
milliseconds. It reads all bulk runs, of which there are few.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0005_figures'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='bulkrun',
            name='end_reason',
            field=models.CharField(blank=True, choices=[('logout', 'logged out by the user'), ('staff', 'ended by staff'), ('operator', "ended by an operator's command"), ('superseded', 'replaced by another log-in on the device'), ('password_changed', 'the password was changed'), ('user_disabled', 'the account was disabled'), ('user_deleted', 'the account was deleted'), ('expired', 'the longest lifetime was over'), ('idle', 'not used for too long'), ('over_limit', 'the user had more sessions than the app allows'), ('refresh_reused', 'a refresh token was used twice'), ('restored', 'a backup was restored'), ('app_switched_off', 'the app was switched off')], db_default='', default='', help_text="Why its sessions end. Empty: ended by staff, or by an operator's command.", max_length=20),
        ),
        migrations.AddField(
            model_name='bulkrun',
            name='last_batch_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='bulkrun',
            name='stopped_at',
            field=models.DateTimeField(blank=True, help_text='When somebody stopped it. No session is ended until the order is given again.', null=True),
        ),
        migrations.AddField(
            model_name='bulkrun',
            name='swept_from',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='bulkrun',
            name='swept_since',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name='session',
            name='end_reason',
            field=models.CharField(blank=True, choices=[('logout', 'logged out by the user'), ('staff', 'ended by staff'), ('operator', "ended by an operator's command"), ('superseded', 'replaced by another log-in on the device'), ('password_changed', 'the password was changed'), ('user_disabled', 'the account was disabled'), ('user_deleted', 'the account was deleted'), ('expired', 'the longest lifetime was over'), ('idle', 'not used for too long'), ('over_limit', 'the user had more sessions than the app allows'), ('refresh_reused', 'a refresh token was used twice'), ('restored', 'a backup was restored'), ('app_switched_off', 'the app was switched off')], max_length=20),
        ),
        # This comes last, because it locks users.
        migrations.AddField(
            model_name='bulkrun',
            name='stopped_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
    ]
