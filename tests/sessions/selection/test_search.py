"""The search box: what it finds and what it doesn't."""

import pytest

from sessions.selection.selection import Selection
from tests.sessions.population import NOW, new_session
from users.models import App, Device, DeviceToken, User


def selected(**given):
    return {str(pk) for pk in Selection(**given).queryset(now=NOW).values_list("pk", flat=True)}


@pytest.fixture
def anns_phone(db):
    """Ann's session on her phone. Ben also has a session, which no search for Ann finds."""
    app = App.objects.create(name="App")
    device = Device.objects.create(app=app, platform="iOS")
    token = DeviceToken.of("anns push address")
    token.save()
    ann = User.objects.create_user("ann", email="ann@example.org", phone_number="+4912345678")
    ben = User.objects.create_user("ben", email="ben@example.org", phone_number="+4912345679")
    new_session(user=ben, ip="198.51.100.2")
    return new_session(user=ann, ip="192.0.2.7", device=device, device_token=token)


@pytest.mark.parametrize(
    "text",
    [
        "ANN",
        "ann@example",
        "nn@ex",
        "+4912345678",
        "0049 123 45678",
        "{session.user_id}",
        "{session.pk}",
        "192.0.2.7",
        "192.0.2.9/24",
        "{session.device_id}",
        "anns push address",
        "  ann  ",
    ],
)
def test_a_search_selects_what_somebody_can_name(anns_phone, text):
    text = text.format(session=anns_phone)
    assert selected(search=text) == {str(anns_phone.pk)}
    assert selected(search=text, platforms=("none of hers",)) == set()


def test_a_name_that_very_many_have_finds_them_all(db, monkeypatch):
    monkeypatch.setattr("users.finding.MOST_BY_ID", 3)
    wanted = {str(new_session(user=User.objects.create_user(f"ann{number}")).pk) for number in range(5)}
    new_session(user=User.objects.create_user("ben"))
    assert selected(search="ann") == wanted


@pytest.mark.parametrize("text", ["", " ", "\0", "nobody", "%", "192.0.2.0/33"])
def test_a_search_that_finds_nobody_selects_nobody(anns_phone, text):
    assert selected(search=text) == set()
