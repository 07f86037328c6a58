"""Where a request came from, as a real server sees it."""

import pytest

from sessions.models import Session
from tests.phones import Live
from tests.servers import running_server
from users.models import User


@pytest.fixture(scope="module")
def both_families(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), running_server(HOST="::") as started:
        yield started


def test_a_server_on_all_addresses_knows_an_ipv4_client_by_its_ipv4_address(
    phone_kind, both_families, transactional_db
):
    phone = phone_kind(Live(both_families.base_url)).sign_up()
    phone.log_in(phone.username)
    assert set(Session.objects.values_list("ip", flat=True)) == {"127.0.0.1"}
    assert User.objects.get(pk=phone.user_id).ip_addresses == ["127.0.0.1"]
