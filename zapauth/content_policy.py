"""The content security policy of the pages: the setting of django-csp. The answers of the dialects have no policy.

A page loads only files from this server. Browsers ignore inline scripts and styles, and evaluate no text as a script.
So if a client's text reached a page unescaped, it could run nothing. The admin's theme needs
`sessions/static/sessions/admin.js` to work under this policy.
"""

from csp.constants import NONE, SELF

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "font-src": [SELF],
        "img-src": [SELF, "data:"],  # icons in the style sheets of Swagger UI, QR codes
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}
