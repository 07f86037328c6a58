"""Push senders, which call the push gate."""

import json
from base64 import b64encode

from users.clients import create_app
from users.models import Access, App

# FCM gives an app a registration token or an installation id. Both are opaque.
INSTALLATION_ID = "cXwL3kP_Qe2-9fYh7mVt0a"


class Sender:
    """A push sender: a service with the key of an app."""

    def __init__(self, send, access=Access.ALL, app=None):
        made = create_app(f"Sender {access}") if app is None else app
        App.objects.filter(pk=made.app.pk).update(push_access=access)
        self.app, self.key, self.send = made.app, made.key, send
        self.headers = {"Authorization": "Basic " + b64encode(f"{made.app.pk}:{made.key}".encode()).decode()}

    def post(self, path, body):
        content = body if isinstance(body, str | bytes) else json.dumps(body)
        return self.send("POST", path, headers=self.headers | {"Content-Type": "application/json"}, content=content)

    def verdicts(self, **body):
        reply = self.post("/push/check", body)
        assert reply.status == 200, reply
        return reply.json["deviceTokens"]

    def allowed(self, **body):
        """Return the device tokens that may get a push, each with the user who is logged in there."""
        return {each["deviceToken"]: each["user"] for each in self.verdicts(**body) if each["allowed"]}

    def tokens(self, user_id, query=""):
        reply = self.send("GET", f"/push/tokens?user={user_id}{query}", headers=self.headers)
        assert reply.status == 200, reply
        return reply.json

    def gone(self, *tokens, **body):
        reply = self.post("/push/gone", {"deviceTokens": list(tokens)} | body)
        assert reply.status == 200, reply
        return reply.json["detached"]
