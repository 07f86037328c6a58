from django.contrib.auth.management import create_permissions
from django.db import migrations

GROUPS = ('Operators',)


def may_export_lists(apps, schema_editor):
    """Let Operators export lists. A group that was deleted stays so."""
    using = schema_editor.connection.alias
    # Django makes the permissions after all migrations, so this one does not exist yet.
    config = apps.get_app_config('users')
    config.models_module = True  # without it Django skips the app, as one without models
    create_permissions(config, verbosity=0, using=using, apps=apps)
    config.models_module = None
    Group, Permission = apps.get_model('auth', 'Group'), apps.get_model('auth', 'Permission')
    permission = Permission.objects.using(using).get(content_type__app_label='users', codename='export_lists')
    for group in Group.objects.using(using).filter(name__in=GROUPS):
        group.permissions.add(permission)


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0006_runs'),
        ('users', '0011_export_lists'),
    ]

    operations = [
        # To undo it, nothing is needed. Django removes no permission.
        migrations.RunPython(may_export_lists, migrations.RunPython.noop),
    ]
