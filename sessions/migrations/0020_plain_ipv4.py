from django.db import migrations

# A server on HOST=:: wrote IPv4 addresses as `::ffff:192.0.2.1`. Only those rows are touched.
SESSIONS = """
UPDATE {table} SET {column} = substr(host({column}), 8)::inet WHERE {column} <<= '::ffff:0:0/96'
"""
USERS = """
UPDATE users_user
   SET ip_addresses = ARRAY(
           SELECT CASE WHEN address::inet <<= '::ffff:0:0/96' THEN substr(host(address::inet), 8) ELSE address END
             FROM unnest(ip_addresses) WITH ORDINALITY AS given (address, place)
         ORDER BY place)
 WHERE array_to_string(ip_addresses, ' ') LIKE '%::ffff:%'
"""
COLUMNS = [
    ('user_sessions_session', 'ip'),
    ('user_sessions_session', 'ended_ip'),
    ('user_sessions_bulkrun', 'ip'),
]


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0015_mark'),
        ('users', '0007_device_token_indexes'),
    ]

    operations = [
        *(
            migrations.RunSQL(SESSIONS.format(table=table, column=column), migrations.RunSQL.noop)
            for table, column in COLUMNS
        ),
        migrations.RunSQL(USERS, migrations.RunSQL.noop),
    ]
