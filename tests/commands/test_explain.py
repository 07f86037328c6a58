"""`manage.py explain`: its verdict is the same as the service's."""

from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings as django_settings
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from time_machine import travel

from sessions.models import Session
from sessions.tokens.jwt import CLAIMS, RefreshToken, UserAccessToken
from sessions.tokens.keys import key_ring
from tests.commands.terminal import at_a_terminal, manage, shell
from tests.phones import BuddyPhone, InProcess, ZapPhone, promote
from tests.sessions.staff import browser_of, is_in
from users.clients import create_app
from users.models import App, User

YEAR = timedelta(days=365)


def verdict(token):
    """Return the first line of the output. Check that the token isn't printed, and that exit code and JSON agree."""
    done = manage("explain", token)
    (facts,) = manage("explain --json", token).json
    assert (done.code == 0, done.err) == (facts["accepted"], "")
    assert done.out.splitlines()[0] == f"{facts['kind']}: {facts['verdict']}"
    assert facts["accepted"] == all(rule["kept"] for rule in facts["rules"])
    assert token.strip() not in done.out
    return facts["verdict"]


def agree(phone, text, token=None, refresh=None):
    """Check that the verdicts on both tokens match the service's answers."""
    assert verdict(token or phone.access_token) == text
    assert (phone.me(token).status == 200) == (text == "accepted")
    if phone.refresh_token:
        assert verdict(phone.refresh_token) == (refresh or text)
        assert (phone.refresh().status == 200) == ((refresh or text) == "accepted")


def nothing(phone):
    pass


def log_out(phone):
    assert phone.log_out().status == 200


def switch_app_off(phone):
    App.objects.update(is_active=False)


def disable(phone):
    User.objects.update(is_active=False)


def cut_app_off(phone):
    App.objects.update(sessions_valid_after=timezone.now())


def cut_user_off(phone):
    User.objects.update(sessions_valid_after=timezone.now())


def time_out(phone):
    Session.objects.update(expires_at=timezone.now())


def leave_idle(phone):
    Session.objects.update(last_seen_at=timezone.now() - YEAR)


def forget(phone):
    Session.objects.filter(user=phone.user_id).delete()


def give_away(phone):
    Session.objects.filter(user=phone.user_id).update(user=User.objects.create_user("eve", "x"))


def move(phone):
    Session.objects.filter(user=phone.user_id).update(app=create_app("Another").app)


@pytest.mark.parametrize("who", ["ann", "ben"])
@pytest.mark.parametrize(
    ("happens", "text"),
    [
        (nothing, "accepted"),
        (log_out, "refused: The session has ended"),
        (switch_app_off, "refused: The app is switched off"),
        (disable, "refused: The account is disabled or deleted"),
        (cut_app_off, "refused: The app was cut off after the log-in"),
        (cut_user_off, "refused: The user was cut off after the log-in"),
        (time_out, "refused: The session has expired"),
        (leave_idle, "refused: The session was not used for too long"),
        (forget, "refused: There is no such session, or none any more"),
        (give_away, "refused: App or user are not the session's"),
        (move, "refused: App or user are not the session's"),
    ],
)
def test_the_verdict_is_what_becomes_of_the_token(request, who, happens, text):
    phone = request.getfixturevalue(who)
    happens(phone)
    agree(phone, text)


def test_an_access_token_has_expired_while_its_refresh_token_goes_on(ann):
    with travel(timezone.now() + timedelta(hours=1)):
        agree(ann, "refused: The token has expired", refresh="accepted")


def test_a_refresh_token_is_over_with_its_session(ann):
    with travel(timezone.now() + timedelta(days=31)):
        agree(ann, "refused: The token has expired")


def test_a_refresh_token_on_the_blacklist_is_refused_and_its_access_token_is_not(ann):
    BlacklistedToken.objects.create(token=OutstandingToken.objects.get())
    agree(ann, "accepted", refresh="refused: It is blacklisted")


def test_a_refresh_token_that_was_used_may_be_repeated_for_a_while_by_its_user_only(ann, settings):
    settings.ROTATE_REFRESH_TOKENS = True
    used = ann.refresh_token
    ann.refresh_token = ann.refresh().json["data"]["refreshToken"]
    agree(ann, "accepted")
    used_text = "refused: It was used, and another one has replaced it"
    ann.refresh_token = used
    assert verdict(used) == used_text
    with travel(timezone.now() + timedelta(minutes=1)):
        assert "may repeat" not in manage("explain", used).out
        agree(ann, "accepted", refresh=used_text)
        # A thief used the token, which ended the session.
        agree(ann, "refused: The session has ended")
        assert "a refresh token was used twice" in manage("explain", used).out


def test_a_refresh_token_just_used_is_said_to_be_good_for_a_retry(ann, settings):
    settings.ROTATE_REFRESH_TOKENS = True
    used = ann.refresh_token
    assert ann.refresh().status == 200
    assert "the client that used it may repeat that until" in manage("explain", used).out
    ann.refresh_token = used
    assert ann.refresh().status == 200  # the same client, which did not receive the first answer


