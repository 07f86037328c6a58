import django.db.models.deletion
from django.db import migrations, models

# An app-level session is opened from no other any more: each has a push address of its own.
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
            field=models.ForeignKey(blank=True, db_index=False, help_text="Of a user's session: the app-level session that logged in. It keeps the same push address.", null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='user_sessions.session'),
        ),
    ]
