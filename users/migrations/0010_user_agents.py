import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("users", "0009_role_id_is_text"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="user_agents",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=512),
                blank=True,
                default=list,
                help_text="What they logged in with, newest first.",
                size=None,
            ),
        ),
    ]