def test_an_app_level_token_is_accepted_for_as_long_as_its_phone_is_registered(ben):
    assert manage("explain", ben.app_token).out.startswith("app-level access token: accepted\n")
    assert "of nobody (app-level)" in manage("explain", ben.app_token).out
    body = {"username": "ben", "password": "wrong"}
    assert ben.call("POST", "/users/login", body, token=ben.app_token).json["error"] != "AuthAccessTokenInvalid"
    Session.objects.filter(user=None).update(ended_at=timezone.now(), end_reason="staff")
    assert verdict(ben.app_token) == "refused: The session has ended"
    assert ben.call("POST", "/users/login", body, token=ben.app_token).json["error"] == "AuthAccessTokenInvalid"


def test_a_token_that_no_dialect_takes_is_refused(ann, settings):
    settings.ZAP_APP = "Another"
    agree(ann, "refused: No dialect accepts it: its app is not Another")


def test_a_token_of_an_app_that_signs_says_so(db):
    new = create_app("Signed", signed=True)
    session = Session.objects.get(user=BuddyPhone(InProcess()).sign_up("ben").user_id)
    Session.objects.filter(pk=session.pk).update(app=new.app)
    session.refresh_from_db()
    token = str(UserAccessToken.for_session(session, issued_at=session.created_at, expires_at=session.expires_at))
    assert "Buddy accepts it (its requests have to be signed)" in manage("explain", token).out


def forged(ann, *, key=None, kid=None, typ="at+jwt", **changed):
    claims = jwt.decode(ann.access_token, options={"verify_signature": False}) | changed
    ring = key_ring(django_settings.SIGNING_KEYS)
    headers = {"kid": ring.signing_kid if kid is None else kid, "typ": typ}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key or ring.signing, "ES256", headers=headers)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({}, "accepted"),
        ({"key": ec.generate_private_key(ec.SECP256R1())}, "refused: The signature is wrong"),
        ({"kid": "another"}, "refused: The key is not one of ours"),
        ({"kid": ""}, "refused: The key is not one of ours"),
        ({"typ": "refresh+jwt"}, "refused: Kind, issuer or claims are wrong"),
        ({"iss": "somebody"}, "refused: Kind, issuer or claims are wrong"),
        ({"token_type": "refresh"}, "refused: Kind, issuer or claims are wrong"),
        ({"token_type": ["access"]}, "refused: Kind, issuer or claims are wrong"),
        ({"token_type": {}}, "refused: Kind, issuer or claims are wrong"),
        ({"sid": "no session"}, "refused: Kind, issuer or claims are wrong"),
        ({"sid": "01980000-0000-7000-8000-000000000000"}, "refused: There is no such session, or none any more"),
        ({"aud": "f" * 24}, "refused: App or user are not the session's"),
        ({"sub": "f" * 24}, "refused: App or user are not the session's"),
        *(({claim: None}, "refused: Kind, issuer or claims are wrong") for claim in CLAIMS),
    ],
)
def test_a_forged_token_is_refused_for_what_is_wrong_with_it(ann, changed, text):
    ann.refresh_token = ""
    agree(ann, text, token=forged(ann, **changed))


def test_a_token_that_was_tampered_with_is_refused(ann):
    header, claims, _ = ann.access_token.split(".")
    signature = ann.refresh_token.split(".")[2]
    ann.refresh_token = ""
    agree(ann, "refused: The signature is wrong", token=f"{header}.{claims}.{signature}")
    unsigned = jwt.encode({"sid": "1"}, None, algorithm="none")
    agree(ann, "refused: The key is not one of ours", token=unsigned)


NOTHING = "refused: It is neither one of our tokens nor a known device token"


@pytest.mark.parametrize("text", ["garbage", "a.b.c", "eyJ", "..", "Bearer", "\0", "é" * 3000, "Basic YTpi", "null"])
def test_garbage_is_nothing_that_we_know(ann, text):
    ann.refresh_token = ""
    assert verdict(text) == NOTHING


def test_a_device_token_is_whose_pushes_go_to_it(ann):
    done = manage("explain", "push of ann")
    assert (done.code, done.out.splitlines()[0]) == (0, "device token (a push address): accepted")
    assert "of ann" in done.out
    log_out(ann)
    done = manage("explain", "push of ann")
    assert (done.code, "It belongs to no user: no push goes to it" in done.out) == (1, True)


@pytest.mark.parametrize(
    "around", ["{}", " {}\n", "\t{}\r\n", "Bearer {}", "bearer  {}", "Buddy {}", "Authorization: Bearer {}\r\n"]
)
def test_a_token_may_be_pasted_with_what_was_around_it(ann, around):
    assert manage("explain", around.format(ann.access_token)).code == 0
    done = manage("explain", stdin=around.format(ann.access_token).encode())
    assert (done.code, done.out.startswith("access token of a user: accepted")) == (0, True)
    assert manage("explain -", stdin=around.format(ann.access_token).encode()) == done


