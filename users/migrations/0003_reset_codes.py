import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0002_app_limits'),
    ]

    operations = [
        migrations.CreateModel(
            name='ResetCode',
            fields=[
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='reset_code', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('digest', models.BinaryField(max_length=32)),
                ('tries', models.PositiveSmallIntegerField(default=0, help_text='How often a code was compared with it.')),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
            ],
        ),
    ]
