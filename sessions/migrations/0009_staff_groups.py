from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEW = [
    ('users', 'view_user'),
    ('users', 'view_app'),
    ('users', 'view_device'),
    ('users', 'view_devicetoken'),
    ('users', 'view_refusedlogin'),
    ('user_sessions', 'view_session'),
    ('user_sessions', 'view_bulkrun'),
]
GROUPS = {
    'Support': [*VIEW, ('user_sessions', 'end_session')],
    'Operators': [
        *VIEW,
        ('user_sessions', 'end_session'),
        ('user_sessions', 'end_all_sessions'),
        ('users', 'change_user'),
    ],
}


def make_groups(apps, schema_editor):
    """A group of that name that is there already gets what it lacks."""
    using = schema_editor.connection.alias
    # Django makes them after all migrations: on a new database there are none yet.
    for label in ('users', 'user_sessions'):
        config = apps.get_app_config(label)
        config.models_module = True  # or it would be taken for an app without models
        create_permissions(config, verbosity=0, using=using, apps=apps)
        config.models_module = None
    Group, Permission = apps.get_model('auth', 'Group'), apps.get_model('auth', 'Permission')
    for name, permissions in GROUPS.items():
        group, _ = Group.objects.using(using).get_or_create(name=name)
        for app_label, codename in permissions:
            found = Permission.objects.using(using).get(content_type__app_label=app_label, codename=codename)
            group.permissions.add(found)


class Migration(migrations.Migration):

    dependencies = [
        ('user_sessions', '0008_figures'),
        ('users', '0006_refused_logins'),
        ('auth', '0012_alter_user_first_name_max_length'),
        ('contenttypes', '0002_remove_content_type_name'),
    ]

    operations = [
        # Groups that people are in are not taken away by going back.
        migrations.RunPython(make_groups, migrations.RunPython.noop),
    ]
