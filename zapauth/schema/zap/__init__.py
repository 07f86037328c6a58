"""The OpenAPI description of ZAP. `dialect` puts it together."""
