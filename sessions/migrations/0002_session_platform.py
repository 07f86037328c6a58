from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0001_initial'),
        ('users', '0005_users_newest_first'),
    ]

    operations = [
        migrations.AddField(
            model_name='session',
            name='platform',
            field=models.CharField(blank=True, help_text="The device's; without one, what the user agent says.", max_length=100),
        ),
    ]
