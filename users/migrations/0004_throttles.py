from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0003_reset_codes'),
    ]

    operations = [
        migrations.CreateModel(
            name='Throttle',
            fields=[
                ('key', models.CharField(help_text='Digest of what is limited and for whom: no name or address is kept.', max_length=64, primary_key=True, serialize=False)),
                ('count', models.PositiveIntegerField()),
                ('resets_at', models.DateTimeField()),
            ],
        ),
    ]
