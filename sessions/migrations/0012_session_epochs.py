from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0011_bulk_run_unchecked'),
        ('users', '0008_session_epochs'),
    ]

    operations = [
        migrations.AddField(
            model_name='session',
            name='app_epoch',
            field=models.PositiveBigIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name='session',
            name='user_epoch',
            field=models.PositiveBigIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name='session',
            name='authenticated_at',
            field=models.DateTimeField(blank=True, help_text="When the user's password was last checked for this session.", null=True),
        ),
    ]
