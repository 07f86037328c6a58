"""A thief with a cookie of the admin needs the password to change an email or a permission."""

from datetime import timedelta

import pytest

from tests.phones import PASSWORD
from tests.sessions.staff import browser_of, new_staff, open_form, user_url
from users.models import User

SECOND = timedelta(seconds=1)


@pytest.fixture
def boss(db, clock):
    return browser_of(new_staff())


@pytest.fixture
def ann(db, clock):
    return User.objects.create_user("ann", PASSWORD, email="ann@example.org")


GUARDED = {"username": "other", "email": "thief@example.org", "phone_number": "+49151", "is_superuser": "on"}


def save(browser, user, **fields):
    return browser.post(user_url(user.pk), open_form(browser, user_url(user.pk)) | fields)


def stored(user):
    return User.objects.values("username", "email", "new_email", "phone_number", "is_superuser", "name").get(pk=user.pk)


@pytest.mark.parametrize("field", GUARDED)
def test_what_identifies_a_user_or_gives_power_needs_a_recent_password(boss, ann, clock, settings, field):
    before = stored(ann)
    clock.shift(settings.REAUTHENTICATION_WINDOW + SECOND)
    page = save(boss, ann, **{field: GUARDED[field]})
    assert page.status_code == 200
    assert "Type your password to change this" in page.content.decode()
    assert stored(ann) == before
    page = save(boss, ann, **{field: GUARDED[field]}, your_password="wrong-pass-1")
    assert "This is not your password." in page.content.decode()
    assert stored(ann) == before
    assert save(boss, ann, **{field: GUARDED[field]}, your_password=PASSWORD).status_code == 302
    assert stored(ann) != before


def test_within_the_window_no_password_is_asked_for(boss, ann, clock, settings):
    clock.shift(settings.REAUTHENTICATION_WINDOW)
    assert "your_password" not in boss.get(user_url(ann.pk)).content.decode()
    assert save(boss, ann, username="other").status_code == 302
    assert stored(ann)["username"] == "other"


def test_other_fields_never_need_it(boss, ann, clock, settings):
    clock.shift(settings.REAUTHENTICATION_WINDOW + SECOND)
    assert save(boss, ann, name="Ann").status_code == 302
    assert stored(ann)["name"] == "Ann"


def test_guesses_are_counted_as_log_ins_are(boss, ann, clock, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (2, 600), "login_known": (2, 600)}
    clock.shift(settings.REAUTHENTICATION_WINDOW + SECOND)
    for _ in range(2):
        save(boss, ann, username="other", your_password="wrong-pass-1")
    page = save(boss, ann, username="other", your_password=PASSWORD)
    assert "Too many attempts" in page.content.decode()
    assert stored(ann)["username"] == "ann"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "an\u202en"),
        ("email", '"a\x0bb"@example.org'),
        ("phone_number", "+49\u200b151"),
        ("name", "Ann\x1bLee"),
        ("first_name", "An\u2028n"),
        ("last_name", "L\x7fee"),
    ],
)
def test_a_character_that_nobody_sees_is_refused(boss, ann, field, value):
    before = stored(ann)
    page = save(boss, ann, **{field: value})
    assert page.context["adminform"].form.errors.keys() == {field}
    assert "Leave out characters that can&#x27;t be seen" in page.content.decode()
    assert stored(ann) == before


def test_above_a_refused_form_the_page_shows_what_is_stored(boss, ann, clock, settings):
    clock.shift(settings.REAUTHENTICATION_WINDOW + SECOND)
    form = open_form(boss, user_url(ann.pk)) | {"username": "other"}
    del form["is_active"]
    page = boss.post(user_url(ann.pk), form).content.decode()
    assert "Type your password to change this" in page
    assert '<h2 id="account">ann</h2>' in page
    assert ">enabled</span>" in page
    assert "Disable account" in page
    assert "Enable account" not in page
    assert 'name="username" value="other"' in page  # nothing typed is lost


def test_a_cleared_email_is_gone(boss, ann):
    assert save(boss, ann, email="").status_code == 302
    assert stored(ann)["email"] is None


def test_powers_can_be_taken_from_somebody_whose_names_would_be_refused_now(boss, ann):
    odd = {"username": "an\u200bn", "name": "Ann\u202e Lee", "phone_number": "+49\u2060151"}
    User.objects.filter(pk=ann.pk).update(**odd, is_superuser=True)
    assert save(boss, ann, is_superuser="").status_code == 302
    assert stored(ann).items() >= (odd | {"is_superuser": False}).items()
    page = save(boss, ann, name="Ann\u202e Lea", tag="new")
    assert "can&#x27;t be seen" in page.content.decode()
    assert stored(ann).items() >= odd.items()
