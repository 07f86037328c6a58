"""The keys that the servers use, for `manage.py rotatekeys`.

Locks: none. It makes two new tables, which refer to no other.
"""

import uuid

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("user_sessions", "0011_first_listener")]

    operations = [
        migrations.CreateModel(
            name="RunningServer",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(help_text="Its host and port.", max_length=200)),
                (
                    "kids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=43),
                        help_text="Its keys. The first one signs.",
                        size=None,
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="SigningKey",
            fields=[
                ("kid", models.CharField(max_length=43, primary_key=True, serialize=False)),
                (
                    "published_at",
                    models.DateTimeField(help_text="When a server had it for the first time.", null=True),
                ),
                (
                    "signed_until",
                    models.DateTimeField(help_text="No server has signed with it after this time.", null=True),
                ),
                (
                    "leaked_at",
                    models.DateTimeField(help_text="When an operator said that it has leaked.", null=True),
                ),
            ],
            options={"default_permissions": ()},
        ),
    ]
