"""Buddy's routes: parse, call, answer."""

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from sessions.devices import change_device, log_out_of_device, open_device_session
from sessions.login import log_in_on_device, sign_up_on_device
from users.clients import get_app_by_key, shared_secret_of
from users.credentials import get_user_by_username
from zapauth.buddy import envelope, errors
from zapauth.buddy.authentication import BuddyAuthentication, UserLevel
from zapauth.buddy.envelope import device_json, grant_json, user_json
from zapauth.buddy.serializers import BuddyInput, DeviceChangeInput, DeviceInput, LoginInput, RegistrationInput
from zapauth.buddy.signatures import server_signature
from zapauth.dialect import DialectViewSet, FormBody, JSONBody, OneShape, read_form


class LenientTypes(OneShape):
    """A body without a content type is JSON: two clients name none."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return super().select_parser(request, parsers) or (None if request.content_type else parsers[0])


class BuddyViewSet(DialectViewSet):
    failure = staticmethod(errors.failure)
    server_error = staticmethod(errors.server_error)
    parser_classes: Any = [JSONBody, FormBody]
    content_negotiation_class = LenientTypes

    def read(self, kind: type[BuddyInput]) -> dict[str, Any]:
        """The call's parameters. Raises: ValidationError."""
        in_query = self.request.method == "GET"
        return kind.read(read_form(self.request.META["QUERY_STRING"]) if in_query else self.request.data)

    def success(self, result: Any, *, status: int = 200) -> HttpResponse:
        return envelope.success(self.request._request, result, status=status)


class ServiceViewSet(BuddyViewSet):
    def ping(self, request: Request) -> HttpResponse:
        return self.success("Pong")


class DeviceRegistrationViewSet(BuddyViewSet):
    def create(self, request: Request) -> HttpResponse:
        given = self.read(DeviceInput)
        app_key = given.pop("app_key")
        app = get_app_by_key(given.pop("app_id"), app_key)
        grant = open_device_session(
            app,
            unique_id=given.pop("unique_id", None) or None,
            push_token=given.pop("push_token", None) or None,
            origin=self.origin,
            **given,
        )
        secret = shared_secret_of(app)
        proof = {"serverSignature": server_signature(secret, app_key=app_key)} if secret else {}
        return self.success(grant_json(grant) | proof, status=201)


class DeviceViewSet(BuddyViewSet):
    authentication_classes: Any = [BuddyAuthentication]

    def change_current(self, request: Request) -> HttpResponse:
        return self.success(device_json(change_device(self.session, **self.read(DeviceChangeInput))))


class UserViewSet(BuddyViewSet):
    """Coming in: calls that an app-level token is good for."""

    authentication_classes: Any = [BuddyAuthentication]

    def create(self, request: Request) -> HttpResponse:
        user, grant = sign_up_on_device(current=self.session, origin=self.origin, **self.read(RegistrationInput))
        return self.success(user_json(user) | grant_json(grant))

    def login(self, request: Request) -> HttpResponse:
        given = self.read(LoginInput)
        user = get_user_by_username(given.pop("username"), given.pop("password"))
        grant = log_in_on_device(user, current=self.session, origin=self.origin, **given)
        return self.success(user_json(user) | grant_json(grant))


class OwnUserViewSet(BuddyViewSet):
    """Calls that need a user; the second seed document's logout is among them."""

    authentication_classes: Any = [BuddyAuthentication]
    permission_classes: Any = [UserLevel]

    def retrieve(self, request: Request) -> HttpResponse:
        self.read(BuddyInput)
        return self.success(user_json(self.user))

    def logout(self, request: Request) -> HttpResponse:
        self.read(BuddyInput)
        return self.success(grant_json(log_out_of_device(self.session, origin=self.origin)))
