import django.db.models.deletion
from django.db import migrations, models

# It named the registration until now. Which session an app-level one was opened from, nobody knows.
FORGET = """
UPDATE user_sessions_session SET opened_from_id = NULL WHERE opened_from_id IS NOT NULL AND user_id IS NULL;
"""
# The foreign key's check waits for the end of the transaction, and the table can't be altered before it.
NOW = "SET CONSTRAINTS ALL IMMEDIATE"


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0013_no_browser_sessions'),
    ]

    operations = [
        migrations.RunSQL([NOW, FORGET], migrations.RunSQL.noop),
        migrations.AlterField(
            model_name='session',
            name='opened_from',
            field=models.ForeignKey(blank=True, db_index=False, help_text='The session whose token opened this one on the same device: by a log-in, or by a logout.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='user_sessions.session'),
        ),
    ]
