"""The base class of the routes for services."""

from typing import ClassVar, cast

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from users.errors import NotYours
from users.models import Access, App
from zapauth.dialect import DialectViewSet
from zapauth.services import errors
from zapauth.services.authentication import AppAuthentication


class HasAccess(BasePermission):
    """Accepts apps whose column, which the view names in `access`, is not `Access.NONE`."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if cast(ServiceViewSet, view).reach is Access.NONE:
            raise NotYours
        return True


class ServiceViewSet(DialectViewSet):
    """A viewset for services, which authenticate as an app."""

    failure = staticmethod(errors.failure)
    server_error = staticmethod(errors.server_error)
    authentication_classes = [AppAuthentication]
    permission_classes = [HasAccess]
    access: ClassVar[str]  # the column of the app: `token_access`, `push_access` or `event_access`

    @property
    def app(self) -> App:
        """The app that calls."""
        return cast(App, self.request.auth)

    @property
    def reach(self) -> Access:
        """How far the app that calls reaches here."""
        return Access(getattr(self.app, self.access))
