from django.db import migrations, models

import users.models

HELP = 'Sessions opened at or before this instant are refused: an order about a past instant.'


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0007_device_token_indexes'),
    ]

    operations = [
        *(
            migrations.AddField(model_name=model, name='session_epoch', field=users.models.SessionEpochField())
            for model in ('app', 'user')
        ),
        *(
            migrations.AlterField(
                model_name=model,
                name='sessions_valid_after',
                field=models.DateTimeField(blank=True, help_text=HELP, null=True),
            )
            for model in ('app', 'user')
        ),
    ]
