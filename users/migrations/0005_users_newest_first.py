from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0004_throttles'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='user',
            index=models.Index(models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at', None)), name='user_newest'),
        ),
    ]
