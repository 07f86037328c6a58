"""The suite's reader of mail files."""

from django.core.mail.backends.filebased import EmailBackend
from django.core.mail.message import EmailMultiAlternatives

from tests.mail_files import body, mails_in


def write(folder, subject: str, file: str) -> None:
    backend = EmailBackend(file_path=folder)
    backend._fname = str(folder / file)
    mail = EmailMultiAlternatives(subject, f"The text of {subject}.", None, ["ann@example.org"])
    mail.attach_alternative(f"<p>{subject}", "text/html")
    backend.send_messages([mail])


def test_two_mails_of_one_second_may_be_in_one_file(tmp_path):
    write(tmp_path, "first", "a.log")
    write(tmp_path, "second", "a.log")
    assert [mail["Subject"] for mail in mails_in(tmp_path)] == ["second", "first"]
    assert [body(mail).strip() for mail in mails_in(tmp_path)] == ["The text of second.", "The text of first."]
    assert body(mails_in(tmp_path)[0], "html").strip() == "<p>second"


def test_a_mail_that_is_not_yet_completely_written_is_left_out(tmp_path):
    write(tmp_path, "first", "a.log")
    file = tmp_path / "a.log"
    file.write_bytes(file.read_bytes()[:-10])
    assert mails_in(tmp_path) == []
