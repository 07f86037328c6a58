"""How the admin looks, and what its sidebar leads to: django-unfold's settings."""

from django.templatetags.static import static
from django.urls import reverse_lazy

from users.permissions import Act, may


def _item(title: str, icon: str, view: str, act: Act | None = None) -> dict[str, object]:
    item: dict[str, object] = {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{view}")}
    return item | ({"permission": lambda request: may(request.user, act)} if act else {})


UNFOLD = {
    "SITE_TITLE": "ZapAuth",
    "SITE_HEADER": "ZapAuth",
    "SITE_SUBHEADER": "Who is logged in where",
    "SITE_SYMBOL": "bolt",
    "SITE_URL": None,
    "STYLES": [lambda _: static("sessions/admin.css")],
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254.604)",
            "100": "oklch(93.2% .032 255.585)",
            "200": "oklch(88.2% .059 254.128)",
            "300": "oklch(80.9% .105 251.813)",
            "400": "oklch(70.7% .165 254.624)",
            "500": "oklch(62.3% .214 259.815)",
            "600": "oklch(54.6% .245 262.881)",
            "700": "oklch(48.8% .243 264.376)",
            "800": "oklch(42.4% .199 265.638)",
            "900": "oklch(37.9% .146 265.522)",
            "950": "oklch(28.2% .091 267.935)",
        },
    },
    "SIDEBAR": {
        "navigation": [
            {"items": [_item("Dashboard", "monitoring", "index")]},
            {
                "title": "Who is logged in",
                "separator": True,
                "items": [
                    _item("Sessions", "key", "user_sessions_session_changelist", Act.SEE_SESSIONS),
                    _item("Users", "person", "users_user_changelist", Act.SEE_USER),
                    _item("Explain a token", "troubleshoot", "explain", Act.EXPLAIN),
                    _item("Bulk runs", "logout", "user_sessions_bulkrun_changelist", Act.SEE_RUNS),
                    _item("Refused logins", "front_hand", "users_refusedlogin_changelist", Act.SEE_REFUSED_LOGINS),
                ],
            },
            {
                "title": "With what",
                "separator": True,
                "items": [
                    _item("Apps", "apps", "users_app_changelist", Act.SEE_APPS),
                    _item("Devices", "smartphone", "users_device_changelist", Act.SEE_DEVICES),
                    _item("Device tokens", "notifications", "users_devicetoken_changelist", Act.SEE_DEVICE_TOKENS),
                ],
            },
            {
                "title": "Staff",
                "separator": True,
                "items": [_item("Groups", "groups", "auth_group_changelist", Act.SEE_GROUPS)],
            },
        ],
    },
}
