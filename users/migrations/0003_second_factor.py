"""Make the tables of second factors, and mark users who have one.

Locks: users_user (ACCESS EXCLUSIVE, SHARE ROW EXCLUSIVE), for milliseconds. The new column may be empty, so PostgreSQL
changes its catalog only and reads no row. The new tables refer to users. It also makes a trigger.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


# The column says whether a password alone lets its user in, so only `users.second_factor` may change it, between two
# settings. An older copy of the row (`save()` writes all columns) and any other UPDATE leave it as it is. The change
# refuses log-ins, so it commits with `remote_apply`, like a new password.
KEEP_SECOND_FACTOR = """
CREATE FUNCTION users_keep_second_factor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('users.second_factor', true) IS DISTINCT FROM 'on' THEN
        NEW.second_factor_since := OLD.second_factor_since;
    ELSE
        PERFORM set_config('synchronous_commit', 'remote_apply', true);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER keep_second_factor BEFORE UPDATE ON users_user
   FOR EACH ROW WHEN (NEW.second_factor_since IS DISTINCT FROM OLD.second_factor_since)
   EXECUTE FUNCTION users_keep_second_factor();
"""
FORGET_SECOND_FACTOR = """
DROP TRIGGER keep_second_factor ON users_user;
DROP FUNCTION users_keep_second_factor();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0002_security_event'),
    ]

    operations = [
        migrations.CreateModel(
            name='SecondFactor',
            fields=[
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('sealed_secret', models.BinaryField(help_text='Encrypted with a key derived from SECRET_KEY.')),
                ('last_step', models.BigIntegerField(default=0, editable=False, help_text='The time step of the last code used.')),
                ('created_at', models.DateTimeField()),
            ],
        ),
        migrations.AlterField(
            model_name='refusedlogin',
            name='reason',
            field=models.CharField(choices=[('unknown_user', 'unknown user'), ('wrong_password', 'wrong password'), ('known_place', 'wrong password or code, known place'), ('wrong_code', 'wrong reset code'), ('second_factor', 'wrong second factor'), ('disabled', 'account disabled'), ('too_many', 'too many attempts')], max_length=20),
        ),
        migrations.CreateModel(
            name='RecoveryCode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.BinaryField(max_length=32)),
                ('created_at', models.DateTimeField()),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('user', 'digest'), name='recovery_code_once')],
            },
        ),
        # These come last, because they lock users.
        migrations.AddField(
            model_name='user',
            name='second_factor_since',
            field=models.DateTimeField(blank=True, editable=False, help_text='Since when a log-in needs a second factor.', null=True),
        ),
        migrations.RunSQL(KEEP_SECOND_FACTOR, FORGET_SECOND_FACTOR),
    ]
