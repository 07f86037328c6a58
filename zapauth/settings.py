"""The settings. No other module reads the environment. docs/settings.md explains each variable.

Without DATABASE_URL the installation is a local one: it uses the embedded PostgreSQL, and keeps its secrets in files in
DATA_DIR. With DATABASE_URL no secret has a default.
"""

from datetime import timedelta
from pathlib import Path

import environ

from users.limits import LONGEST_DURATION, LONGEST_SESSION
from users.throttle_rates import DEFAULT_RATES
from zapauth.content_policy import CONTENT_SECURITY_POLICY  # noqa: F401  # django-csp reads it here
from zapauth.environment import Environment
from zapauth.local import embedded_postgres, secrets
from zapauth.postgresql.configuration import database_at, with_our_backend
from zapauth.schema.settings import SPECTACULAR_SETTINGS  # noqa: F401  # drf-spectacular reads it here
from zapauth.theme import UNFOLD  # noqa: F401  # a setting

env = Environment()  # type: ignore[no-untyped-call]  # django-environ has no types
BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "data"))).resolve()
DATABASE_URL = env.str("DATABASE_URL", default="")
IS_LOCAL = not DATABASE_URL
# Backups of the database must not contain this file. None: there is no file, and a restored backup is not detected.
_guard = env.text("RESTORE_GUARD")
RESTORE_GUARD = None if _guard.lower() == "off" else Path(_guard or DATA_DIR / "restore_guard").resolve()

# --- the server ---------------------------------------------------------------------------------
HOST = env.str("HOST", default="127.0.0.1")
PORT = env.whole("PORT", 8000)
WORKERS = env.whole("WORKERS", 2, at_least=1)
# The next two are per worker. Threads mostly wait for the database. A client that sends slowly holds a connection,
# but no thread.
THREADS = env.whole("THREADS", 32, at_least=1)
CONNECTIONS = env.whole("CONNECTIONS", 1024, at_least=1)
# The time for the headers of a request, and then again for its body.
REQUEST_TIMEOUT = env.seconds("REQUEST_TIMEOUT", timedelta(seconds=10))
# A server that stops goes on answering for this long, so that proxies notice it. Not after Ctrl-C.
DRAIN_TIME = env.seconds("DRAIN_TIME", timedelta(seconds=6), at_least=0)
DATABASE_CONNECTIONS = env.whole("DATABASE_CONNECTIONS", 5, at_least=1)

# The figures for Prometheus, on a port of their own. 0: nothing is counted and there is no such port.
METRICS_PORT = env.whole("METRICS_PORT", 0, at_most=65_535)
METRICS_HOST = env.text("METRICS_HOST", "127.0.0.1")

HTTPS = env.switch("HTTPS", default=not IS_LOCAL)
# The number of our own proxies before the service. Each appends to X-Forwarded-For.
TRUSTED_PROXIES = env.whole("TRUSTED_PROXIES", 0)
_local_hosts = ["*"] if HOST in ("0.0.0.0", "::") else ["localhost", "127.0.0.1", "[::1]", HOST]  # noqa: S104
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", default=_local_hosts if IS_LOCAL else [])
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS")
# Where people reach this service. Links in mails begin with it; empty: mails have no links.
PUBLIC_URL = env.text("PUBLIC_URL", f"http://localhost:{PORT}" if IS_LOCAL else "").rstrip("/")
CSRF_FAILURE_VIEW = "zapauth.error_pages.csrf_failure"

# --- secrets ------------------------------------------------------------------------------------
# The file that has the signing keys. None: they are in the environment, which `manage.py rotatekeys` can't change.
_keys_in_file = IS_LOCAL and not env.str("SIGNING_KEYS", default="")
SIGNING_KEYS_FILE = secrets.signing_keys_file(DATA_DIR) if _keys_in_file else None
if IS_LOCAL:
    SECRET_KEY = env.str("SECRET_KEY", default="") or secrets.secret_key(DATA_DIR)
    SIGNING_KEYS = env.str("SIGNING_KEYS", default="") or secrets.signing_keys(DATA_DIR)
