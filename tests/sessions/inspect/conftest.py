"""A fixture for tests that count all sessions."""

import pytest

# This file may be imported before Django is set up, so it imports models inside functions.


@pytest.fixture
def nobody_yet(db, monkeypatch):
    """Remove sessions and figures that the servers of other tests have left."""
    from django.db import connection

    from sessions.models import Figure

    # In tests, time can go back, unlike ids. And the openings of a day are counted by id.
    monkeypatch.setattr("uuid6._last_v7_timestamp", None)
    Figure.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM user_sessions_session")
