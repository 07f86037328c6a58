import django.db.models.deletion
import uuid6
from django.conf import settings
from django.db import migrations, models

from users.group_permissions import make_permissions


VIEW = [
    ('users', 'view_user'),
    ('users', 'view_app'),
    ('users', 'view_device'),
    ('users', 'view_devicetoken'),
    ('users', 'view_refusedlogin'),
    ('user_sessions', 'view_session'),
    ('user_sessions', 'view_bulkrun'),
]
GROUPS = {
    'Support': [*VIEW, ('user_sessions', 'end_session')],
    'Operators': [
        *VIEW,
        ('user_sessions', 'end_session'),
        ('user_sessions', 'end_all_sessions'),
        ('users', 'change_user'),
    ],
}


def make_groups(apps, schema_editor):
    """Make the groups of staff. An existing group of that name gets the permissions that it lacks."""
    using = schema_editor.connection.alias
    for label in ('users', 'user_sessions'):
        make_permissions(apps, using, label)
    Group, Permission = apps.get_model('auth', 'Group'), apps.get_model('auth', 'Permission')
    for name, permissions in GROUPS.items():
        group, _ = Group.objects.using(using).get_or_create(name=name)
        for app_label, codename in permissions:
            found = Permission.objects.using(using).get(content_type__app_label=app_label, codename=codename)
            group.permissions.add(found)


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('contenttypes', '0002_remove_content_type_name'),
        ('users', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='BulkRun',
            fields=[
                ('id', models.UUIDField(default=uuid6.uuid7, editable=False, primary_key=True, serialize=False)),
                ('source', models.CharField(choices=[('admin', 'the admin'), ('command', 'manage.py')], max_length=10)),
                ('operator', models.CharField(blank=True, help_text='Who called the command: user@host.', max_length=200)),
                ('note', models.TextField(blank=True, help_text='The reason, in the words of the person who gave the order.')),
                ('selection', models.JSONField(help_text='The filters: `sessions.selection.selection.Selection`.')),
                ('fingerprint', models.CharField(max_length=16)),
                ('expected', models.PositiveIntegerField(help_text='How many live sessions it was expected to end.')),
                ('ended', models.PositiveIntegerField(default=0, help_text='How many it has ended so far.')),
                ('cut_off', models.BooleanField(help_text='Whether all of them were refused at once, before the first one was ended.')),
                ('ip', models.GenericIPAddressField(blank=True, null=True)),
                ('request_id', models.CharField(blank=True, max_length=64)),
                ('started_at', models.DateTimeField(help_text='When the order was first given.')),
                ('as_of', models.DateTimeField(help_text='When the order was last given. Sessions that are opened later stay.')),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('actor', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-started_at'],
            },
        ),
        migrations.CreateModel(
            name='Figure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('live', 'live sessions of an app on a platform, at the moment of the count'), ('opened', 'sessions opened that day'), ('ended', 'sessions ended that day for a reason')], max_length=10)),
                ('day', models.DateField()),
                ('app_id', models.CharField(blank=True, max_length=24)),
                ('label', models.CharField(blank=True, help_text='The platform or the reason.', max_length=100)),
                ('count', models.PositiveBigIntegerField()),
                ('counted_at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('kind', 'day', 'app_id', 'label'), name='figure_once')],
            },
        ),
        migrations.CreateModel(
            name='Mark',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('number', models.BigIntegerField(default=0)),
                ('at', models.DateTimeField(help_text="The database's time when the number was last counted up.")),
                ('pruned_before', models.DateTimeField(blank=True, help_text='Sessions that ended before this time have been deleted.', null=True)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='mark_is_one_row')],
            },
        ),
        migrations.CreateModel(
            name='Session',
            fields=[
                ('id', models.UUIDField(default=uuid6.uuid7, editable=False, help_text='The `sid` claim.', primary_key=True, serialize=False)),
                ('ip', models.GenericIPAddressField(blank=True, null=True)),
                ('user_agent', models.CharField(blank=True, max_length=512)),
                ('platform', models.CharField(blank=True, help_text="The device's platform. Without a device, what the user agent says.", max_length=100)),
                ('created_at', models.DateTimeField()),
                ('last_seen_at', models.DateTimeField(help_text='When it was last used. Written every few minutes at most.')),
                ('expires_at', models.DateTimeField()),
                ('authenticated_at', models.DateTimeField(blank=True, help_text="When the user's password was last checked for this session.", null=True)),
                ('app_epoch', models.PositiveBigIntegerField(db_default=0, default=0, editable=False)),
                ('user_epoch', models.PositiveBigIntegerField(db_default=0, default=0, editable=False)),
                ('refresh_jti', models.CharField(blank=True, help_text='The `jti` of its current refresh token; NULL if it has none.', max_length=32, null=True)),
                ('refresh_used_jti', models.CharField(blank=True, max_length=32, null=True)),
                ('refresh_used_at', models.DateTimeField(blank=True, null=True)),
                ('refresh_used_by', models.CharField(blank=True, help_text='Digest of the client that used that token.', max_length=64)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('end_reason', models.CharField(blank=True, choices=[('logout', 'logged out by the user'), ('staff', 'ended by staff'), ('operator', "ended by an operator's command"), ('superseded', 'replaced by another log-in on the device'), ('password_changed', 'the password was changed'), ('user_disabled', 'the account was disabled'), ('user_deleted', 'the account was deleted'), ('expired', 'the longest lifetime was over'), ('idle', 'not used for too long'), ('over_limit', 'the user had more sessions than the app allows'), ('refresh_reused', 'a refresh token was used twice'), ('restored', 'a backup was restored')], max_length=20)),
                ('ended_ip', models.GenericIPAddressField(blank=True, null=True)),
                ('ended_request_id', models.CharField(blank=True, max_length=64)),
                ('app', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='users.app')),
                ('bulk_run', models.ForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='sessions', to='user_sessions.bulkrun')),
                ('device', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='users.device')),
                ('device_token', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='users.devicetoken')),
                ('ended_by', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('opened_from', models.ForeignKey(blank=True, db_index=False, help_text='The session whose token opened this one on the same device, by a log-in or a logout.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='user_sessions.session')),
                ('user', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='login_sessions', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'permissions': [('end_session', "Can end other users' sessions"), ('end_all_sessions', "Can end everybody's sessions at once")],
            },
        ),
        migrations.AddIndex(
            model_name='bulkrun',
            index=models.Index(models.OrderBy(models.F('started_at'), descending=True), name='bulk_run_newest'),
        ),
        migrations.AddIndex(
            model_name='bulkrun',
            index=models.Index(condition=models.Q(('finished_at', None)), fields=['as_of'], name='bulk_run_unfinished'),
        ),
        migrations.AddIndex(
            model_name='session',
            index=models.Index(condition=models.Q(('ended_at', None)), fields=['user'], name='session_live_user'),
        ),
        migrations.AddIndex(
            model_name='session',
            index=models.Index(models.F('user'), models.OrderBy(models.F('created_at'), descending=True), name='session_of_user'),
        ),
        migrations.AddIndex(
            model_name='session',
            index=models.Index(condition=models.Q(('device_token__isnull', False)), fields=['device_token'], name='session_of_device_token'),
        ),
        migrations.AddIndex(
            model_name='session',
            index=models.Index(condition=models.Q(('device__isnull', False)), fields=['device'], name='session_of_device'),
        ),
        migrations.AddIndex(
            model_name='session',
            index=models.Index(condition=models.Q(('ip__isnull', False)), fields=['ip'], name='session_from_ip'),
        ),
        migrations.AddIndex(
            model_name='session',
            index=models.Index(condition=models.Q(('opened_from__isnull', False)), fields=['opened_from'], name='session_opened_from'),
        ),
        migrations.AddIndex(
            model_name='session',
            index=models.Index(condition=models.Q(('ended_at', None)), fields=['app', 'created_at'], name='session_live_app'),
        ),
        migrations.AddIndex(
            model_name='session',
            index=models.Index(models.OrderBy(models.F('ended_at'), descending=True), condition=models.Q(('ended_at__isnull', False)), name='session_ended'),
        ),
        migrations.AddIndex(
            model_name='session',
            index=models.Index(condition=models.Q(('bulk_run__isnull', False)), fields=['bulk_run'], name='session_of_bulk_run'),
        ),
        migrations.AddConstraint(
            model_name='session',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('end_reason', ''), ('ended_at', None)), models.Q(('ended_at__isnull', False), models.Q(('end_reason', ''), _negated=True)), _connector='OR'), name='session_ended_has_reason'),
        ),
        # Undoing the migration keeps the groups: people may be in them.
        migrations.RunPython(make_groups, migrations.RunPython.noop),
    ]
