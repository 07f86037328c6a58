"""The headers of pages and of the dialects' answers."""

import pytest
from django.test import Client

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "font-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "object-src 'none'",
}


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/admin/login/", "/admin/", "/admin/users/user/", "/docs", "/docs/", "/schema"])
def test_a_page_has_a_policy_without_inline_and_evaluated_scripts_and_styles(path):
    assert set(Client().get(path)["Content-Security-Policy"].split("; ")) == POLICY


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/admin/nothing/", "/static/nothing.js"])
def test_a_page_that_is_not_there_has_the_policy_too(path):
    assert set(Client().get(path)["Content-Security-Policy"].split("; ")) == POLICY


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/v1/users/token", "/v1/nothing", "/users/me", "/service/ping", "/nothing"])
def test_an_answer_of_a_dialect_has_no_policy(path):
    assert "Content-Security-Policy" not in Client().get(path)
