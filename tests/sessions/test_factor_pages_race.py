"""Pages of one's own second factor, when another request changes it while they are answered."""

import pytest
from django.db import transaction
from django.test import Client

from tests.locks import is_waited_for
from tests.phones import PASSWORD
from tests.second_factor import give_factor
from tests.sessions.staff import new_staff
from tests.threads import other_threads
from tests.waiting import wait_until
from users.models import User
from users.second_factor.enabling import disable

pytestmark = pytest.mark.django_db(transaction=True)


def browser_with_factor(pages: str) -> tuple[Client, User]:
    boss = new_staff(name="boss")
    app, _ = give_factor(boss.pk)
    browser = Client()
    browser.post(f"{pages}login/", {"username": "boss", "password": PASSWORD})
    assert browser.post(f"{pages}login/code/", {"code": app.code()}).status_code == 302
    return browser, User.objects.get(pk=boss.pk)


@pytest.mark.parametrize("pages", ["/admin/", "/account/"])
def test_new_recovery_codes_wait_for_the_factor_to_be_switched_off_and_the_page_says_so(pages):
    browser, boss = browser_with_factor(pages)
    url = f"{pages}second-factor/recovery-codes/"
    with other_threads(1) as start:
        with transaction.atomic():
            disable(boss)
            asked = start(browser.post, url, follow=True)
            wait_until(is_waited_for)
        page = asked.result(timeout=10)
    assert page.status_code == 200
    assert "Your second factor was switched off meanwhile. There are no recovery codes." in page.content.decode()
    assert page.redirect_chain == [(f"{pages}second-factor/", 302)]
