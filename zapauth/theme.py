"""The settings of django-unfold: the look of the admin, and the links in its sidebar."""

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
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("sessions/icon.svg")}],
    "STYLES": [lambda _: static("sessions/admin.css")],
    "SCRIPTS": [lambda _: static("sessions/admin.js")],
    "ACCOUNT": {
        "navigation": [
            {"title": "Change password", "link": reverse_lazy("admin:password_change")},
            {"title": "Second factor", "link": reverse_lazy("admin:second_factor")},
        ],
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
                    _item("Record", "history", "users_securityevent_changelist", Act.SEE_RECORD),
                    _item("Bulk runs", "logout", "user_sessions_bulkrun_changelist", Act.SEE_RUNS),
                    _item("Refused log-ins", "front_hand", "users_refusedlogin_changelist", Act.SEE_REFUSED_LOGINS),
                ],
            },
            {
                "title": "Apps and devices",
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
                "items": [
                    _item("Staff", "badge", "staff", Act.SEE_STAFF),
                    _item("Groups", "groups", "auth_group_changelist", Act.SEE_GROUPS),
                ],
            },
        ],
    },
}
