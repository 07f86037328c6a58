"""Characters that nobody sees, in emails, user names and names: they are refused at every entry."""

import pytest

from tests.bad_input.answers import buddy_error, buddy_success, zap_fields, zap_success
from tests.bad_input.database import undone
from tests.bad_input.dialects import BUDDY, ZAP
from tests.bad_input.oddities import INVISIBLE
from tests.bad_input.routes import each, route_named
from users.models import User

ENTRIES = {
    ZAP: ("register", "change"),
    BUDDY: ("sign up", "change"),
}
ROUTES = [route_named(dialect, name) for dialect, names in ENTRIES.items() for name in names]
FIELDS = {
    ZAP: {"username": "an{}n", "email": '"a{}n"@example.org', "name": "Ann{}Lee"},
    BUDDY: {"username": "an{}n", "email": '"a{}n"@example.org', "firstName": "An{}n", "lastName": "L{}ee"},
}
IN_DOMAIN = "ann@ex{}ample.org"


def refused(dialect, reply, field):
    """Return whether the answer is a 400 in the dialect's words, which names the field."""
    if dialect is ZAP:
        return zap_fields(reply) == (400, "invalid_request", [field])
    return buddy_error(reply) == (400, "ParameterIncorrectFormat") and field in reply.json["message"]


@each(ROUTES)
def test_a_character_that_nobody_sees_is_refused_and_the_field_is_named(call, dialect, untouched, subtests):
    tries = [*FIELDS[dialect].items(), ("email", IN_DOMAIN)]
    for field, text in tries:
        for character in INVISIBLE:
            with subtests.test(field=field, text=text, character=ascii(character)):
                reply = call.with_fields(**{field: text.format(character)}).send()
                assert refused(dialect, reply, field), reply
    untouched()


@each(ROUTES)
def test_a_name_of_any_script_is_stored_as_it_is_typed(call, dialect, phone, subtests):
    success, fields = {ZAP: (zap_success, ["name"]), BUDDY: (buddy_success, ["firstName", "lastName"])}[dialect]
    for name in ("می\u200cنگین", "山田\u3000太郎", "M.\u00a0Dupont", "👩\u200d✈", "Ann  Lee"):
        with subtests.test(name=name), undone():
            success(call.with_fields(**dict.fromkeys(fields, name)).send())
            users = User.objects.filter(name=name) if dialect is ZAP else User.objects.filter(first_name=name)
            assert users.count() == 1


@pytest.mark.parametrize("dialect", [BUDDY], ids=str)
def test_a_user_name_of_before_still_logs_in_and_its_owner_changes_other_fields(phone, good):
    User.objects.filter(pk=phone.user_id).update(username="an\u200dn")
    buddy_success(good("change").without("username").send())
    buddy_success(good("login").with_fields(username="an\u200dn").send())
