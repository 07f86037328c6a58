from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0002_session_platform'),
    ]

    operations = [
        migrations.AddField(
            model_name='session',
            name='refresh_used_jti',
            field=models.CharField(blank=True, max_length=32, null=True),
        ),
        migrations.AddField(
            model_name='session',
            name='refresh_used_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='session',
            name='refresh_used_by',
            field=models.CharField(blank=True, help_text='Digest of the client that used it.', max_length=64),
        ),
    ]
