"""The list of staff, and invitations by mail: who may invite whom, and what a link does."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.core import mail
from django.test import Client
from django.urls import reverse

from sessions import invitations
from sessions.accounts import change_in_admin
from sessions.invitations import CannotInvite, Invitation, find_invited, invite, is_pending
from sessions.models import Session
from tests.phones import PASSWORD
from tests.second_factor import give_factor
from tests.sessions.staff import browser_of, is_in, log_in, new_staff, told
from tests.threads import other_threads
from users.clock import database_now
from users.errors import IdentityTaken, LinkInvalid, NotYours
from users.models import OneTimeCode, OneUseLink, SecurityEvent, User
from users.one_use_links import LIFETIME
from users.origin import Origin
from users.record.events import Event

STAFF, INVITE, CONFIRM = "/admin/staff/", "/admin/staff/invite/", "/admin/staff/invite/confirm/"
NEW = "quite-new-horse-7"
OFFICE = Origin(ip="192.0.2.9")
LONG_WHEN_STORED = "\ufdfa" * 20  # each one is stored as 18 letters (NFKC)


@pytest.fixture(autouse=True)
def _public(settings):
    settings.PUBLIC_URL = "https://auth.example.org"


@pytest.fixture
def boss(db):
    return new_staff(name="boss")


@pytest.fixture
def superuser(boss):
    return browser_of(boss)


@pytest.fixture
def commit(django_capture_on_commit_callbacks):
    return lambda: django_capture_on_commit_callbacks(execute=True)


def group(name="Support"):
    return Group.objects.get(name=name)


def form(**changed):
    return {"email": "Nina@Example.org", "name": "Nina", "role": "groups", "groups": [group().pk]} | changed


def ask(browser, **changed):
    """Send the form of the first page. Returns the page that answers."""
    return browser.post(INVITE, form(**changed))


def press(browser, page, **more):
    """Press the button of the page that asks for confirmation."""
    return browser.post(CONFIRM, {"token": page.context["token"], **more}, follow=True)


def invited(commit, browser, **changed):
    """Invite somebody by the two pages, and return the user and the path of the link in the mail."""
    with commit():
        press(browser, ask(browser, **changed))
    return User.objects.latest("created_at"), link_in(mail.outbox[-1])


def link_in(message):
    return re.search(r"https://auth\.example\.org(/account/invitation/\S+)", message.body)[1]


def accepted(path, username="nina", password=NEW, again=None):
    return Client().post(path, {"username": username, "password": password, "again": again or password})


# --- the list ------------------------------------------------------------------------------------


def test_the_list_tells_role_factor_last_log_in_and_live_sessions(superuser, boss):
    sven, olga = new_staff("Support", name="sven"), new_staff("Operators", name="olga")
    User.objects.create_user("ann")
    give_factor(olga.pk)
    browser_of(sven)
    browser_of(sven)
    User.objects.filter(pk=olga.pk).update(is_active=False)
    members = {member.user.username: member for member in superuser.get(STAFF).context["members"]}
    assert list(members) == ["boss", "olga", "sven"]
    assert [member.role for member in members.values()] == ["superuser", "Operators", "Support"]
    assert [member.has_factor for member in members.values()] == [False, True, False]
    assert [member.state for member in members.values()] == ["enabled", "disabled", "enabled"]
    assert [member.live_sessions for member in members.values()] == [1, 0, 2]
    assert members["olga"].last_log_in is None
    assert members["sven"].last_log_in == Session.objects.filter(user=sven).latest("created_at").created_at
    text = superuser.get(STAFF).content.decode()
    assert reverse("admin:users_user_change", args=[sven.pk]) in text
    assert reverse("admin:users_user_disable", args=[sven.pk]) in text


def test_support_sees_the_list_without_acts_on_staff_and_can_not_invite(db):
    sven = new_staff("Support", name="sven")
    new_staff(name="boss")
    browser = browser_of(sven)
    text = browser.get(STAFF).content.decode()
    assert "boss" in text
    assert INVITE not in text
    assert "/disable/" not in text
    assert STAFF in browser.get("/admin/").content.decode()


@pytest.mark.parametrize("name", ["Support", "Operators"])
def test_only_superusers_invite(commit, superuser, name):
    user, path = invited(commit, superuser)
    token = ask(superuser, email="other@example.org").context["token"]
    other = browser_of(new_staff(name, name="other"))
    assert other.get(INVITE).status_code == 403
    assert ask(other).status_code == 403
    assert ask(other, role="superuser").status_code == 403
    assert other.post(CONFIRM, {"token": token}).status_code == 403
    for act in ("send_again", "withdraw"):
        url = reverse(f"admin:staff_{act}", args=[user.pk])
        assert (other.get(url).status_code, other.post(url).status_code) == (403, 403)
    assert not User.objects.filter(email="other@example.org").exists()
    assert Client().get(path).status_code == 200


def test_a_member_of_staff_without_permissions_and_strangers_do_not_see_the_list(db):
    nobody = User.objects.create_user("nobody", PASSWORD, is_staff=True)
    assert browser_of(nobody).get(STAFF).status_code == 403
    assert Client().get(STAFF).status_code == 302


def test_the_core_refuses_an_invitation_by_an_operator(db):
    olga = new_staff("Operators", name="olga")
    with pytest.raises(NotYours):
        invite(Invitation("x@example.org", is_superuser=True), actor=olga, origin=OFFICE)
    assert not User.objects.filter(email="x@example.org").exists()


# --- inviting ------------------------------------------------------------------------------------


def test_the_first_page_invites_nobody(superuser):
    page = ask(superuser)
    assert "Nina@Example.org" in page.content.decode()
    assert "Support" in page.content.decode()
    assert not User.objects.filter(email__iexact="nina@example.org").exists()
    assert not mail.outbox


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", '"a\x0bb"@example.org'),
        ("email", "nina@ex\u202eample.org"),
        ("name", "Ni\x1bna"),
        ("username", "ni\u200bna"),
    ],
)
def test_a_character_that_nobody_sees_invites_nobody(superuser, field, value):
    page = ask(superuser, **{field: value})
    assert "Leave out characters that can&#x27;t be seen" in page.content.decode()
    assert "token" not in page.context


def test_an_invited_person_chooses_no_name_with_characters_that_nobody_sees(superuser, commit):
    user, path = invited(commit, superuser)
    page = accepted(path, "ni\u200bna")
    assert "Leave out characters that can&#x27;t be seen" in page.content.decode()
    assert is_pending(user)


def test_an_invitation_makes_an_account_that_nobody_can_log_in_to_yet_and_mails_a_link(superuser, boss, commit):
    user, path = invited(commit, superuser, note="New colleague")
    assert (user.email, user.name, user.is_staff, user.is_superuser) == ("Nina@Example.org", "Nina", True, False)
    assert not user.has_usable_password()
    assert [each.name for each in user.groups.all()] == ["Support"]
    (message,) = mail.outbox
    assert message.to == ["Nina@Example.org"]
    assert "invited to the staff" in message.subject
    assert "Nina" not in message.body.replace("Nina@Example.org", "")
    events = SecurityEvent.objects.filter(user=user).order_by("pk")
    assert [entry.event for entry in events] == ["user_created", "rights_changed", "groups_changed", "invited"]
    assert {entry.actor for entry in events} == {boss}
    assert events.last().details["email"] == "N***@Example.org"
    assert path.split("/")[-2] not in str(list(events.values()))
    (member,) = [each for each in superuser.get(STAFF).context["members"] if each.user == user]
    assert (member.state, member.acts) == ("invited", {"invite"})
    assert member.invited_until - database_now() > LIFETIME - timedelta(minutes=5)


def test_the_link_sets_user_name_and_password_and_the_person_logs_in(superuser, commit):
    user, path = invited(commit, superuser)
    before = OneUseLink.objects.count()
    stranger = Client()
    assert stranger.get(path).status_code == 200
    assert OneUseLink.objects.count() == before
    answer = accepted(path, "nina.n")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/login/")
    assert answer.headers["Referrer-Policy"] == "strict-origin"
    user.refresh_from_db()
    assert (user.username, user.email_verified) == ("nina.n", True)
    events = [entry.event for entry in SecurityEvent.objects.filter(user=user, actor=user).order_by("pk")]
    assert sorted(events) == ["email_verified", "invitation_accepted", "username_changed"]
    nina = Client()
    log_in(nina, user, NEW)
    assert is_in(nina)
    assert nina.get("/admin/users/user/").status_code == 200


def test_a_used_link_does_not_work_again(superuser, commit):
    user, path = invited(commit, superuser)
    accepted(path)
    page = Client().get(path)
    assert page.status_code == 404
    assert "does not work any more" in page.content.decode()
    assert accepted(path, password="another-horse-9").status_code == 404
    user.refresh_from_db()
    assert user.check_password(NEW)


def test_a_link_dies_after_seven_days_and_the_list_says_so(superuser, commit):
    with time_machine.travel(database_now(), tick=False) as clock:
        user, path = invited(commit, superuser)
        clock.shift(LIFETIME - timedelta(seconds=1))
        assert Client().get(path).status_code == 200
        clock.shift(2)
        assert Client().get(path).status_code == 404
        assert accepted(path).status_code == 404
        boss = browser_of(User.objects.get(username="boss"))
        (member,) = [each for each in boss.get(STAFF).context["members"] if each.user == user]
        assert member.state == "invitation expired"


def test_a_person_who_is_invited_gets_no_reset_code_so_an_expired_invitation_stays_expired(superuser, commit):
    user, _ = invited(commit, superuser)
    for _ in range(2):
        with commit():
            assert Client().post("/account/forgotten/", {"identity": user.email}).status_code == 302
        OneUseLink.objects.update(expires_at=database_now())
    assert len(mail.outbox) == 1
    assert not OneTimeCode.objects.exists()
    assert SecurityEvent.objects.filter(event=Event.RESET_ASKED, user=user, details={"mailed": False}).count() == 2


def test_a_change_of_a_person_who_is_invited_mails_no_link_that_would_undo_the_invitation(superuser, commit):
    user, path = invited(commit, superuser)
    with commit():
        change_in_admin(user, by={}, username="nina.2")
    assert "user name" in mail.outbox[-1].subject
    assert "/account/" not in mail.outbox[-1].body
    assert accepted(path).status_code == 302


def test_a_corrected_email_counts_at_once_so_the_wrong_one_gets_nothing_more(superuser, commit):
    user, path = invited(commit, superuser, email="typo@example.org")
    with commit():
        change_in_admin(user, by={}, email="nina@example.org")
    assert Client().get(path).status_code == 404
    assert accepted(path).status_code == 404
    with commit():
        superuser.post(reverse("admin:staff_send_again", args=[user.pk]), {"note": "Wrong address"})
    assert {*mail.outbox[0].to} == {"typo@example.org"}
    assert [message.to for message in mail.outbox[1:]] == [["nina@example.org"]] * 2  # a code, and the invitation
    assert accepted(link_in(mail.outbox[-1])).status_code == 302
    user.refresh_from_db()
    assert (user.email, user.new_email, user.email_verified) == ("nina@example.org", None, True)


def test_an_invitation_that_is_sent_again_kills_the_earlier_link(superuser, commit):
    user, first = invited(commit, superuser)
    url = reverse("admin:staff_send_again", args=[user.pk])
    assert superuser.get(url).status_code == 200
    assert len(mail.outbox) == 1
    with commit():
        page = superuser.post(url, {"note": "Mail was lost"}, follow=True)
    assert "new link is on its way" in told(page)
    second = link_in(mail.outbox[-1])
    assert Client().get(first).status_code == 404
    assert Client().get(second).status_code == 200
    assert accepted(second).status_code == 302
    assert superuser.get(url).status_code == 404


def test_a_withdrawn_invitation_is_dead_and_its_email_can_be_invited_again(superuser, commit):
    user, path = invited(commit, superuser)
    url = reverse("admin:staff_withdraw", args=[user.pk])
    assert superuser.get(url).status_code == 200
    superuser.post(url, {"note": "Wrong address"})
    assert Client().get(path).status_code == 404
    assert accepted(path).status_code == 404
    user.refresh_from_db()
    assert user.deleted_at
    assert not user.is_staff
    assert not user.groups.exists()
    events = SecurityEvent.objects.filter(user=user).values_list("event", flat=True)
    assert {"invitation_withdrawn", "user_deleted", "groups_changed"} <= {*events}
    again, second = invited(commit, superuser)
    assert again.pk != user.pk
    assert accepted(second).status_code == 302


def test_an_accepted_invitation_can_be_neither_withdrawn_nor_sent_again(superuser, boss, commit):
    user, path = invited(commit, superuser)
    accepted(path)
    assert superuser.post(reverse("admin:staff_withdraw", args=[user.pk])).status_code == 404
    for act in (invitations.withdraw, invitations.send_again):
        with pytest.raises(CannotInvite):
            act(user.pk, actor=boss, origin=OFFICE)
    user.refresh_from_db()
    assert user.deleted_at is None


def test_a_member_of_staff_whose_password_was_taken_away_is_not_an_invited_person(superuser):
    sven = new_staff("Support", name="sven")
    sven.set_unusable_password()
    sven.save()
    sven.refresh_from_db()
    assert not is_pending(sven)
    assert superuser.post(reverse("admin:staff_withdraw", args=[sven.pk])).status_code == 404


def test_long_after_the_log_in_the_invitation_asks_for_the_password(superuser, boss, commit):
    Session.objects.filter(user=boss).update(authenticated_at="2020-01-01T00:00:00Z")
    page = ask(superuser)
    for given in ({}, {"proof": "wrong-horse-1"}):
        answer = press(superuser, page, **given)
        assert "Nina@Example.org" in answer.content.decode()
        assert not User.objects.filter(name="Nina").exists()
    press(superuser, page, proof=PASSWORD)
    assert User.objects.filter(name="Nina").exists()


# --- attacks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "email",
    ["nina@example.org\nBcc: all@example.org", "nina@example.org\r\nSubject: x", "nina@example.org,b@example.org", "x"],
)
def test_the_email_can_not_carry_a_header_or_a_second_address(superuser, email):
    page = ask(superuser, email=email)
    assert "token" not in page.context
    assert "valid email" in page.content.decode()
    assert not mail.outbox


def test_the_confirmation_can_be_neither_changed_nor_used_by_another(superuser):
    page = ask(superuser)
    other = browser_of(new_staff(name="other"))
    assert other.post(CONFIRM, {"token": page.context["token"]}).status_code == 403
    assert superuser.post(CONFIRM, {"token": page.context["token"][:-1] + "x"}).status_code == 403
    assert superuser.post(CONFIRM, {}).status_code == 403
    assert superuser.get(CONFIRM).status_code == 302
    assert not User.objects.filter(name="Nina").exists()


def test_a_user_name_that_is_too_long_when_it_is_stored_is_refused_at_once(superuser):
    page = ask(superuser, username=LONG_WHEN_STORED)
    assert "at most 150 characters" in page.content.decode()
    assert "token" not in page.context


def test_a_role_is_needed(superuser):
    assert "Choose at least one group" in ask(superuser, groups=[]).content.decode()
    assert "token" not in ask(superuser, role="operator").context
    assert "token" not in ask(superuser, groups=[9999]).context


def test_a_superuser_can_be_invited_and_gets_no_groups(superuser, commit):
    user, _ = invited(commit, superuser, role="superuser")
    assert user.is_superuser
    assert not user.groups.exists()


def test_an_existing_user_becomes_staff_after_a_clear_question_and_keeps_password_and_sessions(superuser, commit):
    ann = User.objects.create_user("ann", PASSWORD, email="ann@example.org", email_verified=True)
    page = ask(superuser, email="ANN@example.org")
    assert "ann has this email and an account already" in page.content.decode()
    ann.refresh_from_db()
    assert not ann.is_staff
    with commit():
        assert "ann is staff now" in told(press(superuser, page))
    ann.refresh_from_db()
    assert (ann.is_staff, ann.username, ann.name) == (True, "ann", "")
    assert ann.check_password(PASSWORD)
    assert [each.name for each in ann.groups.all()] == ["Support"]
    assert "belong to the staff" in mail.outbox[-1].subject
    assert not OneUseLink.objects.exists()
    events = SecurityEvent.objects.filter(user=ann).values_list("event", flat=True)
    assert {"rights_changed", "groups_changed", "invited"} <= {*events}


@pytest.mark.parametrize(
    ("holder", "why"),
    [
        ({"email_verified": False}, "has not verified it"),
        ({"email_verified": True, "is_active": False}, "is disabled"),
        ({"email_verified": True, "is_staff": True}, "is staff already"),
    ],
)
def test_an_account_that_may_belong_to_somebody_else_is_not_made_staff(superuser, holder, why):
    User.objects.create_user("ann", PASSWORD, email="ann@example.org", **holder)
    page = ask(superuser, email="ann@example.org")
    assert why in page.content.decode()
    assert "token" not in page.context


def test_an_account_that_has_lost_its_verified_email_meanwhile_is_not_made_staff(superuser):
    ann = User.objects.create_user("ann", PASSWORD, email="ann@example.org", email_verified=True)
    page = ask(superuser, email="ann@example.org")
    User.objects.filter(pk=ann.pk).update(email="mallory@example.org")
    assert "changed meanwhile" in told(press(superuser, page))
    User.objects.filter(pk=ann.pk).update(email="ann@example.org", email_verified=False)
    assert "has not verified it" in told(press(superuser, page))
    ann.refresh_from_db()
    assert not ann.is_staff


def test_somebody_who_was_invited_already_is_not_invited_twice(superuser, commit):
    invited(commit, superuser)
    assert "has an invitation already" in ask(superuser).content.decode()


def test_the_email_of_a_deleted_user_is_free(superuser, commit):
    User.objects.create_user("old", PASSWORD, email="nina@example.org", deleted_at=database_now())
    user, path = invited(commit, superuser)
    assert user.username == "Nina"
    assert accepted(path).status_code == 302


def test_a_link_works_no_more_after_the_email_was_changed_or_the_account_was_disabled(superuser, commit):
    user, path = invited(commit, superuser)
    for changed in ({"email": "typo@example.org"}, {"is_active": False}, {"is_staff": False}):
        before = User.objects.filter(pk=user.pk).values(*changed).get()
        User.objects.filter(pk=user.pk).update(**changed)
        assert Client().get(path).status_code == 404, changed
        assert accepted(path).status_code == 404
        User.objects.filter(pk=user.pk).update(**before)
    assert Client().get(path).status_code == 200


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"password": "short"}, "too short"),
        ({"password": "password1"}, "too common"),
        ({"password": "nina@example.org"}, "too similar"),
        ({"password": "correct-horse-1", "again": "correct-horse-2"}, "not the same"),
        ({"username": ""}, "required"),
        ({"username": "boss"}, "Another user has this name"),
        ({"username": LONG_WHEN_STORED}, "at most 150 characters"),
    ],
)
def test_a_refused_password_or_user_name_leaves_the_link_alive(superuser, commit, typed, why):
    user, path = invited(commit, superuser)
    page = accepted(path, **typed)
    assert page.status_code == 200
    assert why in page.content.decode()
    user.refresh_from_db()
    assert not user.has_usable_password()
    assert Client().get(path).status_code == 200


def test_the_page_needs_a_token_against_forgery(superuser, commit):
    _, path = invited(commit, superuser)
    strict = Client(enforce_csrf_checks=True)
    typed = {"username": "nina", "password": NEW, "again": NEW}
    refused = strict.post(path, typed)
    assert refused.status_code == 403
    assert Client().put(path).status_code == 405
    # A style sheet of these pages would be requested with the address, and servers log that.
    for page in (refused, Client().get(path)):
        assert page.headers["Referrer-Policy"] == "strict-origin"


def test_without_a_public_url_nobody_is_invited_because_the_mail_would_have_no_link(superuser, settings):
    settings.PUBLIC_URL = ""
    page = ask(superuser)
    assert "PUBLIC_URL" in page.content.decode()
    assert "token" not in page.context


def test_invitations_count_against_the_mails_that_a_member_of_staff_may_send(superuser, settings):
    settings.THROTTLING = True
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"reset_staff": (1, 3600)}
    press(superuser, ask(superuser))
    assert "Too many attempts" in told(press(superuser, ask(superuser, email="b@example.org")))
    assert not User.objects.filter(email="b@example.org").exists()


def test_two_invitations_of_one_email_at_once_make_one_account(transactional_db):
    bosses = [new_staff(name=f"boss{number}") for number in range(2)]
    wanted = Invitation("nina@example.org", is_superuser=True)
    with other_threads(2) as start:
        tries = [start(lambda boss=boss: invite(wanted, actor=boss, origin=OFFICE)) for boss in bosses]
    errors = [each.exception() for each in tries if each.exception()]
    assert [type(error) for error in errors] == [IdentityTaken]
    assert User.objects.filter(email="nina@example.org").count() == 1
    assert OneUseLink.objects.count() == 1


def test_a_link_that_is_used_twice_at_once_sets_one_password(transactional_db, monkeypatch):
    tokens = []
    monkeypatch.setattr(invitations, "after_commit", lambda *arguments: tokens.append(arguments[-1]))
    user = invite(Invitation("nina@example.org", is_superuser=True), actor=new_staff(name="boss"), origin=OFFICE)
    link = find_invited(tokens[0])
    passwords = [f"quite-new-horse-{number}" for number in range(4)]
    with other_threads(4) as start:
        tries = [
            start(lambda new=new: invitations.accept(link, username="nina", password=new, origin=OFFICE))
            for new in passwords
        ]
    errors = [each.exception() for each in tries]
    (won,) = [password for password, error in zip(passwords, errors, strict=True) if error is None]
    assert {type(error) for error in errors if error} == {LinkInvalid}
    user.refresh_from_db()
    assert user.check_password(won)
    assert SecurityEvent.objects.filter(event=Event.INVITATION_ACCEPTED).count() == 1
