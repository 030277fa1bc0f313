"""Alert rules for Nova's services find what they look for, with the labels of openstack-exporter."""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openly
from prometheus_client.parser import text_string_to_metric_families

from musterd.errors import ConfigError
from musterd.model import FactsChange, Member, State
from musterd.settings.sources import load
from musterd_coordinator.http import make_app
from tests.http_calls import ask
from tests.http_desk import DictDesk

NAME = "openstack_nova_agent_state"
OPENMETRICS = {"accept": "application/openmetrics-text;version=1.0.0"}

Samples = dict[str, tuple[dict[str, str], float]]
"""Labels but ``id``, and values, by ``id``."""


async def page(desk: DictDesk, *groups: str, headers: dict[str, str] | None = None) -> str:
    reply = await ask(make_app(desk, agent_state_groups=groups), "/metrics", headers=headers)
    assert reply.status == 200
    return reply.body.decode()


async def samples(desk: DictDesk, *groups: str) -> Samples:
    families = text_string_to_metric_families(await page(desk, *groups))
    (family,) = [family for family in families if family.name == NAME]
    assert family.type == "gauge"
    return {
        labels.pop("id"): (labels, sample.value)
        for sample in family.samples
        for labels in [dict(sample.labels)]
    }


async def test_a_member_is_told_as_the_exporter_tells_a_service() -> None:
    desk = DictDesk()
    desk.put(Member("compute", "c1", "az1"))
    desk.put(Member("compute", "c2", "az2"), state=State.DOWN)
    desk.put(Member("scheduler", "s1"))
    desk.put(Member("host", "c1"))
    reason = 'disk "sda"\\ is gone'
    await desk.change_facts("compute", "c2", FactsChange(disabled=True, reason=reason))
    told = await samples(desk, "compute", "scheduler", "host", "nosuch")
    assert told == {
        "compute/c1": (
            {
                "hostname": "c1",
                "service": "nova-compute",
                "adminState": "enabled",
                "zone": "az1",
                "disabledReason": "",
            },
            1,
        ),
        "compute/c2": (
            {
                "hostname": "c2",
                "service": "nova-compute",
                "adminState": "disabled",
                "zone": "az2",
                "disabledReason": reason,
            },
            0,
        ),
        "scheduler/s1": (
            {
                "hostname": "s1",
                "service": "nova-scheduler",
                "adminState": "enabled",
                "zone": "",
                "disabledReason": "",
            },
            1,
        ),
        "host/c1": (
            {
                "hostname": "c1",
                "service": "host",
                "adminState": "enabled",
                "zone": "",
                "disabledReason": "",
            },
            1,
        ),
    }


async def test_a_service_that_is_watched_has_its_own_binary() -> None:
    desk = DictDesk()
    desk.put(Member("central", "d1", metadata={"binary": "designate-central"}))
    ((labels, _),) = (await samples(desk, "central")).values()
    assert labels["service"] == "designate-central"


async def test_it_is_up_as_whoever_asks_is_told_and_who_is_unknown_is_left_out() -> None:
    desk = DictDesk()
    for state in State:
        desk.put(Member("compute", state), state=state)
    desk.put(Member("compute", "forced"))
    await desk.change_facts("compute", "forced", FactsChange(forced_down=True))
    values = {
        name.partition("/")[2]: value
        for name, (_, value) in (await samples(desk, "compute")).items()
    }
    assert values == {"up": 1, "suspect": 1, "down": 0, "left": 0, "forced": 0}


async def test_nobody_is_told_where_nobody_asked_for_it() -> None:
    desk = DictDesk()
    desk.put(Member("compute", "c1"))
    assert NAME not in await page(desk)


async def test_the_family_is_one_for_readers_of_openmetrics_too() -> None:
    desk = DictDesk()
    desk.put(*[Member("compute", f"c{number}") for number in range(250)])
    desk.put(Member("conductor", "d1"))
    text = await page(desk, "compute", "conductor", headers=OPENMETRICS)
    assert text.count(f"# TYPE {NAME} gauge") == 1
    told = openly(text)  # type: ignore[no-untyped-call]  # the library's own reader
    (family,) = [family for family in told if family.name == NAME]
    assert len(family.samples) == 251


def test_groups_are_named_with_commas_between() -> None:
    named = load({"agent_state_groups": "compute, conductor"}, {}).settings
    assert named.agent_state_group_names == ["compute", "conductor"]
    assert load({}, {}).settings.agent_state_group_names == []
    with pytest.raises(ConfigError, match="names of groups with commas between"):
        load({"agent_state_groups": "compute,,x"}, {})
