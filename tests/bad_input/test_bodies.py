"""How both dialects read a body. Also checks that the unchanged calls succeed."""

import json
from urllib.parse import urlencode

from tests.bad_input.database import undone
from tests.bad_input.dialects import BUDDY, ZAP
from tests.bad_input.oddities import (
    FOREIGN_TYPES,
    FORM,
    LIMIT,
    MANY_FIELDS,
    NO_OBJECT,
    NOT_JSON,
    NOT_UTF8,
    ODD_JSON_TYPES,
)
from tests.bad_input.routes import ROUTES, SOME, WITH_BODY, WITHOUT_BODY, each

BUDDYS = [route for route in WITH_BODY if route.dialect is BUDDY]


@each(ROUTES)
def test_the_calls_that_these_tests_break_are_good_with_and_without_a_trailing_slash(call, dialect, phone, route):
    # By the caller's own id and by `me`, percent-encoded or not (RFC 3986 §2.3).
    own, encoded = phone.user_id, "".join(f"%{ord(digit):02X}" for digit in phone.user_id)
    for path in (call.path, f"{call.path}/", route.path_for(phone, own), route.path_for(phone, encoded)):
        with undone():
            dialect.success(call.but(path=path).send())


@each(WITH_BODY)
def test_a_body_that_is_not_json_is_malformed(call, dialect, untouched, subtests):
    whole = json.dumps(call.body).encode()
    cut = {f"cut off after {length} bytes": whole[:length] for length in (1, len(whole) // 2, len(whole) - 1)}
    for name, content in (NOT_JSON | cut | (NOT_UTF8 if dialect is ZAP else {})).items():
        for kind in ("application/json", None) if dialect is BUDDY else ("application/json",):
            with subtests.test(body=name, kind=kind):
                assert dialect.error(call.send(content, kind=kind)) == dialect.malformed
    untouched()


@each(WITH_BODY)
def test_a_body_that_is_json_but_no_object_is_refused(call, dialect, untouched, subtests):
    own = json.dumps([call.body])
    for text in (own, "[[]]", "[null]", *NO_OBJECT, *(["null", "[]"] if dialect is ZAP else [])):
        with subtests.test(body=text[:30]):
            assert dialect.error(call.send(text.encode())) == dialect.no_object
    untouched()


@each(WITH_BODY)
def test_a_body_is_read_up_to_the_limit_and_not_beyond(call, dialect, untouched, subtests):
    whole = json.dumps(call.body).encode()
    with undone():
        dialect.success(call.send(whole.ljust(LIMIT)))
    tries = {"one byte more": (whole.ljust(LIMIT + 1), "application/json"), "a form": (b"tag=" + b"x" * LIMIT, FORM)}
    for field in call.body:
        content = json.dumps(call.body | {field: "x" * 1_000_000}).encode()
        tries[f"a megabyte of {field}"] = content, "application/json"
    for name, (content, kind) in tries.items():
        if kind == FORM and dialect is ZAP:
            continue
        with subtests.test(body=name):
            assert dialect.error(call.send(content, kind=kind)) == dialect.too_large
    untouched()


@each(WITH_BODY)
def test_a_body_of_another_content_type_is_refused(call, dialect, untouched, subtests):
    none_of_zaps = {None: None, FORM: MANY_FIELDS, f"{FORM}; charset=hex": b"%41=1"} if dialect is ZAP else {}
    for kind, content in (FOREIGN_TYPES | none_of_zaps).items():
        with subtests.test(kind=kind and kind[:40]):
            assert dialect.error(call.send(content, kind=kind)) == dialect.wrong_type
    untouched()


@each(route for route in SOME if route.body)
def test_a_body_is_json_with_a_bom_and_whatever_else_its_content_type_says(call, dialect, subtests):
    without = [None] if dialect is BUDDY else []
    for kind in ODD_JSON_TYPES + without:
        with subtests.test(kind=kind and kind[:40]), undone():
            dialect.success(call.send(kind=kind))
    dialect.success(call.send(json.dumps(call.body).encode("utf-8-sig")))


@each(WITHOUT_BODY)
def test_a_body_that_nobody_asked_for_is_not_looked_at(call, dialect, subtests):
    for content, kind in ((b"[", "application/json"), (b"x", "text/plain"), (b"x" * 1_000_000, None), (b"%00=1", FORM)):
        with subtests.test(content=content[:10], kind=kind), undone():
            dialect.success(call.send(content, kind=kind))


# --- Buddy's: no parameters, and forms ---------------------------------------------------------


@each(BUDDYS)
def test_no_body_and_phps_empty_array_and_null_are_no_parameters(call, dialect, route, subtests):
    for content in (None, b"{}", b"[]", b" [ ] ", b"null", b'{"location": null}'):
        with subtests.test(content=content), undone():
            reply = call.but(body=None).send(content)
            if route.required:
                assert dialect.error(reply) == (400, "ParameterMissingRequiredValue")
            else:
                dialect.success(reply)


@each(BUDDYS)
def test_a_form_is_as_good_as_json(call, dialect, subtests):
    content = urlencode(call.body).encode()
    for charset in ("", "; charset=utf-8", ";charset=latin-1", "; charset=hex", "; charset=nonsense"):
        with subtests.test(charset=charset), undone():
            dialect.success(call.send(content, kind=f"{FORM}{charset}"))


@each(BUDDYS)
def test_a_form_of_5000_fields_or_with_what_cannot_be_stored_is_malformed(call, dialect, untouched, subtests):
    whole = urlencode(call.body).encode()
    for content in (MANY_FIELDS, whole + b"&" + MANY_FIELDS, whole + b"&location=%00", whole + b"&location=%FF%FE"):
        with subtests.test(content=content[-30:]):
            assert dialect.error(call.send(content, kind=FORM)) == dialect.malformed
    untouched()
