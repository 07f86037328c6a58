"""`make audit` reports known vulnerabilities, and says so if it could not look. Local servers stand in for the data."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from supply import audit
from tests.servers import free_port
from tests.serving import serving

LOCK = """\
django==3.2.0 \\
    --hash=sha256:0604e84c4fb698a5e53e5857b5aea945b2f19a18f25f10b8748dbdf935788927
idna==3.4 \\
    --hash=sha256:90b77e79eaa3eba6de819a0c442c0b4ceefc341a7a2ab77d7562bf49f425c5c2
"""
KNOWN = {
    "id": "PYSEC-2021-439",
    "aliases": ["CVE-2021-44420"],
    "summary": "A bypass of access control",
    "affected": [
        {
            "package": {"name": "django", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "3.2"}, {"fixed": "3.2.10"}]}],
        }
    ],
}
ADVISORY = {
    "id": 1,
    "url": "https://github.com/advisories/GHSA-0000-0000-0000",
    "title": "Accepts any token",
    "severity": "high",
    "vulnerable_versions": "<7.0.0",
    "cwe": [],
    "cvss": {"score": 8, "vectorString": None},
}


@contextmanager
def answering(answer):
    """Serve what ``answer`` (method, path, body) returns: a status and an object of JSON. Yield the base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, found = answer(self.command, self.path, body)
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *arguments):
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def lock(tmp_path, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    file = tmp_path / "lock.txt"
    file.write_text(LOCK)
    return file


def osv(url, folder):
    return ["--vulnerability-service", "osv", "--osv-url", f"{url}/v1/query", "--cache-dir", str(folder / "cache")]


# --- Python -------------------------------------------------------------------------------------


def test_a_known_vulnerability_is_reported_with_the_version_that_mends_it(lock, tmp_path):
    def answer(method, path, body):
        return 200, {"vulns": [KNOWN]} if json.loads(body)["package"]["name"] == "django" else {}

    with answering(answer) as url:
        report = audit.audit_python(lock, osv(url, tmp_path))
    assert report.code == audit.VULNERABLE == 1
    assert str(report) == (
        "lock.txt: VULNERABLE: django 3.2.0 (in the image): PYSEC-2021-439, CVE-2021-44420; fixed in 3.2.10"
    )


def test_without_a_known_vulnerability_it_says_how_many_packages_were_audited(lock, tmp_path):
    asked = []

    def answer(method, path, body):
        asked.append(json.loads(body))
        return 200, {}

    with answering(answer) as url:
        report = audit.audit_python(lock, osv(url, tmp_path))
    assert report.code == audit.CLEAN == 0
    assert str(report) == "lock.txt: no known vulnerability in 2 packages"
    assert {(each["package"]["name"], each["version"]) for each in asked} == {("django", "3.2.0"), ("idna", "3.4")}


def test_a_service_that_has_no_answer_is_one_line_and_a_code_of_its_own(lock, tmp_path):
    with answering(lambda *_: (503, {})) as url:
        report = audit.audit_python(lock, osv(url, tmp_path))
    assert report.code == audit.NO_DATA == 3
    assert str(report).startswith("lock.txt: NOT AUDITED, the data can't be reached: pip-audit: ")
    assert "\n" not in str(report)


def test_a_service_that_hangs_is_given_up(lock, folder, monkeypatch):
    monkeypatch.setattr(audit, "_LONGEST", 0.01)
    for report in (audit.audit_python(lock), audit.audit_npm(folder)):
        assert report.code == audit.NO_DATA
        assert "no answer in 0.01 seconds" in str(report)


def test_a_mirror_without_the_data_does_not_make_packages_look_sound():
    # pip-audit says "No known vulnerabilities found" and ends with 0.
    skipped = [{"name": name, "skip_reason": f"Dependency not found on PyPI: {name}"} for name in ("django", "idna")]
    audited = {"name": "segno", "version": "1.6.6", "vulns": []}
    report = audit.Report("lock.txt")
    audit.read_pip_audit({"dependencies": [*skipped, audited]}, report)
    assert (report.code, report.audited) == (audit.NO_DATA, 1)
    assert "2 packages, such as django: Dependency not found on PyPI: django" in str(report)


def test_a_lock_without_hashes_is_an_error_and_not_a_missing_service(lock):
    lock.write_text("django==3.2.0\n")
    report = audit.audit_python(lock)
    assert report.code == audit.BAD_LOCK == 2
    assert "CAN'T BE READ" in str(report)


# --- npm ----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, lock):
    made = tmp_path / "package"
    made.mkdir()
    dependencies = {"jose": "6.2.17"}
    (made / "package.json").write_text(json.dumps({"name": "x", "private": True, "dependencies": dependencies}))
    packages = {
        "": {"name": "x", "dependencies": dependencies},
        "node_modules/jose": {"version": "6.2.17", "integrity": "sha512-AAAA"},
    }
    (made / "package-lock.json").write_text(json.dumps({"name": "x", "lockfileVersion": 3, "packages": packages}))
    return made


def test_a_known_vulnerability_of_an_npm_package_is_reported(folder, monkeypatch):
    def answer(method, path, body):
        if path == "/jose":
            return 200, {"name": "jose", "versions": {"6.2.17": {"name": "jose", "version": "6.2.17"}}}
        return (200, {"jose": [ADVISORY]}) if path.endswith("/advisories/bulk") else (404, {})

    with answering(answer) as url:
        monkeypatch.setenv("npm_config_registry", url)
        report = audit.audit_npm(folder)
    assert report.code == audit.VULNERABLE
    assert str(report).endswith("VULNERABLE: jose (high): Accepts any token " + ADVISORY["url"])


def test_npm_without_the_data_is_one_line_too(folder, monkeypatch):
    monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{free_port()}")
    report = audit.audit_npm(folder)
    assert report.code == audit.NO_DATA
    assert "NOT AUDITED, the data can't be reached: npm audit: " in str(report)
    assert "\n" not in str(report)
    with answering(lambda *_: (200, {})) as url:
        monkeypatch.setenv("npm_config_registry", url)
        assert str(audit.audit_npm(folder)).endswith("no known vulnerability in 1 packages")


# --- together -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("python", "npm", "code"),
    [
        ({"audited": 2}, {"audited": 1}, 0),
        ({"audited": 2}, {"not_audited": "x"}, 3),
        ({"not_audited": "x"}, {"vulnerable": ["x"]}, 1),
        ({"bad_lock": "x"}, {"vulnerable": ["x"]}, 2),
    ],
)
def test_a_vulnerability_counts_more_than_missing_data(python, npm, code, monkeypatch, capsys):
    monkeypatch.setattr(audit, "audit_python", lambda lock, _: audit.Report(lock.name, **python))
    monkeypatch.setattr(audit, "audit_npm", lambda folder: audit.Report(folder.name, **npm))
    with pytest.raises(SystemExit) as stopped:
        audit.main()
    assert stopped.value.code == code
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(audit.NPM_FOLDERS)


def test_every_package_lock_of_the_repository_is_audited():
    found = {path.parent for path in audit.ROOT.rglob("package-lock.json") if "node_modules" not in path.parts}
    assert {audit.ROOT / folder for folder in audit.NPM_FOLDERS} == found
