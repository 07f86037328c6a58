"""Make the security record.

Locks: none. The table is new and refers to no other.
"""

import django.db.models.deletion
import users.clock
from django.conf import settings
from django.db import migrations, models


# Nobody changes the record, whichever way a statement comes. Only `manage.py prune` deletes: it sets `zapauth.prune` for
# its transaction. Even then an entry stays for 30 days, so that a mistake or a stolen connection can't remove what has
# just happened. RECORD_RETENTION is at least as long.
# The owner of the table can drop the trigger. This leaves a trace in the log of a server with `log_statement = ddl`.
KEEP_RECORD = """
CREATE FUNCTION users_keep_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('zapauth.prune', true) = 'on' THEN
        IF OLD.at < clock_timestamp() - interval '30 days' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the record is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER keep_record BEFORE DELETE ON users_securityevent
   FOR EACH ROW EXECUTE FUNCTION users_keep_record();
CREATE TRIGGER keep_whole_record BEFORE UPDATE OR TRUNCATE ON users_securityevent
   FOR EACH STATEMENT EXECUTE FUNCTION users_keep_record();
"""
FORGET_RECORD = """
DROP TRIGGER keep_whole_record ON users_securityevent;
DROP TRIGGER keep_record ON users_securityevent;
DROP FUNCTION users_keep_record();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='SecurityEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_default=users.clock.DatabaseNow(), editable=False)),
                ('event', models.CharField(max_length=40)),
                ('outcome', models.CharField(db_default='done', help_text='`done` or `refused`.', max_length=10)),
                ('operator', models.CharField(db_default='', help_text='Who called the command: user@host.', max_length=200)),
                ('session_id', models.UUIDField(null=True)),
                ('ip', models.GenericIPAddressField(null=True)),
                ('user_agent', models.CharField(db_default='', max_length=512)),
                ('request_id', models.CharField(db_default='', max_length=64)),
                ('details', models.JSONField(db_default={}, help_text='No secrets. Emails and phone numbers are masked.')),
                ('actor', models.ForeignKey(db_constraint=False, db_index=False, help_text='Who ordered it.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('app', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='users.app')),
                ('user', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'default_permissions': ('view',),
                'indexes': [models.Index(models.F('user'), models.OrderBy(models.F('at'), descending=True), models.OrderBy(models.F('id'), descending=True), name='event_of_user'), models.Index(models.F('event'), models.OrderBy(models.F('at'), descending=True), models.OrderBy(models.F('id'), descending=True), name='event_of_kind'), models.Index(models.OrderBy(models.F('at'), descending=True), models.OrderBy(models.F('id'), descending=True), name='event_newest')],
            },
        ),
        migrations.RunSQL(KEEP_RECORD, FORGET_RECORD),
    ]
