"""The WSGI application leaves out two of Django's steps for each request."""


def test_the_steps_that_are_left_out_would_have_nothing_to_do(settings):
    assert not settings.DEBUG  # with it, `reset_queries` would be needed
    # A cache with connections would need `close_caches`.
    assert [cache["BACKEND"] for cache in settings.CACHES.values()] == ["django.core.cache.backends.locmem.LocMemCache"]
