"""Make permissions, and give them to groups of staff, in migrations. So what it does must not change."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.management import create_permissions


def make_permissions(apps: Any, using: str, label: str) -> None:
    """Make the permissions of the app ``label``. Django makes them after all migrations, so they don't exist yet."""
    config = apps.get_app_config(label)
    config.models_module = True  # without it Django skips the app, as one without models
    create_permissions(config, verbosity=0, using=using, apps=apps)
    config.models_module = None


def give(permission: str, *groups: str) -> Callable[[Any, Any], None]:
    """Return the function of a migration that gives ``permission``, such as `users.export_lists`, to those groups.

    A group that was deleted stays so.
    """
    label, codename = permission.split(".")

    def forwards(apps: Any, schema_editor: Any) -> None:
        using = schema_editor.connection.alias
        make_permissions(apps, using, label)
        Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")  # noqa: N806
        found = Permission.objects.using(using).get(content_type__app_label=label, codename=codename)
        for group in Group.objects.using(using).filter(name__in=groups):
            group.permissions.add(found)

    return forwards
