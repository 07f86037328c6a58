"""The OpenAPI description of Buddy. `dialect` puts it together."""
