"""The queue's table without NOTIFY, and with an index for `sessions.jobs.table.take`.

procrastinate notifies its workers of each new job. A transaction that notifies takes a lock over the whole database
server while it commits, so log-ins with a mail would commit one after the other. Our servers look for jobs.

Locks: procrastinate_jobs (SHARE ROW EXCLUSIVE, SHARE) for milliseconds. The migrations before this one have just made it,
and it is empty.
"""

from django.db import migrations

TRIGGER = "procrastinate_jobs_notify_queue_job_inserted_v1"


class Migration(migrations.Migration):
    dependencies = [
        ('user_sessions', '0012_signing_keys'),
        ('procrastinate', '0041_post_retry_failed_job'),
    ]

    operations = [
        migrations.RunSQL(
            f'ALTER TABLE procrastinate_jobs DISABLE TRIGGER {TRIGGER}',
            f'ALTER TABLE procrastinate_jobs ENABLE TRIGGER {TRIGGER}',
        ),
        migrations.RunSQL(
            "CREATE INDEX user_sessions_next_job ON procrastinate_jobs"
            " (queue_name, priority, coalesce(scheduled_at, '-infinity'::timestamptz), id) WHERE status = 'todo'",
            'DROP INDEX user_sessions_next_job',
        ),
    ]
