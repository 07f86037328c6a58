"""Where log-ins come from: a file says it, and an unusual log-in is marked, recorded and mailed. None is refused."""

import json
import logging
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions import geography
from sessions.geography import Location, location_of
from sessions.inspect.statistics import count_figures
from sessions.logout import end_sessions
from sessions.models import EndReason, Judgement, Session
from sessions.selection.parameters import countries
from tests import geo_files
from tests.environment import ROOT
from tests.geo_files import BERLIN, BERLIN_6, NOWHERE, PARIS, POTSDAM, TOKYO, write_geo_file
from tests.phones import InProcess, ZapPhone
from tests.sessions.staff import LIST, browser_of, new_staff, user_url
from users.models import SecurityEvent, User
from users.origin import Origin
from users.record.events import Event

GERMANY = Location(country="DE", country_name="Germany", city="Berlin", latitude=52.5, longitude=13.4)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)"


@pytest.fixture(autouse=True)
def _no_file_from_another_test():
    yield
    geography._opened.cache_clear()


@pytest.fixture
def geo_file(tmp_path, settings):
    """A file of cities, which the settings name."""
    settings.TRUSTED_PROXIES = 1
    settings.GEOIP_PATH = write_geo_file(tmp_path / "cities.mmdb")
    return settings.GEOIP_PATH


@pytest.fixture
def ann(new_phone, settings, commits):
    """Ann, who signed up at a private address. Mails about log-ins are on."""
    with time_machine.travel(NOON - timedelta(days=1), tick=False):
        phone = new_phone(device_token="anns").sign_up()
    User.objects.update(email="ann@example.org")
    settings.NEW_DEVICE_MAIL = True
    return phone


def log_in(phone, ip, *, user_agent=IPHONE, after=timedelta(0)):
    """Log in from that address, ``after`` that time since noon. Returns the session."""
    send = phone.send
    there = {"X-Forwarded-For": ip, "User-Agent": user_agent}
    phone.send = lambda *args, headers=None, **rest: send(*args, headers=(headers or {}) | there, **rest)
    with time_machine.travel(NOON + after, tick=False):
        assert phone.log_in(phone.username).status == 200, phone.last
    phone.send = send
    return Session.objects.filter(user=phone.user_id).latest("authenticated_at", "pk")


# --- the file -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [geo_files.DBIP_CITY, geo_files.GEOLITE_CITY])
@pytest.mark.parametrize("ip", [BERLIN, BERLIN_6])
def test_a_file_of_cities_tells_country_and_city(tmp_path, settings, kind, ip):
    settings.GEOIP_PATH = write_geo_file(tmp_path / "some.mmdb", kind)
    assert location_of(ip) == GERMANY


@pytest.mark.parametrize("kind", [geo_files.DBIP_COUNTRY, geo_files.GEOLITE_COUNTRY])
def test_a_file_of_countries_tells_the_country(tmp_path, settings, kind):
    settings.GEOIP_PATH = write_geo_file(tmp_path / "some.mmdb", kind)
    assert location_of(BERLIN) == Location(country="DE", country_name="Germany")


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "192.0.2.1", "fe80::1", NOWHERE, None])
def test_addresses_that_are_private_reserved_or_not_in_the_file_have_no_location(geo_file, ip):
    assert location_of(ip) is None


def test_in_a_folder_cities_come_before_countries_and_the_newest_file_first(tmp_path, settings):
    settings.GEOIP_PATH = tmp_path
    write_geo_file(tmp_path / "asn.mmdb", "GeoLite2-ASN")
    old = write_geo_file(tmp_path / "dbip-city-lite-2026-02.mmdb", more={"8.8.8.0/24": {"country": {"iso_code": "GB"}}})
    os.utime(old, (1, 1))
    write_geo_file(tmp_path / "zz-country.mmdb", geo_files.DBIP_COUNTRY)
    (tmp_path / "broken.mmdb").write_text("not MMDB")
    assert location_of(BERLIN) == GERMANY
    assert location_of(NOWHERE) == Location(country="GB")
    # The next month's file is put into the folder. No restart is needed.
    write_geo_file(tmp_path / "dbip-city-lite-2026-03.mmdb")
    assert location_of(BERLIN) == GERMANY
    assert location_of(NOWHERE) is None


