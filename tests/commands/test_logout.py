"""`manage.py logout`: what its filters select, what it asks and prints, and its exit codes."""

import re
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from sessions.bulk import runs
from sessions.management.demo_data import make_sessions, make_users
from sessions.models import BulkRun, EndReason, Session
from tests.commands.records import everything
from tests.commands.terminal import at_a_terminal, manage, shell
from tests.phones import BuddyPhone, InProcess, ZapPhone, all_pushes
from users.models import App, DeviceToken, User


@pytest.fixture
def people(db):
    """Ann's iPhone in ZAP; Ben's Android in an app of Buddy, not used for ten days; Cleo's PC in ZAP."""
    ann = ZapPhone(InProcess(), device_token="push of ann").sign_up("ann")
    ben = BuddyPhone(InProcess()).sign_up("ben")
    cleo = ZapPhone(InProcess()).sign_up("cleo")
    App.objects.filter(pk=ben.app_id).update(name="Shop")
    User.objects.filter(username="ann").update(role_id="63fc98989ffb63cf5cdd0587")
    of = Session.objects.filter
    of(user=ann.user_id).update(ip="192.0.2.7", platform="iOS")
    long_ago = timezone.now() - timedelta(days=10)
    of(user__in=[ben.user_id, None]).update(ip="198.51.100.9", platform="Android")
    of(app=ben.app_id).update(ip="198.51.100.9", created_at=long_ago, last_seen_at=long_ago)
    of(user=cleo.user_id).update(ip="2001:db8::5", platform="Windows")
    return {"ann": ann, "ben": ben, "cleo": cleo}


@pytest.fixture
def crowd(db):
    """A hundred live sessions of twenty demo users."""
    make_crowd()


def make_crowd(sessions=100):
    for batch in (make_users(20), make_sessions(sessions, users=20)):
        list(batch)


def logged_out(people):
    """The names of the phones whose token is refused."""
    statuses = {name: phone.me().status for name, phone in people.items()}
    assert set(statuses.values()) <= {200, 401}
    return {name for name, status in statuses.items() if status == 401}


def digest_in(preview):
    return re.search("^digest: ([0-9a-f]+)$", preview.out, re.M)[1]


def live():
    return Session.objects.filter(ended_at=None).count()


FILTERS = [
    ("--user ann", "ann"),
    ("--user ANN", "ann"),
    ("--user {ann}", "ann"),
    ("--user ann --user ben", "ann ben"),
    ("--email Cleo@Example.org", "cleo"),
    ("--app ZAP", "ann cleo"),
    ("--app {shop}", "ben"),
    ("--app ZAP --app Shop", "ann ben cleo"),
    ("--platform android", "ben"),
    ("--platform IOS --platform windows", "ann cleo"),
    ("--device-token 'push of ann'", "ann"),
    ("--session {session}", "ann"),
    ("--session {session} --user ben", ""),
    ("--ip 192.0.2.7", "ann"),
    ("--ip 192.0.2.0/24 --ip 2001:db8::/32", "ann cleo"),
    ("--created-before {yesterday}", "ben"),
    ("--idle-for 9d", "ben"),
    ("--idle-for 11d", ""),
    ("--role 63fc98989ffb63cf5cdd0587", "ann"),
    ("--role 63FC98989FFB63CF5CDD0587", ""),
    ("--role 8", ""),
    ("--everyone", "ann ben cleo"),
    # Each filter narrows the selection.
    ("--app ZAP --ip 192.0.2.0/24", "ann"),
    ("--app ZAP --platform Android", ""),
    ("--user ann --user cleo --email cleo@example.org", "cleo"),
    ("--user ann --email cleo@example.org", ""),
    ("--app Shop --created-before {yesterday} --idle-for 24h --platform Android --ip 198.51.100.0/24", "ben"),
]


@pytest.mark.parametrize(("filters", "whom"), FILTERS)
def test_a_filter_ends_the_sessions_that_it_selects_and_no_others(people, filters, whom):
    session = Session.objects.get(user=people["ann"].user_id).pk
    words = {"ann": people["ann"].user_id, "shop": people["ben"].app_id, "session": session}
    yesterday = (timezone.now() - timedelta(days=1)).isoformat()
    done = manage(f"logout --reason Leak {filters.format(**words, yesterday=yesterday)}")
    assert done.code == 0, done.err
    assert logged_out(people) == set(whom.split())


