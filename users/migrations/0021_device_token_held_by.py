from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0020_app_kind'),
    ]

    operations = [
        migrations.AddField(
            model_name='devicetoken',
            name='held_by',
            field=models.UUIDField(editable=False, null=True),
        ),
    ]
