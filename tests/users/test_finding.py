"""Staff find people by any part of a name, user name or email, and by phone numbers."""
# ruff: noqa: RUF001  # texts with letters that look alike

from datetime import UTC, datetime

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from sessions.management.demo_data import analyze, make_users
from users import finding
from users.finding import LONGEST_TEXT, MOST_PEOPLE, SearchTooLong, at_most, called, find_people, ids_called
from users.identities import find_user_by_identity
from users.models import User
from users.plain_text import plain, spans


@pytest.fixture
def quin(db):
    """Quin, among others. Zoe has the most in common with her."""
    User.objects.create_user("zoe_7", email="zoe.7@example.org", name="Zoe Kumaran", phone_number="+990000029034")
    User.objects.create_user("ben", email="ben@example.com", first_name="Bén", last_name="Straße")
    return User.objects.create_user(
        "quin_29033", email="quin.29033@example.org", name="Quin Kumar", phone_number="+990000029033"
    )


def names(text):
    return [user.username for user in find_people(text).people]


@pytest.mark.parametrize(
    "text",
    [
        *("Quin Kumar", "quin kumar", "Kumar Quin", "Kumar, Quin", "  quin   KUMAR ", "qui kum", "QÚIN", "ku qu"),
        *("quin_29033", "quin.29", "29033@ex", "uin.290", "in_29", "quin_29033 kumar"),
        *("+99 0000029033", "00990000029033", "0990000029033", "+990000029033", "0000-029-033", "029033"),
    ],
)
def test_a_caller_is_found_by_what_they_say(quin, text):
    assert find_people(text).certain == quin
    assert ids_called(text) == [quin.pk]


def test_a_name_leads_to_all_who_have_it_the_best_ones_first(quin):
    assert names("kumar") == ["quin_29033", "zoe_7"]
    assert find_people("kumar").certain is None
    assert names("ben strasse") == names("BEN STRAẞE") == names("straß") == ["ben"]
    for username, name in (("x1", "Lea Quin"), ("quin", ""), ("x2", "Quin"), ("harlequin", "")):
        User.objects.create_user(username, name=name)
    assert names("Quin") == ["quin", "x2", "quin_29033", "x1", "harlequin"]


def test_a_user_name_does_not_hide_others_who_are_called_so(quin):
    impostor = User.objects.create_user("kumar")
    found = find_people("Kumar")
    assert found.certain is None
    assert found.people[0] == impostor
    assert quin in found.people
    assert find_people("quin_29033").certain == quin


def test_a_whole_identity_is_certain_though_others_contain_it(quin):
    User.objects.create_user("quin_290333", email="xquin.29033@example.org", phone_number="+1990000029033")
    for text in ("quin_29033", "QUIN.29033@example.org", "+99 0000029033"):
        assert find_people(text).certain == quin
        assert len(find_people(text).people) == 2


@pytest.mark.parametrize("text", ["", " ", "\0", "a\0b", "q", "nobody", "x" * (LONGEST_TEXT + 1), "\u0301", "a " * 20])
def test_what_nobody_is_called_finds_nobody(quin, text):
    assert (names(text), ids_called(text)) == ([], [])


@pytest.mark.parametrize(
    "text", ["%", "%%%", "___", "quin%29033", "qu_n", "\\\\\\", "'; --", "{qui}", "quin.*", "％％％"]
)
def test_wildcards_have_no_meaning(quin, text):
    assert (names(text), ids_called(text)) == ([], [])


def test_wildcards_in_a_name_are_found(db):
    odd = User.objects.create_user("odd", name=r"100%_\sure")
    for text in ("100%", "0%_", r"_\s", r"%_\sure"):
        assert find_people(text).people == [odd], text


def test_deleted_users_are_not_found(quin):
    User.objects.filter(pk=quin.pk).update(deleted_at=datetime(2026, 1, 1, tzinfo=UTC))
    for text in ("Quin Kumar", "quin_29033", "+990000029033", "029033"):
        assert (names(text), ids_called(text)) == ([], []), text


def test_a_change_of_a_user_changes_how_they_are_found(quin):
    User.objects.filter(pk=quin.pk).update(name="Quin Novak", phone_number=None)
    assert (names("kumar"), names("novak"), names("029033")) == (["zoe_7"], ["quin_29033"], [])


