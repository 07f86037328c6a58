"""Send a mail that is ready. This is a job of its own, which is tried again until the mail server takes the mail."""

import logging
from datetime import timedelta
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused, SMTPResponseException

from django.core.mail import EmailMultiAlternatives

from sessions.jobs.deferring import Queue, job
from sessions.jobs.doing import TryAgain, Unreachable
from users.reset_codes import LIFETIME

logger = logging.getLogger("zapauth.mail")

# For how long a mail is tried again. A mail with a code is tried until the code expires.
NEWS = timedelta(days=3)
_PERMANENT = 500  # RFC 5321 §4.2.1: from this code on, the mail server will never take the mail


@job("send_code", lifetime=LIFETIME, queue=Queue.MAIL, is_urgent=True)
def send_code(address: str, subject: str, text: str, html: str) -> None:
    """Send a mail with a code. Raises: TryAgain, Unreachable."""
    _send(address, subject, text, html)


@job("send_news", lifetime=NEWS, queue=Queue.MAIL)
def send_news(address: str, subject: str, text: str, html: str) -> None:
    """Send any other mail. Raises: TryAgain, Unreachable."""
    _send(address, subject, text, html)


def _send(address: str, subject: str, text: str, html: str) -> None:
    # A control character, in quotes (RFC 5322 §3.2.4), could end the header. The mail server is not to blame, so its
    # queue goes on.
    if not address.isprintable():
        logger.error("a mail is given up: its address has control characters")
        return
    # RFC 3834: no program answers such a mail, for example with a notice of absence.
    mail = EmailMultiAlternatives(subject, text, None, [address], headers={"Auto-Submitted": "auto-generated"})
    mail.attach_alternative(html, "text/html")
    try:
        mail.send()
    except SMTPRecipientsRefused as error:
        _refused(max(code for code, _ in error.recipients.values()), error)
    except SMTPDataError as error:
        _refused(error.smtp_code, error)
    except SMTPResponseException as error:
        raise Unreachable(f"the mail server refuses us ({type(error).__name__} {error.smtp_code})") from error
    except (SMTPException, OSError) as error:
        raise Unreachable(f"the mail server can't be reached ({type(error).__name__})") from error


def _refused(code: int, error: SMTPException) -> None:
    """Handle the refusal of one mail. Log only its code, because its text may quote an address. Raises: TryAgain."""
    if code < _PERMANENT:
        raise TryAgain(f"the mail server does not take it now ({code})") from error
    logger.error("the mail server refused a mail for good (%d)", code)