else:
    SECRET_KEY = env.secret("SECRET_KEY", "openssl rand -base64 48")
    SIGNING_KEYS = env.secret("SIGNING_KEYS", "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256")
SECRET_KEY_FALLBACKS = env.names("SECRET_KEY_FALLBACKS")

# --- sessions and tokens ------------------------------------------------------------------------
# A URL, so that other services find our keys (RFC 8414). The last value was the default of earlier versions.
TOKEN_ISSUER = env.text("TOKEN_ISSUER", PUBLIC_URL or "zapauth")
EARLIER_TOKEN_ISSUERS = env.names("EARLIER_TOKEN_ISSUERS", default=["zapauth"])
ACCESS_TOKEN_LIFETIME = env.seconds("ACCESS_TOKEN_LIFETIME", timedelta(minutes=15), at_most=LONGEST_SESSION)
SESSION_LIFETIME = env.seconds(
    "SESSION_LIFETIME", timedelta(days=30), at_most=LONGEST_SESSION
)  # NIST SP 800-63B §4.1.3, AAL1
SESSION_IDLE_TIMEOUT = env.seconds("SESSION_IDLE_TIMEOUT", timedelta(days=14), at_least=0, at_most=LONGEST_SESSION)
SESSIONS_PER_USER = env.whole("SESSIONS_PER_USER", 0)
# For this long after the login, changes that could take over the account need no password.
REAUTHENTICATION_WINDOW = env.seconds("REAUTHENTICATION_WINDOW", timedelta(minutes=10))
APP_SESSION_LIFETIME = env.seconds("APP_SESSION_LIFETIME", timedelta(days=90), at_most=LONGEST_SESSION)
# For sessions of the admin only.
STAFF_SESSION_LIFETIME = env.seconds("STAFF_SESSION_LIFETIME", timedelta(hours=12), at_most=LONGEST_SESSION)
STAFF_IDLE_TIMEOUT = env.seconds("STAFF_IDLE_TIMEOUT", timedelta(hours=1), at_least=0, at_most=LONGEST_SESSION)
# For sessions of the account page only.
ACCOUNT_SESSION_LIFETIME = env.seconds("ACCOUNT_SESSION_LIFETIME", timedelta(hours=12), at_most=LONGEST_SESSION)
ACCOUNT_IDLE_TIMEOUT = env.seconds("ACCOUNT_IDLE_TIMEOUT", timedelta(hours=1), at_least=0, at_most=LONGEST_SESSION)
# On: staff without a second factor can only set one up in the admin.
STAFF_SECOND_FACTOR = env.switch("STAFF_SECOND_FACTOR", default=not IS_LOCAL)
ROTATE_REFRESH_TOKENS = env.switch("ROTATE_REFRESH_TOKENS", default=False)
REFRESH_GRACE = env.seconds("REFRESH_GRACE", timedelta(seconds=30), at_least=0)
ZAP_APP = env.str("ZAP_APP", default="ZAP")
REGISTRATION_OPEN = env.switch("REGISTRATION_OPEN", default=True)
# The URL for the next calls of Buddy's clients. If it is empty, answers contain none.
SERVICE_ROOT = env.str("SERVICE_ROOT", default="")
# Our own backend signs (sessions.tokens.jwt). Without these values simplejwt's backend would sign with SECRET_KEY.
SIMPLE_JWT = {"ALGORITHM": "ES256", "SIGNING_KEY": "", "USER_ID_CLAIM": "sub"}

# A file, or a folder of files, that tells where an IP address is. None: log-ins have no location and are not judged.
_geoip = env.text("GEOIP_PATH")
GEOIP_PATH = Path(_geoip).resolve() if _geoip else None

# The country of the phone numbers that staff type without a country code: ISO 3166-1, such as DE. Empty: not known.
PHONE_REGION = env.text("PHONE_REGION").upper()

