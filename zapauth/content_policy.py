"""The content security policy of pages for people: django-csp's setting. Answers of the dialects have none.

A page loads what this server serves, and nothing else. No inline script or style counts, and no text is evaluated as a
script: if a text of a client reached a page unescaped, it would run nothing. The admin's theme needs some help under
this policy: `sessions/static/sessions/admin.js`.
"""

from csp.constants import NONE, SELF

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "font-src": [SELF],
        "img-src": [SELF, "data:"],  # icons within the style sheets of Swagger UI
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}
