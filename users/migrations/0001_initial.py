import datetime
import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import users.models.fields
from django.conf import settings
from django.db import migrations, models


# A row that refuses sessions must never be overwritten by an older copy of itself: a form or `save()` writes all
# columns as it read them. And its change must commit with `remote_apply`, so that neither a crash nor a replica accepts
# a refused session again. The trigger holds both for every way in which the row is written.
# A new password and a lost `is_staff` refuse something, too, so they also commit with `remote_apply`.
KEEP_REFUSALS = """
CREATE FUNCTION users_keep_refusals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.session_epoch := GREATEST(NEW.session_epoch, OLD.session_epoch);
    NEW.sessions_valid_after := GREATEST(NEW.sessions_valid_after, OLD.sessions_valid_after);
    PERFORM set_config('synchronous_commit', 'remote_apply', true);
    RETURN NEW;
END
$$;
CREATE TRIGGER keep_refusals BEFORE UPDATE ON users_app
   FOR EACH ROW WHEN (
       NEW.session_epoch <> OLD.session_epoch
       OR NEW.sessions_valid_after IS DISTINCT FROM OLD.sessions_valid_after
       OR NEW.is_active <> OLD.is_active)
   EXECUTE FUNCTION users_keep_refusals();
CREATE TRIGGER keep_refusals BEFORE UPDATE ON users_user
   FOR EACH ROW WHEN (
       NEW.session_epoch <> OLD.session_epoch
       OR NEW.sessions_valid_after IS DISTINCT FROM OLD.sessions_valid_after
       OR NEW.is_active <> OLD.is_active
       OR NEW.deleted_at IS DISTINCT FROM OLD.deleted_at
       OR NEW.is_staff <> OLD.is_staff
       OR NEW.password <> OLD.password)
   EXECUTE FUNCTION users_keep_refusals();
"""
FORGET_REFUSALS = """
DROP TRIGGER keep_refusals ON users_user;
DROP TRIGGER keep_refusals ON users_app;
DROP FUNCTION users_keep_refusals();
"""
# Only this trigger sets `password_changed_at`, so it holds for every way in which a password is set.
# `users.rehash` sets `users.same_password` when it only hashes the same password again.
NOTE_PASSWORD = """
CREATE FUNCTION users_note_password() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.password_changed_at := OLD.password_changed_at;
    IF NEW.password <> OLD.password AND current_setting('users.same_password', true) IS DISTINCT FROM 'on' THEN
        NEW.password_changed_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER note_password BEFORE UPDATE ON users_user
   FOR EACH ROW WHEN (
       NEW.password <> OLD.password OR NEW.password_changed_at IS DISTINCT FROM OLD.password_changed_at)
   EXECUTE FUNCTION users_note_password();
"""
FORGET_PASSWORD = """
DROP TRIGGER note_password ON users_user;
DROP FUNCTION users_note_password();
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='Throttle',
            fields=[
                ('key', models.CharField(help_text="Digest of the limit's name and its subject. No user name or address is stored.", max_length=64, primary_key=True, serialize=False)),
                ('count', models.PositiveIntegerField()),
                ('resets_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='User',
            fields=[
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                ('id', users.models.fields.ObjectIdField(default=users.models.fields.new_object_id, editable=False, max_length=24, primary_key=True, serialize=False)),
                ('username', models.CharField(max_length=150)),
                ('email', models.EmailField(blank=True, max_length=320, null=True)),
                ('phone_number', models.CharField(blank=True, max_length=16, null=True)),
                ('email_verified', models.BooleanField(default=False)),
                ('new_email', models.EmailField(blank=True, editable=False, help_text='Replaces the email once it is verified. Until then nobody can log in with it.', max_length=320, null=True)),
                ('name', models.CharField(blank=True, max_length=150)),
                ('first_name', models.CharField(blank=True, max_length=150)),
                ('last_name', models.CharField(blank=True, max_length=150)),
                ('gender', models.CharField(blank=True, choices=[('male', 'Male'), ('female', 'Female')], max_length=6)),
                ('date_of_birth', models.DateTimeField(blank=True, null=True)),
                ('tag', models.TextField(blank=True)),
                ('latitude', models.FloatField(blank=True, null=True)),
                ('longitude', models.FloatField(blank=True, null=True)),
                ('role_id', models.CharField(blank=True, max_length=64, null=True)),
                ('ip_addresses', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=45), blank=True, default=list, help_text='Addresses of the latest log-ins, newest first.', size=None)),
                ('user_agents', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=512), blank=True, default=list, help_text='User agents of the latest log-ins, newest first.', size=None)),
                ('is_staff', models.BooleanField(default=False, help_text='May log in to the admin.')),
                ('is_active', models.BooleanField(default=True, help_text='Off: the account is disabled.')),
                ('session_epoch', users.models.fields.SessionEpochField(db_default=0, default=0, editable=False)),
                ('sessions_valid_after', models.DateTimeField(blank=True, help_text='Sessions opened at or before this time are refused.', null=True)),
                ('password_changed_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
        ),
        migrations.CreateModel(
            name='App',
            fields=[
                ('id', users.models.fields.ObjectIdField(default=users.models.fields.new_object_id, editable=False, max_length=24, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=100, unique=True)),
                ('kind', models.CharField(choices=[('client', 'client, by tokens'), ('admin', 'the admin, by a cookie')], db_default='client', default='client', editable=False, max_length=10)),
                ('key_hash', models.CharField(blank=True, editable=False, help_text='SHA-256 of the app key. Empty: the app has no key.', max_length=64)),
                ('sealed_secret', models.TextField(blank=True, editable=False, help_text="Shared secret, encrypted. Empty: clients don't sign requests.")),
                ('is_active', models.BooleanField(default=True, help_text='Off: every token of this app is refused.')),
                ('session_epoch', users.models.fields.SessionEpochField(db_default=0, default=0, editable=False)),
                ('sessions_valid_after', models.DateTimeField(blank=True, help_text='Sessions opened at or before this time are refused.', null=True)),
                ('session_lifetime', models.DurationField(blank=True, help_text='Time from log-in until a session ends. Empty: SESSION_LIFETIME.', null=True, validators=[django.core.validators.MinValueValidator(datetime.timedelta(seconds=60))])),
                ('idle_timeout', models.DurationField(blank=True, help_text='A session that is not used for this long ends. 0: never. Empty: SESSION_IDLE_TIMEOUT.', null=True, validators=[django.core.validators.MinValueValidator(datetime.timedelta(0))])),
                ('sessions_per_user', models.PositiveIntegerField(blank=True, help_text='Most sessions of one user. Another one ends the oldest. 0: no limit. Empty: SESSIONS_PER_USER.', null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('kind', 'admin')), fields=('kind',), name='app_one_admin')],
            },
        ),
        migrations.CreateModel(
            name='Device',
            fields=[
                ('id', users.models.fields.ObjectIdField(default=users.models.fields.new_object_id, editable=False, max_length=24, primary_key=True, serialize=False)),
                ('unique_id', models.CharField(blank=True, max_length=255, null=True)),
                ('platform', models.CharField(max_length=100)),
                ('model', models.CharField(blank=True, max_length=512)),
                ('os_version', models.CharField(blank=True, max_length=100)),
                ('app_version', models.CharField(blank=True, max_length=100)),
                ('connection_type', models.CharField(blank=True, max_length=100)),
                ('tag', models.TextField(blank=True)),
                ('latitude', models.FloatField(blank=True, null=True)),
                ('longitude', models.FloatField(blank=True, null=True)),
                ('is_production', models.BooleanField(blank=True, null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('app', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='users.app')),
            ],
        ),
        migrations.CreateModel(
            name='CrashReport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('stack_trace', models.TextField(help_text='The first 16,384 characters.')),
                ('message', models.CharField(blank=True, max_length=2000)),
                ('method_name', models.CharField(blank=True, max_length=500)),
                ('created_at', models.DateTimeField()),
                ('device', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='crash_reports', to='users.device')),
            ],
        ),
        migrations.CreateModel(
            name='DeviceToken',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sealed_token', models.BinaryField(help_text='Encrypted with a key derived from SECRET_KEY.')),
                ('digest', models.BinaryField(max_length=32, unique=True)),
                ('held_by', models.UUIDField(editable=False, null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('device', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='device_tokens', to='users.device')),
                ('user', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='device_tokens', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='OneTimeCode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('purpose', models.CharField(choices=[('reset', 'choose a new password'), ('email', 'verify an email')], max_length=20)),
                ('digest', models.BinaryField(max_length=32)),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='RefusedLogin',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('hour', models.DateTimeField(help_text='The start of the hour.')),
                ('reason', models.CharField(choices=[('unknown_user', 'unknown user'), ('wrong_password', 'wrong password'), ('known_place', 'wrong password or code, known place'), ('wrong_code', 'wrong reset code'), ('disabled', 'account disabled'), ('too_many', 'too many attempts')], max_length=20)),
                ('count', models.PositiveBigIntegerField()),
            ],
            options={
                'ordering': ['-hour', 'reason'],
                'constraints': [models.UniqueConstraint(fields=('hour', 'reason'), name='refused_login_once')],
            },
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at', None)), name='user_newest'),
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(django.db.models.functions.text.Upper('new_email'), condition=models.Q(('new_email__isnull', False)), name='user_new_email'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Upper('username'), condition=models.Q(('deleted_at', None)), name='user_username_taken'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Upper('email'), condition=models.Q(('deleted_at', None)), name='user_email_taken'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.UniqueConstraint(condition=models.Q(('deleted_at', None)), fields=('phone_number',), name='user_phone_number_taken'),
        ),
        migrations.AddConstraint(
            model_name='device',
            constraint=models.UniqueConstraint(fields=('app', 'unique_id'), name='device_unique_id_per_app'),
        ),
        migrations.AddIndex(
            model_name='crashreport',
            index=models.Index(models.F('device'), models.OrderBy(models.F('created_at'), descending=True), name='crash_report_of_device'),
        ),
        migrations.AddIndex(
            model_name='crashreport',
            index=models.Index(fields=['created_at'], name='crash_report_oldest'),
        ),
        migrations.AddIndex(
            model_name='devicetoken',
            index=models.Index(condition=models.Q(('user__isnull', False)), fields=['user'], name='device_token_of_user'),
        ),
        migrations.AddIndex(
            model_name='devicetoken',
            index=models.Index(condition=models.Q(('device__isnull', False)), fields=['device'], name='device_token_of_device'),
        ),
        migrations.AddConstraint(
            model_name='onetimecode',
            constraint=models.UniqueConstraint(fields=('user', 'purpose'), name='one_time_code_per_purpose'),
        ),
        migrations.RunSQL(KEEP_REFUSALS, FORGET_REFUSALS),
        migrations.RunSQL(NOTE_PASSWORD, FORGET_PASSWORD),
    ]
