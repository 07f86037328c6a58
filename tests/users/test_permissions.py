"""The permission rules as a table, and a check that every route and page applies them."""

import pytest
from django.contrib.auth.models import AnonymousUser, Permission
from django.utils import timezone

from tests.sessions.staff import new_staff
from users.canary import CANARY_ID
from users.errors import NotYours
from users.models import App, User
from users.permissions import (
    Act,
    closed_fields,
    endable_by,
    is_protected,
    may,
    may_as_staff,
    may_end_sessions,
    may_with_app,
    require,
)

# For each role: the targets that it may do the act to. A dot stands for a target that it may not.
# S: oneself. u: a user. p: a user with a permission. m: a member of staff. s: a superuser. d: a deleted user.
TABLE = {
    # act                 anonymous   user        former      support     operator    superuser   disabled
    Act.SEE_USER:        (". .....", "S .....", "S .....", "S upmsd", "S upmsd", "S upmsd", ". ....."),
    Act.SEE_SESSIONS:    (". .....", "S .....", "S .....", "S upmsd", "S upmsd", "S upmsd", ". ....."),
    Act.SEE_RECORD:      (". .....", "S .....", "S .....", "S upmsd", "S upmsd", "S upmsd", ". ....."),
    Act.END_SESSIONS:    (". .....", "S .....", "S .....", "S upm.d", "S upm.d", "S upmsd", ". ....."),
    Act.CHANGE_USER:     (". .....", "S .....", "S .....", "S .....", "S u....", "S upms.", ". ....."),
    Act.DELETE_USER:     (". .....", "S .....", "S .....", "S .....", "S .....", "S upms.", ". ....."),
    Act.DISABLE_USER:    (". .....", ". .....", ". .....", ". .....", ". u....", ". upms.", ". ....."),
    Act.SET_ROLE:        (". .....", ". .....", ". .....", ". .....", ". u....", ". upms.", ". ....."),
    Act.SEND_RESET:      (". .....", ". .....", ". .....", ". .....", ". u....", ". upms.", ". ....."),
    Act.DISABLE_FACTOR:  (". .....", ". .....", ". .....", ". .....", ". u....", ". upms.", ". ....."),
    Act.CHANGE_POWERS:   (". .....", ". .....", ". .....", ". .....", ". .....", ". upms.", ". ....."),
}  # fmt: skip
# Acts without a target: "+" if the role may do it.
WITHOUT_TARGET = {
    # act                     anonymous, user, former, support, operator, superuser, disabled
    Act.SEE_USER:             "...+++.",
    Act.SEE_SESSIONS:         "...+++.",
    Act.END_SESSIONS:         "...+++.",
    Act.EXPLAIN:              "...+++.",
    Act.SEE_RUNS:             "...+++.",
    Act.SEE_REFUSED_LOGINS:   "...+++.",
    Act.SEE_RECORD:           "...+++.",
    Act.SEE_APPS:             "...+++.",
    Act.SEE_DEVICES:          "...+++.",
    Act.SEE_DEVICE_TOKENS:    "...+++.",
    Act.END_MANY:             "....++.",
    Act.CHANGE_USER:          "....++.",
    Act.DISABLE_USER:         "....++.",
    Act.SET_ROLE:             "....++.",
    Act.SEND_RESET:           "....++.",
    Act.DISABLE_FACTOR:       "....++.",
    Act.ADD_USER:             ".....+.",
    Act.DELETE_USER:          ".....+.",
    Act.CUT_OFF_APP:          "....++.",
    Act.CONTROL_RUN:          "....++.",
    Act.ADD_APP:              ".....+.",
    Act.CHANGE_APP:           ".....+.",
    Act.SWITCH_APP:           ".....+.",
    Act.ROTATE_KEY:           ".....+.",
    Act.GRANT_ACCESS:         ".....+.",
    Act.SEE_GROUPS:           ".....+.",
    Act.SEE_STAFF:            "...+++.",
    Act.INVITE:               ".....+.",
    Act.EXPORT:               "....++.",
    Act.CHANGE_POWERS:        ".....+.",
}  # fmt: skip
ROLES = ("anonymous", "user", "former operator", "support", "operator", "superuser", "disabled superuser")


@pytest.fixture
def roles(db):
    former = new_staff("Operators", name="former")
    User.objects.filter(pk=former.pk).update(is_staff=False)
    disabled = new_staff(name="disabled")
    User.objects.filter(pk=disabled.pk).update(is_active=False)
    people = (
        AnonymousUser(),
        User.objects.create_user("user"),
        User.objects.get(pk=former.pk),
        new_staff("Support", name="support"),
        new_staff("Operators", name="operator"),
        new_staff(name="superuser"),
        User.objects.get(pk=disabled.pk),
    )
    return dict(zip(ROLES, people, strict=True))


