from django.db import migrations

# Each push address is held by the newest open session that its user has on it.
FILL = """
UPDATE users_devicetoken t
   SET held_by = (SELECT s.id FROM user_sessions_session s
                   WHERE s.device_token_id = t.id AND s.user_id = t.user_id AND s.ended_at IS NULL
                   ORDER BY s.authenticated_at DESC NULLS LAST, s.created_at DESC LIMIT 1)
 WHERE t.user_id IS NOT NULL
"""


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0020_plain_ipv4'),
        ('users', '0021_device_token_held_by'),
    ]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
