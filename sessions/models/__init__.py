"""The tables of the core: sessions, bulk runs, notices, signing keys, figures, and the mark of a backup.

A migration imports `sessions.notice`, so that module keeps its place.
"""

from sessions.models.bulk_run import BulkRun
from sessions.models.figure import Figure
from sessions.models.key_use import RunningServer, SigningKey
from sessions.models.mark import Mark
from sessions.models.reasons import EndReason, Judgement, Refusal
from sessions.models.session import LOCATION_LENGTH, PLATFORM_LENGTH, USER_AGENT_LENGTH, Session
from sessions.notice import Notice, NoticeHorizon

__all__ = [
    "LOCATION_LENGTH",
    "PLATFORM_LENGTH",
    "USER_AGENT_LENGTH",
    "BulkRun",
    "EndReason",
    "Figure",
    "Judgement",
    "Mark",
    "Notice",
    "NoticeHorizon",
    "Refusal",
    "RunningServer",
    "Session",
    "SigningKey",
]