def test_a_common_name_shows_some_people_and_says_that_there_are_more(db):
    User.objects.bulk_create(User(username=f"k{number}", name=f"Kumar {number}") for number in range(MOST_PEOPLE + 5))
    User.objects.create_user("kumar")
    found = find_people("kumar")
    assert (len(found.people), found.has_more) == (MOST_PEOPLE, True)
    assert found.people[0].username == "kumar"


def test_many_ids_are_not_read(quin, monkeypatch):
    monkeypatch.setattr(finding, "MOST_BY_ID", 1)
    assert ids_called("kumar") is None
    assert User.objects.filter(called("kumar")).count() == 2


def test_a_search_that_takes_too_long_says_so_and_the_next_statement_works(quin, monkeypatch):
    monkeypatch.setattr(finding, "_certain", lambda *_: connection.cursor().execute("SELECT pg_sleep(60)"))
    monkeypatch.setattr(finding, "SEARCH_FOR_MS", 100)
    found = find_people("quin_29033")
    assert (found.people, found.took_too_long, found.certain) == ([quin], True, None)
    with connection.cursor() as cursor:
        before = cursor.execute("SHOW statement_timeout").fetchone()
        with pytest.raises(SearchTooLong), at_most(50):
            cursor.execute("SELECT pg_sleep(60)")
        assert cursor.execute("SHOW statement_timeout").fetchone() == before


def test_a_log_in_compares_whole_identities_only(quin):
    for text in ("Quin Kumar", "quin", "00990000029033", "+99 0000029033", "029033", "quin.29033@example"):
        assert find_user_by_identity(text) is None, text


def test_a_search_reads_the_indexes_and_not_every_user(db):
    for _ in make_users(3000):
        pass
    analyze()
    for text in ("kumar", "quin kumar", "ku qu", "+99 0000002903", "002903", "uin_2903", "2903@"):
        plan = User.objects.filter(called(text)).explain()
        assert "user_search_text" in plan, text
        assert "Seq Scan" not in plan, text


@pytest.mark.parametrize(
    "columns", [{"last_login": datetime(2026, 1, 1, tzinfo=UTC)}, {"ip_addresses": ["::1"]}, {"session_epoch": 7}]
)
def test_a_log_in_does_not_write_the_search_indexes(quin, columns):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT array_agg(a.attname) FROM pg_depend d JOIN pg_class i ON i.oid = d.objid"
            " JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
            " WHERE i.relname IN ('user_search_text', 'user_phone_end') AND d.refobjsubid > 0"
        )
        (indexed,) = cursor.fetchone()
    assert {"name", "first_name", "last_name", "username", "email", "phone_number", "deleted_at"} == set(indexed)
    assert not columns.keys() & set(indexed)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20))
def test_python_and_sql_write_a_latin_text_in_the_same_plain_form(text):
    # Other scripts have rules for capital letters that depend on the database's locale.
    latin = "".join(letter for letter in text if letter < "\u0130")
    assert spans(latin, [latin]) == ([(0, len(latin))] if plain(latin) else [])


@pytest.mark.parametrize(
    "text", ["Élise ŁUK", "Straße Ærø", "Łódź", "ﬁnn", "Ａｄａ", "İz", "Ёлка", "ΣΑΣ", "王芳", "Nguyễn"]
)
def test_the_database_writes_a_text_in_the_same_plain_form(db, text):
    with connection.cursor() as cursor:
        cursor.execute("SELECT users_plain(%s)", [text])
        assert cursor.fetchone()[0].replace("ς", "σ") == plain(text).replace("ς", "σ")


@pytest.mark.parametrize(
    ("text", "terms", "marked"),
    [
        ("Quin Kumar", ["kumar"], ["Kumar"]),
        ("Quin Kumar", ["QÚI", "uin"], ["Quin"]),
        ("Straße 1", ["strasse"], ["Straße"]),
        ("banana", ["ana"], ["anana"]),
        ("Quin", ["", "x", "."], []),
    ],
)
def test_the_matching_parts_of_a_text_are_known(text, terms, marked):
    assert [text[start:end] for start, end in spans(text, terms)] == marked
