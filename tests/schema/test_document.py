"""The description of the API is up to date, valid, complete and served."""

import re
from contextlib import closing
from io import StringIO

import pytest
import yaml
from django.core.management import call_command
from jsonschema import Draft202012Validator

import zapauth
from tests.phones import SEED_DEVICE_TOKEN, InProcess
from tests.schema.document import PATH, document

METHODS = {"get", "put", "post", "patch", "delete"}


def operations():
    """Return each operation of the document: its name, such as "GET /v1/users", and its description."""
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def parts_called(name, within):
    """Return the values with that key, at any depth."""
    if isinstance(within, dict):
        for key, value in within.items():
            if key == name:
                yield value
            yield from parts_called(name, value)
    elif isinstance(within, list):
        for value in within:
            yield from parts_called(name, value)


def contents():
    """Return each media type of a request or an answer, as `{"schema", "example" or "examples"}`."""
    for content in parts_called("content", document()):
        yield from content.values()


def is_valid(value, schema):
    whole = schema | {"components": document()["components"]}
    return Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).is_valid(value)


# --- the document -------------------------------------------------------------------------------


def test_the_committed_document_is_what_make_schema_writes_without_a_warning_and_is_openapi_3_1():
    out, err = StringIO(), StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out, stderr=err)
    assert err.getvalue() == ""
    assert out.getvalue().rstrip("\n") == PATH.read_text().rstrip("\n"), "it is stale: make schema"
    assert document()["openapi"].startswith("3.1.")
    assert document()["info"]["version"] == zapauth.__version__


def test_every_schema_in_it_is_json_schema():
    schemas = [*parts_called("schema", document()), *document()["components"]["schemas"].values()]
    assert len(schemas) > 100
    for schema in schemas:
        Draft202012Validator.check_schema(schema)


def test_every_route_has_its_words_and_all_words_have_their_route():
    from zapauth.schema.buddy.dialect import BuddySchema
    from zapauth.schema.services.dialect import ServiceSchema
    from zapauth.schema.zap.dialect import ZapSchema

    described = [name for schema in (ZapSchema, BuddySchema, ServiceSchema) for name in schema.operations]
    assert {name for name, _ in operations()} == {*described, "GET /verify"}


def test_a_route_without_words_fails():
    from zapauth.schema.views import SchemaGenerator
    from zapauth.schema.zap.dialect import ZapSchema

    some = {name: each for name, each in ZapSchema.operations.items() if name != "POST /v1/login"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ZapSchema, "operations", some)
        with pytest.raises(KeyError, match="POST /v1/login"):
            SchemaGenerator().get_schema(public=True)


def test_every_example_is_as_its_schema_says():
    found = 0
    for content in contents():
        examples = [content["example"]] if "example" in content else []
        examples += [example["value"] for example in content.get("examples", {}).values()]
        for example in examples:
            found += 1
            assert is_valid(example, content["schema"]), example
    for parameter in parts_called("parameters", document()["paths"]):
        assert all(is_valid(each["example"], each["schema"]) for each in parameter if "example" in each)
    for header in document()["components"]["headers"].values():
        if "example" in header:
            assert is_valid(header["example"], header["schema"])
    assert found > 150


def test_the_examples_of_both_documented_logouts_are_among_the_examples():
    logout = document()["paths"]["/v1/users/logout/{id}"]["put"]
    assert logout["requestBody"]["content"]["application/json"]["example"] == {"deviceToken": SEED_DEVICE_TOKEN}
    (answer,) = logout["responses"]["200"]["content"].values()
    assert answer["example"] == {"success": True, "data": "Logout Successfull"}
    (answer,) = document()["paths"]["/users/me/logout"]["post"]["responses"]["200"]["content"].values()
    assert answer["example"]["result"]["accessTokenExpires"] == "/Date(1423002218900)/"
    assert answer["example"]["request_id"] == "9c1be948-e415-4917-8a54-76b07880b42b"


def test_every_link_leads_to_an_operation_and_names_its_parameters():
    by_id = {operation["operationId"]: (name, operation) for name, operation in operations()}
    links = [link for links in parts_called("links", document()) for link in links.values()]
    assert len(links) > 30
    for link in links:
        _, target = by_id[link["operationId"]]
        known = {parameter["name"] for parameter in target.get("parameters", ())}
        assert set(link.get("parameters", {})) <= known


def test_every_answer_of_an_object_says_all_that_can_be_in_it():
    for name in ("ZapUser", "ZapSession", "ZapError", "BuddyUser", "BuddyDevice", "BuddyError"):
        assert document()["components"]["schemas"][name]["additionalProperties"] is False
    for _, operation in operations():
        for status, response in operation["responses"].items():
            if int(status) < 300:
                schema = response["content"][next(iter(response["content"]))]["schema"]
                for kind in schema.get("oneOf", [schema]):
                    if "$ref" in kind:
                        kind = document()["components"]["schemas"][kind["$ref"].rpartition("/")[2]]
                    assert kind["additionalProperties"] is False


@pytest.mark.parametrize(
    ("prefix", "media_type"), [("/v1/", "application/json; charset=utf-8"), ("/", "application/json")]
)
def test_the_media_type_of_a_dialects_answers_is_spelt_to_the_letter(prefix, media_type):
    for name, operation in operations():
        _, path = name.split()
        if path.startswith("/v1/") is (prefix == "/v1/"):
            for response in operation["responses"].values():
                if "$ref" in response:
                    response = document()["components"]["responses"][response["$ref"].rpartition("/")[2]]
                also = ["application/token-introspection+jwt"] if "jwt" in str(response["content"].keys()) else []
                assert list(response["content"]) == [media_type, *also], name


# --- where it is served ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/schema", "/schema/"])
def test_the_schema_is_served_as_yaml_and_on_demand_as_json(path, db):
    send = InProcess()
    as_yaml = send("GET", path)
    assert as_yaml.status == 200
    assert as_yaml.headers["content-type"] == "application/vnd.oai.openapi; charset=utf-8"
    assert yaml.safe_load(as_yaml.text) == document()
    for url, accept in ((f"{path}?format=json", "*/*"), (path, "application/json")):
        as_json = send("GET", url, headers={"Accept": accept})
        assert "json" in as_json.headers["content-type"]
        assert as_json.json == document()


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_the_page_takes_everything_from_this_server(path, db, client):
    page = InProcess()("GET", path)
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<title>ZapAuth</title>" in page.text
    assert "//" not in page.text
    addresses = re.findall(r'(?:href|src|data-schema)="([^"]+)"', page.text)
    assert len(addresses) == 7
    for address in addresses:
        with closing(client.get(address)) as answer:
            assert answer.status_code == 200, address


def test_errors_on_the_documentations_pages_are_html_and_in_neither_dialect(db, monkeypatch):
    def broken(form):
        raise RuntimeError("on purpose")

    monkeypatch.setattr("zapauth.schema.views._rendered", broken)
    for path in ("/schema", "/schema/"):
        reply = InProcess()("GET", path)
        assert (reply.status, reply.headers["content-type"]) == (500, "text/html; charset=utf-8")
    for path in ("/schema", "/docs/"):
        reply = InProcess()("GET", path, headers={"Host": "evil.example"})
        assert reply.status == 400
        assert reply.headers["content-type"].startswith("text/html")
    # Longer paths belong to Buddy, like all other paths.
    assert InProcess()("GET", "/schema/x").json["error"] == "OperationNotFound"
