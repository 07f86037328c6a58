"""The routes of the push gate."""

from django.http import HttpResponse
from rest_framework.request import Request

from sessions.pushes import MOST_OF_USER, Asked, Caller, check, detach_gone, page_of_user
from zapauth.dialect import read_query, validate
from zapauth.services.answers import answer
from zapauth.services.push.answers import CHECK, GONE, PAGE
from zapauth.services.push.inputs import CheckInput, GoneInput, UserTokensInput
from zapauth.services.viewsets import ServiceViewSet


class PushViewSet(ServiceViewSet):
    access = "push_access"

    @property
    def caller(self) -> Caller:
        return Caller(self.app, self.reach)

    def check(self, request: Request) -> HttpResponse:
        given = validate(CheckInput, request.data)
        asked = [Asked(token, user) for token, user in given["device_tokens"]]
        return answer(CHECK(check(asked, users=given["users"], by=self.caller)))

    def tokens(self, request: Request) -> HttpResponse:
        given = validate(UserTokensInput, read_query(request._request))
        page = page_of_user(given["user"], after=given.get("after"), per_page=MOST_OF_USER, by=self.caller)
        return answer(PAGE(page))

    def gone(self, request: Request) -> HttpResponse:
        given = validate(GoneInput, request.data)
        reports = {token: at or given.get("checked_at") for token, at in given["device_tokens"]}
        return answer(GONE(detach_gone(reports, by=self.caller, origin=self.origin)))
