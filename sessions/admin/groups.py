"""Groups in the theme; simplejwt's tables not at all: what they say, a session's page and Explain say better."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from rest_framework_simplejwt.token_blacklist import admin as _registered  # noqa: F401  # by now
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from unfold.admin import ModelAdmin

admin.site.unregister([Group, OutstandingToken, BlacklistedToken])


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    pass
