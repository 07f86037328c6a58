"""The ZAP dialect (`/v1/…`): only words."""
