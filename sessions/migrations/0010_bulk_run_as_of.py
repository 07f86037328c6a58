from django.db import migrations, models
from django.db.models import F
from django.utils import timezone


def fill(apps, schema_editor):
    """Runs there are already were given once."""
    apps.get_model("user_sessions", "BulkRun").objects.update(as_of=F("started_at"))


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0009_staff_groups'),
    ]

    operations = [
        migrations.AddField(
            model_name='bulkrun',
            name='as_of',
            field=models.DateTimeField(default=timezone.now, help_text='When it was given last. Sessions opened later are not meant.'),
            preserve_default=False,
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='bulkrun',
            name='started_at',
            field=models.DateTimeField(help_text='When the order was given first.'),
        ),
        migrations.AlterField(
            model_name='bulkrun',
            name='expected',
            field=models.PositiveIntegerField(help_text='How many live sessions it was to end when it was given.'),
        ),
    ]