LISTS = {
    "one a line": b"ann\ncleo\n",
    "the last line without its end": b"ann\ncleo",
    "from Windows": b"ann\r\ncleo\r\n",
    "from Excel": "\ufeffusername,name\r\nann,Ann\r\ncleo,Cleo\r\n".encode("utf-8-sig"),
    "twice the same": b"ann\nANN\nann@example.org\ncleo\n",
    "emails": b"Email\nann@example.org\nCLEO@example.org\n",
    "blanks": b"\n  ann  \n\n,\n cleo\n\n",
    "quoted": b'"user_id"\n"ann"\n"cleo"\n',
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_file_names_users_however_it_was_written(people, tmp_path, kind):
    content = LISTS[kind].removeprefix(b"\xef\xbb\xbf") if kind == "from Excel" else LISTS[kind]
    (tmp_path / "users.csv").write_bytes(content)
    done = manage("logout --reason Leak --from-file", str(tmp_path / "users.csv"))
    assert done.code == 0, done.err
    assert logged_out(people) == {"ann", "cleo"}


def test_names_from_two_files_are_added_up_and_other_filters_narrow(people, tmp_path):
    for name in people:
        (tmp_path / name).write_text(people[name].user_id)
    files = [word for name in ("ann", "ben") for word in ("--from-file", str(tmp_path / name))]
    assert manage("logout --reason Leak --app ZAP", *files).code == 0
    assert logged_out(people) == {"ann"}


TOKENS = {
    "one line": (b"push of ann\n", "ann"),
    "without its end": (b"push of ann", "ann"),
    "from Windows": ("\ufeffpush of ann\r\n\r\n".encode(), "ann"),
    "two tokens": (b'push of ann\n  push, "of" cleo \n', "ann cleo"),
    "a token that nobody has": (b"push of nobody\n", ""),
}


@pytest.mark.parametrize("kind", TOKENS)
def test_a_file_of_device_tokens_ends_their_sessions_and_no_others(people, tmp_path, kind):
    content, whom = TOKENS[kind]
    held = DeviceToken.of('push, "of" cleo')
    held.save()
    Session.objects.filter(user=people["cleo"].user_id).update(device_token=held)
    (tmp_path / "tokens").write_bytes(content)
    done = manage("logout --reason Stolen --device-token-file", str(tmp_path / "tokens"))
    assert done.code == 0, done.err
    assert logged_out(people) == set(whom.split())


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "has no device token in it"),
        (b" \n\r\n", "has no device token in it"),
        (b"x" * 5000, "has a line that is too long"),
        (bytes(range(256)), "can't be read: 'utf-8' codec"),
    ],
)
def test_a_file_without_device_tokens_is_refused_and_changes_nothing(people, tmp_path, content, text):
    (tmp_path / "tokens").write_bytes(content)
    before = everything()
    done = manage("logout --device-token-file", str(tmp_path / "tokens"))
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert text in line
    assert everything() == before


@pytest.mark.parametrize(("verified", "whom"), [(True, "ann"), (False, "cleo")])
def test_an_email_in_a_file_is_its_owners_if_they_verified_it_even_if_somebody_took_it_for_a_name(
    people, tmp_path, verified, whom
):
    User.objects.filter(username="cleo").update(username="ann@example.org")
    User.objects.filter(username="ann").update(email_verified=verified)
    (tmp_path / "leaked").write_text("ann@example.org\n")
    assert manage("logout --from-file", str(tmp_path / "leaked")).code == 0
    assert logged_out(people) == {whom}


def test_a_name_is_folded_as_the_database_folds_it(people):
    User.objects.filter(username="ben").update(username="straße")
    assert manage("logout --user straße").code == 0
    assert logged_out(people) == {"ben"}