# --- the gate -----------------------------------------------------------------------------------
# The names of the headers for the services behind a gateway, by our names. A header that is left out is not here.
GATE_HEADERS = env.headers("GATE_HEADERS", ["X-User-Id", "X-Session-Id", "X-App-Id", "X-Role-Id", "Remote-User"])
# What happens to a token with a valid signature while the database is away.
GATE_WITHOUT_DATABASE = env.choice("GATE_WITHOUT_DATABASE", "refuse", ["refuse", "accept"])

# --- attempts -----------------------------------------------------------------------------------
THROTTLING = env.switch("THROTTLING", default=True)
THROTTLE_RATES = env.rates("THROTTLE_RATES", DEFAULT_RATES)  # times and seconds

# --- operators ----------------------------------------------------------------------------------
BULK_CONFIRM_OVER = env.whole("BULK_CONFIRM_OVER", 1000)
EXPORT_MOST_ROWS = env.whole("EXPORT_MOST_ROWS", 100_000, at_least=1)
BULK_MAY_GROW = 1.1  # a bulk run may end this many times the sessions of its preview
SESSION_RETENTION = env.seconds("SESSION_RETENTION", timedelta(days=90), at_least=24 * 60 * 60)  # of ended sessions
# A trigger keeps entries of the record for 30 days, whatever the setting says.
RECORD_RETENTION = env.whole("RECORD_RETENTION", 400, at_least=30, at_most=LONGEST_DURATION.days)  # in days
CRASH_REPORT_RETENTION = env.seconds("CRASH_REPORT_RETENTION", timedelta(days=30))
# How long a service may be away and still learn which sessions have ended meanwhile.
EVENT_RETENTION = env.seconds("EVENT_RETENTION", timedelta(days=1), at_least=60)
# How often each server's own canary logs out, to measure how soon its workers refuse the tokens. 0: never.
CANARY_EVERY = env.seconds("CANARY_EVERY", timedelta(minutes=1), at_least=0)
EVENT_STREAMS = env.whole("EVENT_STREAMS", 100, at_least=1)  # of each worker

