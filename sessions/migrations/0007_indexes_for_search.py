from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0006_bulk_runs'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='session',
            name='session_live_device_token',
        ),
        migrations.RemoveIndex(
            model_name='session',
            name='session_live_device',
        ),
        migrations.AddIndex(
            model_name='session',
            index=models.Index(condition=models.Q(('device_token__isnull', False)), fields=['device_token'], name='session_of_device_token'),
        ),
        migrations.AddIndex(
            model_name='session',
            index=models.Index(condition=models.Q(('device__isnull', False)), fields=['device'], name='session_of_device'),
        ),
        migrations.AddIndex(
            model_name='session',
            index=models.Index(condition=models.Q(('ip__isnull', False)), fields=['ip'], name='session_from_ip'),
        ),
    ]
