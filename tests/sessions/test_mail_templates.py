"""The operator's own templates of mails: MAIL_TEMPLATES."""

import logging

import pytest
from django.core import mail
from django.core.checks import run_checks

from sessions.mail import _send, mail_invitation, mail_reset_code
from sessions.mail_samples import render_samples
from sessions.mail_templates import OURS, colors, render
from tests.environment import ROOT
from users.models import User

CODE = "3f9a 1c07 b2e4"


@pytest.fixture
def folder(tmp_path, settings):
    settings.MAIL_TEMPLATES = tmp_path
    return tmp_path


@pytest.fixture
def sent(db, mailoutbox):
    def sent():
        mail_reset_code(User(email="ann@example.org"), CODE)
        message = mail.outbox[-1]
        return message.subject, message.body, message.alternatives[0][0]

    return sent


def test_a_file_replaces_ours_and_the_rest_stays(folder, sent):
    (folder / "reset_code.txt").write_text("Hallo, der Code für {{ service }} & Co.: {{ code }} ({{ minutes }} min)\n")
    subject, text, html = sent()
    assert subject == "Your ZapAuth reset code"
    assert text == f"Hallo, der Code für ZapAuth & Co.: {CODE} (10 min)\n"
    assert "enter this code" in html


def test_our_html_extends_the_operators_base(folder, sent):
    (folder / "base.html").write_text("<h1>Own look</h1>{% block content %}{% endblock %}")
    _, _, html = sent()
    assert html.startswith("<h1>Own look</h1>")
    assert CODE in html


def test_an_operators_template_can_extend_ours_and_is_read_anew(folder, sent):
    file = folder / "reset_code.html"
    for words in ("Guten Tag", "Bonjour"):
        file.write_text('{% extends "base.html" %}{% block content %}' + words + " {{ code }}{% endblock %}")
        _, _, html = sent()
        assert words in html
        assert "prefers-color-scheme: dark" in html


def test_an_operators_template_can_extend_ours_of_the_same_name(folder, sent):
    (folder / "reset_code.html").write_text('{% extends "reset_code.html" %}{% block footer %}Fish Ltd{% endblock %}')
    _, _, html = sent()
    assert "Fish Ltd" in html
    assert CODE in html


def test_a_subject_can_be_replaced_and_stays_one_line(folder, sent):
    (folder / "reset_code.subject.txt").write_text("Ihr Code für {{ service }}\r\nBcc: eve@example.org\n")
    assert sent()[0] == "Ihr Code für ZapAuth Bcc: eve@example.org"


