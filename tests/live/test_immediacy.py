"""After a logout is answered, every worker refuses the token at once."""

from concurrent.futures import ThreadPoolExecutor

from sessions.models import Session
from tests.live.refusals import accepted_of
from tests.phones import BuddyPhone, Live
from users.clients import create_app

SESSIONS = 200
# If one of two workers is wrong, no request for a session reaches it with a chance of 2%.
TRIES = 6


def phones(kind, server, count):
    """Make ``count`` phones of a few users. Each phone has its own log-in."""
    options = {}
    if kind is BuddyPhone:
        new = create_app("Immediacy")
        options = {"app_id": new.app.pk, "app_key": new.key}
    owners = [kind(Live(server.base_url), **options).sign_up() for _ in range(4)]
    made = [kind(Live(server.base_url), device_token=f"token {number}", **options) for number in range(count)]

    def log_in(numbered):
        number, phone = numbered
        assert phone.log_in(owners[number % len(owners)].username).status == 200, phone.last
        return phone

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(log_in, enumerate(made)))


def accepted_after_logout(phone):
    assert phone.log_out().status == 200, phone.last
    return accepted_of(phone, tries=TRIES)


def cpu_times(server):
    """Return the CPU time in seconds for each worker."""
    return {worker.pid: sum(worker.cpu_times()[:2]) for worker in server.workers()}


def test_no_worker_accepts_a_token_after_its_logout_was_answered(phone_kind, server):
    before = cpu_times(server)
    assert len(before) >= 2
    logged_in = phones(phone_kind, server, SESSIONS)
    assert all(phone.me().status == 200 for phone in logged_in[:10])
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(accepted_after_logout, logged_in)) == 0
    assert Session.objects.filter(end_reason="logout").count() == SESSIONS
    # Each worker has answered some of the tries.
    spent = [after - before[pid] for pid, after in cpu_times(server).items()]
    assert min(spent) > sum(spent) / len(spent) / 4
