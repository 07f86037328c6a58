"""README and docs/: links work, examples work, and every setting, command, option and route is described."""

import os
import re
import subprocess
from collections import Counter
from datetime import timedelta
from urllib.parse import unquote, urlsplit

import pytest
from django.core.management import CommandParser, get_commands, load_command_class
from django.core.management.base import BaseCommand

from tests.environment import ROOT, SETTINGS_NAMES
from tests.schema.document import document
from users.clients import create_app
from zapauth import settings as defaults

DOCS = ROOT / "docs"
# Tools made these pages.
NOT_OURS = {".venv", "node_modules", "data", ".pytest_cache"}
PAGES = sorted(path for path in ROOT.rglob("*.md") if not NOT_OURS & set(path.relative_to(ROOT).parts))
COMMANDS = sorted(name for name, app in get_commands().items() if app in {"sessions", "users", "zapauth"})


def without_code(text):
    """Return the text of a page without blocks and spans of code. These contain no links or headings."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE))


def links_in(text):
    """Return the targets of links and pictures."""
    return re.findall(r"\]\(([^()\s]+)\)", without_code(text))


def anchors_of(text):
    """Return the anchors that GitHub makes from a page's headings."""
    text = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    seen = Counter()
    for heading in re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        yield anchor + (f"-{seen[anchor]}" if seen[anchor] else "")
        seen[anchor] += 1


def test_the_pages_are_found():
    assert {ROOT / "README.md", DOCS / "api.md", DOCS / "decisions" / "README.md"} <= set(PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file_and_to_a_heading_that_exist(page):
    for link in links_in(page.read_text()):
        parts = urlsplit(link)
        if parts.scheme:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if parts.fragment:
            assert parts.fragment in set(anchors_of(target.read_text())), link


def test_anchors_are_made_as_github_makes_them():
    text = "# What you can't undo\n## `SECRET_KEY` & co.\n## Twice\n```sh\n# no heading\n```\n## [Twice](x.md)\n"
    assert list(anchors_of(text)) == ["what-you-cant-undo", "secret_key--co", "twice", "twice-1"]


def test_readme_is_short_and_links_to_every_page_of_the_documentation():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 120
    assert {f"docs/{page.name}" for page in DOCS.glob("*.md")} <= set(links_in(text))


def test_every_decision_is_in_the_index_and_numbered_without_a_gap():
    pages = sorted(page.name for page in (DOCS / "decisions").glob("0*.md"))
    assert links_in((DOCS / "decisions" / "README.md").read_text()) == pages
    assert [int(page[:4]) for page in pages] == list(range(1, len(pages) + 1))


# --- examples -----------------------------------------------------------------------------------


def test_the_logouts_of_readme_work_in_both_dialects(server):
    new = create_app("App of README")
    blocks = re.findall(r"^```sh\n(.+?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    said = ""
    for block in blocks:
        lines = block.replace("http://127.0.0.1:8000", server.base_url)
        lines = lines.replace("APP_ID=... APP_KEY=...", f"APP_ID={new.app.pk} APP_KEY={new.key}")
        done = subprocess.run(["bash", "-euc", lines], capture_output=True, text=True, timeout=60, check=True)
        said += done.stdout
    assert len(blocks) == 2
    assert '{"success":true,"data":"Logout Successfull"}' in said
    assert '"code":"session_ended"' in said
    assert '"accessTokenExpires":"/Date(' in said
    assert '"error":"AuthAccessTokenInvalid","errorNumber":260' in said


# --- settings -----------------------------------------------------------------------------------


def described_settings():
    """Return name and default of each setting in docs/settings.md."""
    rows = re.findall(r"^\| `([A-Z][A-Z_]+)`(?: \*)? \| (.*?) \|", (DOCS / "settings.md").read_text(), re.MULTILINE)
    assert len(rows) == len(dict(rows))
    return dict(rows)


def test_every_setting_is_described_and_nothing_that_is_none():
    assert described_settings().keys() == SETTINGS_NAMES


def test_the_described_defaults_are_those_of_the_settings():
    compared = set()
    for name, described in described_settings().items():
        value = getattr(defaults, name, None)
        value = int(value.total_seconds()) if isinstance(value, timedelta) else value
        if name in os.environ or type(value) not in (int, bool) or described == "on in production":
            continue
        shown = ("off", "on")[value] if isinstance(value, bool) else f"`{value}`"
        assert described.partition(" (")[0] == shown, name
        compared.add(name)
    assert {"PORT", "SESSION_LIFETIME", "THROTTLING"} - os.environ.keys() <= compared


def test_every_limit_of_attempts_is_described_with_its_default():
    rows = re.findall(r"^\| `(\w+)` \| `(\d+)/(\d+)` \|", (DOCS / "settings.md").read_text(), re.MULTILINE)
    assert {name: (int(times), int(seconds)) for name, times, seconds in rows} == defaults.THROTTLE_RATES


# --- commands -----------------------------------------------------------------------------------


def options_of(parser):
    """Return the command's own options, without those of every Django command."""
    plain = BaseCommand().create_parser("manage.py", "")
    ours = {option for action in parser._actions for option in action.option_strings}
    return ours - {option for action in plain._actions for option in action.option_strings}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_described_with_its_options(name):
    text = (DOCS / "commands.md").read_text()
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    assert isinstance(parser, CommandParser)
    assert f".venv/bin/python manage.py {name}" in text
    # Django describes the other options of its own commands.
    inherited = {"--database", "--noinput", "--no-input", "--username"}
    missing = {option for option in options_of(parser) - inherited if not re.search(rf"`{option}\b", text)}
    assert missing == set()


def test_a_command_is_shown_so_that_it_can_be_pasted():
    for page in PAGES:
        for block in re.findall(r"^ *```(?:sh|console)\n(.*?)^ *```$", page.read_text(), re.DOTALL | re.MULTILINE):
            for line in block.splitlines():
                if re.search(r"\bmanage\.py ", line) and not line.lstrip().startswith("#"):
                    assert re.search(r"\.venv/bin/python manage\.py |docker compose .*python manage\.py ", line), line


# --- routes -------------------------------------------------------------------------------------


def test_every_route_is_at_a_glance_and_nothing_that_is_none():
    described = re.findall(
        r"^\| `((?:GET|POST|PUT|PATCH|DELETE) /\S*)` \|", (DOCS / "api.md").read_text(), re.MULTILINE
    )
    methods = {"get", "post", "put", "patch", "delete"}
    routes = {
        f"{method.upper()} {path}" for path, item in document()["paths"].items() for method in methods & item.keys()
    }
    assert Counter(described) == Counter(routes)