def test_a_file_that_is_replaced_is_read_again(tmp_path, geo_file):
    assert location_of(NOWHERE) is None
    newer = write_geo_file(tmp_path / "newer", more={"8.8.8.0/24": {"country": {"iso_code": "GB"}}})
    newer.replace(geo_file)
    assert location_of(NOWHERE) == Location(country="GB")


@pytest.mark.parametrize(
    "entry",
    [
        {"country": {"iso_code": "Germany"}},
        {"country": {"iso_code": 5}},
        {"country": "DE"},
        {"country": {}},
        {},
        "text",
    ],
)
def test_a_record_without_a_country_has_no_location(tmp_path, settings, entry):
    settings.GEOIP_PATH = write_geo_file(tmp_path / "odd.mmdb", more={"8.8.8.0/24": entry})
    assert location_of(NOWHERE) is None
    assert location_of(BERLIN) == GERMANY


@pytest.mark.parametrize("latitude", [91.0, float("nan"), float("-inf"), "52"])
def test_a_name_is_one_short_line_and_a_place_off_the_globe_is_none(tmp_path, settings, latitude):
    odd = {
        "country": {"iso_code": "DE", "names": {"en": "Ger\nmany\0"}},
        "city": {"names": {"en": "B" * 1000}},
        "location": {"latitude": latitude, "longitude": 0.0},
    }
    settings.GEOIP_PATH = write_geo_file(tmp_path / "odd.mmdb", more={"8.8.8.0/24": odd})
    assert location_of(NOWHERE) == Location(country="DE", country_name="Ger many", city="B" * 100)


# --- a file that can't be used --------------------------------------------------------------------


def break_it(path, how):
    if how == "missing":
        path.unlink()
    elif how == "empty folder":
        path.unlink()
        path.mkdir()
    elif how == "text":
        path.write_text("no MMDB file")
    elif how == "cut off":
        path.write_bytes(path.read_bytes()[-400:])
    else:
        write_geo_file(path, "GeoLite2-ASN")


BROKEN = {
    "missing": "is not there",
    "empty folder": "the folder has no file *.mmdb",
    "text": "can't be read as an MMDB file",
    "cut off": "can't be read as an MMDB file",
    "of networks": "has neither cities nor countries",
}


@pytest.mark.parametrize("how", BROKEN)
def test_the_check_names_what_is_wrong_with_the_file(geo_file, how):
    assert not [each for each in run_checks() if each.id == "user_sessions.E003"]
    break_it(geo_file, how)
    (error,) = [each for each in run_checks() if each.id == "user_sessions.E003"]
    assert error.is_serious()
    assert error.msg.startswith("GEOIP_PATH: ")
    assert BROKEN[how] in error.msg


def test_a_broken_file_keeps_no_operator_from_ending_sessions(db, geo_file, capsys):
    break_it(geo_file, "text")
    with pytest.raises(SystemCheckError, match=r"user_sessions\.E003"):
        call_command("check")
    call_command("logout", "--everyone", "--reason", "an incident", skip_checks=False)
    assert "E003" not in capsys.readouterr().err


@pytest.mark.only("zap")
@pytest.mark.parametrize("how", BROKEN)
def test_a_login_with_a_broken_file_works_and_the_log_says_it_once(ann, geo_file, caplog, how):
    break_it(geo_file, how)
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            session = log_in(ann, BERLIN)
    assert (session.country, session.judgement) == (None, None)
    (logged,) = [each for each in caplog.records if each.name == "zapauth.geography"]
    assert BROKEN[how] in logged.getMessage()
    assert BERLIN not in caplog.text


