"""The torture of a peer: the checker finds the known weakness of plain simplejwt."""

from tests.history.checker import check
from tests.history.peers.services import SIMPLEJWT
from tests.history.peers.torture import torture


def test_the_checker_finds_that_simplejwt_accepts_an_access_token_after_the_logout(prepared, tmp_path):
    history = torture(SIMPLEJWT, seconds=1, seed=1, folder=tmp_path, made=prepared.copy_to)
    assert {call.op for call in history.calls} == {"login", "read", "refresh", "logout"}
    assert {(each.rule, each.text.partition(" was ")[0]) for each in check(history)} == {(1, "a read")}
