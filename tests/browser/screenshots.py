"""`make screenshots`: take pictures of the admin and the account page, over a real server, and of mails."""

import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from random import Random

DATA = tempfile.mkdtemp(prefix="zapauth-screenshots-")
# Made-up sessions are seldom used, so the sweep would end them.
os.environ |= {"DJANGO_SETTINGS_MODULE": "zapauth.settings", "DATA_DIR": DATA, "SESSION_IDLE_TIMEOUT": "0"}

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db.models import Count  # noqa: E402
from django.utils import timezone  # noqa: E402
from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402

from sessions.bulk.orders import end_as_staff  # noqa: E402
from sessions.management.demo_data import analyze, make_sessions, make_users  # noqa: E402
from sessions.models import Session  # noqa: E402
from sessions.selection.selection import Selection  # noqa: E402
from tests.browser import account_pictures, mail_pictures  # noqa: E402
from tests.browser.chromium import launch  # noqa: E402
from tests.phones import PASSWORD, Live, ZapPhone  # noqa: E402
from tests.servers import running_server  # noqa: E402
from users.models import RefusedLogin, User  # noqa: E402
from users.origin import Origin  # noqa: E402
from users.record.events import Event  # noqa: E402
from users.record.masking import masked_email  # noqa: E402
from users.record.writing import record  # noqa: E402
from zapauth.local.embedded_postgres import running  # noqa: E402

DOCS = Path(__file__).resolve().parents[2] / "docs"
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


def seed() -> str:
    """Make users, phones and a month of events. Returns the id of a user with many events."""
    for batch in (make_users(3000), make_sessions(14_000, users=3000), make_sessions(5000, users=3000, ended=True)):
        list(batch)
    analyze()
    staff = User.objects.create_superuser("mona", PASSWORD, name="Mona Staff")
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    dice = Random(7)
    most = {RefusedLogin.Reason.WRONG_PASSWORD: 9, RefusedLogin.Reason.UNKNOWN_USER: 4, RefusedLogin.Reason.TOO_MANY: 2}
    RefusedLogin.objects.bulk_create(
        RefusedLogin(hour=now - timedelta(hours=ago), reason=reason, count=dice.randint(1, many) * dice.randint(1, 5))
        for ago in range(30 * 24)
        for reason, many in most.items()
    )
    origin = Origin(ip="192.0.2.17", request_id="7f0c2c1e-5a2b-4b7e-9d5f-1f2a3b4c5d6e")
    busy = User.objects.annotate(n=Count("login_sessions")).order_by("-n")[:3]
    hero = busy[0]
    stolen = Session.objects.filter(user=hero, ended_at=None).first()
    for selection, note in (
        (Selection(users=(busy[1].pk,)), "Left the company, ticket 4702"),
        (Selection(platforms=("Windows",), seen_before=timezone.now() - timedelta(days=20)), "Old desktop clients"),
        (Selection(sessions=(str(stolen.pk),)), "Phone stolen, ticket 4711"),
    ):
        end_as_staff(selection, actor=staff, origin=origin, note=note)
    record_changes(hero, staff, origin)
    hero.set_password(PASSWORD)
    hero.save(update_fields=["password"])
    return hero.pk


def record_changes(user: User, staff: User, origin: Origin) -> None:
    """Write some entries about the user, for the timeline."""
    email = {"from": masked_email(user.email), "to": "a***@example.com"}
    record(Event.EMAIL_CHANGED, user=user, actor=staff, origin=origin, changed={"email": email}, verified=False)
    at_home = Origin(ip="198.51.100.4", user_agent="Demo/3.2")
    record(Event.LOGIN_REFUSED, user=user, origin=at_home, reason="wrong_password")
    record(Event.RESET_ASKED, user=user, actor=staff, origin=origin, note="On the phone, ticket 4711")
    record(Event.RESET_USED, user=user, actor=user, origin=at_home)
    record(Event.FACTOR_ENABLED, user=user, actor=user, origin=at_home)


def main() -> None:
    DOCS.mkdir(exist_ok=True)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, DATA)
        stack.enter_context(running())
        call_command("migrate", verbosity=0)
        user_id = seed()
        server = stack.enter_context(running_server())
        phone = ZapPhone(Live(server.base_url)).sign_up("ann")
        username = User.objects.get(pk=user_id).username
        with sync_playwright() as playwright, launch(playwright.chromium) as browser:
            for theme in ("light", "dark"):
                shoot(browser, server.base_url, theme, WIDE, user_id=user_id, token=phone.access_token)
            shoot(browser, server.base_url, "light", NARROW, user_id=user_id, token=phone.access_token)
            account_pictures.take(browser, DOCS, server.base_url, username=username)
            mail_pictures.take(browser, DOCS, ("login", "reset_code"))


def shoot(browser: Browser, url: str, theme: str, size: dict, *, user_id: str, token: str) -> None:
    page = browser.new_page(viewport=size, color_scheme=theme)
    suffix = theme if size is WIDE else "narrow"

    def keep(name: str) -> None:
        if size is NARROW and name not in ("dashboard", "user", "timeline"):
            return
        page.evaluate("document.fonts.ready")
        page.wait_for_timeout(400)
        page.set_viewport_size(size | {"height": {"dashboard": 1200, "user": 1500}.get(name, 900)})
        whole = name == "dashboard" and size is NARROW
        page.screenshot(path=DOCS / f"admin-{name}-{suffix}.png", full_page=whole)

    log_in(page, url)
    keep("dashboard")
    page.goto(f"{url}/admin/user_sessions/session/")
    keep("sessions")
    page.goto(f"{url}/admin/users/user/{user_id}/change/")
    keep("user")
    page.goto(f"{url}/admin/users/user/{user_id}/timeline/")
    keep("timeline")
    page.goto(f"{url}/admin/user_sessions/session/?platform=Android&created=7d-")
    page.locator("#action-toggle").check()
    page.get_by_title("Click here to select the objects across all pages").click()
    page.locator("select[name=action]").select_option("log_out")
    page.get_by_role("button", name="Run").click()
    keep("confirm")
    page.goto(f"{url}/admin/explain/")
    page.locator("textarea").fill(token)
    page.get_by_role("button", name="Explain").click()
    keep("explain")
    page.close()


def log_in(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/")
    page.locator("[name=username]").fill("mona")
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{url}/admin/")


if __name__ == "__main__":
    sys.exit(main())
