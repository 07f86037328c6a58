"""Users, apps, devices and device tokens.

The models here do not depend on sessions. The models in `sessions` point at them.
"""

from users.models.app import Access, App
from users.models.attempts import OneTimeCode, RefusedLogin, Throttle
from users.models.device import CrashReport, Device, DeviceToken
from users.models.fields import ObjectIdField, SessionEpochField, is_object_id, new_object_id
from users.models.one_use_link import OneUseLink
from users.models.second_factor import RecoveryCode, SecondFactor
from users.models.security_event import SecurityEvent
from users.models.user import User, UserManager

__all__ = [
    "Access",
    "App",
    "CrashReport",
    "Device",
    "DeviceToken",
    "ObjectIdField",
    "OneTimeCode",
    "OneUseLink",
    "RecoveryCode",
    "RefusedLogin",
    "SecondFactor",
    "SecurityEvent",
    "SessionEpochField",
    "Throttle",
    "User",
    "UserManager",
    "is_object_id",
    "new_object_id",
]
