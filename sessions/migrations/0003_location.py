"""Store where a log-in came from.

Locks: user_sessions_session (ACCESS EXCLUSIVE), for milliseconds, however many sessions there are. Each new column may
be empty and has no default, so PostgreSQL changes its catalog only and reads no row.
"""

from django.db import migrations, models

ADD = """
ALTER TABLE user_sessions_session
    ADD COLUMN city varchar(100) NULL,
    ADD COLUMN country varchar(2) NULL,
    ADD COLUMN country_name varchar(100) NULL,
    ADD COLUMN judgement varchar(20) NULL,
    ADD COLUMN latitude double precision NULL,
    ADD COLUMN longitude double precision NULL
"""
REMOVE = """
ALTER TABLE user_sessions_session
    DROP COLUMN city,
    DROP COLUMN country,
    DROP COLUMN country_name,
    DROP COLUMN judgement,
    DROP COLUMN latitude,
    DROP COLUMN longitude
"""


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0002_see_record'),
    ]

    # One statement adds all columns, and it is the last one. Django's own statements, one for each column, would keep the
    # lock for a quarter of a second, because Django works on its models in between.
    operations = [
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
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(ADD, REMOVE)],
            state_operations=[
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
            ],
        ),
    ]
