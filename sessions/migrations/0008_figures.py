from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0007_indexes_for_search'),
    ]

    operations = [
        migrations.CreateModel(
            name='Figure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('live', 'live sessions of an app on a platform, at the moment of the count'), ('opened', 'sessions opened that day'), ('ended', 'sessions ended that day for a reason')], max_length=10)),
                ('day', models.DateField()),
                ('app_id', models.CharField(blank=True, max_length=24)),
                ('label', models.CharField(blank=True, help_text='The platform, or the reason.', max_length=100)),
                ('count', models.PositiveBigIntegerField()),
                ('counted_at', models.DateTimeField()),
            ],
        ),
        migrations.AddConstraint(
            model_name='figure',
            constraint=models.UniqueConstraint(fields=('kind', 'day', 'app_id', 'label'), name='figure_once'),
        ),
    ]