@pytest.mark.parametrize(
    ("stdin", "text"),
    [
        (b"", "There is no token."),
        (b" \r\n", "There is no token."),
        (b"x" * 20_000, "That is too long for a token."),
    ],
)
def test_no_token_is_an_error_and_no_verdict(db, stdin, text):
    done = manage("explain", stdin=stdin)
    assert (done.code, done.out, done.err) == (2, "", f"CommandError: {text}\n")
    assert manage("explain", "").code == manage("explain", " ").code == 2


def test_bytes_that_are_no_text_are_nothing_that_we_know(db):
    done = manage("explain", stdin=bytes(range(256)))
    assert (done.code, NOTHING in done.out) == (1, True)


def test_a_token_is_neither_shown_nor_logged(ann, caplog):
    caplog.set_level("DEBUG")
    for token in (ann.access_token, ann.refresh_token, "push of ann", "garbage of ann"):
        for how in ("explain", "explain --json", "explain --verbosity 3"):
            done = manage(how, token)
            assert token not in done.out + done.err
    logged = " ".join(record.getMessage() for record in caplog.records if not record.name.startswith("django.db"))
    for secret in (ann.access_token, ann.refresh_token, "push of ann", "garbage of ann"):
        assert secret not in logged


def test_explaining_changes_nothing_not_even_when_the_session_was_used(ann):
    Session.objects.update(last_seen_at=timezone.now() - timedelta(days=1))
    before = list(Session.objects.values())
    for token in (ann.access_token, ann.refresh_token):
        assert verdict(token) == "accepted"
    assert list(Session.objects.values()) == before


def test_access_refresh_and_app_tokens_are_told_apart(ann, ben):
    kinds = [
        manage("explain --json", token).json[0]["kind"]
        for token in (ann.access_token, ann.refresh_token, ben.app_token)
    ]
    assert kinds == ["access token of a user", "refresh token", "app-level access token"]
    assert manage("explain --json", ann.refresh_token).json[0]["session"] == RefreshToken.read(ann.refresh_token)["sid"]


@pytest.fixture
def browser(ann):
    return browser_of(User.objects.get(pk=promote(ann).user_id))


def in_admin(**change):
    return lambda: Session.objects.filter(app__kind=App.Kind.ADMIN).update(**change)


@pytest.mark.parametrize(
    ("happens", "text"),
    [
        (lambda: None, "accepted"),
        (lambda: manage("logout --user ann"), "refused: The session has ended"),
        (lambda: manage("logout --everyone --reason Leak"), "refused: The session has ended"),
        (
            lambda: User.objects.update(is_staff=False),
            "refused: The app is the admin and the user",
        ),
        (lambda: User.objects.update(is_active=False), "refused: The account is disabled or deleted"),
        (lambda: App.objects.update(is_active=False), "refused: The app is switched off"),
        (in_admin(expires_at=timezone.now()), "refused: The session has expired"),
        (in_admin(last_seen_at=timezone.now() - timedelta(hours=1)), "refused: The session was not used for"),
        (lambda: App.objects.update(kind=App.Kind.CLIENT), "refused: Its app is not the admin"),
    ],
)
@pytest.mark.parametrize("around", ["{}", "Cookie: csrftoken=x; sessionid={}; messages=y", "sessionid={}\n"])
def test_a_cookie_of_the_admin_is_explained_as_it_is_taken(browser, happens, text, around):
    value = browser.cookies[django_settings.SESSION_COOKIE_NAME].value
    happens()
    done = manage("explain", around.format(value))
    assert done.out.startswith(f"cookie of the admin: {text}")
    assert value not in done.out
    assert (done.code == 0) == is_in(browser) == (text == "accepted")


def test_a_cookie_with_another_signature_is_refused(browser, settings):
    value = browser.cookies[django_settings.SESSION_COOKIE_NAME].value
    other = f"{value[:-1]}{'A' if value[-1] != 'A' else 'B'}"
    assert verdict(other) == "refused: The signature is wrong, too old, or not of such a cookie"
    settings.SECRET_KEY = "a new one" * 8
    assert verdict(value) == "refused: The signature is wrong, too old, or not of such a cookie"


@pytest.mark.django_db(transaction=True)
def test_a_script_pipes_a_token_in_and_reads_the_exit_code():
    phone = ZapPhone(InProcess()).sign_up("ann")
    token = phone.access_token
    assert shell("manage explain", stdin=f"{token}\n".encode()).code == 0
    with at_a_terminal("explain") as terminal:
        terminal.read_until("Paste the token")
        terminal.type(f"{token}\n")
        assert terminal.finish() == 0
    assert "access token of a user: accepted" in terminal.screen
    assert token not in terminal.screen
    log_out(phone)
    assert shell("manage explain", stdin=token.encode()).code == 1
    assert shell("manage explain < /dev/null").code == 2
