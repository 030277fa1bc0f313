"""The runbook has a word on each kind of incident and each alert, and commands that there are."""

import re
from pathlib import Path

from musterd.cli import COMMANDS
from musterd.incidents import IncidentKind

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs/runbook.md").read_text()


def test_each_kind_of_incident_has_its_chapter() -> None:
    chapters = set(re.findall(r"^### (.+)$", RUNBOOK, re.MULTILINE))
    assert {kind.replace("_", " ").upper() for kind in IncidentKind} <= chapters


def test_each_alert_is_named() -> None:
    rules = (ROOT / "deploy/prometheus/rules.yml").read_text()
    alerts = set(re.findall(r"alert: (\w+)", rules))
    assert set(re.findall(r"`(Musterd\w+)`", RUNBOOK)) == alerts


def test_commands_are_there() -> None:
    named = re.findall(r"`musterd ([\w-]+)", RUNBOOK)
    assert len(named) > 20
    assert set(named) <= set(COMMANDS)
