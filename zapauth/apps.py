from django.apps import AppConfig
from django.contrib.admin import apps


class ZapAuthConfig(AppConfig):
    """The project, for the templates and static files of its own."""

    name = "zapauth"

    def ready(self) -> None:
        from zapauth import database_log, production  # noqa: F401  # they register checks


class AdminConfig(apps.AdminConfig):
    default_site = "sessions.admin_site.SessionsAdminSite"
