"""The mails that a server wrote with Django's `filebased` backend."""

import email
from email import policy
from email.message import EmailMessage
from pathlib import Path

# The backend writes this line after each mail. A file can have several mails: its name is made of the second and of
# the address in memory of an object, which may be that of an earlier object.
_END = b"\n" + b"-" * 79 + b"\n"


def mails_in(folder: Path) -> list[EmailMessage]:
    """Return the completely written mails, the newest file's first."""
    files = sorted(folder.iterdir(), key=lambda each: each.stat().st_mtime_ns, reverse=True)
    # The text behind the last such line is not yet a whole mail.
    texts = [text for file in files for text in reversed(file.read_bytes().split(_END)[:-1])]
    return [email.message_from_bytes(text, policy=policy.default) for text in texts]


def body(mail: EmailMessage, kind: str = "plain") -> str:
    """Return the mail's text, or its HTML with ``kind="html"``. Empty: it has none."""
    part = mail.get_body([kind])
    return part.get_content() if part else ""


def forget(folder: Path) -> None:
    """Delete the mails."""
    for file in folder.iterdir():
        file.unlink()
