from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0002_see_record'),
    ]

    # Each new column is nullable and has no default, so PostgreSQL changes its catalog only and reads no row. The
    # migration takes the table's strongest lock (ACCESS EXCLUSIVE) for some milliseconds, however many sessions there
    # are. It first waits until the transactions that use the table have ended: MIGRATION_LOCK_TIMEOUT limits this wait.
    operations = [
        migrations.AddField(
            model_name='session',
            name='city',
            field=models.CharField(blank=True, max_length=100, null=True),
        ),
        migrations.AddField(
            model_name='session',
            name='country',
            field=models.CharField(blank=True, help_text='The country of the log-in: its ISO 3166-1 code.', max_length=2, null=True),
        ),
        migrations.AddField(
            model_name='session',
            name='country_name',
            field=models.CharField(blank=True, max_length=100, null=True),
        ),
        migrations.AddField(
            model_name='session',
            name='judgement',
            field=models.CharField(blank=True, choices=[('new_country', 'new country'), ('too_fast', 'too fast')], help_text='What is unusual about where the log-in came from.', max_length=20, null=True),
        ),
        migrations.AddField(
            model_name='session',
            name='latitude',
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='session',
            name='longitude',
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name='figure',
            name='kind',
            field=models.CharField(choices=[('live', 'live sessions of an app on a platform, at the moment of the count'), ('country', 'live sessions from a country, at the moment of the count'), ('opened', 'sessions opened that day'), ('ended', 'sessions ended that day for a reason')], max_length=10),
        ),
        migrations.AlterField(
            model_name='figure',
            name='label',
            field=models.CharField(blank=True, help_text='The platform, country or reason.', max_length=100),
        ),
    ]