@pytest.mark.only("zap")
def test_a_login_works_while_the_file_is_overwritten_in_place(ann, geo_file, caplog):
    assert log_in(ann, BERLIN).country == "DE"
    opened = geography._current_file(geo_file)
    stat = geo_file.stat()
    geo_file.write_bytes(b"\0" * stat.st_size)
    os.utime(geo_file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert geography._current_file(geo_file) is opened  # otherwise this is the test above
    assert log_in(ann, PARIS).country is None


# --- log-ins --------------------------------------------------------------------------------------


def test_a_login_has_its_location(ann, geo_file):
    session = log_in(ann, BERLIN)
    assert (session.country, session.country_name, session.city) == ("DE", "Germany", "Berlin")
    assert (session.latitude, session.longitude) == (52.5, 13.4)
    assert session.location == "Berlin, Germany"


def test_a_login_at_a_private_address_has_none_also_after_one_that_had_one(ann, geo_file):
    assert log_in(ann, BERLIN).location == "Berlin, Germany"
    later = log_in(ann, "10.0.0.1", after=timedelta(hours=1))
    assert (later.location, later.country, later.latitude, later.judgement) == ("", None, None, None)


def test_the_first_login_with_a_location_is_not_judged(ann, geo_file):
    assert log_in(ann, TOKYO).judgement is None
    assert not SecurityEvent.objects.filter(event=Event.LOGIN_JUDGED).exists()


def test_a_new_country_is_marked_once(ann, geo_file):
    judged = [log_in(ann, ip, after=timedelta(days=n)) for n, ip in enumerate([BERLIN, TOKYO, TOKYO, BERLIN])]
    assert [session.judgement for session in judged] == [None, Judgement.NEW_COUNTRY, None, None]


@pytest.mark.parametrize(
    ("first", "then", "minutes", "judgement"),
    [
        # Berlin to Paris are some 880 km.
        (BERLIN, PARIS, 57, Judgement.TOO_FAST),
        (BERLIN, PARIS, 61, Judgement.NEW_COUNTRY),
        (BERLIN, PARIS, 0, Judgement.TOO_FAST),
        # Berlin to Tokyo are some 8900 km, ten hours.
        (BERLIN_6, TOKYO, 9 * 60, Judgement.TOO_FAST),
        (TOKYO, BERLIN_6, 9 * 60, Judgement.TOO_FAST),
        (TOKYO, BERLIN_6, 11 * 60, Judgement.NEW_COUNTRY),
        # Some 27 km: nearer than the files are right.
        (BERLIN, POTSDAM, 0, None),
        (BERLIN, BERLIN, 0, None),
    ],
)
def test_too_fast_is_above_900_km_an_hour(ann, geo_file, first, then, minutes, judgement):
    log_in(ann, first)
    assert log_in(ann, then, after=timedelta(minutes=minutes)).judgement == judgement


def test_the_speed_counts_from_the_latest_login(ann, geo_file):
    log_in(ann, PARIS)
    log_in(ann, BERLIN, after=timedelta(hours=5))
    assert log_in(ann, PARIS, after=timedelta(hours=5, minutes=30)).judgement == Judgement.TOO_FAST
    assert log_in(ann, PARIS, after=timedelta(hours=5, minutes=31)).judgement is None


def test_another_users_logins_do_not_count(ann, geo_file, new_phone):
    log_in(ann, BERLIN)
    ben = ZapPhone(InProcess()).sign_up()
    assert log_in(ben, TOKYO).judgement is None


def test_a_file_of_countries_judges_by_country_only(ann, geo_file):
    write_geo_file(geo_file, geo_files.GEOLITE_COUNTRY)
    log_in(ann, BERLIN)
    assert log_in(ann, TOKYO).judgement == Judgement.NEW_COUNTRY


def test_without_a_position_nothing_is_too_fast(ann, geo_file):
    log_in(ann, BERLIN)
    write_geo_file(geo_file, geo_files.GEOLITE_COUNTRY)
    assert log_in(ann, BERLIN, after=timedelta(minutes=1)).judgement is None
    assert log_in(ann, TOKYO, after=timedelta(minutes=2)).judgement == Judgement.NEW_COUNTRY


@pytest.mark.only("buddy")
def test_a_login_that_renews_the_session_is_judged_by_the_location_that_it_replaces(ann, geo_file, mailoutbox):
    first = log_in(ann, BERLIN)
    ann.app_token = ann.access_token  # the .NET client logs in again with the user's own token
    second = log_in(ann, TOKYO, after=timedelta(hours=1))
    assert second.pk == first.pk
    assert (second.judgement, second.location, second.ip) == (Judgement.TOO_FAST, "Tokyo, Japan", TOKYO)
    (mail,) = [each for each in mailoutbox if "Tokyo" in each.subject]
    assert "2026-03-01 13:00 UTC" in mail.body
    assert log_in(ann, TOKYO, after=timedelta(hours=2)).judgement is None


def test_an_unusual_login_is_recorded(ann, geo_file):
    log_in(ann, BERLIN)
    session = log_in(ann, TOKYO, after=timedelta(hours=1))
    (entry,) = SecurityEvent.objects.filter(event=Event.LOGIN_JUDGED)
    assert (entry.user_id, entry.actor_id, entry.session_id) == (ann.user_id, ann.user_id, session.pk)
    assert (entry.ip, entry.app_id, entry.outcome) == (TOKYO, session.app_id, "done")
    assert entry.request_id
    assert entry.details == {"judgement": "too_fast", "country": "JP", "location": "Tokyo, Japan"}


def test_with_a_file_a_login_takes_one_statement_more_and_without_none(ann, geo_file, settings):
    def statements():
        with CaptureQueriesContext(connection) as ran:
            log_in(ann, BERLIN)
        return [each["sql"] for each in ran.captured_queries[:-1]]  # the last one is this test's own

    statements()
    with_file = statements()
    settings.GEOIP_PATH = None
    without = statements()
    assert len(with_file) == len(without) + 1
    assert not [sql for sql in without if "country" in sql.lower()]


def test_without_a_path_the_library_is_not_loaded():
    code = (
        "import sys, django; django.setup(); import sessions.login.on_device, sessions.checks;"
        "from django.core.management import call_command; call_command('check');"
        "print([name for name in sys.modules if name.startswith(('geoip2', 'maxminddb'))])"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "zapauth.settings"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


# --- what users and staff see ---------------------------------------------------------------------


def test_the_mail_about_a_new_device_says_where_the_login_came_from(ann, geo_file, mailoutbox):
    log_in(ann, BERLIN)
    mailoutbox.clear()
    other = ZapPhone(InProcess(), device_token="new")
    other.username = ann.username
    log_in(other, BERLIN, user_agent="another", after=timedelta(hours=1))
    (mail,) = mailoutbox
    assert mail.subject == "New log-in to your ZapAuth account from Berlin, Germany"
    assert "from a device that you have not used before:" in mail.body
    assert "    From     Berlin, Germany\n\nIf it was you" in mail.body
    assert "If it was not you, open this link." in mail.body


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (24, "You have not logged in from this country before."),
        (1, "It is so far from your previous log-in that nobody could have travelled there in the time between them."),
    ],
)
def test_an_unusual_login_on_a_known_device_is_told_by_mail(ann, geo_file, mailoutbox, hours, words):
    log_in(ann, BERLIN)
    mailoutbox.clear()
    log_in(ann, TOKYO, after=timedelta(hours=hours))
    (mail,) = mailoutbox
    assert mail.to == ["ann@example.org"]
    assert mail.subject == "New log-in to your ZapAuth account from Tokyo, Japan"
    assert "there was a log-in to your ZapAuth account:" in mail.body
    assert words in mail.body
    assert "device that you have not used" not in mail.body


