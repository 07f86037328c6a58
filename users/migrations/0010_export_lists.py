from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0005_lists'),
        ('users', '0008_account_app'),
        ('users', '0009_one_use_links'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='user',
            options={'permissions': [('export_lists', 'Can export the lists of the admin')]},
        ),
    ]
