"""Sessions of every kind. Plain Python, without ORM and SQL, decides which of them a filter selects."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address, ip_network
from typing import Any

from django.utils import timezone
from hypothesis import strategies as st
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from sessions.models import EndReason, Session
from sessions.tokens.jwt import RefreshToken
from users.models import App, Device, DeviceToken, User

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
SIZE = 150
ROLES = (None, "7", "07", "63fc98989ffb63cf5cdd0587")
PLATFORMS = ("iOS", "IOS", "Android", "android 14", "Mac OS X", "")
COUNTRIES = ("DE", "FR", None)
VERSIONS = ("3.1", "3.2", "")
ADDRESSES = (
    *("192.0.2.0", "192.0.2.1", "192.0.2.255", "192.0.3.0", "10.0.0.1", "255.255.255.255"),
    *("2001:db8::", "2001:db8::1", "2001:db8:0:1::", "::1", "::ffff:192.0.2.1", None),
)
NETWORKS = (
    *("192.0.2.0/24", "192.0.2.1/32", "192.0.2.1", "192.0.2.0/23", "0.0.0.0/0", "10.0.0.0/8", "198.51.100.0/24"),
    *("2001:db8::/64", "2001:db8::/32", "2001:db8::1/128", "2001:db8::1", "::/0", "::ffff:192.0.2.0/120"),
    *("::c000:200/120", "192.0.2.0/255.255.255.0"),
)


@dataclass(frozen=True)
class Row:
    """The facts about a session, noted when it was made."""

    id: str
    user: str | None
    role: str | None
    is_superuser: bool
    app: str
    platform: str
    device_token: str | None
    country: str | None
    app_version: str | None
    ip: str | None
    created_at: datetime
    last_seen_at: datetime
    end_reason: str
    refresh_jti: str | None

    @property
    def is_live(self) -> bool:
        return not self.end_reason


def make_population() -> list[Row]:
    """Make the same sessions each time, but with new ids. No cut-off is set. Many times are on the same days."""
    choose = random.Random(26).choice
    apps = [App.objects.create(name=name) for name in ("One", "Two", "Three")]
    users = [
        User.objects.create_user(
            f"user{number}",
            role_id=choose(ROLES),
            is_staff=number % 3 == 0,
            is_superuser=number % 6 == 0,
            deleted_at=NOW if number == 4 else None,
            is_active=number != 5,
        )
        for number in range(12)
    ]
    # The newest holder of an address is not always the user of the session.
    tokens = [DeviceToken.of(f"token {number}", user=choose([None, *users])) for number in range(20)]
    DeviceToken.objects.bulk_create(tokens)
    devices = [None, *(Device.objects.create(app=apps[0], app_version=version) for version in VERSIONS)]
    sessions = []
    for number in range(SIZE):
        user = choose([None, *users])
        created_at = NOW - timedelta(days=choose(range(40)))
        reason = choose(["", "", "", EndReason.LOGOUT.value, EndReason.EXPIRED.value])
        session = Session(
            app=choose(apps),
            user=user,
            platform=choose(PLATFORMS),
            device=devices[number % len(devices)],
            device_token=choose([None, *tokens]),
            country=choose(COUNTRIES),
            ip=choose(ADDRESSES),
            created_at=created_at,
            last_seen_at=choose([created_at, created_at + (NOW - created_at) / 2, NOW]),
            expires_at=created_at + timedelta(days=60),
            end_reason=reason,
            ended_at=NOW if reason else None,
        )
        if user is not None and choose([True, False]):
            refresh = RefreshToken.for_session(session, issued_at=session.created_at, expires_at=session.expires_at)
            session.refresh_jti = refresh["jti"]
            OutstandingToken.objects.create(
                jti=refresh["jti"], user=user, token="", created_at=created_at, expires_at=session.expires_at
            )
        sessions.append(session)
    Session.objects.bulk_create(sessions)
    return [_row(session) for session in sessions]


def _row(session: Session) -> Row:
    user, token = session.user, session.device_token
    return Row(
        id=str(session.pk),
        user=user and user.pk,
        role=user and user.role_id,
        is_superuser=bool(user and user.is_superuser),
        app=session.app.pk,
        platform=session.platform,
        device_token=token and token.digest.hex(),
        country=session.country,
        app_version=session.device and session.device.app_version,
        ip=session.ip,
        created_at=session.created_at,
        last_seen_at=session.last_seen_at,
        end_reason=session.end_reason,
        refresh_jti=session.refresh_jti,
    )


def is_meant(row: Row, given: dict[str, Any]) -> bool:
    """Return whether the filters in ``given`` (fields of `Selection`) select that session at `NOW`."""
    return all(_FULFILS[name](row, wanted) for name, wanted in given.items())


def _is_within(row: Row, networks: tuple[str, ...]) -> bool:
    return row.ip is not None and any(ip_address(row.ip) in ip_network(network) for network in networks)


_FULFILS: dict[str, Any] = {
    "everyone": lambda _, wanted: wanted,
    "users": lambda row, wanted: row.user in wanted,
    "apps": lambda row, wanted: row.app in wanted,
    "platforms": lambda row, wanted: row.platform.lower() in [platform.lower() for platform in wanted],
    "device_tokens": lambda row, wanted: row.device_token in wanted,
    "countries": lambda row, wanted: row.country in wanted,
    "networks": _is_within,
    "roles": lambda row, wanted: row.role in wanted,
    "app_versions": lambda row, wanted: row.app_version in wanted,
    "reasons": lambda row, wanted: row.end_reason in wanted,
    "sessions": lambda row, wanted: row.id in wanted,
    "created_before": lambda row, wanted: row.created_at < wanted,
    "created_after": lambda row, wanted: row.created_at >= wanted,
    "seen_before": lambda row, wanted: row.last_seen_at < wanted,
    "seen_after": lambda row, wanted: row.last_seen_at >= wanted,
    "idle_for": lambda row, wanted: NOW - row.last_seen_at >= wanted,
    "spare_superusers": lambda row, wanted: not (wanted and row.is_superuser),
}


def fulfilled_filters() -> set[str]:
    """Return the names of the filters that `is_meant` knows."""
    return set(_FULFILS)


def filters(rows: list[Row]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw any combination of filters: existing values, unknown values, several values, or no values."""
    # Up to one tick before or after some time of a session.
    moments = st.builds(
        lambda moment, ticks: moment + ticks * TICK,
        st.sampled_from(sorted({row.created_at for row in rows} | {row.last_seen_at for row in rows})),
        st.integers(-1, 1),
    )
    several = partial(_several, rows)
    kinds = {
        "users": several("user", "0" * 24),
        "apps": several("app", "0" * 24),
        "platforms": several("platform", "Windows", "ANDROID", "ios"),
        "device_tokens": several("device_token", "00" * 32),
        "countries": several("country", "JP"),
        "networks": st.lists(st.sampled_from(NETWORKS), max_size=3).map(tuple),
        "roles": several("role", "9"),
        "app_versions": several("app_version", "9.9"),
        "reasons": several("end_reason", "idle"),
        "sessions": st.lists(st.sampled_from([row.id for row in rows]), max_size=SIZE).map(tuple),
        "created_before": moments,
        "created_after": moments,
        "seen_before": moments,
        "seen_after": moments,
        "idle_for": moments.map(lambda moment: max(NOW - moment, timedelta(0))),
        "spare_superusers": st.just(True),
    }
    # Only a few filters at a time. A combination of all of them seldom selects anything.
    names = st.sets(st.sampled_from(sorted(kinds)), min_size=1, max_size=4)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: kinds[name] for name in chosen})).map(
        lambda given: {"everyone": True} | given if set(given) == {"spare_superusers"} else given
    )


def _several(rows: list[Row], field: str, *unknown: str) -> st.SearchStrategy[tuple[str, ...]]:
    values = {getattr(row, field) for row in rows} - {None}
    return st.lists(st.sampled_from([*sorted(values), *unknown]), max_size=4).map(tuple)


def new_session(**fields: Any) -> Session:
    """Make a live session of the app "App", opened now, or as ``fields`` say."""
    app = fields.pop("app", None) or App.objects.get_or_create(name="App")[0]
    at = fields.pop("created_at", None) or timezone.now()
    times = {"created_at": at, "last_seen_at": at, "expires_at": at + timedelta(days=30)}
    user = fields.get("user")
    for owner in filter(None, (app, user)):
        owner.refresh_from_db(fields=["session_epoch"])
    epochs = {"app_epoch": app.session_epoch, "user_epoch": user.session_epoch if user else 0}
    return Session.objects.create(**{"app": app} | epochs | times | fields)
