"""promtool finds nothing wrong with the alerts, and each fires for its fault and for nothing else."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.rules.scenes import SCENES

RULES = Path(__file__).parents[2] / "deploy/prometheus/rules.yml"


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fired(promtool: str, folder: Path, name: str, series: dict[str, str], minutes: int) -> int:
    """How many alerts of this name there are after so many minutes.

    promtool tells them all where it expects none.
    """
    tried = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": one, "values": values} for one, values in series.items()
                ],
                "alert_rule_test": [
                    {"eval_time": f"{minutes}m", "alertname": name, "exp_alerts": []}
                ],
            }
        ],
    }
    file = folder / "test.yml"
    file.write_text(json.dumps(tried))  # which is YAML, too
    command = [promtool, "test", "rules", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = done.stdout + done.stderr
    if done.returncode == 0:
        return 0
    assert f"alertname: {name}" in told, told
    return told.partition("got:")[2].count("Labels:")


def test_promtool_finds_nothing_wrong(promtool: str) -> None:
    told = run(promtool, "check", "rules", str(RULES))
    assert f"{len(SCENES)} rules found" in told or "SUCCESS" in told


def test_each_alert_has_a_scene() -> None:
    assert re.findall(r"- alert: (\w+)", RULES.read_text()) == list(SCENES)


@pytest.mark.parametrize("name", SCENES)
def test_an_alert_fires_for_its_fault(promtool: str, tmp_path: Path, name: str) -> None:
    scene = SCENES[name]
    assert fired(promtool, tmp_path, name, scene.fault, scene.minutes) == 1


@pytest.mark.parametrize("name", SCENES)
def test_an_alert_is_quiet_when_all_is_well(promtool: str, tmp_path: Path, name: str) -> None:
    scene = SCENES[name]
    assert fired(promtool, tmp_path, name, scene.well, scene.minutes) == 0
