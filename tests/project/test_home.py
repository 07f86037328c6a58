"""The page at `/`."""

import re
from contextlib import closing

import pytest
from django.test import Client

from tests.phones import InProcess

LINKS = ["/account/", "/docs", "/schema", "/admin/"]


def test_the_page_says_what_the_service_is_and_its_links_lead_somewhere(db):
    page = InProcess()("GET", "/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<h1>ZapAuth</h1>" in page.text
    assert re.findall(r'<a href="([^"]+)"', page.text) == LINKS
    addresses = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    assert all(address.startswith("/") and not address.startswith("//") for address in addresses)
    for address in addresses:
        with closing(Client().get(address, follow=True)) as answer:
            assert answer.status_code == 200, address


def test_the_page_makes_no_query_even_with_the_cookies_of_staff(db, django_assert_num_queries):
    client = Client()
    client.cookies["sessionid"] = client.cookies["messages"] = "some cookie"
    with django_assert_num_queries(0):
        assert client.get("/").status_code == 200


def test_head_has_the_headers_of_the_page_and_no_body():
    page = InProcess()("HEAD", "/")
    assert (page.status, page.headers["content-type"], page.text) == (200, "text/html; charset=utf-8", "")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_any_other_method_gets_the_404_of_buddy(method):
    answer = InProcess()(method, "/")
    assert (answer.status, answer.json["error"], answer.headers["content-type"]) == (
        *(404, "OperationNotFound", "application/json"),
    )
    assert "content-security-policy" not in answer.headers


def test_an_unknown_path_below_it_gets_the_404_of_buddy():
    for path in ("/nothing", "/index.html"):
        answer = InProcess()("GET", path)
        assert (answer.status, answer.json["error"]) == (404, "OperationNotFound"), path
