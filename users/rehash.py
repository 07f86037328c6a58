"""Hash a password again when the hasher has changed. The password stays the same."""

from typing import Any

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction


class RehashingUser(AbstractBaseUser):
    """A user whose password is hashed again at a log-in, if an older hasher made the hash."""

    class Meta:
        abstract = True

    def check_password(self, raw_password: str | None) -> bool:
        """Return whether that is the password. Replaces the hash if an older hasher made it."""

        def hash_anew(raw_password: str) -> None:
            self._replace_hash(make_password(raw_password))

        return check_password(raw_password, self.password, hash_anew)

    def _replace_hash(self, new: str) -> None:
        # Compare and set: Django's own method would overwrite a password that was changed meanwhile.
        same = type(self)._default_manager.filter(pk=self.pk, password=self.password)
        with transaction.atomic():
            # With this the trigger `note_password` does not treat it as a change of the password.
            _say_that_the_password_is_the_same("on")
            replaced = same.update(password=new)
            _say_that_the_password_is_the_same("off")
        if replaced:
            self.password = new


def _say_that_the_password_is_the_same(value: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('users.same_password', %s, true)", [value])
