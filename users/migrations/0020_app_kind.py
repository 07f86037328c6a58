from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0019_code_purpose'),
    ]

    operations = [
        migrations.AddField(
            model_name='app',
            name='kind',
            field=models.CharField(choices=[('client', 'client, by tokens'), ('admin', 'the admin, by a cookie')], db_default='client', default='client', editable=False, max_length=10),
        ),
        migrations.AddConstraint(
            model_name='app',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'admin')), fields=('kind',), name='app_one_admin'),
        ),
    ]
