"""docs/integrate.md: it shows what is in deploy/, and its commands work."""

import re
import subprocess

import pytest

from tests.environment import ROOT
from tests.gateways.programs import DEPLOY, PROGRAMS

TEXT = (ROOT / "docs" / "integrate.md").read_text()
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##)", TEXT, re.DOTALL | re.MULTILINE))


def files_in(text):
    return {DEPLOY / name for name in re.findall(r"\]\(\.\./deploy/([\w.]+)\)", text)}


def occur_in_order(lines, text):
    found = iter(text.splitlines())
    return all(line in found for line in lines)


def test_every_file_is_on_the_page_and_every_gateway_has_a_section():
    assert files_in(TEXT) == {path for path in DEPLOY.iterdir() if path.is_file()}
    rows = dict(re.findall(r"^\| \[[\w ]+\]\(#(\w+)\) \|.*\| ([\w ]+) \|$", TEXT, re.MULTILINE))
    assert rows.keys() == {name.lower() for name in SECTIONS}
    assert {name for name, how in rows.items() if how == "runs in the tests"} == PROGRAMS.keys()


@pytest.mark.parametrize("name", SECTIONS)
def test_the_lines_on_the_page_are_those_of_the_file(name):
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", SECTIONS[name], re.DOTALL | re.MULTILINE)
    shown = [block.splitlines() for language, block in blocks if language != "sh"]
    assert shown
    for lines in shown:
        assert any(occur_in_order(lines, path.read_text()) for path in files_in(SECTIONS[name])), lines


def test_the_commands_that_check_a_gateway_say_what_the_page_says(gateway, server, phone):
    (block,) = re.findall(r"^## Check it$.*?^```sh\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    promised = re.findall(r"# (\d{3})\b", block)
    assert promised == ["401", "200", "401"]
    given = {"API": f"http://127.0.0.1:{gateway.port}", "URL": server.base_url, "TOKEN": phone.access_token}
    done = subprocess.run(
        ["bash", "-euc", block],
        env=given | {"ID": phone.user_id},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert re.findall(r"^\d{3}$", done.stdout, re.MULTILINE) == promised
    assert phone.user_id in done.stdout
    assert "forged" not in done.stdout
