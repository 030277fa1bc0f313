"""The Prometheus page."""

from pathlib import Path

import anyio
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from musterd.model import FactsChange, Member, State
from musterd.status import StatusAnswer, StormStatus
from musterd.testing.busy import in_time
from musterd_coordinator.http import families, make_app, metrics
from musterd_coordinator.http.metrics import PLAIN as FORM
from musterd_coordinator.http.metrics import Form, form_of, render
from musterd_coordinator.process.looplag import measure_lag
from musterd_coordinator.steps import Steps, whole
from tests.desk_seats import NOW
from tests.http_calls import ask, reading
from tests.http_desk import DictDesk, shard_status
from tests.metrics_scene import scene

OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"

Labels = frozenset[tuple[str, str]]
Samples = dict[tuple[str, Labels], float]
"""Values by name and labels."""


async def page(desk: DictDesk, accept: str = "") -> str:
    """The page as Prometheus gets it."""
    headers = {"accept": accept} if accept else {}
    reply = await ask(make_app(desk), "/metrics", headers=headers)
    assert reply.status == 200
    if accept == OPENMETRICS:
        media = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
        assert reply.headers["content-type"] == media
    return reply.body.decode()


async def samples(desk: DictDesk) -> Samples:
    """What Prometheus reads on the page."""
    return read(await page(desk))[1]


def read(text: str) -> tuple[dict[str, str], Samples]:
    """Types by family, and values by sample; what is said twice is an error."""
    kinds, values = dict[str, str](), Samples()
    for family in text_string_to_metric_families(text):
        assert family.name not in kinds, "one family in two places"
        kinds[family.name] = family.type
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in values, "one sample twice"
            values[key] = sample.value
    return kinds, values


def value(told: Samples, name: str, **labels: str) -> float:
    """One sample."""
    return told[name, frozenset(labels.items())]


async def rendered(form: Form = FORM) -> str:
    """The page of a scene in which there is a sample of everything."""
    said = await scene()

    def status() -> Steps[StatusAnswer]:
        yield
        return said.status

    groups = said.desk.groups_steps()
    steps = render(status(), groups, gauges=said.gauges, readers=said.readers, form=form)
    return whole(steps).decode()


async def test_what_was_told_by_hand_is_told_by_the_library() -> None:
    """The text beside this scene was written before there was a library, and scripts rely on it."""
    kinds, values = read((Path(__file__).parents[1] / "metrics_scene.txt").read_text())
    assert len(values) > 90
    now_kinds, now_values = read(await rendered())
    assert kinds.items() <= now_kinds.items()
    assert values.keys() <= now_values.keys()
    changing = {key for key in values if key[0].startswith("process_")}
    assert {key: values[key] for key in values.keys() - changing} == {
        key: now_values[key] for key in values.keys() - changing
    }


async def test_a_family_has_its_words_once_and_nothing_says_when_it_began() -> None:
    for form in (FORM, form_of(OPENMETRICS)):
        lines = (await rendered(form)).splitlines()
        words = [" ".join(line.split()[:3]) for line in lines if line.startswith(("# H", "# T"))]
        assert len(words) == len(set(words)) > 80
        assert not any("_created" in line for line in lines)


async def test_parts_of_one_family_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, openly = await rendered(), await rendered(form_of(OPENMETRICS))
    monkeypatch.setattr(families, "GROUPS_AT_ONCE", 1)
    monkeypatch.setattr(metrics, "SAMPLES_AT_ONCE", 1)
    for before, after in (
        (plain, await rendered()),
        (openly, await rendered(form_of(OPENMETRICS))),
    ):
        assert [line for line in after.splitlines() if "{group=" in line] == [
            line for line in before.splitlines() if "{group=" in line
        ]
        assert len(after.splitlines()) == len(before.splitlines())


async def test_whoever_accepts_openmetrics_gets_it() -> None:
    text = await page(DictDesk(), OPENMETRICS)
    assert text.endswith("\n# EOF\n")
    assert text.count("# EOF") == 1
    assert "# TYPE musterd_http_idle_closed counter\nmusterd_http_idle_closed_total 0.0\n" in text
    told = openmetrics_families(text)  # type: ignore[no-untyped-call]  # the library's own reader
    assert {family.name for family in told} >= {"musterd_groups"}


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/html",
        "application/openmetrics-text;version=new",
        "application/openmetrics-text;version=1.0.0.x",
        "application/openmetrics-text;version=0.0.1",
        "é;;=,,",
    ],
)
async def test_all_others_get_plain_text(accept: str) -> None:
    headers = {"accept": accept} if accept else {}
    assert form_of(accept).media == PLAIN
    reply = await ask(make_app(DictDesk()), "/metrics", headers=headers)
    assert (reply.status, reply.headers["content-type"]) == (200, PLAIN)
    assert b"# EOF" not in reply.body


