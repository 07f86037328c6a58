from django.apps import AppConfig
from django.contrib.admin import apps


class ZapAuthConfig(AppConfig):
    """The project as a Django app, which has templates, static files and checks."""

    name = "zapauth"

    def ready(self) -> None:
        from zapauth import database_log, production  # noqa: F401  # registers the checks
        from zapauth.metrics import counting

        counting.begin()  # only in a worker: the main process begins later, when it has made the folder


class AdminConfig(apps.AdminConfig):
    default_site = "sessions.admin_site.SessionsAdminSite"
