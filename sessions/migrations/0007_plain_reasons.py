from django.db import migrations, models


class Migration(migrations.Migration):
    """New words for the reasons of ends. The stored values stay, so the database has nothing to do."""

    dependencies = [("user_sessions", "0003_location")]

    operations = [
        migrations.AlterField(
            model_name="session",
            name="end_reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("logout", "logged out by the user"),
                    ("staff", "logged out by staff"),
                    ("operator", "logged out by an operator's command"),
                    ("superseded", "replaced by a newer log-in on the device"),
                    ("password_changed", "password changed"),
                    ("user_disabled", "account disabled"),
                    ("user_deleted", "account deleted"),
                    ("expired", "reached its longest lifetime"),
                    ("idle", "timed out without use"),
                    ("over_limit", "more sessions than the app allows"),
                    ("refresh_reused", "a refresh token was used twice"),
                    ("restored", "backup restored"),
                ],
                max_length=20,
            ),
        ),
    ]
