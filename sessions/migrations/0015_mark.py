from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0014_opened_from_is_direct'),
    ]

    operations = [
        migrations.AlterField(
            model_name='session',
            name='end_reason',
            field=models.CharField(blank=True, choices=[('logout', 'logged out by the user'), ('staff', 'ended by staff'), ('operator', "ended by an operator's command"), ('superseded', 'another login took its place on the device'), ('password_changed', 'the password was changed'), ('user_disabled', 'the account was disabled'), ('user_deleted', 'the account was deleted'), ('expired', 'its time was over'), ('idle', 'it was not used for too long'), ('over_limit', 'the user opened more than the app allows'), ('refresh_reused', 'a used refresh token came back'), ('restored', 'a backup was restored')], max_length=20),
        ),
        migrations.CreateModel(
            name='Mark',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('number', models.BigIntegerField(default=0)),
                ('at', models.DateTimeField(help_text="The database's time when it was counted up last.")),
                ('pruned_before', models.DateTimeField(blank=True, help_text='Sessions that ended before that have been deleted.', null=True)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='mark_is_one_row')],
            },
        ),
    ]
