#!/usr/bin/env python
"""Django's command line, on the embedded PostgreSQL unless DATABASE_URL names another."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zapauth.settings")

    import django
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from users.database_use import Use, set_use
    from zapauth.local.embedded_postgres import EmbeddedPostgresError, running
    from zapauth.migrating import migrate_patiently
    from zapauth.quick_start import without_garbage_collection

    is_migration = sys.argv[1:2] == ["migrate"] and not {"--help", "-h", "--plan", "--check"} & set(sys.argv)
    set_use(Use.MIGRATION if is_migration else Use.COMMAND)
    try:
        with without_garbage_collection():
            django.setup()
        with running():
            if is_migration:
                migrate_patiently(lambda: execute_from_command_line(sys.argv), is_needless=lambda: False)
            else:
                execute_from_command_line(sys.argv)
    except (EmbeddedPostgresError, ImproperlyConfigured) as error:
        sys.exit(f"zapauth: {error}")


if __name__ == "__main__":
    main()