async def test_the_process_and_its_garbage_are_told() -> None:
    told = await samples(DictDesk())
    assert value(told, "process_resident_memory_bytes") > 1e6
    assert value(told, "process_virtual_memory_bytes") > 1e6
    assert value(told, "process_cpu_seconds_total") > 0
    assert value(told, "process_open_fds") <= value(told, "process_max_fds")
    for name in ("objects_collected", "objects_uncollectable", "collections"):
        assert value(told, f"python_gc_{name}_total", generation="2") >= 0


async def test_what_a_text_has_in_it_breaks_no_line() -> None:
    desk = DictDesk()
    desk.storms = [StormStatus("compute", 'z"1\\', 5, 9, NOW, 60.0)]
    text = await page(desk)
    assert 'musterd_storm_silent_members{group="compute",zone="z\\"1\\\\"} 5.0' in text.splitlines()
    told = read(text)[1]
    assert value(told, "musterd_storm_silent_members", group="compute", zone='z"1\\') == 5


async def test_states_and_shards_are_counted() -> None:
    desk = DictDesk()
    desk.put(Member("compute", "h1"), Member("compute", "h2"), state=State.DOWN)
    deaf = shard_status("mc2:11211", listening=False, reason="no answer")
    desk.shards = [shard_status("mc1:11211"), deaf]
    told = await samples(desk)
    assert value(told, "musterd_members", group="compute", state="down") == 2
    assert value(told, "musterd_members", group="compute", state="up") == 0
    assert value(told, "musterd_shard_listening", shard="mc1:11211") == 1
    assert value(told, "musterd_shard_listening", shard="mc2:11211") == 0
    assert value(told, "musterd_shard_canary_seconds", shard="mc1:11211") == 0.0004
    assert value(told, "musterd_rejected_records_total", shard="mc1:11211", reason="magic") == 0


async def test_what_is_not_known_is_left_out() -> None:
    desk = DictDesk()
    desk.listen(False, None)
    text = await page(desk)
    assert value(read(text)[1], "musterd_listening") == 0
    assert "# TYPE musterd_staleness_seconds gauge\n# HELP" in text


async def test_requests_are_counted_by_status() -> None:
    app = make_app(DictDesk())
    for target in ("/v1/groups", "/v1/groups", "/nowhere"):
        await ask(app, target)
    told = read((await ask(app, "/metrics")).body.decode())[1]
    assert value(told, "musterd_http_requests_total", code="200") == 2
    assert value(told, "musterd_http_requests_total", code="404") == 1


async def test_verdicts_and_marks_are_counted() -> None:
    desk = DictDesk()
    desk.put(Member("compute", "h1"), Member("compute", "h2"), Member("compute", "h3"))
    await desk.change_facts("compute", "h1", FactsChange(forced_down=True))
    await desk.change_facts("compute", "h2", FactsChange(disabled=True))
    told = await samples(desk)
    for name, label, counts in (
        ("members", "state", {"up": 2, "down": 1}),
        ("verdicts", "verdict", {"up": 2, "schedulable": 1, "down": 1}),
        ("members_marked", "mark", {"forced_down": 1, "disabled": 1, "conflict": 0}),
    ):
        for key, count in counts.items():
            assert value(told, f"musterd_{name}", **{"group": "compute", label: key}) == count


async def test_answers_are_measured_by_their_routes() -> None:
    app = make_app(DictDesk())
    for target in ("/v1/groups", "/v1/groups/nosuch", "/v1/groups/other", "/nowhere", "/elsewhere"):
        await ask(app, target)
    told = read((await ask(app, "/metrics")).body.decode())[1]
    name = "musterd_http_request_duration_seconds_count"
    assert value(told, name, method="GET", route="/v1/groups") == 1
    assert value(told, name, method="GET", route="/v1/groups/{group}") == 2
    assert value(told, name, method="", route="") == 2
    assert {method for key, labels in told if key == name for method, _ in [sorted(labels)]} == {
        ("method", "GET"),
        ("method", ""),
    }


async def test_what_followers_cost_is_counted() -> None:
    desk = DictDesk()
    desk.put(Member("compute", "h1"))
    app = make_app(desk)
    for target in ("/v1/events", "/v1/events?form=columns"):
        async with reading(app, target) as reader:
            for _ in range(2):  # in columns the status comes first
                await reader.event()
    told = read((await ask(app, "/metrics")).body.decode())[1]
    assert value(told, "musterd_event_snapshots_total") == 2
    assert value(told, "musterd_event_bytes_total") > 100


async def test_the_loop_is_late_for_whoever_holds_it_up() -> None:
    gauges = make_app(DictDesk()).gauges
    told = list[float]()

    def observe(seconds: float) -> None:
        gauges.loop.observe(seconds)
        told.append(seconds)
        if len(told) == 3:
            scope.cancel()

    with in_time(10), anyio.CancelScope() as scope:
        await measure_lag(observe, period=0.01)
    assert sum(gauges.loop.counts) == 3
    assert min(told) >= 0
