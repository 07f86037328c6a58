"""Begin a new era of notices when an app is told again after a time in which none was.

Meanwhile no notice was written (`sessions.sql.noticing.HAS_LISTENERS`). A service that comes back with a place of
before then must not believe that it has missed nothing. A trigger, because several statements switch apps on.

Locks: users_app (SHARE ROW EXCLUSIVE), for milliseconds. It makes triggers.
"""

from django.db import migrations

MAKE = """
CREATE FUNCTION user_sessions_first_listener() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM users_app WHERE event_access <> 'none' AND is_active AND id <> NEW.id) THEN
        UPDATE user_sessions_noticehorizon SET era = gen_random_uuid();
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER user_sessions_new_first_listener AFTER INSERT ON users_app
   FOR EACH ROW WHEN (NEW.event_access <> 'none' AND NEW.is_active)
   EXECUTE FUNCTION user_sessions_first_listener();
CREATE TRIGGER user_sessions_first_listener AFTER UPDATE ON users_app
   FOR EACH ROW WHEN (NEW.event_access <> 'none' AND NEW.is_active AND (OLD.event_access = 'none' OR NOT OLD.is_active))
   EXECUTE FUNCTION user_sessions_first_listener();
"""
REMOVE = """
DROP TRIGGER user_sessions_new_first_listener ON users_app;
DROP TRIGGER user_sessions_first_listener ON users_app;
DROP FUNCTION user_sessions_first_listener();
"""


class Migration(migrations.Migration):
    dependencies = [("user_sessions", "0010_notices"), ("users", "0013_app_access")]

    operations = [migrations.RunSQL(MAKE, REMOVE)]
