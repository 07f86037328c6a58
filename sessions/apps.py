from django.apps import AppConfig


class SessionsConfig(AppConfig):
    name = "sessions"
    # `sessions` is the label of django.contrib.sessions. Tables, permissions and URLs contain ours: never change it.
    label = "user_sessions"
    verbose_name = "User sessions"

    def ready(self) -> None:
        from sessions import checks  # noqa: F401  # registers them
