import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0017_sealed_device_tokens'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='new_email',
            field=models.EmailField(blank=True, editable=False, help_text='Takes the place of the email when it is verified; until then it opens nothing.', max_length=320, null=True),
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(django.db.models.functions.text.Upper('new_email'), condition=models.Q(('new_email__isnull', False)), name='user_new_email'),
        ),
    ]
