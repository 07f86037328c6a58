"""Refuse characters that can't be seen, in what people are known by.

Locks: none. Nothing changes in the database: the forms check new values.
"""

from django.db import migrations, models

import users.printable


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0014_device_token_times'),
    ]

    operations = [
        migrations.AlterField(
            model_name='user',
            name='username',
            field=models.CharField(max_length=150, validators=[users.printable.validate_identity]),
        ),
        migrations.AlterField(
            model_name='user',
            name='email',
            field=models.EmailField(blank=True, max_length=320, null=True, validators=[users.printable.validate_identity]),
        ),
        migrations.AlterField(
            model_name='user',
            name='phone_number',
            field=models.CharField(blank=True, max_length=16, null=True, validators=[users.printable.validate_identity]),
        ),
        migrations.AlterField(
            model_name='user',
            name='name',
            field=models.CharField(blank=True, max_length=150, validators=[users.printable.validate_name]),
        ),
        migrations.AlterField(
            model_name='user',
            name='first_name',
            field=models.CharField(blank=True, max_length=150, validators=[users.printable.validate_name]),
        ),
        migrations.AlterField(
            model_name='user',
            name='last_name',
            field=models.CharField(blank=True, max_length=150, validators=[users.printable.validate_name]),
        ),
    ]