# --- mail ---------------------------------------------------------------------------------------
EMAIL_URL = env.text("EMAIL_URL")
vars().update(environ.Env.email_url_config(EMAIL_URL or "consolemail://"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="zapauth@localhost")
SERVICE_NAME = env.str("SERVICE_NAME", default="ZapAuth")  # the service's name in mails and on the account page
SERVICE_COLOR = env.color("SERVICE_COLOR", "#155dfc")  # of buttons and links on the account page
NEW_DEVICE_MAIL = env.switch("NEW_DEVICE_MAIL", default=False)
# A folder whose files replace our templates of mails.
_mail_templates = env.text("MAIL_TEMPLATES")
MAIL_TEMPLATES = Path(_mail_templates).resolve() if _mail_templates else None

# --- Django -------------------------------------------------------------------------------------
ROOT_URLCONF = "zapauth.urls"
WSGI_APPLICATION = "zapauth.wsgi.application"
INSTALLED_APPS = [
    # An app's templates override those of later apps. `sessions` also overrides Django's `changepassword`.
    "sessions",
    "unfold.apps.BasicAppConfig",
    "zapauth.apps.AdminConfig",
    "zapauth.apps.ZapAuthConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "corsheaders",
    "csp",
    "procrastinate.contrib.django",
    "users",
]
MIDDLEWARE = [
    "zapauth.health.middleware.Health",
    "zapauth.metrics.requests.CountRequests",
    "zapauth.request_facts.RequestFacts",
    "zapauth.gate.middleware.Gate",
    "zapauth.pages.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "zapauth.server.bodies.RefuseBrokenBodies",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "zapauth.pages.ContentSecurityPolicyMiddleware",
    "django.middleware.common.CommonMiddleware",
    "zapauth.pages.DatabaseMiddleware",
    "zapauth.pages.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "zapauth.pages.AuthenticationMiddleware",
    "zapauth.pages.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
APPEND_SLASH = False  # the dialects accept a path with or without its slash, and never redirect

# The longest time in seconds that PostgreSQL waits for a lock, and that a statement takes, including the wait. 0: no
# limit. The names are those of `users.database_use.Use`.
TIME_LIMITS = {
    "request": (env.whole("REQUEST_LOCK_TIMEOUT", 5), env.whole("REQUEST_STATEMENT_TIMEOUT", 10)),
    "staff": (env.whole("REQUEST_LOCK_TIMEOUT", 5), env.whole("STAFF_STATEMENT_TIMEOUT", 30)),
    "command": (env.whole("COMMAND_LOCK_TIMEOUT", 60), 0),
    "migration": (0.25, 0),  # all requests wait behind it: `zapauth.migrating` tries again
}
MIGRATION_LOCK_TIMEOUT = env.whole("MIGRATION_LOCK_TIMEOUT", 30)  # for all tries together
_database = embedded_postgres.database(DATA_DIR) if IS_LOCAL else database_at(DATABASE_URL)
DATABASES = {
    "default": with_our_backend(
        _database, connections=DATABASE_CONNECTIONS, threads=THREADS, limits=TIME_LIMITS["request"]
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "users.User"
AUTHENTICATION_BACKENDS = ["sessions.places.PlaceBackend"]
PASSWORD_MIN_LENGTH = env.whole("PASSWORD_MIN_LENGTH", 8, at_least=8)  # NIST SP 800-63B §3.1.1.2
PASSWORD_WORDS = env.names("PASSWORD_WORDS")
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": PASSWORD_MIN_LENGTH}},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
    {
        "NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["username", "name", "first_name", "last_name", "email"]},
    },
    {"NAME": "users.password_policy.WordsOfTheService"},
]
PASSWORD_HASHERS = ["users.password_hasher.OwaspArgon2", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]
# A constraint makes user names unique among users who are not deleted, ignoring case. The check auth.W004 does
# not recognise it.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]

DATA_UPLOAD_MAX_MEMORY_SIZE = 128 * 1024  # the longest legitimate body has a device token of up to 4 kB
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}

CORS_ALLOWED_ORIGINS = env.names("CORS_ALLOWED_ORIGINS")
CORS_ALLOW_ALL_ORIGINS = CORS_ALLOWED_ORIGINS == ["*"]
if CORS_ALLOW_ALL_ORIGINS:
    CORS_ALLOWED_ORIGINS = []
CORS_URLS_REGEX = r"^/(?!account(/|$)|admin/|static/)"
CORS_EXPOSE_HEADERS = ["X-Request-ID", "Retry-After"]

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True  # finds the packages' files at the start, without collectstatic
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "zapauth.date_formats"  # formats of dates and times in the admin

# The admin's cookie contains the id of a session, and that session decides (`sessions.browser`). The account page has
# a cookie of its own (`sessions.cookies`). Django stores nothing in the database. It measures a cookie's age by the
# host's clock. We add a day, in case that clock is wrong.
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
SESSION_COOKIE_AGE = int((STAFF_SESSION_LIFETIME + timedelta(days=1)).total_seconds())
SESSION_COOKIE_HTTPONLY, SESSION_COOKIE_SAMESITE = True, "Lax"
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
# Only the pages redirect. The dialects answer in their own shape. A client that calls over
# plain HTTP has already sent its token.
SECURE_REDIRECT_EXEMPT = [r"^(?!account(/|$)|admin/|docs/?$)"]
if HTTPS:
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = env.whole("HSTS_SECONDS", 365 * 24 * 3600)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

LOG_FORMAT = env.choice("LOG_FORMAT", "text", ["text", "json"])
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"])
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "zapauth.logs.TextFormatter"},
        "json": {"()": "zapauth.logs.JsonFormatter"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        # A 4xx is an error of the client, and the answer says what is wrong.
        "django.request": {"level": "ERROR"},
        "django.security": {"level": "ERROR"},
        # `sessions.jobs` logs what happens to jobs.
        "procrastinate": {"level": "WARNING"},
    },
}
