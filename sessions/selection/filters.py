"""Every filter of sessions. Each is declared once, here.

The declaration says how the filter selects rows, how it is worded, which option of commands sets it, and how the
admin's list sets it. `Selection`, `describe`, `listing`, `management.options` and `admin.list_filters` read it here.
"""
# ruff: noqa: RUF009  # `_declare` makes a dataclass field

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q

from sessions.selection import parameters, values, words
from sessions.selection.files import names_of, tokens_of
from sessions.selection.filter_types import Ago, AnyOf, Before, Filter, OneValue, Since, Switch, Values
from sessions.selection.networks import within
from sessions.selection.parameters import From, ListParameter, NotSeenFor, Period, Until
from sessions.selection.search import NOTHING, matching
from users.permissions import NOT_OF_SUPERUSERS


def _declare(declared: Filter, *, default: Any = None) -> Any:
    return field(default=default, metadata={"filter": declared})


@dataclass(frozen=True)
class Filters:
    """The filters of an order. None means that a filter is not given.

    A field's name is its key in stored orders: add, never rename. Words and options have the order of the fields.
    """

    everyone: bool = _declare(
        Filter(
            label="Sessions",
            words=lambda _: "everyone's, in all apps",
            condition=lambda _: Q(),
            options=[Switch("--everyone", help="all sessions of all apps")],
        ),
        default=False,
    )
    # Ids.
    sessions: tuple[str, ...] | None = _declare(
        AnyOf(
            label="Session",
            plural="Sessions",
            words=words.sessions_in_words,
            condition=lambda ids: Q(pk__in=ids),
            options=[Values("--session", "ID", "a session's id", read=values.existing_sessions)],
        )
    )
    # Ids. Each option narrows the selection: `--email` and `--from-file` together mean the users that both name.
    users: tuple[str, ...] | None = _declare(
        AnyOf(
            label="User",
            words=words.users_in_words,
            condition=lambda ids: Q(user__in=ids),
            options=[
                Values("--user", "USER", "a user name or an id", read=values.users_by_name),
                Values("--email", "EMAIL", "a user's email", read=values.users_by_email),
                Values(
                    "--from-file",
                    "FILE",
                    "user names, emails or ids, one per line, or the first column of a CSV; - is standard input",
                    read=values.users_by_any_name,
                    lines_of=names_of,
                ),
            ],
            combine=set.intersection,
            in_list=[
                ListParameter(
                    name="user",
                    title="user",
                    words=parameters.username,
                    value=parameters.user_named,
                    kind="text",
                    hint="Name, email or id",
                )
            ],
        )
    )
    # Ids.
    apps: tuple[str, ...] | None = _declare(
        AnyOf(
            label="App",
            words=words.apps_in_words,
            condition=lambda ids: Q(app__in=ids),
            options=[Values("--app", "APP", "an app's name or id", read=values.apps_by_name)],
            in_list=[ListParameter(name="app", title="app", choices=parameters.apps)],
        )
    )
    # SHA-256 digests in hex.
    device_tokens: tuple[str, ...] | None = _declare(
        AnyOf(
            label="Device token",
            words=words.device_tokens_in_words,
            condition=lambda digests: Q(device_token__digest__in=[bytes.fromhex(digest) for digest in digests]),
            options=[
                Values(
                    "--device-token",
                    "TOKEN",
                    "the device token of the session (its push address)",
                    read=values.device_token_digests,
                ),
                Values(
                    "--device-token-file",
                    "FILE",
                    "device tokens, one per line, hidden from the list of processes; - is standard input",
                    read=values.device_token_digests,
                    lines_of=tokens_of,
                ),
            ],
        )
    )
    platforms: tuple[str, ...] | None = _declare(
        AnyOf(
            label="Platform",
            words=words.platforms_in_words,
            condition=lambda names: _any(Q(platform__iexact=name) for name in names),
            options=[Values("--platform", "NAME", "such as iOS or Android; upper or lower case")],
            in_list=[
                ListParameter(
                    name="platform",
                    title="platform",
                    choices=parameters.platforms,
                    value=parameters.platform_named,
                )
            ],
        )
    )
    # ISO 3166-1 codes.
    countries: tuple[str, ...] | None = _declare(
        AnyOf(
            label="Country",
            plural="Countries",
            condition=lambda codes: Q(country__in=codes),
            check=values.check_countries,
            options=[
                Values(
                    "--country",
                    "CODE",
                    "the country of the log-in: its ISO 3166-1 code, such as DE (needs GEOIP_PATH)",
                    read=values.country_codes,
                )
            ],
            in_list=[ListParameter(name="country", title="country", choices=parameters.countries)],
        )
    )
    # In CIDR form.
    networks: tuple[str, ...] | None = _declare(
        AnyOf(
            label="Address",
            condition=lambda networks: _any(within(network) for network in networks),
            check=values.check_networks,
            options=[
                Values(
                    "--ip",
                    "CIDR",
                    "where the log-in came from: an IP address or a network",
                    read=values.networks_in_cidr,
                )
            ],
            in_list=[
                ListParameter(
                    name="network",
                    title="IP address or network",
                    value=parameters.network,
                    kind="text",
                    hint="192.0.2.0/24",
                )
            ],
        )
    )
    app_versions: tuple[str, ...] | None = _declare(
        AnyOf(
            label="App version",
            plural="App versions",
            condition=lambda versions: Q(device__app_version__in=versions),
            options=[
                Values("--app-version", "VERSION", "the version that the app on the device has told, such as 3.2")
            ],
            in_list=[ListParameter(name="version", title="app version", kind="text", hint="3.2")],
        )
    )
    roles: tuple[str, ...] | None = _declare(
        AnyOf(
            label="Role",
            condition=lambda roles: Q(user__role_id__in=roles),
            options=[Values("--role", "ROLE", "the id of a user's role", read=values.role_ids)],
        )
    )
    seen_after: datetime | None = _declare(
        Since(
            label="Last seen",
            condition=lambda at: Q(last_seen_at__gte=at),
            in_list=[Period(name="seen", title="last seen", stem="seen")],
        )
    )
    seen_before: datetime | None = _declare(Before(label="Last seen", condition=lambda at: Q(last_seen_at__lt=at)))
    created_after: datetime | None = _declare(
        Since(
            label="Opened",
            condition=lambda at: Q(created_at__gte=at),
            in_list=[
                Period(name="created", title="opened", stem="created"),
                From(name="opened_from", title="opened from"),
            ],
        )
    )
    created_before: datetime | None = _declare(
        Before(
            label="Opened",
            condition=lambda at: Q(created_at__lt=at),
            options=[
                OneValue(
                    "--created-before",
                    "WHEN",
                    "opened before that time; ISO 8601; UTC by default",
                    parse=values.moment,
                )
            ],
            in_list=[Until(name="opened_to", title="opened until")],
        )
    )
    idle_for: timedelta | None = _declare(
        Ago(
            label="Not used for",
            condition=lambda since: Q(last_seen_at__lte=since),
            check=values.check_idle_time,
            options=[OneValue("--idle-for", "TIME", "not used for that long: 30d, 12h or 45m", parse=values.duration)],
            in_list=[NotSeenFor(name="unseen", title="not seen for", hint="20 days, or 12h")],
        )
    )
    reasons: tuple[str, ...] | None = _declare(
        AnyOf(
            label="Ended because",
            words=words.reasons_in_words,
            condition=lambda reasons: Q(end_reason__in=reasons),
            in_list=[
                ListParameter(
                    name="reason",
                    title="reason of the end",
                    choices=parameters.reasons,
                    of_ended=True,
                )
            ],
        )
    )
    # The text of the search box.
    search: str | None = _declare(Filter(label="Search", words=lambda text: f"“{text}”", condition=matching))
    # The record of endings for a restored database. `sessions.restore.undo` finds its sessions.
    record: str | None = _declare(Filter(label="Record of endings", condition=lambda _: NOTHING))
    # Set for staff who are not superusers themselves. Without another filter it selects nothing.
    spare_superusers: bool = _declare(
        Filter(label="Left out", words=lambda _: "superusers", condition=lambda _: NOT_OF_SUPERUSERS), default=False
    )


FILTERS: dict[str, Filter] = {filter_.name: filter_.metadata["filter"] for filter_ in fields(Filters)}


def _any(conditions: Iterable[Q]) -> Q:
    return reduce(or_, conditions, NOTHING)
