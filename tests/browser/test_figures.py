"""The dashboard's charts, tables and refresh in a real browser."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from sessions.inspect.statistics import count_figures
from sessions.logout import end_sessions
from sessions.management.demo_data import make_sessions, make_users
from sessions.models import EndReason, Session
from tests.browser.admin import browsing, type_password, visiting
from tests.browser.chromium import CHROMIUM
from tests.servers import running_server
from tests.sessions.staff import new_staff
from tests.threads import other_threads
from tests.waiting import wait_until
from users.clock import database_now
from users.models import RefusedLogin

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]

CHARTS = ["live", "platform", "app", "ended", "refused"]


@pytest.fixture(scope="module")
def _admin(django_db_setup, django_db_blocker):
    """A server that has just started, so its next sweep, which counts figures, is five minutes away."""
    with django_db_blocker.unblock(), running_server(WORKERS="1") as started:
        yield started


@pytest.fixture
def admin(_admin, transactional_db):
    """The URL of a server with sessions. The log-in of the member of staff is one more."""
    new_staff("Support", name="sven")
    for batch in (make_users(30), make_sessions(300, users=30), make_sessions(90, users=30, ended=True)):
        list(batch)
    hour = database_now().replace(minute=0, second=0, microsecond=0)
    RefusedLogin.objects.create(hour=hour, reason="too_many", count=15)
    RefusedLogin.objects.create(hour=hour, reason="disabled", count=28_000)
    count_figures(anew=True)  # the server has counted past days before these sessions were made
    return _admin.base_url


def box(page: Page, name: str) -> Locator:
    return page.locator("[data-chart]", has=page.locator(f"#{name}-table"))


def drawn(page: Page, name: str) -> dict:
    """Return what Chart.js has drawn: the series with their numbers, the heights of the bars, the texts of the axes."""
    return (
        box(page, name)
        .locator("canvas")
        .evaluate("""canvas => {
        const chart = Chart.getChart(canvas);
        return {
            labels: chart.data.labels,
            series: chart.data.datasets.map((set) => [set.label, [...set.data]]),
            heights: chart.data.datasets.map((_, number) => chart.getDatasetMeta(number).data.map((bar) => bar.height)),
            ticks: Object.values(chart.scales).flatMap((axis) => axis.ticks.map((tick) => String(tick.label))),
        };
    }""")
    )


def hover(page: Page, name: str, *, across: float, down: float = 0.5) -> dict:
    """Move the pointer over a chart. Returns the title, the lines and the footer of what appears."""
    canvas = box(page, name).locator("canvas")
    canvas.scroll_into_view_if_needed()
    at = canvas.bounding_box()
    assert at is not None
    page.mouse.move(at["x"] + at["width"] * across, at["y"] + at["height"] * down)
    return canvas.evaluate("""async (canvas) => {
        await new Promise(requestAnimationFrame);
        const { opacity, title, body, footer } = Chart.getChart(canvas).tooltip;
        return { opacity, title: title[0], lines: body.map((item) => item.lines[0]), footer: footer[0] ?? "" };
    }""")


def tap(page: Page, name: str) -> None:
    box(page, name).locator("canvas").evaluate("""canvas => {
        const { left, top, width } = canvas.getBoundingClientRect();
        const at = { clientX: left + width / 2, clientY: top + 20 };
        canvas.dispatchEvent(new PointerEvent("click", { ...at, pointerType: "touch", bubbles: true }));
    }""")


def table_of(page: Page, name: str) -> list[list[str]]:
    """Return the texts of a table, also of a hidden one."""
    return page.locator(f"#{name}-table").evaluate(
        "table => [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent.trim()))"
    )


def number(text: str) -> int:
    return int(text.replace(",", ""))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_each_chart_has_axes_with_numbers_and_shows_its_values_to_the_pointer(admin, theme):
    with browsing(admin, "sven", theme=theme) as page:
        for name in CHARTS:
            expect(box(page, name).locator("canvas")).to_be_visible()
            assert {"0", "10", "20"} & {*drawn(page, name)["ticks"]}
            expect(page.locator(f"#{name}-table")).to_be_hidden()
        live = table_of(page, "live")
        assert hover(page, "live", across=0.995) == {
            "opacity": 1,
            "title": live[1][0],
            "lines": [f"Live: {live[1][1]}"],
            "footer": "",
        }
        refused = hover(page, "refused", across=0.985)
        assert refused["lines"] == ["account disabled: 28,000", "too many attempts: 15"]
        assert refused["footer"] == "All: 28,015"
        assert hover(page, "platform", across=0.5, down=0.2)["lines"][0].startswith("Live: ")
        # The first tap shows the values, the second one follows the link.
        tap(page, "app")
        page.wait_for_timeout(0)
        assert page.url.endswith("/admin/")
        with page.expect_navigation():
            tap(page, "app")
        assert "/admin/user_sessions/session/?state=live&app=" in page.url
        page.go_back()
        hover(page, "live", across=0.995)
        with page.expect_navigation():
            page.mouse.down()
            page.mouse.up()
        assert page.url.endswith("/admin/user_sessions/session/?state=live")


def test_what_a_chart_draws_is_in_its_table_a_small_number_is_a_small_bar_and_all_fits_a_phone(admin):
    with browsing(admin, "sven") as page:
        for name in CHARTS:
            table, chart = table_of(page, name), drawn(page, name)
            rows = table[1:] if name in ("live", "ended", "refused") else table[1:-1]
            if name in ("live", "ended", "refused"):
                rows.reverse()
            for label, values in chart["series"]:
                column = table[0].index(label)
                assert [number(row[column]) for row in rows] == values, (name, label)
        disabled, too_many = (heights[-1] for heights in drawn(page, "refused")["heights"])
        assert disabled > 50
        assert too_many < 1
        page.set_viewport_size({"width": 390, "height": 844})
        for summary in page.locator(".za-data summary").all():
            summary.click()
        expect(page.locator("#ended-table")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_numbers_of_the_tables_are_those_of_the_lists_they_link_to(admin):
    with browsing(admin, "sven") as page:
        links = {}
        for name in ("live", "platform", "app", "ended"):
            found = page.locator(f"#{name}-table a").evaluate_all("all => all.map((a) => [a.href, a.textContent])")
            assert found
            # The first links are those of today; the others have the same form.
            links |= dict(found[:2])
        for url, text in links.items():
            listed = wait_until(lambda url=url: counted(page, url))
            assert re.fullmatch(rf"{text} sessions?", listed), (url, text, listed)


def counted(page: Page, url: str) -> str | None:
    """Return the number of rows above a list, in words. None: the machine was too busy to count them in time."""
    listed = re.search(r'id="list-count">([^<]*)<', page.request.get(url).text())[1]
    return listed if re.match(r"\d", listed) else None


def test_without_javascript_the_tables_are_shown(admin):
    with visiting(admin, javascript=False) as page:
        page.goto("/admin/")
        type_password(page, "sven")
        expect(page.locator("#live-now")).to_have_text("301")
        for name in CHARTS:
            expect(page.locator(f"#{name}-table")).to_be_visible()
        expect(page.locator("canvas")).to_have_count(0)


def test_the_page_refreshes_itself_and_leaves_focus_text_and_open_tables_alone(admin):
    left = 1 + Session.objects.filter(ended_at=None).exclude(platform="Android").count()
    with visiting(admin, clock=True) as page:
        page.goto("/admin/")
        type_password(page, "sven")
        expect(page.locator("#live-now")).to_have_text("301")
        page.locator("[name=q]").fill("half a na")
        summary = box(page, "live").locator("summary")
        summary.press("Enter")
        expect(page.locator("#live-table")).to_be_visible()
        page.evaluate("window.before = [document.querySelector('canvas'), document.querySelector('#live-table')]")
        elsewhere(end_android)
        page.clock.run_for(31_000)
        expect(page.locator("#live-now")).to_have_text(str(left))
        assert table_of(page, "live")[1][1] == str(left)
        assert drawn(page, "live")["series"][0][1][-1] == left
        assert "Android" not in drawn(page, "platform")["labels"]
        # The elements are the same ones: nothing flickered, nothing was closed.
        assert page.evaluate(
            "window.before[0] === document.querySelector('canvas') && "
            "window.before[1] === document.querySelector('#live-table')"
        )
        expect(page.locator("#live-table")).to_be_visible()
        expect(summary).to_be_focused()
        assert page.locator("[name=q]").input_value() == "half a na"


def test_a_hidden_page_fetches_nothing_and_one_that_is_logged_out_says_so(admin):
    asked: list[str] = []
    with visiting(admin, clock=True) as page:
        page.goto("/admin/")
        type_password(page, "sven")
        expect(page.locator("#live-now")).to_have_text("301")
        page.on("request", lambda request: asked.append(urlsplit(request.url).path))
        page.evaluate("Object.defineProperty(document, 'hidden', { get: () => window.isHidden, configurable: true })")
        page.evaluate("window.isHidden = true")
        page.clock.run_for(95_000)
        # The browser fetches the page's icon when it likes.
        assert [path for path in asked if not path.endswith("icon.svg")] == []
        page.evaluate("window.isHidden = false")
        with page.expect_response("**/admin/figures/"):
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        elsewhere(end_log_ins_of_staff)
        page.clock.run_for(31_000)
        expect(page.locator("#refresh-state")).to_contain_text("no longer refreshed")
        page.clock.run_for(95_000)
        assert asked.count("/admin/figures/") == 2
        expect(page.locator("#live-now")).to_have_text("301")


def elsewhere(job: Callable[[], None]) -> None:
    """Call ``job`` in another thread: the ORM refuses to work in that of a browser."""
    with other_threads() as start:
        start(job).result()


def end_android() -> None:
    end_sessions(Session.objects.filter(platform="Android"), actor=None, reason=EndReason.STAFF)


def end_log_ins_of_staff() -> None:
    end_sessions(Session.objects.filter(app__kind="admin"), actor=None, reason=EndReason.STAFF)