WRONG = [
    ("", "No filter is given"),
    ("--reason 'All of them'", "No filter is given"),
    ("--everyone --app ZAP", "--everyone can't be combined with another filter"),
    ("--user nobody", "--user: there is no user 'nobody'"),
    ("--user ''", "--user: there is no user ''"),
    ("--user ann --user nobody", "there is no user 'nobody'"),
    ("--email ann", "--email: there is no user 'ann'"),
    ("--app Zap", "--app: there is no app 'Zap'. Known: Shop, ZAP."),
    ("--app ''", "there is no app ''"),
    ("--session ''", "--session: '' is not the id of a session."),
    ("--session ann", "--session: 'ann' is not the id of a session."),
    (f"--session {UUID(int=0)} --user ann", f"--session: there is no session '{UUID(int=0)}'."),
    ("--ip 192.0.2.7/24", "192.0.2.7/24 has host bits set"),
    ("--ip 192.0.2", "--ip: '192.0.2' does not appear to be an IPv4 or IPv6 network"),
    ("--ip fe80::1%eth0", "names a zone"),
    ("--ip ''", "--ip: ''"),
    ("--role ' '", "--role: ' ' is not a role id, which has 1 to 64 characters"),
    (f"--role {'x' * 65}", "is not a role id"),
    ("--created-before yesterday", "'yesterday' is not an ISO 8601 date or time"),
    ("--created-before 9999-12-31", "'9999-12-31' is in the future"),
    ("--created-before 0001-01-01T00:00+10:00", "is not an ISO 8601 date"),
    ("--created-before 2026-01-01 --created-before 2026-02-01", "--created-before is given twice"),
    ("--idle-for 30", "'30' is not a time, such as 30d"),
    ("--idle-for 0d", "'0d' is not between 1s and 36500d"),
    ("--idle-for 9999999999w", "is not between 1s and 36500d"),
    ("--idle-for -5d", "--idle-for"),
    ("--idle-for 1d --idle-for 9d", "--idle-for is given twice"),
    ("--from-file /nowhere/users.csv", "/nowhere/users.csv can't be read: [Errno 2] No such file"),
    ("--from-file /", "can't be read: [Errno 21] Is a directory"),
    ("--from-file ''", "can't be read"),
    ("--from-file - --device-token-file -", "Standard input can be read once"),
    ("--device-token-file - --device-token-file -", "Standard input can be read once"),
    ("--device-token-file /nowhere/tokens", "/nowhere/tokens can't be read: [Errno 2] No such file"),
    ("--everybody", "unrecognized arguments: --everybody"),
    ("ann", "unrecognized arguments: ann"),
    ("--app ZAP", "More than one user: say why, with --reason."),
    ("--app ZAP --reason ' '", "More than one user: say why, with --reason."),
    ("--user \udcff", "--user: the text is not UTF-8."),
    ("--user ann --reason \udcff", "--reason: the text is not UTF-8."),
]


@pytest.mark.parametrize(("arguments", "text"), WRONG)
def test_a_wrong_option_is_one_line_with_code_2_and_changes_nothing(people, arguments, text):
    before = everything()
    done = manage(f"logout {arguments}")
    assert done.code == 2, (done.out, done.err)
    assert text in done.err.splitlines()[-1]
    assert done.out == ""
    assert everything() == before


