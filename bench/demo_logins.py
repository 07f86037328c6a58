"""Access tokens of demo sessions in the ZAP dialect, evenly spread over all there are."""

from collections.abc import Iterator

from django.utils import timezone

from bench.logins import Login
from bench.zapauth_rows import TOKEN_LIFETIME
from sessions.models import Session
from sessions.tokens.jwt import UserAccessToken


def mint(count: int) -> Iterator[Login]:
    live = Session.objects.filter(ended_at=None, device=None)
    ids = list(live.order_by("pk").values_list("pk", flat=True))
    chosen = Session.objects.filter(pk__in=ids[:: max(1, len(ids) // count)][:count])
    chosen.update(last_seen_at=timezone.now())
    for session in chosen:
        token = UserAccessToken.for_session(
            session, issued_at=session.created_at, expires_at=timezone.now() + TOKEN_LIFETIME
        )
        yield {"access": str(token)}
