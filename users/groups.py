"""Groups of staff: what their members lose with a group, and its deletion."""

from dataclasses import dataclass
from typing import Any, Unpack

from django.contrib.auth.models import Group, Permission

from users.models import User
from users.record.events import Event
from users.record.writing import By, record
from users.transactions import in_transaction


@dataclass(frozen=True)
class Loss:
    """The permissions that a user loses with a group, by their names in words."""

    user: User
    permissions: list[str]


def permissions_of(group: Group) -> list[str]:
    """Return the names of the group's permissions, such as `users.view_user`."""
    permissions = group.permissions.values_list("content_type__app_label", "codename")
    return sorted(f"{app}.{codename}" for app, codename in permissions)


def losses_by(group: Group) -> list[Loss]:
    """Return what each member loses if the group is deleted. Left out: members who lose nothing.

    A superuser loses nothing. Nor does a member who is no staff, or who has the same from other groups.
    """
    given = {permission.pk: permission for permission in group.permissions.all()}
    members = User.objects.filter(groups=group, is_staff=True, is_superuser=False, deleted_at=None).order_by("username")
    found = []
    for user in members.prefetch_related("groups__permissions", "user_permissions"):
        kept = {permission.pk for permission in user.user_permissions.all()}
        kept |= {each.pk for other in user.groups.all() if other.pk != group.pk for each in other.permissions.all()}
        if lost := sorted(_in_words(given[pk]) for pk in given.keys() - kept):
            found.append(Loss(user, lost))
    return found


@in_transaction
def delete_group(group_id: int, *, note: str = "", **by: Unpack[By]) -> bool:
    """Delete a group, and record it: once for the group, and once for each member.

    Returns: whether this call did it. False: it was deleted a moment ago.
    """
    # FOR UPDATE: nobody joins the group meanwhile.
    group = Group.objects.select_for_update().filter(pk=group_id).first()
    if group is None:
        return False
    members = list(User.objects.filter(groups=group))
    facts: dict[str, Any] = {
        "group": group.pk,
        "name": group.name,
        "permissions": permissions_of(group),
        "members": len(members),
    }
    for user in members:
        record(Event.GROUPS_CHANGED, user=user, changed={"groups": {"removed": [group.name]}}, **by)
    record(Event.GROUP_DELETED, **facts, note=note.strip(), **by)
    group.delete()
    return True


def _in_words(permission: Permission) -> str:
    return permission.name.removeprefix("Can ")
