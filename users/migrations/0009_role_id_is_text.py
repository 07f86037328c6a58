from django.db import migrations, models


class Migration(migrations.Migration):
    """A role id becomes a text. PostgreSQL writes a number as its digits, without a point.

    The way back works as long as every role id is a whole number of at most 40 digits.
    """

    dependencies = [
        ("users", "0008_session_epochs"),
    ]

    operations = [
        migrations.AlterField(
            model_name="user",
            name="role_id",
            field=models.CharField(blank=True, max_length=64, null=True),
        ),
    ]
