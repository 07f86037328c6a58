"""`GET /events`: services are told which sessions have ended."""

from django.http import HttpResponseBase, StreamingHttpResponse
from rest_framework.request import Request

from sessions.notices.place import Place
from users.clients import event_mark
from zapauth.events.answer import EventStream
from zapauth.events.stream import Asked
from zapauth.services.viewsets import ServiceViewSet


class EventViewSet(ServiceViewSet):
    access = "event_access"

    def stream(self, request: Request) -> HttpResponseBase:
        """Tell the app of its sessions, or of all, as they end (WHATWG HTML §9.2). Raises: TooManyStreams."""
        if request.method == "HEAD":
            return StreamingHttpResponse([], content_type="text/event-stream", headers={"Cache-Control": "no-store"})
        given = request.META.get("HTTP_LAST_EVENT_ID")
        place = Place.parse(given) if given else None
        is_lost = given is not None and place is None
        asked = Asked(app_id=self.app.pk, reach=self.reach, mark=event_mark(self.app), place=place, is_lost=is_lost)
        return EventStream(asked)