def test_an_unusual_login_on_a_new_device_is_one_mail(ann, geo_file, mailoutbox):
    log_in(ann, BERLIN)
    mailoutbox.clear()
    other = ZapPhone(InProcess(), device_token="new")
    other.username = ann.username
    log_in(other, TOKYO, user_agent="another", after=timedelta(hours=24))
    (mail,) = mailoutbox
    assert "from a device that you have not used before:" in mail.body
    assert "You have not logged in from this country before." in mail.body


def test_no_mail_is_sent_if_they_are_off_or_nothing_is_unusual(ann, geo_file, mailoutbox, settings):
    log_in(ann, BERLIN)
    mailoutbox.clear()
    log_in(ann, BERLIN, after=timedelta(hours=24))
    settings.NEW_DEVICE_MAIL = False
    assert log_in(ann, TOKYO, after=timedelta(hours=48)).judgement == Judgement.NEW_COUNTRY
    assert mailoutbox == []


@pytest.mark.only("zap")
def test_users_see_country_and_city_in_the_list_of_their_sessions(ann, geo_file):
    log_in(ann, BERLIN)
    log_in(ann, "10.0.0.1", after=timedelta(minutes=1))
    with time_machine.travel(NOON + timedelta(minutes=2)):
        listed = ann.ask("GET", f"/v1/users/{ann.user_id}/sessions").json["data"]["sessionData"]
    assert [(each["country"], each["city"]) for each in listed] == [(None, None), ("DE", "Berlin"), (None, None)]


