"""Groups, in the theme. simplejwt's tables are hidden: a session's page and Explain show their contents."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from rest_framework_simplejwt.token_blacklist import admin as _registered  # noqa: F401  # by now
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from unfold.admin import ModelAdmin

from users.permissions import Act, may

admin.site.unregister([Group, OutstandingToken, BlacklistedToken])


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Only superusers change groups. Other staff could give their own group any permission."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may(request.user, Act.CHANGE_POWERS)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, Act.CHANGE_POWERS)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, Act.CHANGE_POWERS)
