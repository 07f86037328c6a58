from django.db import migrations, models

# In the database, so that it holds for every way in which a password is set. Nothing else sets the time.
# `users.rehash` says so when it only hashes the same password anew.
FUNCTION = """
CREATE FUNCTION users_note_password() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.password_changed_at := OLD.password_changed_at;
    IF NEW.password <> OLD.password AND current_setting('users.same_password', true) IS DISTINCT FROM 'on' THEN
        NEW.password_changed_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER note_password BEFORE UPDATE ON users_user
   FOR EACH ROW WHEN (
       NEW.password <> OLD.password OR NEW.password_changed_at IS DISTINCT FROM OLD.password_changed_at)
   EXECUTE FUNCTION users_note_password();
"""
UNDO = """
DROP TRIGGER note_password ON users_user;
DROP FUNCTION users_note_password();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0015_refusals_are_kept'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='password_changed_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.RunSQL(FUNCTION, UNDO),
    ]
