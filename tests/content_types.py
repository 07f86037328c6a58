"""Keep the ids of content types, though tests with real servers empty all tables.

Django would give its models new ids, but the servers remember the ids that they saw first. The admin's log and
permissions refer to them.
"""

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.contenttypes.models import ContentType

_first: dict[tuple[str, str], int] = {}


def keep_numbers() -> None:
    """Give every content type, and its permissions, the id that it had at the first call."""
    now = {(kind.app_label, kind.model): kind.pk for kind in ContentType.objects.all()}
    if not _first:
        _first.update(now)
    if now == _first:
        return
    ContentType.objects.all().delete()
    ContentType.objects.bulk_create(ContentType(pk, *names) for names, pk in _first.items())
    ContentType.objects.clear_cache()
    for config in apps.get_app_configs():
        create_permissions(config, verbosity=0)
