"""The answers of the push gate."""

from datetime import UTC, datetime

from sessions.pushes import Verdict, Verdicts
from zapauth.shapes import BOOLEAN, OBJECT_ID, TEXT, Field, Schema, Shape, list_of

_MOMENT: Schema = {"type": "string", "format": "date-time"}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _time(moment: datetime) -> str:
    """Return the moment in ISO 8601 with microseconds, so that a report can compare it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _next(page: Verdicts) -> str:
    return "" if page.more_after is None else str(page.more_after)


VERDICT = Shape[Verdict](
    "PushVerdict",
    {
        "deviceToken": Field(TEXT, lambda verdict: verdict.device_token),
        "allowed": Field(BOOLEAN, lambda verdict: verdict.is_allowed),
        "user": Field(_or_null(OBJECT_ID), lambda verdict: verdict.user_id),
        "app": Field(_or_null(OBJECT_ID), lambda verdict: verdict.app_id),
        "platform": Field(_or_null(TEXT), lambda verdict: verdict.platform),
    },
    description="`user` is the user who is logged in on the device, `app` the app in which they are, `platform` what"
    " that app told. If no push is allowed, these three are null, and nothing says why.",
)
_VERDICTS: dict[str, Field[Verdicts]] = {
    "checkedAt": Field(_MOMENT, lambda found: _time(found.checked_at)),
    "deviceTokens": Field(list_of(VERDICT.ref), lambda found: [VERDICT(verdict) for verdict in found.verdicts]),
}
CHECK = Shape[Verdicts]("", _VERDICTS)
PAGE = Shape[Verdicts](
    "",
    _VERDICTS
    | {
        "next": Field(
            TEXT | {"description": "Send it as `after` for the next page. Without it this page is the last one."},
            _next,
            is_optional=True,
        )
    },
)
GONE = Shape[int]("", {"detached": Field({"type": "integer", "minimum": 0}, lambda count: count)})
