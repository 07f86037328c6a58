"""Tell PostgreSQL how platforms are distributed.

Locks: none. Others read and write meanwhile. It reads a sample of the sessions, which takes a second.
"""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0003_location'),
    ]

    # PostgreSQL knows the values of `platform`, but not those of UPPER(platform), which every filter by platform
    # compares. It would expect that half a percent of all sessions match, where a third does, and choose a plan that
    # takes minutes. Statistics cost a write to the table nothing. They belong to no model, so only SQL makes them.
    operations = [
        migrations.RunSQL(
            sql=[
                'CREATE STATISTICS user_sessions_session_platform ON (UPPER(platform)) FROM user_sessions_session',
                'ANALYZE user_sessions_session',
            ],
            reverse_sql='DROP STATISTICS user_sessions_session_platform',
        ),
    ]
