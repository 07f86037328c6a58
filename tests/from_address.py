"""Call from any address: the tests trust one proxy."""

import json


def call(phone, method, path, body, *, ip="192.0.2.1"):
    """Send a request of ``phone`` from the address ``ip``. Needs the setting TRUSTED_PROXIES = 1. Return the answer."""
    headers = {"X-Forwarded-For": ip, "Content-Type": "application/json"}
    if phone.dialect == "buddy":
        phone._ready()
        headers["Authorization"] = f"Buddy {phone.app_token}"
    phone.last = phone.send(method, path, headers=headers, content=json.dumps(body))
    return phone.last
