"""Buddy's description in OpenAPI: `dialect` puts it together."""