BROKEN = {
    "a syntax error": "{% if code %}{{ code }}",
    "an unknown tag": "{{ code }}{% load i18n %}{% nonsense %}",
    "a missing part": '{{ code }}{% include "not_there.html" %}',
    "an endless circle": '{{ code }}{% include "reset_code.html" %}{% include "reset_code.txt" %}',
    "no code": "Your code is on its way.",
    "nothing": " \n",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_template_loses_no_mail_and_the_log_says_why(folder, sent, caplog, text):
    for name in ("reset_code.txt", "reset_code.html"):
        (folder / name).write_text(text)
    with caplog.at_level(logging.ERROR, logger="zapauth.mail"):
        _, text, html = sent()
    assert CODE in text
    assert "Do not give the" in text
    assert CODE in html
    assert "<h1" in html
    assert "MAIL_TEMPLATES: reset_code.txt can't be used" in caplog.text
    assert CODE not in caplog.text


@pytest.mark.parametrize("content", [b"\xff\xfe{{ code }}", None], ids=["not UTF-8", "not readable"])
def test_a_file_that_cannot_be_read_loses_no_mail(folder, sent, content):
    for name in ("reset_code.txt", "base.html", "reset_code.subject.txt"):
        if content is None:
            (folder / name).symlink_to(folder / "gone")
        else:
            (folder / name).write_bytes(content)
    subject, text, html = sent()
    assert subject == "Your ZapAuth reset code"
    assert CODE in text
    assert CODE in html


def test_a_folder_that_has_gone_loses_no_mail(settings, tmp_path, sent):
    settings.MAIL_TEMPLATES = tmp_path / "gone"
    assert CODE in sent()[1]


def test_every_mail_has_text_html_and_a_sample():
    names = {file.name for file in OURS.iterdir()}
    mails = {name.removesuffix(".txt") for name in names if name.endswith(".txt")}
    assert {f"{name}.html" for name in mails} <= names
    for made in render_samples().values():
        assert "{{" not in made.text + made.html
        assert "\n\n\n" not in made.text


def test_the_documentation_names_every_template():
    page = (ROOT / "docs" / "mails.md").read_text()
    assert [file.name for file in OURS.iterdir() if f"`{file.name}`" not in page] == []


def test_a_template_that_another_part_of_the_project_adds_is_sent_by_its_name(db, folder, mailoutbox):
    (folder / "notice.txt").write_text("{{ word }} from {{ service }}")
    (folder / "notice.html").write_text("<p>{{ word }}</p>")
    _send("ann@example.org", "notice", "A notice", word="<b>")
    assert (mailoutbox[0].body, mailoutbox[0].alternatives[0][0]) == ("<b> from ZapAuth", "<p>&lt;b&gt;</p>")


# --- the check -------------------------------------------------------------------------------------


def found():
    return [(message.id, message.msg) for message in run_checks(tags=["mail"])]


def test_a_folder_of_sound_templates_passes_the_check(folder):
    for file in OURS.iterdir():
        (folder / file.name).write_text(file.read_text())
    (folder / "login.subject.txt").write_text("{{ subject }}!")
    (folder / ".gitignore").write_text("")
    assert found() == []


def test_the_check_names_each_file_that_no_mail_can_use(folder):
    (folder / "reset_code.txt").write_text("no code")
    (folder / "login.html").write_text("{% nonsense %}")
    (folder / "resetcode.txt").write_text("{{ code }}")
    messages = dict(found())
    assert list(messages) == ["user_sessions.W005"]
    texts = [text for _, text in found()]
    assert [text.split()[1] for text in texts] == ["login.html", "reset_code.txt", "resetcode.txt"]
    assert "does not show {{ code }}" in texts[1]
    assert "no template of ours" in texts[2]


@pytest.mark.parametrize("template", ["invitation", "login", "account_changed"])
@pytest.mark.parametrize("ending", ["txt", "html"])
def test_the_check_names_each_mail_that_does_not_show_its_link(folder, template, ending):
    (folder / f"{template}.{ending}").write_text("Hello from {{ service }}, for {{ days }} days")
    why = "it does not show {{ link }}"
    assert [text for _, text in found()] == [f"MAIL_TEMPLATES: {template}.{ending} can't be used: {why}."]


def test_a_mail_that_shows_its_link_only_sometimes_is_named(folder):
    (folder / "account_changed.txt").write_text("Changed. {% if still_works %}{{ link }}{% endif %}")
    assert len(found()) == 1


def test_the_check_names_a_part_that_breaks_mails_of_ours(folder):
    (folder / "_link.html").write_text("<a>A button</a>")
    ((number, text),) = found()
    assert number == "user_sessions.W005"
    assert "_link.html can't be used: with it, account_changed.html fails: it does not show {{ link }}" in text
    (folder / "_link.html").write_text("{% nonsense %}")
    assert "TemplateSyntaxError" in found()[0][1]


def test_a_mail_to_new_staff_may_do_without_a_link(folder):
    (folder / "new_staff.txt").write_text("Welcome to the staff of {{ service }}.")
    assert found() == []


def test_a_mail_without_its_link_has_our_text_instead(db, folder, settings, mailoutbox, caplog):
    settings.PUBLIC_URL = "https://auth.example.org"
    (folder / "invitation.txt").write_text("You are invited.")
    mail_invitation("ann@example.org", "x" * 43)
    assert f"https://auth.example.org/account/invitation/{'x' * 43}/" in mailoutbox[0].body
    assert "invitation.txt can't be used" in caplog.text
    assert "x" * 43 not in caplog.text


def test_a_mail_that_has_no_link_today_is_not_broken_by_that(folder, caplog):
    (folder / "account_changed.txt").write_text("Changed. {{ link }}")
    context = {"changes": [], "at": None, "still_works": True}
    assert render("account_changed", "Changed", context).text == "Changed. "
    assert not caplog.text


def test_a_folder_that_is_none_stops_the_server(settings, tmp_path):
    settings.MAIL_TEMPLATES = tmp_path / "gone"
    ((number, _),) = found()
    assert number == "user_sessions.E005"


# --- colors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("color", "on_it"),
    [
        ("#155dfc", "#ffffff"),
        ("#ffd400", "#000000"),
        ("#000000", "#ffffff"),
        ("#ffffff", "#000000"),
    ],
)
def test_the_button_has_the_services_color_and_a_text_that_can_be_read_on_it(settings, color, on_it):
    settings.SERVICE_COLOR = color
    assert colors() == {"color": color, "on_color": on_it}
    html = render_samples()["login"].html
    assert f'bgcolor="{color}"' in html
    assert f"color:{on_it}; text-decoration:none" in html
