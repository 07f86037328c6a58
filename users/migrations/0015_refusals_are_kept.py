from django.db import migrations

# Whatever refuses the sessions of an app or a user:
# - is never taken back by an older copy of the row: a form or a `save()` writes all columns as they were read;
# - commits with `remote_apply`, so that neither a crash nor a replica can let a session back in.
# In the database, because there it holds for every way in which such a row is written.
FUNCTION = """
CREATE FUNCTION users_keep_refusals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.session_epoch := GREATEST(NEW.session_epoch, OLD.session_epoch);
    NEW.sessions_valid_after := GREATEST(NEW.sessions_valid_after, OLD.sessions_valid_after);
    PERFORM set_config('synchronous_commit', 'remote_apply', true);
    RETURN NEW;
END
$$;
"""
CHANGED = """
    NEW.session_epoch <> OLD.session_epoch
    OR NEW.sessions_valid_after IS DISTINCT FROM OLD.sessions_valid_after
    OR NEW.is_active <> OLD.is_active
"""
TRIGGERS = f"""
CREATE TRIGGER keep_refusals BEFORE UPDATE ON users_app
   FOR EACH ROW WHEN ({CHANGED}) EXECUTE FUNCTION users_keep_refusals();
CREATE TRIGGER keep_refusals BEFORE UPDATE ON users_user
   FOR EACH ROW WHEN ({CHANGED} OR NEW.deleted_at IS DISTINCT FROM OLD.deleted_at)
   EXECUTE FUNCTION users_keep_refusals();
"""
UNDO = """
DROP TRIGGER keep_refusals ON users_user;
DROP TRIGGER keep_refusals ON users_app;
DROP FUNCTION users_keep_refusals();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0013_longer_codes'),
    ]

    operations = [migrations.RunSQL(FUNCTION + TRIGGERS, UNDO)]
