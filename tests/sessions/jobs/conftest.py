import pytest

from tests.smtp import mail_server


@pytest.fixture
def smtp(settings):
    """A mail server to which this process sends its mails."""
    with mail_server() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", server.port, 5
        yield server
