"""Describes the routes for services in OpenAPI."""
