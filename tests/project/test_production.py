"""Settings that `manage.py check` and the server refuse with DATABASE_URL. Other commands accept them."""

import os
import re
import subprocess
import sys
from secrets import token_hex, token_urlsafe

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from sessions.tokens.keys import new_private_key_pem, thumbprint
from tests.commands.terminal import manage
from tests.environment import ROOT
from zapauth.production import PUBLISHED_KEYS, SERVING, weakness_of_key, weakness_of_secret

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# The example of jwt.io, which many tutorials copy.
JWT_IO = 0x7AF6732F581D005AFCF216F6385FF6371029242CC60840DD7D2A7A5503B7D21C


def private_pem(number):
    key = derive_private_key(number, SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(number):
    key = derive_private_key(number, SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture
def production(settings):
    """Settings of a production installation."""
    settings.IS_LOCAL = False
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = token_urlsafe(48), [token_hex(32)]
    settings.SIGNING_KEYS = new_private_key_pem()
    settings.EMAIL_URL = "smtp+tls://user:password@smtp.example.org:587"
    settings.ALLOWED_HOSTS = ["auth.example.org", ".example.com"]
    return settings


def refusals():
    return {error.id: error.msg for error in run_checks(tags=[SERVING])}


def test_a_sound_installation_is_not_refused(production):
    assert refusals() == {}


REFUSED = [
    ("SECRET_KEY", "k3ZtQ8vN", "zapauth.E001", "fewer than 32 characters"),
    ("SECRET_KEY", token_hex(15), "zapauth.E001", "fewer than 32 characters"),
    ("SECRET_KEY", "secret", "zapauth.E001", "fewer than 32 characters"),
    ("SECRET_KEY", "changeme" * 8, "zapauth.E001", "without the well-known words"),
    ("SECRET_KEY", "your-secret-key-change-me-in-production!", "zapauth.E001", "without the well-known words"),
    ("SECRET_KEY", f"django-insecure-{token_urlsafe(40)}", "zapauth.E001", "`startproject`"),
    ("SECRET_KEY", "x" * 60, "zapauth.E001", "repeat"),
    ("SECRET_KEY", "abcdefghij" * 5, "zapauth.E001", "repeat"),
    (
        "SECRET_KEY",
        "0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "zapauth.E001",
        "follow one another",
    ),
    ("SECRET_KEY_FALLBACKS", [token_hex(32), "changeme"], "zapauth.E002", "key 2 can be guessed"),
    (
        "SIGNING_KEYS",
        private_pem(JWT_IO),
        "zapauth.E003",
        "key 1 is not secret: it is published: the example of jwt.io",
    ),
    ("SIGNING_KEYS", new_private_key_pem() + public_pem(JWT_IO), "zapauth.E003", "key 2 is not secret"),
    ("SIGNING_KEYS", private_pem(1), "zapauth.E003", "too small"),
    ("SIGNING_KEYS", private_pem(2**128 + 17), "zapauth.E003", "too small"),
    ("SIGNING_KEYS", private_pem(ORDER - 3), "zapauth.E003", "too small"),
    ("EMAIL_URL", "", "zapauth.E004", "reset codes would go to the log"),
    ("ALLOWED_HOSTS", [], "zapauth.E005", "every request would get a 400"),
    ("ALLOWED_HOSTS", ["*"], "zapauth.E005", "ALLOWED_HOSTS has '*'"),
    ("ALLOWED_HOSTS", ["auth.example.org", "*.example.org"], "zapauth.E005", "'*.example.org'"),
]


# The cases are named without their values: some values differ in each process, and pytest-xdist compares the names.
@pytest.mark.parametrize(
    ("name", "value", "number", "text"), REFUSED, ids=[f"{name}, {text}" for name, _, _, text in REFUSED]
)
def test_what_others_could_guess_or_read_is_refused_with_database_url_and_not_without(
    production, name, value, number, text
):
    setattr(production, name, value)
    (found,) = refusals().items()
    assert found[0] == number
    assert text in found[1]
    if name == "SECRET_KEY" and len(value) > 10:
        assert value not in found[1]
    production.IS_LOCAL = True
    assert refusals() == {}


@pytest.mark.parametrize(
    "value",
    [token_urlsafe(48), token_hex(16), f"secret:{token_urlsafe(32)}"],
    ids=["in base64", "in hexadecimal", "after a word"],
)
def test_a_random_secret_is_taken_whatever_stands_beside_it(value):
    assert weakness_of_secret(value) is None


def test_the_log_takes_mail_when_that_is_said(production):
    production.EMAIL_URL = "consolemail://"
    assert refusals() == {}


@pytest.mark.parametrize(("database_url", "is_on"), [("postgres://zapauth@127.0.0.1/zapauth", "True"), ("", "False")])
def test_staff_need_a_second_factor_by_default_with_database_url_and_not_without(tmp_path, database_url, is_on):
    environment = {name: value for name, value in os.environ.items() if name != "STAFF_SECOND_FACTOR"}
    environment |= {"DATABASE_URL": database_url, "DATA_DIR": str(tmp_path), "SECRET_KEY": token_hex(32)}
    environment["SIGNING_KEYS"] = new_private_key_pem()
    code = "from zapauth import settings; print(settings.STAFF_SECOND_FACTOR)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert done.stdout.decode().strip() == is_on


# --- keys in the repository ----------------------------------------------------------------


def texts():
    """Yield the text of each file that developers write."""
    folders = ("zapauth", "sessions", "users", "tests", "bench", "docs", "docker")
    for file in [*ROOT.glob("*"), *(file for folder in folders for file in (ROOT / folder).rglob("*"))]:
        if file.suffix in {".md", ".py", ".sh", ".sql", ".toml", ".txt", ".yml"} and "node_modules" not in file.parts:
            yield file.read_text()


def test_no_secret_that_stands_in_the_repository_is_taken_by_a_server():
    literal = re.compile(r"\bSECRET_KEY(?:_FALLBACKS)?[\"']?\s*[:=]\s*\[?[\"']([^\"'{$]+)[\"']")
    pem = re.compile(r"-----BEGIN (?:EC )?PRIVATE KEY-----\s[A-Za-z0-9+/=\s]{60,}-----END (?:EC )?PRIVATE KEY-----")
    found = list(texts())
    assert len(found) > 300
    for text in found:
        for secret in literal.findall(text):
            assert weakness_of_secret(secret), secret
        for key in pem.findall(text):
            assert weakness_of_key(load_pem_private_key(key.encode(), None)), key


def test_the_published_keys_are_listed_by_the_name_that_tokens_give_them():
    assert thumbprint(derive_private_key(JWT_IO, SECP256R1()).public_key()) in PUBLISHED_KEYS


# --- commands that run the checks ---------------------------------------------------------------------------


@pytest.fixture
def unsound(production):
    production.SECRET_KEY, production.EMAIL_URL, production.ALLOWED_HOSTS = "changeme", "", ["*"]
    production.SIGNING_KEYS = private_pem(JWT_IO)


def test_check_refuses_an_unsound_installation(unsound):
    with pytest.raises(SystemCheckError, match=r"zapauth\.E001(?s:.*)E003(?s:.*)E004(?s:.*)E005"):
        call_command("check")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("logout --everyone", 0),
        ("sessions --count", 0),
        ("whocan nobody", 2),
        ("explain something", 1),
        ("prune --dry-run", 0),
    ],
)
def test_an_operators_command_works_in_an_unsound_installation(db, unsound, line, code):
    done = manage(line)
    assert done.code == code, done.err
    assert "zapauth.E" not in done.err


def test_an_app_is_made_in_an_unsound_installation(db, unsound, capsys):
    call_command("createapp", "Another", skip_checks=False)
    assert "App key" in capsys.readouterr().out
