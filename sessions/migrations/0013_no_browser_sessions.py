from django.db import migrations

# Log-ins to the admin are rows of our own table now. The keys in Django's were usable as cookies, so the table goes.
# Its migrations are forgotten, too: a version that needs the table again makes it by `migrate`.
DROP = """
DROP TABLE IF EXISTS django_session;
DELETE FROM django_migrations WHERE app = 'sessions';
"""


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0012_session_epochs'),
    ]

    operations = [migrations.RunSQL(DROP, migrations.RunSQL.noop)]
