"""What the alerts of deploy/ name is there. `make rules` has promtool try them."""

import re
from itertools import chain
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from musterd.exposition import text_of
from musterd.stores.table.table import Table
from musterd_agent.loop import Counters
from musterd_agent.metrics import AgentFigures, MemberFigures, ShardFigures, families
from musterd_coordinator.http.counted import counted_families
from musterd_coordinator.http.incident_gauges import incident_families
from musterd_coordinator.http.metrics import render
from musterd_coordinator.relay.figures import relay_families
from musterd_coordinator.relay.gauges import RelayGauges
from musterd_coordinator.relay.reception import Inbox
from musterd_coordinator.steps import whole
from tests.metrics_scene import scene
from tests.rules.scenes import SCENES
from tests.unit.stage import Stage, host, telling

RULES = (Path(__file__).parents[2] / "deploy/prometheus/rules.yml").read_text()
OTHERS = {"node_textfile_mtime_seconds"}
LABELS_OF_PROMETHEUS = {"instance"}


async def coordinator_page() -> str:
    """The page of a coordinator on which a member died, with everything else of the scene."""
    said, stage = await scene(), Stage()
    stage.sweep()
    stage.sweep({0: (7, 1)}, seated=((0, host("a")),))
    for _ in range(9):
        stage.sweep()
    status = telling(stage)
    counted = chain(incident_families([]), counted_families(stage.roll.view.figures))
    groups = said.desk.groups_steps()
    first = whole(render(status, groups, gauges=said.gauges, readers=0, counted=counted)).decode()
    return first + (Path(__file__).parents[1] / "metrics_scene.txt").read_text()


def relay_page() -> str:
    """What a relay says that has just begun."""
    gauges, inbox = RelayGauges(lambda: 0.0), Inbox(Table(1 << 20), lambda: 0.0)
    return text_of(relay_families(gauges, inbox, connections=0))


def agent_page() -> str:
    """What an agent of one member writes."""
    member = MemberFigures("compute", "h1", 10.0, 5.0, Counters(1, 1, 0), 0.0)
    shards = (ShardFigures("mc1:11211", True),)
    told = AgentFigures(1, 1.0, 2.0, 3.0, 0.0, (member,), shards)
    return text_of(families(told, "0.1.0"))


async def test_alerts_are_about_metrics_that_there_are() -> None:
    told = dict[str, set[str]]()
    for page in (await coordinator_page(), agent_page(), relay_page()):
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                told.setdefault(sample.name, set()).update(sample.labels)
    expressions = re.findall(r"expr: (?:>-\n)?((?:.|\n)*?)\n +(?:for|labels):", RULES)
    assert len(expressions) == len(SCENES)
    named = {name for text in expressions for name in re.findall(r"\b(?:musterd|node)_\w+", text)}
    assert named - OTHERS <= told.keys()
    for scene_of in SCENES.values():
        for series in [*scene_of.fault, *scene_of.well]:
            name, _, labels = series.partition("{")
            given = set(re.findall(r'(\w+)="', labels)) - LABELS_OF_PROMETHEUS
            assert name in OTHERS or given <= told[name], series


def test_each_alert_says_what_it_is_and_how_bad() -> None:
    alerts = RULES.split("- alert: ")[1:]
    assert len(alerts) == len(SCENES) > 20
    for alert in alerts:
        assert re.search(r"labels: {severity: (critical|warning)}", alert), alert
        assert re.search(r"summary: \S.*\n +description: \S", alert), alert


def test_labels_in_words_are_those_of_the_series() -> None:
    for alert in RULES.split("- alert: ")[1:]:
        name = alert.split(maxsplit=1)[0]
        series = " ".join(SCENES[name].fault)
        for label in re.findall(r"\$labels\.(\w+)", alert):
            assert f'{label}="' in series, (name, label)


def test_pages_lead_to_what_is_there() -> None:
    for page in re.findall(r"docs/\w+\.md", RULES):
        assert (Path(__file__).parents[2] / page).exists()
