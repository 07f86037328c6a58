"""Make the table of links in mails.

Locks: users_user (SHARE ROW EXCLUSIVE), for milliseconds. The new table refers to users.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0008_account_app'),
    ]

    operations = [
        migrations.CreateModel(
            name='OneUseLink',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.BinaryField(max_length=32, unique=True)),
                ('purpose', models.CharField(choices=[('not_me', 'say that it was somebody else'), ('invitation', 'accept an invitation')], max_length=20)),
                ('session_id', models.UUIDField(help_text='The session that the mail tells about.', null=True)),
                ('about', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=20), default=list, help_text='The changes of the account that the mail tells about.', size=None)),
                ('ip', models.GenericIPAddressField(help_text='Where the changes came from.', null=True)),
                ('address', models.EmailField(help_text='The email that it was mailed to.', max_length=320)),
                ('is_verified', models.BooleanField(default=False, help_text="Whether that email was the user's verified one.")),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
    ]
