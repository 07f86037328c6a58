"""The API page in a real browser: it is complete, it calls the API, and it calls no other server."""

import pytest

from tests.browser.chromium import CHROMIUM, chromium, note_violations
from tests.phones import Live, ZapPhone
from tests.schema.document import document

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]


def test_the_page_shows_every_operation_and_calls_the_api_with_a_token_that_it_is_given(api):
    phone = ZapPhone(Live(api)).sign_up()
    errors, requests = [], []
    with chromium() as browser, browser.page() as page:
        page.emulate_media(color_scheme="dark")
        page.on("pageerror", lambda error: errors.append(error.message))
        note_violations(page, errors)
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"{api}/docs")
        page.wait_for_selector(".opblock")
        shown = page.locator(".opblock").count()
        dark = page.evaluate("document.documentElement.classList.contains('dark-mode')")

        page.click(".btn.authorize")
        page.fill("#auth-bearer-value", phone.access_token)
        page.click(".auth-container:has(#auth-bearer-value) button.authorize")
        page.click(".btn-done")
        operation = page.locator("[id$=zapGetOwnUser]")
        operation.locator(".opblock-summary-control").click()
        operation.locator(".execute").click()
        answer = operation.locator(".live-responses-table .response").first.inner_text()
    assert errors == []
    assert dark
    assert shown == sum(len(methods) for methods in document()["paths"].values())
    assert "200" in answer
    assert f'"username": "{phone.username}"' in answer
    assert {url.removeprefix(api)[0] for url in requests} == {"/"}
