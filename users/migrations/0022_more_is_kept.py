from django.db import migrations

# Taking `is_staff` away refuses the user's sessions in the admin, and a new password refuses the old one. So both
# commit with `remote_apply`, as whatever else refuses sessions (0015).
TRIGGER = """
DROP TRIGGER keep_refusals ON users_user;
CREATE TRIGGER keep_refusals BEFORE UPDATE ON users_user
   FOR EACH ROW WHEN (
       NEW.session_epoch <> OLD.session_epoch
       OR NEW.sessions_valid_after IS DISTINCT FROM OLD.sessions_valid_after
       OR NEW.is_active <> OLD.is_active
       OR NEW.deleted_at IS DISTINCT FROM OLD.deleted_at
       {more})
   EXECUTE FUNCTION users_keep_refusals();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0021_device_token_held_by'),
    ]

    operations = [
        migrations.RunSQL(
            TRIGGER.replace("{more}", "OR NEW.is_staff <> OLD.is_staff OR NEW.password <> OLD.password"),
            TRIGGER.replace("{more}", ""),
        )
    ]
