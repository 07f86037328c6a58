"""The demo app and staff user: made once, whatever becomes of them."""

from users.models import App, User
from zapauth.demo import banner, prepare


def test_the_staff_user_is_made_once_even_if_it_was_renamed(db):
    first = prepare()
    assert first.password
    User.objects.update(username="boss")
    User.objects.create_user("DEMO", "somebody-else-1")
    again = prepare()
    assert (again.app, again.app_key, again.password) == (first.app, None, None)
    assert User.objects.filter(is_superuser=True).count() == 1
    assert first.password not in banner(again, url="http://127.0.0.1:8000")


def test_a_taken_name_is_left_to_its_owner(db):
    owner = User.objects.create_user("Demo", "somebody-else-1")
    assert prepare().password is None
    owner.refresh_from_db()
    assert not owner.is_superuser
    assert App.objects.filter(name="Demo").exists()