FILES = {
    "empty": (b"", "names nobody"),
    "only a header": (b"username\n", "names nobody"),
    "blanks": (b"\n \n,,\n", "names nobody"),
    "somebody unknown": (b"ann\nnobody\n", "there is no user 'nobody'."),
    "many unknown": (b"".join(b"n%d\n" % n for n in range(9)), "'n0', 'n1', 'n2', 'n3', 'n4' and 4 more."),
    "semicolons": (b"ann;cleo\n", "there is no user 'ann;cleo'"),
    "binary": (bytes(range(256)), "can't be read: 'utf-8' codec"),
    "zeros": (b"ann\n\0\0\0\n", r"there is no user '\x00\x00\x00'"),
    "UTF-16": ("ann\n".encode("utf-16"), "can't be read"),
    "one line without end": (b"x" * 300_000, "can't be read: field larger than field limit"),
    "a quote left open": (b'"ann\ncleo\n', r"there is no user 'ann\ncleo"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_no_list_of_users_is_refused_and_changes_nothing(people, tmp_path, kind):
    content, text = FILES[kind]
    (tmp_path / "users.csv").write_bytes(content)
    before = everything()
    done = manage("logout --reason Leak --from-file", str(tmp_path / "users.csv"))
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert text in line
    assert len(line) < 500
    assert everything() == before


def test_a_list_that_is_too_long_is_not_read_to_its_end(people, tmp_path, monkeypatch):
    monkeypatch.setattr("sessions.selection.files.MOST_LINES", 2)
    (tmp_path / "users.csv").write_bytes(b"ann\n" * 5000 + b"\xff" * 10_000)  # no text
    done = manage("logout --from-file", str(tmp_path / "users.csv"))
    assert (done.code, "has more than 2 lines" in done.err) == (2, True)


# --- the preview --------------------------------------------------------------------------------


@pytest.mark.parametrize("filters", ["--everyone", "--app ZAP", "--user ann", "--platform ios", "--idle-for 1d"])
def test_a_dry_run_changes_nothing(people, filters):
    before = everything()
    done = manage(f"logout {filters} --dry-run")
    assert done.code == 0
    assert everything() == before
    assert logged_out(people) == set()


def test_a_preview_shows_the_filters_the_count_and_a_digest(people):
    done = manage("logout --app ZAP --dry-run")
    assert "Would end 2 sessions of 2 users" in done.out
    assert "all of them are refused at once" in done.out
    for words in ("ann  ZAP  iOS  192.0.2.7", "cleo  ZAP  Windows  2001:db8::5"):
        assert words in done.out
    assert "refused already" not in done.out
    assert digest_in(done)


SHOWN = {
    "--user ann --user BEN": "user: ann, ben",
    "--user {ann}": "user: ann",
    "--email cleo@example.org": "user: cleo",
    "--app Shop --platform ios": "app: Shop; platform: ios",
    "--session {session}": "session: ann's on iOS",
    "--device-token 'push of ann'": "device token: 1 (SHA-256 digest {digest}…)",
    "--role 63fc98989ffb63cf5cdd0587 --ip 192.0.2.0/24": "address: 192.0.2.0/24; role: 63fc98989ffb63cf5cdd0587",
    "--idle-for 30d": "not used for 30 days",
    "--idle-for 90m --created-before 2026-01-02T03:04Z": "opened before 2026-01-02 03:04 UTC; not used for 90 minutes",
    "--created-before 2026-01-02T03:04:05Z": "opened before 2026-01-02 03:04:05 UTC",
    "--everyone": "sessions: everyone's, in all apps",
}


@pytest.mark.parametrize("typed", SHOWN)
def test_a_preview_shows_the_filters_as_they_were_typed(people, typed):
    session = Session.objects.get(user=people["ann"].user_id).pk
    known = {"ann": people["ann"].user_id, "session": session, "digest": sha256(b"push of ann").hexdigest()[:12]}
    done = manage(f"logout {typed.format(**known)} --dry-run")
    filters = done.out.splitlines()[0].removeprefix("Filters").strip()
    assert set(filters.split("; ")) == set(SHOWN[typed].format(**known).split("; "))


def test_a_preview_names_three_users_and_says_how_many_more(crowd):
    names = User.objects.order_by("pk").values_list("username", flat=True)
    done = manage("logout --dry-run " + " ".join(f"--user {name}" for name in names))
    assert f"user: {', '.join(sorted(names[:3]))} and 17 more\n" in done.out


def test_a_preview_for_machines_is_one_json_object(people):
    (facts,) = manage("logout --app ZAP --platform ios --dry-run --json").json
    (sample,) = facts.pop("sample")
    assert re.fullmatch("[0-9a-f]{24}", facts.pop("digest"))
    zap = App.objects.get(name="ZAP").pk
    assert facts == {
        "filters": {"apps": [zap], "platforms": ["ios"]},
        "count": 1,
        "users": 1,
        "accepted": 1,
        "cutOff": False,
        "goesOnWith": None,
    }
    assert {name: sample[name] for name in ("user", "app", "platform", "ip")} == {
        "user": "ann",
        "app": "ZAP",
        "platform": "iOS",
        "ip": "192.0.2.7",
    }


def test_a_preview_says_how_many_are_refused_already(people):
    # They have timed out, but no sweep has ended them yet.
    Session.objects.filter(user=people["ann"].user_id).update(expires_at=timezone.now())
    User.objects.filter(username="cleo").update(sessions_valid_after=timezone.now())
    done = manage("logout --app ZAP --app Shop --dry-run")
    assert "Would end 4 sessions" in done.out  # including the app-level session of Ben's phone
    assert "2 of them are refused already: timed out, cut off" in done.out


def test_a_preview_shows_five_and_how_many_more(crowd):
    done = manage("logout --everyone --dry-run")
    assert len(re.findall("last seen", done.out)) == 5
    assert "… and 95 more" in done.out


def test_control_characters_from_clients_do_not_reach_the_terminal(people):
    Session.objects.filter(user=people["ben"].user_id).update(platform="[/red]\x1b[2J")
    out = manage("logout --user ben --dry-run").out
    assert "\x1b" not in out
    assert "[/red]\N{REPLACEMENT CHARACTER}[2J" in out


def test_the_digest_is_the_same_for_the_same_filters_in_another_order(crowd):
    one = manage("logout --platform iOS --platform Android --app ZAP --dry-run")
    other = manage("logout --app ZAP --platform Android --platform iOS --dry-run")
    assert digest_in(one) == digest_in(other)
    assert digest_in(one) != digest_in(manage("logout --app ZAP --platform iOS --dry-run"))


# --- what has to be confirmed -------------------------------------------------------------------


@pytest.fixture
def confirm_over(settings):
    settings.BULK_CONFIRM_OVER = 99


def test_over_the_threshold_nothing_ends_without_a_confirmation(crowd, confirm_over):
    before = everything()
    done = manage("logout --everyone --reason Leak")
    assert done.code == 3
    assert done.err.splitlines() == [
        "CommandError: 100 sessions of 20 users: look with --dry-run, pass its digest to --confirm."
    ]
    assert everything() == before


def test_up_to_the_threshold_no_confirmation_is_needed(crowd, settings):
    settings.BULK_CONFIRM_OVER = 100
    assert manage("logout --everyone --reason Leak").code == 0
    assert live() == 0


def test_the_digest_of_the_preview_confirms_it(crowd, confirm_over):
    digest = digest_in(manage("logout --everyone --dry-run"))
    done = manage(f"logout --everyone --reason Leak --confirm {digest}")
    assert (done.code, live()) == (0, 0)
    assert "Ended 100 sessions" in done.out


@pytest.mark.parametrize("digest", ["", "0" * 24, "yes", "100", "{other}"])
def test_another_digest_confirms_nothing(crowd, confirm_over, digest):
    digest = digest.format(other=digest_in(manage("logout --app ZAP --dry-run")))
    before = everything()
    done = manage("logout --everyone --reason Leak --confirm", digest)
    assert done.code == 3
    assert "that is not the digest of these filters" in done.err
    assert everything() == before


def test_a_wrong_digest_is_refused_under_the_threshold_too(people):
    assert manage("logout --user ann --confirm 0123").code == 3
    assert logged_out(people) == set()


def test_a_selection_that_has_grown_by_more_than_a_tenth_is_refused(crowd):
    digest = digest_in(manage("logout --everyone --dry-run"))
    make_crowd(111)
    before = everything()
    done = manage(f"logout --everyone --reason Leak --confirm {digest}")
    assert done.code == 4
    assert "111 sessions are selected now, 100 at the preview" in done.err
    assert "Nothing was changed" in done.err
    assert everything() == before


def test_a_selection_that_has_grown_by_a_tenth_or_shrunk_is_accepted(crowd):
    digest = digest_in(manage("logout --everyone --dry-run"))
    make_crowd(110)
    assert manage(f"logout --everyone --reason Leak --confirm {digest}").code == 0
    assert live() == 0
    assert manage(f"logout --everyone --reason Leak --confirm {digest}").code == 0


# --- how it is done, and what is on record --------------------------------------------------------


def test_the_record_says_who_did_what_why_and_how_far(people, monkeypatch):
    monkeypatch.setenv("LOGNAME", "olga")
    monkeypatch.setattr("socket.gethostname", lambda: "bastion")
    done = manage("logout --app ZAP --reason ' Leak, ticket 12 '")
    run = BulkRun.objects.get()
    assert done.out == f"Ended 2 sessions. Run {run.pk}\n"
    assert "all refused from" in done.err
    assert (run.source, run.operator, run.note, run.actor) == ("command", "olga@bastion", "Leak, ticket 12", None)
    assert (run.expected, run.ended, run.cut_off, run.finished_at is None) == (2, 2, True, False)
    assert run.selection == {"apps": [App.objects.get(name="ZAP").pk]}
    ended = Session.objects.exclude(ended_at=None)
    assert {(session.end_reason, session.bulk_run_id) for session in ended} == {(EndReason.OPERATOR, run.pk)}
    assert "push of ann" not in all_pushes()


def test_an_operator_without_a_name_is_on_record_all_the_same(people, monkeypatch):
    def nameless():
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert manage("logout --user ann").code == 0
    assert BulkRun.objects.get().operator.startswith("unknown@")


def test_one_user_needs_no_reason_but_several_app_level_sessions_do(people):
    assert manage("logout --user ann").code == 0
    Session.objects.filter(user=people["ben"].user_id).delete()
    for _ in range(2):
        BuddyPhone(InProcess(), app_id=people["ben"].app_id, app_key=people["ben"].app_key).register_device()
    done = manage("logout --app Shop")  # three sessions without a user
    assert (done.code, "say why" in done.err) == (2, True)


def test_nothing_to_do_is_no_error_and_leaves_no_record(people):
    assert manage("logout --user ann").code == 0
    done = manage("logout --user ann")
    assert (done.code, done.out.startswith("Nothing to do")) == (0, True)
    (facts,) = manage("logout --user ann --json").json
    assert facts == {"run": None, "ended": 0, "cutOff": False}
    assert BulkRun.objects.count() == 1


def test_with_json_progress_and_result_are_json_lines(crowd, monkeypatch):
    monkeypatch.setattr(runs, "BATCH", 5)
    done = manage("logout --everyone --reason Leak --json")
    news, *steps, last = done.json
    assert news["news"].startswith("all refused from")
    assert steps == [{"ended": count, "of": 100} for count in range(10, 101, 10)]
    assert last == {"run": str(BulkRun.objects.get().pk), "ended": 100, "cutOff": True}
    assert done.err == ""


def test_without_a_terminal_progress_is_a_few_lines(crowd, monkeypatch):
    monkeypatch.setattr(runs, "BATCH", 1)
    done = manage("logout --everyone --reason Leak")
    lines = [line for line in done.err.splitlines() if line.startswith("ended: ")]
    assert lines == [f"ended: {count} of 100" for count in range(10, 101, 10)]
    assert done.out.count("\n") == 1


def test_the_same_command_resumes_an_interrupted_run(crowd, monkeypatch):
    monkeypatch.setattr(runs, "BATCH", 10)
    real = runs.end_sessions
    batches = []

    def dies(*args, **kwargs):
        batches.append(1)
        if len(batches) == 4:
            raise MemoryError
        return real(*args, **kwargs)

    monkeypatch.setattr(runs, "end_sessions", dies)
    with pytest.raises(MemoryError):
        manage("logout --platform ios --platform android --platform windows --reason Leak")
    run = BulkRun.objects.get()
    assert (run.ended, run.finished_at) == (30, None)
    same = "logout --platform windows --platform ios --platform android --reason Leak"
    preview = manage(f"{same} --dry-run")
    assert "resumes the run of" in preview.out
    assert f"which had ended 30 of {run.expected}" in preview.out
    assert manage(f"{same} --dry-run --json").json[0]["goesOnWith"] == str(run.pk)
    done = manage(same)
    assert done.code == 0
    assert "resuming the run of" in done.err
    run.refresh_from_db()
    assert (run.finished_at is None, BulkRun.objects.count()) == (False, 1)
    assert not Session.objects.filter(ended_at=None, platform__in=["iOS", "Android", "Windows"]).exists()


def test_a_run_that_died_after_its_last_batch_is_finished_by_the_same_command(crowd):
    assert manage("logout --everyone --reason Leak").code == 0
    BulkRun.objects.update(finished_at=None)
    assert manage("logout --everyone --reason Leak").code == 0
    assert BulkRun.objects.get().finished_at


def test_a_database_that_fails_is_one_line(people, monkeypatch):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE user_sessions_bulkrun RENAME TO gone")
    done = manage("logout --user ann")
    assert (done.code, done.out) == (1, "")
    (line,) = done.err.splitlines()
    assert 'the database failed: relation "user_sessions_bulkrun" does not exist' in line


def test_the_help_documents_the_exit_codes():
    done = manage("logout --help")
    text = " ".join(done.out.split())
    for words in ("0 done", "1 it failed", "2 a filter", "3 not confirmed", "4 the selection has grown", "130 inter"):
        assert words in text


# --- in a process of its own ----------------------------------------------------------------------


def test_names_from_a_pipe_and_what_a_script_sees(transactional_db):
    make_crowd()
    someone = User.objects.filter(login_sessions__ended_at=None).first()
    done = shell(f"printf '\\xef\\xbb\\xbfusername\\r\\n{someone.username}\\r\\n' | manage logout --from-file - --json")
    assert done.code == 0, done.err
    assert done.json[-1]["ended"] == 100 - live() > 0
    assert not Session.objects.filter(user=someone, ended_at=None).exists()
    # Many sessions. The filter has used up standard input, so the command asks nothing, even at a terminal.
    names = "\n".join(User.objects.values_list("username", flat=True))
    many = shell("manage logout --from-file - --reason Leak", stdin=names.encode())
    assert many.code == 0, many.err
    assert shell("manage logout").code == 2
    assert shell("manage logout --from-file - <&-").code == 2


def test_a_device_token_from_a_pipe_is_on_no_command_line(transactional_db):
    ann = ZapPhone(InProcess(), device_token="push of ann").sign_up("ann")
    ben = ZapPhone(InProcess(), device_token="push of ben").sign_up("ben")
    done = shell("manage logout --device-token-file -", stdin=b"push of ann\n")
    assert done.code == 0, done.err
    assert (ann.me().status, ben.me().status) == (401, 200)


def test_at_a_terminal_the_count_is_typed_and_a_bar_shows_the_progress(transactional_db):
    make_crowd(1200)
    with at_a_terminal("logout --everyone --reason Leak") as terminal:
        terminal.read_until("Type that number to go on:")
        assert "Would end 1200 sessions" in terminal.screen
        assert live() == 1200
        terminal.type("1200\n")
        assert terminal.finish() == 0
    assert "1200/1200" in terminal.screen
    assert "Ended 1200 sessions" in terminal.screen
    assert live() == 0


@pytest.mark.parametrize("answer", ["1199\n", "yes\n", "\n", "\x04", "Ctrl-C"])
def test_at_a_terminal_another_answer_changes_nothing(transactional_db, answer):
    make_crowd(1200)
    with at_a_terminal("logout --everyone --reason Leak") as terminal:
        terminal.read_until("Type that number to go on:")
        if answer == "Ctrl-C":
            terminal.press_ctrl_c()
        else:
            terminal.type(answer)
        assert terminal.finish() == (130 if answer == "Ctrl-C" else 3)
    assert "Traceback" not in terminal.screen
    assert (live(), BulkRun.objects.count()) == (1200, 0)


def test_a_list_that_was_typed_at_a_terminal_is_confirmed_by_its_digest(transactional_db):
    make_crowd(1200)
    names = "\n".join(User.objects.values_list("username", flat=True))
    with at_a_terminal("logout --from-file - --reason Leak") as terminal:
        terminal.type(f"{names}\n\x04")
        assert terminal.finish() == 3
    assert "pass its digest to --confirm" in terminal.screen
    assert live() == 1200
