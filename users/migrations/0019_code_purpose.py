from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0018_new_email'),
    ]

    operations = [
        migrations.AlterField(
            model_name='onetimecode',
            name='purpose',
            field=models.CharField(choices=[('reset', 'choose a new password'), ('email', 'verify an email')], max_length=20),
        ),
    ]
