from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0004_more_end_reasons'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='session',
            index=models.Index(models.F('user'), models.OrderBy(models.F('created_at'), descending=True), name='session_of_user'),
        ),
    ]
