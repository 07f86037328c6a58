"""The ZAP dialect (`/v1/…`): it parses requests, calls the core and words the answers."""
