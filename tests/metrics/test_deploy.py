"""deploy/prometheus and deploy/grafana: Prometheus' own tool takes them, and each figure that they name exists."""

import json
import re
import shutil
import subprocess

import pytest
import yaml

from tests.environment import ROOT
from tests.metrics.scraping import scrape

RULES = ROOT / "deploy" / "prometheus" / "zapauth.rules.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "zapauth.json"
UNIT_TESTS = ROOT / "tests" / "metrics" / "alerts.yml"
PAGE = (ROOT / "docs" / "monitoring.md").read_text()
NAME = re.compile(r"\bzapauth_[a-z_]+")


def promtool(*arguments):
    if shutil.which("promtool") is None:
        pytest.skip("needs promtool (Debian: apt-get install prometheus)")
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def alerts():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def expressions():
    board = json.loads(DASHBOARD.read_text())
    return [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]


def described():
    """Return the names in the tables of docs/monitoring.md, without the suffixes that Prometheus' format adds."""
    return set(re.findall(r"^\| `(zapauth_[a-z_]+)", PAGE, re.MULTILINE))


def without_suffix(name):
    return re.sub(r"_(bucket|count|sum)$", "", name)


def test_promtool_takes_the_rules_and_the_configuration():
    assert f"{len(alerts())} rules found" in promtool("check", "rules", RULES)
    promtool("check", "config", RULES.with_name("prometheus.yml"))


def test_each_alert_rings_when_it_should_and_only_then():
    assert "SUCCESS" in promtool("test", "rules", UNIT_TESTS)
    tests = [test for each in yaml.safe_load(UNIT_TESTS.read_text())["tests"] for test in each["alert_rule_test"]]
    names = {alert["alert"] for alert in alerts()}
    assert {test["alertname"] for test in tests if test.get("exp_alerts")} == names
    assert {test["alertname"] for test in tests if not test.get("exp_alerts")} == names


def test_each_alert_has_a_severity_and_a_section_of_the_docs():
    for alert in alerts():
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert alert["annotations"]["runbook"] == f"docs/monitoring.md#{alert['alert'].lower()}"
        assert f"### {alert['alert']}\n" in PAGE, alert["alert"]
    assert PAGE.count("\n### ZapAuth") == len(alerts())


def test_the_expressions_of_the_dashboard_are_valid(tmp_path):
    # promtool checks rules. So each panel becomes one.
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m").replace("$instance", ".*")}
        for number, expression in enumerate(expressions())
    ]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", file)


def test_the_docs_describe_each_figure_and_dashboard_and_rules_name_no_other(counted_server, port):
    from tests.metrics.figures import known_names

    served = {without_suffix(name) for name in scrape(port).names()}
    assert described() == known_names()
    assert served <= known_names()
    used = {without_suffix(name) for text in [RULES.read_text(), *expressions()] for name in NAME.findall(text)}
    assert used <= known_names()


def test_the_dashboard_shows_each_figure():
    shown = {without_suffix(name) for expression in expressions() for name in NAME.findall(expression)}
    assert described() - shown == set()
