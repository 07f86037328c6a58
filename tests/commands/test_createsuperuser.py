"""`manage.py createsuperuser`: like Django's own, but with a clear error if a name or an email is taken."""

import pytest
from django.core.management import CommandError, call_command

from tests.commands.terminal import at_a_terminal, manage
from users.models import User

PASSWORD = "correct-horse-1"


def create(arguments=""):
    return manage(f"createsuperuser --noinput {arguments}")


def stored():
    user = User.objects.get(is_superuser=True)
    return user.username, user.email, user.is_staff


def test_a_superuser_is_created_with_a_user_name_and_an_email(db):
    done = create("--username boss --email boss@example.org")
    assert (done.code, done.out) == (0, "Superuser created successfully.\n")
    assert stored() == ("boss", "boss@example.org", True)


@pytest.mark.parametrize("email", ["", "--email ''"])
def test_the_email_may_be_left_out_or_empty(db, email):
    User.objects.create_user("other")  # this user has no email either
    assert create(f"--username boss {email}").code == 0
    assert stored() == ("boss", None, True)


def test_user_name_email_and_password_may_be_in_the_environment(db, monkeypatch):
    for name, value in {"USERNAME": "boss", "EMAIL": "boss@example.org", "PASSWORD": PASSWORD}.items():
        monkeypatch.setenv(f"DJANGO_SUPERUSER_{name}", value)
    assert create().code == 0
    assert stored() == ("boss", "boss@example.org", True)
    assert User.objects.get().check_password(PASSWORD)


def test_an_option_goes_over_the_environment(db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_EMAIL", "other@example.org")
    assert create("--username boss --email boss@example.org").code == 0
    assert stored() == ("boss", "boss@example.org", True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--username BOSS", "That username is already taken."),
        ("--username other --email Boss@Example.org", "That email is already taken."),
        ("--username other --email boss", "Enter a valid email address."),
        ("--username ''", "Username cannot be blank."),
        (f"--username {'x' * 151}", "at most 150 characters"),
        ("--username 'bo\x1bss'", "Leave out characters that can't be seen"),
        ("""--username other --email '"a\x0bb"@example.org'""", "Leave out characters that can't be seen"),
        ("", "You must use --username with --noinput."),
    ],
)
def test_what_is_taken_or_not_valid_is_one_sentence_and_creates_nobody(db, arguments, sentence):
    User.objects.create_user("boss", email="boss@example.org")
    done = create(arguments)
    assert (done.code, done.out) == (1, "")
    assert sentence in done.err
    assert len(done.err.splitlines()) == 1
    assert not User.objects.filter(is_superuser=True).exists()


def test_an_email_in_the_environment_that_is_taken_is_a_sentence_too(db, monkeypatch):
    User.objects.create_user("other", email="boss@example.org")
    monkeypatch.setenv("DJANGO_SUPERUSER_EMAIL", "boss@example.org")
    assert "That email is already taken." in create("--username boss").err


def test_a_name_that_is_taken_while_the_command_runs_is_a_sentence_too(db, monkeypatch):
    from sessions.management.commands import createsuperuser

    monkeypatch.setattr(createsuperuser, "_is_taken", lambda _: False)
    User.objects.create_user("other", email="boss@example.org")
    with pytest.raises(CommandError, match="was taken a moment ago"):
        call_command("createsuperuser", username="boss", email="boss@example.org", interactive=False)


def test_the_name_and_email_of_a_deleted_user_are_free(db):
    gone = User.objects.create_user("boss", email="boss@example.org")
    User.objects.filter(pk=gone.pk).update(deleted_at=gone.created_at)
    assert create("--username boss --email boss@example.org").code == 0


@pytest.mark.parametrize("email", ["", "boss@example.org"])
def test_at_a_terminal_the_email_is_asked_for_and_may_be_left_empty(transactional_db, email):
    User.objects.create_user("other", email="other@example.org")
    with at_a_terminal("createsuperuser") as terminal:
        terminal.read_until("Username")
        terminal.type("OTHER\n")
        terminal.read_until("That username is already taken.")
        terminal.type("boss\n")
        terminal.read_until("Email: ")
        terminal.type("Other@example.org\n")
        terminal.read_until("That email is already taken.")
        terminal.type(f"{email}\n")
        for question in ("Password: ", "Password (again): "):
            terminal.read_until(question)
            terminal.type(f"{PASSWORD}\n")
        assert terminal.finish() == 0, terminal.screen
    assert stored() == ("boss", email or None, True)
    assert User.objects.get(username="boss").check_password(PASSWORD)


def test_a_poor_password_of_the_environment_is_refused(db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "password1")
    with pytest.raises(CommandError, match="too common"):
        call_command("createsuperuser", username="boss", email="boss@example.org", interactive=False)
    assert not User.objects.exists()
