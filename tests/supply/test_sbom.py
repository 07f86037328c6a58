"""`make sbom` lists what the production image contains. The library of CycloneDX checks the list by its schema."""

import hashlib
import json
import subprocess
import sys

import pytest
from packaging.utils import canonicalize_name

import zapauth
from supply import sbom
from tests.environment import ROOT
from tests.project.requirements import locked_in, names, required_by_the_service


@pytest.fixture(scope="module")
def bom(tmp_path_factory):
    file = tmp_path_factory.mktemp("sbom") / "sbom.json"
    command = [sys.executable, "-m", "supply.sbom", "--output", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr  # it has checked the list by the schema
    return json.loads(file.read_text())


def packages_of(bom):
    return {canonicalize_name(each["name"]): each for each in bom["components"] if "pkg:pypi/" in each["purl"]}


def test_it_fits_the_schema_of_cyclonedx_1_6_and_names_this_service(bom):
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    assert (bom["metadata"]["component"]["name"], bom["metadata"]["component"]["version"]) == (
        "zapauth",
        zapauth.__version__,
    )


def test_a_list_that_breaks_the_schema_or_lacks_a_licence_is_refused(bom):
    with pytest.raises(sbom.BomError, match="does not fit the schema"):
        sbom.check({**bom, "components": [{**bom["components"][0], "type": "no such type"}]})
    with pytest.raises(sbom.BomError, match="names no licence"):
        sbom.check({**bom, "components": [{**bom["components"][0], "licenses": []}]})


def test_it_has_every_package_of_the_images_lock_with_its_version_and_all_its_hashes(bom):
    found = packages_of(bom)
    locked = locked_in(ROOT / "locks/image.txt")
    assert found.keys() == locked.keys()
    for name, component in found.items():
        ((version, hashes),) = locked[name].items()
        (source,) = component["externalReferences"]
        assert component["version"] == version
        assert {f"{each['alg']}:{each['content']}" for each in source["hashes"]} == {
            each.replace("sha256:", "SHA-256:") for each in hashes
        }
        assert component["purl"] == f"pkg:pypi/{name}@{version}"


def test_every_component_has_a_licence(bom):
    assert all(each["licenses"] for each in bom["components"])
    licences = {each["name"]: json.dumps(each["licenses"]) for each in bom["components"]}
    assert "BSD-3-Clause" in licences["django"]
    assert "LGPL-3.0-only" in licences["psycopg"]
    assert "BSD 3-Clause OR Apache-2.0" in licences["uritemplate"]


def test_it_says_what_needs_what(bom):
    needs = {each["ref"]: each.get("dependsOn", []) for each in bom["dependencies"]}
    direct = {ref.partition("@")[0].rpartition("/")[2] for ref in needs["root-component"] if "pkg:pypi/" in ref}
    assert direct == names(required_by_the_service())
    (django,) = (ref for ref in needs if ref.startswith("pkg:pypi/django@"))
    assert {ref.partition("@")[0] for ref in needs[django]} == {
        "pkg:pypi/argon2-cffi",
        "pkg:pypi/asgiref",
        "pkg:pypi/sqlparse",
        "pkg:pypi/tzdata",  # on Windows only, but cyclonedx-py does not read that condition
    }
    assert needs.keys() - {"root-component"} == {each["bom-ref"] for each in bom["components"]}


def test_it_has_the_copy_of_alpine_that_the_admin_serves(bom):
    (alpine,) = (each for each in bom["components"] if each["purl"].startswith("pkg:npm/"))
    copy = (ROOT / "sessions/static/unfold/js/alpine/alpine.js").read_bytes()
    assert alpine["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(copy).hexdigest()}]


def test_a_package_that_is_installed_in_another_version_is_no_source_of_a_licence():
    locked = {"name": "django", "version": "5.2.19", "purl": "pkg:pypi/django@5.2.19"}
    with pytest.raises(sbom.BomError, match=r"django 5\.2\.19 is not installed here"):
        sbom._merged(locked, {"name": "Django", "version": "5.2.18"})