@pytest.fixture
def targets(db):
    """The targets, by their letters in the table."""
    holder = User.objects.create_user("holder")
    holder.user_permissions.add(Permission.objects.get(codename="view_device"))
    return {
        "u": User.objects.create_user("ann"),
        "p": holder,
        "m": User.objects.create_user("colleague", is_staff=True),
        "s": User.objects.create_superuser("boss"),
        "d": User.objects.create_user("gone", deleted_at=timezone.now()),
    }


@pytest.mark.parametrize("act", TABLE)
def test_who_may_do_what_to_whom(roles, targets, act):
    found = tuple(
        ("S " if isinstance(actor, User) and may(actor, act, actor) else ". ")
        + "".join(letter if may(actor, act, target) else "." for letter, target in targets.items())
        for actor in roles.values()
    )
    assert dict(zip(ROLES, found, strict=True)) == dict(zip(ROLES, TABLE[act], strict=True))


@pytest.mark.parametrize("act", WITHOUT_TARGET)
def test_who_may_do_what_at_all(roles, act):
    assert "".join("+" if may(actor, act) else "." for actor in roles.values()) == WITHOUT_TARGET[act]
    assert not may(None, act)


def test_the_tables_have_every_act():
    assert set(TABLE) | set(WITHOUT_TARGET) == set(Act)


def test_staff_act_as_staff_on_themselves_as_on_any_other_member_of_staff(roles):
    operator, boss = roles["operator"], roles["superuser"]
    assert not may_as_staff(operator, Act.CHANGE_USER, operator)
    assert may_as_staff(boss, Act.CHANGE_USER, boss)
    assert not may_as_staff(roles["user"], Act.SEE_USER, roles["user"])


def test_a_user_who_has_a_permission_is_protected_even_by_a_group_or_while_disabled(roles):
    former = roles["former operator"]
    assert is_protected(former)
    former.is_active = False
    assert is_protected(former)
    assert not is_protected(roles["user"])


def test_nobody_changes_their_own_powers_role_or_activity(roles, targets):
    every = {"is_staff", "is_superuser", "groups", "user_permissions", "role_id", "is_active"}
    for actor in roles.values():
        if isinstance(actor, User):
            assert set(closed_fields(actor, actor)) == every
    assert set(closed_fields(roles["operator"], targets["u"])) == every - {"role_id", "is_active"}
    assert closed_fields(roles["superuser"], targets["s"]) == []


def test_require_refuses_what_may_does_not_allow(roles, targets):
    require(roles["operator"], Act.CHANGE_USER, targets["u"])
    with pytest.raises(NotYours):
        require(roles["operator"], Act.CHANGE_USER, targets["m"])


def test_sessions_of_superusers_are_left_out_for_everybody_else(roles):
    assert endable_by(roles["superuser"]) != endable_by(roles["operator"])


def test_support_ends_the_sessions_of_one_user_and_operators_those_of_many(roles):
    may_end_one = {name for name in ROLES if may_end_sessions(roles[name], of_many=False)}
    may_end_many = {name for name in ROLES if may_end_sessions(roles[name], of_many=True)}
    assert may_end_one == {"support", "operator", "superuser"}
    assert may_end_many == {"operator", "superuser"}


def test_a_permission_without_is_staff_is_worth_nothing_even_to_django(roles):
    former = roles["former operator"]
    assert former.get_all_permissions()
    assert not former.has_perm("users.view_user")
    assert not former.has_module_perms("users")
    former.is_superuser = True
    assert not former.has_perm("users.view_user")


# --- the canary's account and app ----------------------------------------------------------------

READING = {Act.SEE_USER, Act.SEE_SESSIONS, Act.SEE_RECORD, Act.END_SESSIONS}


@pytest.mark.parametrize("act", TABLE)
def test_nobody_changes_the_canarys_account_and_staff_may_see_it_and_end_its_sessions(roles, act):
    canary = User.objects.create_user("canary-1", pk=CANARY_ID)
    assert may(roles["superuser"], act, canary) is (act in READING)
    if act not in READING:
        assert not any(may(actor, act, canary) for actor in roles.values())


def test_nobody_changes_the_canarys_app_and_staff_may_end_its_sessions(roles):
    boss, canary, shop = roles["superuser"], App(pk=CANARY_ID, name="Canary"), App(name="Shop")
    acts = (Act.CHANGE_APP, Act.SWITCH_APP, Act.ROTATE_KEY, Act.GRANT_ACCESS, Act.CUT_OFF_APP)
    assert [may_with_app(boss, act, shop) for act in acts] == [True] * 5
    assert [may_with_app(boss, act, canary) for act in acts] == [False] * 4 + [True]