@pytest.fixture
def two_countries(ann, geo_file):
    """Two of Ann's log-ins, from Berlin and then from Tokyo."""
    return log_in(ann, BERLIN), log_in(phone_of(ann), TOKYO, after=timedelta(hours=1))


def phone_of(phone):
    other = ZapPhone(InProcess(), device_token="second")
    other.username = phone.username
    return other


@pytest.fixture
def staff(db):
    with time_machine.travel(NOON + timedelta(hours=2)):
        yield browser_of(new_staff())


def test_the_admin_shows_where_log_ins_came_from_and_what_is_unusual(two_countries, staff, settings):
    berlin, tokyo = two_countries
    page = staff.get(LIST).content.decode()
    assert "Berlin, Germany" in page
    assert "Tokyo, Japan <span" in page
    assert ">too fast<" in page
    page = staff.get(f"{LIST}{tokyo.pk}/change/").content.decode()
    assert "Tokyo, Japan" in page
    assert "too far from the previous log-in to travel there in the time" in page
    page = staff.get(f"{LIST}{berlin.pk}/change/").content.decode()
    assert "<dt>Location</dt><dd>Berlin, Germany</dd>" in page
    for state in ("live", "ended"):
        if state == "ended":
            end_sessions(Session.objects.filter(user=berlin.user), actor=None, reason=EndReason.STAFF, origin=Origin())
        page = staff.get(user_url(berlin.user_id)).content.decode()
        assert "Berlin, Germany" in page
        assert ">too fast<" in page


def test_without_a_file_the_admin_has_no_column_for_it(two_countries, staff, settings):
    assert "column-location" in staff.get(LIST).content.decode()
    settings.GEOIP_PATH = None
    assert "column-location" not in staff.get(LIST).content.decode()


def test_the_admin_offers_the_countries_of_live_sessions_as_a_filter(two_countries, staff, settings):
    _, tokyo = two_countries
    count_figures()
    assert sorted(countries()) == [("DE", "Germany"), ("JP", "Japan")]
    page = staff.get(LIST, {"country": "JP"})
    assert '<option value="DE">' in page.content.decode()
    assert [session.pk for session in page.context["cl"].result_list] == [tokyo.pk]
    wrong = staff.get(LIST, {"country": "nowhere"})
    assert 'id="list-problem"' in wrong.content.decode()
    assert wrong.context["cl"].result_list == []
    settings.GEOIP_PATH = None
    count_figures()
    assert countries() == []


def test_operators_end_the_sessions_from_a_country(two_countries, capsys):
    berlin, tokyo = two_countries
    with time_machine.travel(NOON + timedelta(hours=2)):
        call_command("sessions", "--country", "jp", "--json")
        (listed,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert (listed["session"], listed["country"], listed["city"]) == (str(tokyo.pk), "JP", "Tokyo")
        assert listed["judgement"] == "too_fast"
        call_command("logout", "--country", "jp", "--reason", "an incident")
    berlin.refresh_from_db()
    tokyo.refresh_from_db()
    assert berlin.ended_at is None
    assert tokyo.ended_at is not None


@pytest.mark.parametrize("text", ["Germany", "D", "", "4Ä"])
def test_what_is_no_code_of_a_country_is_refused(db, text):
    with pytest.raises(CommandError, match="is not the code of a country, such as DE"):
        call_command("sessions", "--country", text)


def test_the_migration_reads_no_row(db, capsys):
    call_command("sqlmigrate", "user_sessions", "0003")
    said = re.sub("--.*", "", capsys.readouterr().out)
    (statement,) = re.fullmatch(r"\s*BEGIN;(.*)COMMIT;\s*", said, re.DOTALL).groups()
    assert re.fullmatch(r"\s*ALTER TABLE user_sessions_session(\s+ADD COLUMN \w+ [\w ()]+ NULL,?){6}\s*;\s*", statement)
