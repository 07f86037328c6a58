"""Look for known vulnerabilities in the locked packages of Python and npm. `make audit` runs this.

Exit codes: 0: none is known. 1: at least one is known. 2: a lock can't be read. 3: none is known, but the data about
some packages could not be reached. Only a package whose data was read counts as audited.

Arguments such as `--vulnerability-service osv` are passed on to pip-audit.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from supply import LOCKS, ROOT

CLEAN, VULNERABLE, BAD_LOCK, NO_DATA = range(4)
NPM_FOLDERS = ("tests/browser", "tests/services/node", "clients/js/examples")
_LONGEST = 600  # seconds


@dataclass
class Report:
    """What is known about the packages of one lock: lines to print, and how many packages were audited."""

    lock: str
    audited: int = 0
    vulnerable: list[str] = field(default_factory=list)
    not_audited: str = ""  # why
    bad_lock: str = ""  # why

    @property
    def code(self) -> int:
        if self.bad_lock:
            return BAD_LOCK
        return VULNERABLE if self.vulnerable else NO_DATA if self.not_audited else CLEAN

    def __str__(self) -> str:
        lines = [f"{self.lock}: {line}" for line in self.vulnerable]
        if self.bad_lock:
            lines.append(f"{self.lock}: CAN'T BE READ: {self.bad_lock}")
        if self.not_audited:
            lines.append(f"{self.lock}: NOT AUDITED, the data can't be reached: {self.not_audited}")
        return "\n".join(lines) or f"{self.lock}: no known vulnerability in {self.audited} packages"


def main() -> None:
    reports = [audit_python(LOCKS / "bench.txt", sys.argv[1:])]  # it has every package of the other locks
    reports += [audit_npm(ROOT / folder) for folder in NPM_FOLDERS]
    for report in reports:
        print(report)
    codes = {report.code for report in reports}
    sys.exit(next((code for code in (BAD_LOCK, VULNERABLE, NO_DATA) if code in codes), CLEAN))


def audit_python(lock: Path, arguments: Sequence[str] = ()) -> Report:
    """Run pip-audit over a lock with hashes. It installs nothing."""
    report = Report(str(lock.relative_to(ROOT)) if lock.is_relative_to(ROOT) else lock.name)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        try:
            done = _pip_audit(lock, ["--format", "json", "--output", str(file), *arguments])
        except subprocess.TimeoutExpired:
            report.not_audited = f"pip-audit: no answer in {_LONGEST} seconds"
            return report
        if file.exists():
            read_pip_audit(json.loads(file.read_text()), report)
            return report
    # pip-audit exits in the same way for a broken lock and for missing data. A dry run needs no data, so it decides.
    rehearsal = _pip_audit(lock, ["--dry-run"])
    if rehearsal.returncode:
        report.bad_lock = _last_line(rehearsal.stderr)
    else:
        report.not_audited = f"pip-audit: {_last_line(done.stderr)}"
    return report


def read_pip_audit(found: dict[str, Any], report: Report) -> None:
    """Enter the findings of pip-audit into ``report``.

    If a mirror has no data and answers 404 for each package, pip-audit skips the packages and exits with 0.
    """
    in_image = {
        canonicalize_name(line.partition("==")[0])
        for line in (LOCKS / "image.txt").read_text().splitlines()
        if "==" in line
    }
    skipped = [each for each in found["dependencies"] if "skip_reason" in each]
    report.audited = len(found["dependencies"]) - len(skipped)
    if skipped:
        report.not_audited = f"{len(skipped)} packages, such as {skipped[0]['name']}: {skipped[0]['skip_reason']}"
    for package in found["dependencies"]:
        where = "in the image" if canonicalize_name(package["name"]) in in_image else "not in the image"
        for each in package.get("vulns", []):
            ids = ", ".join([each["id"], *each.get("aliases", [])])
            fixed = ", ".join(each["fix_versions"]) or "no version"
            report.vulnerable.append(
                f"VULNERABLE: {package['name']} {package['version']} ({where}): {ids}; fixed in {fixed}"
            )


def audit_npm(folder: Path) -> Report:
    """Run npm audit over a package-lock.json. It installs nothing.

    The image has one of these packages: a copy of `@alpinejs/csp`.
    """
    lock = folder / "package-lock.json"
    report = Report(str(lock.relative_to(ROOT)) if lock.is_relative_to(ROOT) else lock.name)
    if not shutil.which("npm"):
        report.not_audited = "npm is not installed"
        return report
    try:
        report.audited = len(json.loads(lock.read_text())["packages"]) - 1  # one is the folder itself
    except (ValueError, KeyError) as error:
        report.bad_lock = str(error)
        return report
    command = ["npm", "audit", "--json", "--package-lock-only", "--ignore-scripts", "--fetch-retries=0"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_LONGEST)
        read_npm_audit(done.stdout, report)
    except subprocess.TimeoutExpired:
        report.not_audited = f"npm audit: no answer in {_LONGEST} seconds"
    return report


def read_npm_audit(text: str, report: Report) -> None:
    """Enter the findings of npm audit into ``report``."""
    try:
        found = json.loads(text)["vulnerabilities"]
    except (ValueError, KeyError):
        report.not_audited = f"npm audit: {_error_of(text)}"
        return
    for package in found.values():
        for each in package["via"]:
            if isinstance(each, dict):  # a text is the name of another vulnerable package, which is listed itself
                report.vulnerable.append(
                    f"VULNERABLE: {package['name']} ({package['severity']}): {each['title']} {each['url']}"
                )


def _error_of(text: str) -> str:
    try:
        return str(json.loads(text).get("message") or "no report")
    except ValueError:
        return _last_line(text) or "no report"


def _pip_audit(lock: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    options = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--requirement", str(lock)]
    command = [sys.executable, "-m", "pip_audit", *options, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST)


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


if __name__ == "__main__":
    main()
