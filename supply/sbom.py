"""Write the SBOM of the production image: CycloneDX 1.6, JSON. `make sbom` runs this.

cyclonedx-py reads the versions and hashes from the image's lock, and licences and dependencies from the installed
packages. The same checkout gives the same file. It does not contain the Debian packages of the base image.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from supply import LOCKS, ROOT

ALPINE = ROOT / "sessions/static/unfold/js/alpine/alpine.js"


class BomError(Exception):
    """The SBOM can't be made, or would be wrong. The text says why."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="make sbom", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "sbom.cdx.json")
    output: Path = parser.parse_args().output
    try:
        bom = image_bom()
        check(bom)
    except BomError as error:
        sys.exit(f"No SBOM: {error}")
    output.write_text(json.dumps(bom, indent=1) + "\n")
    print(f"{len(bom['components'])} components are in {output}.")


def image_bom() -> dict[str, Any]:
    """Return the SBOM of the image as an object of JSON. Raises: BomError."""
    locked = _cyclonedx_py("requirements", str(LOCKS / "image.txt"))
    here = _cyclonedx_py("environment", sys.executable, "--pyproject", str(ROOT / "pyproject.toml"))
    names = _names_in_the_image()
    installed: dict[str, Any] = {canonicalize_name(each["name"]): each for each in here["components"]}
    packages = [
        _merged(each, installed.get(canonicalize_name(each["name"])))
        for each in locked["components"]
        if canonicalize_name(each["name"]) in names
    ]
    alpine = _alpine()
    refs: dict[str, str] = {canonicalize_name(each["name"]): each["bom-ref"] for each in packages}
    root = here["metadata"]["component"]
    graph = {each["ref"]: each.get("dependsOn", []) for each in here["dependencies"]}
    name_of = {each["bom-ref"]: canonicalize_name(each["name"]) for each in here["components"]}
    dependencies = [{"ref": root["bom-ref"], "dependsOn": sorted([*_direct(refs), alpine["bom-ref"]])}]
    for name, ref in sorted(refs.items()):
        needed = {refs[name_of[one]] for one in graph[installed[name]["bom-ref"]] if name_of[one] in refs}
        dependencies.append({"ref": ref, **({"dependsOn": sorted(needed)} if needed else {})})
    return {**here, "components": [*packages, alpine], "dependencies": [*dependencies, {"ref": alpine["bom-ref"]}]}


def check(bom: dict[str, Any]) -> None:
    """Validate ``bom`` by the schema of CycloneDX 1.6, and require a licence of each component. Raises: BomError."""
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bom))
    if error is not None:
        raise BomError(f"it does not fit the schema: {error}")
    for component in bom["components"]:
        if not component.get("licenses"):
            raise BomError(f"{component['name']} names no licence")


def _cyclonedx_py(*arguments: str) -> dict[str, Any]:
    """Run cyclonedx-py and return its SBOM. Raises: BomError."""
    options = ["--spec-version=1.6", "--output-reproducible", "--short-PURLs", "--no-validate"]
    command = [sys.executable, "-m", "cyclonedx_py", *arguments, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise BomError(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _names_in_the_image() -> set[str]:
    """Return the names of the packages that pip installs in the image. The lock also has packages for other systems."""
    python = re.search(r"^FROM python:(\d+\.\d+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    if python is None:
        raise BomError("the Dockerfile does not say which Python it has")
    image = {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python[1]}.0",
        "python_version": python[1],
        "sys_platform": "linux",
    }
    found = _requirements_in((LOCKS / "image.txt").read_text())
    return {canonicalize_name(each.name) for each in found if each.marker is None or each.marker.evaluate(image)}


def _requirements_in(lock: str) -> Iterator[Requirement]:
    for line in lock.replace("\\\n", " ").splitlines():
        text = line.partition("#")[0].partition(" --hash=")[0].strip()
        if text:
            yield Requirement(text)


def _merged(locked: dict[str, Any], installed: dict[str, Any] | None) -> dict[str, Any]:
    """Return a component with version and hashes from the lock, and everything else from the installed package."""
    if installed is None or installed["version"] != locked["version"]:
        raise BomError(f"{locked['name']} {locked['version']} is not installed here, so its licence is unknown")
    told = {name: installed[name] for name in ("description", "licenses") if installed.get(name)}
    told.setdefault("licenses", _licence_in_words(locked["name"]))
    return {**locked, "description": "", **told, "bom-ref": locked["purl"]}


def _licence_in_words(name: str) -> list[dict[str, Any]]:
    """Return the licence that a package names in words, which cyclonedx-py leaves out."""
    words = metadata(name).json.get("license")
    return [{"license": {"name": words, "acknowledgement": "declared"}}] if words else []


def _alpine() -> dict[str, Any]:
    """Return the component of Alpine.js, of which the repository has a copy. A test compares it with the package."""
    name = "@alpinejs/csp"
    version = json.loads((ROOT / "tests/browser/package.json").read_text())["dependencies"][name]
    purl = f"pkg:npm/{quote(name, safe='/')}@{version}"
    digest = hashlib.sha256(ALPINE.read_bytes()).hexdigest()
    return {
        "type": "library",
        "bom-ref": purl,
        "group": "@alpinejs",
        "name": "csp",
        "version": version,
        "description": f"A copy is in {ALPINE.relative_to(ROOT)}",
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "licenses": [{"license": {"id": "MIT", "acknowledgement": "declared"}}],
        "purl": purl,
    }


def _direct(refs: dict[str, str]) -> list[str]:
    """Return the references of the packages that pyproject.toml requires."""
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return [refs[canonicalize_name(Requirement(each).name)] for each in required]


if __name__ == "__main__":
    main()
